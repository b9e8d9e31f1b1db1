//! What the API is configured with. Values arrive parsed; this crate reads no environment.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use daybook_domain::{Decimal, Rules};
use secrecy::SecretString;

pub use crate::{auth::breached::BreachedPasswords, perimeter::SCANNERS};

/// What `SESSION_MAX_AGE_SEC` is when nothing is said: 30 days.
pub const SESSION_MAX_AGE_S: u32 = 30 * 24 * 3600;

/// Everything the API needs to know besides its handles.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// `JWT_ACCESS_SECRET`: signs access tokens.
    pub access_secret: SecretString,
    /// `JWT_ACCESS_SECRET_PREVIOUS`: still verifies during a rotation.
    pub access_secret_previous: Option<SecretString>,
    /// `JWT_REFRESH_SECRET`: signs refresh tokens.
    pub refresh_secret: SecretString,
    /// `JWT_REFRESH_SECRET_PREVIOUS`: still verifies during a rotation.
    pub refresh_secret_previous: Option<SecretString>,
    /// How long a refresh token lives.
    pub refresh_ttl: Duration,
    /// `SESSION_MAX_AGE_SEC`: how long a session may go on, however much it is used; none: for ever.
    pub session_max_age: Option<Duration>,
    /// `BREACHED_PASSWORDS_FILE`: passwords that nobody may choose; none: no such list.
    pub breached_passwords: Option<BreachedPasswords>,
    /// Whether browsers send our cookies over TLS alone.
    pub secure_cookies: bool,
    /// `LIVE_REQUIRES_KYC`: live orders and funding need approved documents.
    pub live_requires_kyc: bool,
    /// `CRM_SERVICE_TOKEN`: the CRM's bearer token; none: nobody is the CRM.
    pub crm_token: Option<SecretString>,
    /// `CRM_SERVICE_TOKEN_PREVIOUS`: still valid during a rotation.
    pub crm_token_previous: Option<SecretString>,
    /// Who comes in a client's place, and what they may do there.
    pub impersonation: ImpersonationConfig,
    /// How long an access token lives.
    pub access_ttl: Duration,
    /// This node's address as leadership advertises it: a node that finds itself named as the
    /// leader while its engine is not up yet is starting, not standing by.
    pub advertise: String,
    /// Whether the public address is `https`: turns HSTS on.
    pub behind_tls: bool,
    /// `CORS_ORIGINS`: exact origins that browsers may call from.
    pub cors_origins: Vec<String>,
    /// `TRUSTED_PROXIES`: networks whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// Limits.
    pub limits: Limits,
    /// What stands before the routes.
    pub perimeter: PerimeterConfig,
    /// `DEMO_FUNDS`: demo money of a new client, in USD.
    pub demo_funds: Decimal,
    /// Leverage of a new client's accounts.
    pub leverage: u32,
    /// Accounts that a client may have.
    pub accounts_max: usize,
    /// `DAYBOOK_DATA_DIR`: where mails are kept; none: nowhere.
    pub data_dir: Option<PathBuf>,
    /// The house rules, for figures and for the age at which a quote counts as stale.
    pub rules: Rules,
}

/// Somebody of the broker's in a client's place.
#[derive(Clone, Debug)]
pub struct ImpersonationConfig {
    /// `SSO_IMPERSONATION_SECRET`: signs our tokens, and is the bearer token of whoever asks for one.
    pub sso_secret: SecretString,
    /// `SSO_IMPERSONATION_SECRET_PREVIOUS`: still good during a rotation.
    pub sso_secret_previous: Option<SecretString>,
    /// `CRM_SSO_SECRET`: verifies the CRM's own tokens; none: it has none.
    pub crm_sso_secret: Option<SecretString>,
    /// `CRM_SSO_SECRET_PREVIOUS`: still verifies during a rotation.
    pub crm_sso_secret_previous: Option<SecretString>,
    /// `IMPERSONATION_SESSION_SEC`: how long such a session lasts, however much it is used.
    pub session_ttl: Duration,
    /// `IMPERSONATION_CAN_WITHDRAW`: whether it may ask for withdrawals.
    pub can_withdraw: bool,
    /// `APP_URL`, without a slash at its end: where such a session leads.
    pub app_url: String,
    /// `API_URL`, without a slash at its end: where tokens are shown.
    pub api_url: String,
}

/// Rate limits; none switches one off.
#[derive(Clone, Debug)]
pub struct Limits {
    /// `RATE_LIMIT_WINDOW_MS`: the window of all but `orders_max`.
    pub window: Duration,
    /// `RATE_LIMIT_MAX`: requests per window and user, else address.
    pub requests_max: Option<u32>,
    /// `RATE_LIMIT_AUTH_MAX`: requests to `/auth/*` per window and address.
    pub auth_max: Option<u32>,
    /// `RATE_LIMIT_ORDERS_MAX`: trading commands per second and user.
    pub orders_max: Option<u32>,
    /// `RATE_LIMIT_CRM_MAX`: requests of the CRM per window and address.
    pub crm_max: Option<u32>,
    /// `RATE_LIMIT_STORE`: where these are counted.
    pub store: LimitStore,
    /// `LOGIN_BLOCK_AFTER`: failed sign-ins within `login_block` that block an account or address.
    pub login_block_after: Option<u32>,
    /// `LOGIN_BLOCK_SEC`: for how long, and within what time failures count.
    pub login_block: Duration,
    /// `LOGIN_DELAY_MS`: how long the answer to an account's second failure waits; doubled with
    /// each that follows. Zero: not at all.
    pub login_delay: Duration,
}

/// Where rate limits are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitStore {
    /// By each node for itself.
    Memory,
    /// In the book's database, for all nodes together.
    Postgres,
}

/// What stands before the routes.
#[derive(Clone, Debug)]
pub struct PerimeterConfig {
    /// `HONEYPOT_BLOCK` and `HONEYPOT_BLOCK_SEC`: for how long an address that probes for holes is
    /// blocked; none: not at all.
    pub honeypot_block: Option<Duration>,
    /// `BLOCKED_USER_AGENTS`: texts in `User-Agent` that are refused, in any case.
    pub blocked_user_agents: Vec<String>,
    /// The captchas' provider; none: no captcha is asked for.
    pub captcha: Option<CaptchaConfig>,
}

/// Who says whether a person asks.
#[derive(Clone, Debug)]
pub struct CaptchaConfig {
    /// `RECAPTCHA_SECRET`.
    pub secret: SecretString,
    /// `RECAPTCHA_URL`: where tokens are verified.
    pub url: String,
}

impl Default for PerimeterConfig {
    fn default() -> Self {
        let scanners = SCANNERS.iter().map(|name| (*name).to_owned());
        Self {
            honeypot_block: Some(Duration::from_secs(3600)),
            blocked_user_agents: scanners.collect(),
            captcha: None,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(60),
            requests_max: Some(100),
            auth_max: Some(10),
            orders_max: Some(10),
            crm_max: Some(100),
            store: LimitStore::Memory,
            login_block_after: Some(5),
            login_block: Duration::from_secs(900),
            login_delay: Duration::from_millis(250),
        }
    }
}

impl ApiConfig {
    /// The defaults of the contract around one secret, which signs refresh tokens too.
    #[must_use]
    pub fn new(access_secret: SecretString) -> Self {
        Self {
            refresh_secret: access_secret.clone(),
            refresh_secret_previous: None,
            refresh_ttl: Duration::from_secs(7 * 24 * 3600),
            session_max_age: Some(Duration::from_secs(SESSION_MAX_AGE_S.into())),
            breached_passwords: None,
            secure_cookies: true,
            live_requires_kyc: false,
            impersonation: ImpersonationConfig {
                sso_secret: access_secret.clone(),
                sso_secret_previous: None,
                crm_sso_secret: None,
                crm_sso_secret_previous: None,
                session_ttl: Duration::from_secs(3600),
                can_withdraw: false,
                app_url: String::new(),
                api_url: String::new(),
            },
            access_secret,
            access_secret_previous: None,
            crm_token: None,
            crm_token_previous: None,
            access_ttl: Duration::from_secs(900),
            advertise: String::new(),
            behind_tls: false,
            cors_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            limits: Limits::default(),
            perimeter: PerimeterConfig::default(),
            demo_funds: Decimal::from(10_000),
            leverage: 100,
            accounts_max: 10,
            data_dir: None,
            rules: Rules::default(),
        }
    }
}

/// A network in CIDR notation, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// The text is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a network is an IP address, optionally with /prefix")]
pub struct NetworkError;

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.trim().parse().map_err(|_| NetworkError)?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.trim().parse().map_err(|_| NetworkError)?,
            None => bits,
        };
        if prefix > bits {
            return Err(NetworkError);
        }
        Ok(Self { address, prefix })
    }
}

impl Network {
    /// Whether the address lies within. IPv4 written as IPv6 counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let shift = 32 - u32::from(self.prefix);
                let mask = u32::MAX.checked_shl(shift).unwrap_or(0);
                masked_v4(network, mask) == masked_v4(address, mask)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let shift = 128 - u32::from(self.prefix);
                let mask = u128::MAX.checked_shl(shift).unwrap_or(0);
                masked_v6(network, mask) == masked_v6(address, mask)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

fn masked_v4(address: Ipv4Addr, mask: u32) -> u32 {
    u32::from(address) & mask
}

fn masked_v6(address: Ipv6Addr, mask: u128) -> u128 {
    u128::from(address) & mask
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_holds_its_own_addresses_and_no_others() {
        let private = network("10.0.0.0/8");
        assert!(private.contains("10.200.3.4".parse().unwrap()));
        assert!(private.contains("::ffff:10.1.1.1".parse().unwrap()));
        assert!(!private.contains("11.0.0.1".parse().unwrap()));
        assert!(network("0.0.0.0/0").contains("203.0.113.9".parse().unwrap()));
        assert!(network("fd00::/8").contains("fd12::1".parse().unwrap()));
        assert!(!network("::1").contains("::2".parse().unwrap()));
    }

    #[test]
    fn nonsense_is_no_network() {
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0/8",
            "::/129",
            "host",
            "10.0.0.1/x",
        ] {
            assert_eq!(text.parse::<Network>(), Err(NetworkError), "{text}");
        }
    }
}
