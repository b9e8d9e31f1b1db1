//! Configuration: the environment, read once. Every error is reported together, by name.

mod parse;
mod reader;
mod secrets;
mod shown;
mod variables;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use chrono::TimeDelta;
use daybook_api::{BreachedPasswords, Limits, Network, PerimeterConfig, SocketsConfig};
use daybook_documents::DocumentsConfig;
use daybook_domain::{Decimal, Rules, Symbol, endpoint::Vocabulary};
use daybook_engine::EngineConfig;
use daybook_mail::{Sender, SmtpUrl};
use daybook_relay::{FilterConfig, Interval};
use daybook_store::MasterKey;
use secrecy::SecretString;
use sqlx::postgres::PgConnectOptions;

pub use reader::ConfigErrors;
pub use shown::shown;

/// Everything that is configured, typed and checked.
#[derive(Debug)]
pub struct Config {
    /// Address of the HTTP and WebSocket server.
    pub listen: SocketAddr,
    /// Prometheus.
    pub metrics: MetricsListen,
    /// This node's address for the others to show.
    pub advertise: String,
    /// Embedded database, documents, mails, generated secrets.
    pub data_dir: PathBuf,
    /// Where clients' documents rest.
    pub documents: DocumentsConfig,
    /// The database.
    pub database: DatabaseConfig,
    /// Market data.
    pub market: MarketConfig,
    /// The engine, the house rules included.
    pub engine: EngineConfig,
    /// Public addresses, limits, funds.
    pub api: ApiSettings,
    /// Mail.
    pub mail: MailSettings,
    /// Secrets in use.
    pub secrets: Secrets,
    /// The CRM.
    pub crm: CrmSettings,
    /// Variables that look like ours and are none.
    pub mistyped: Vec<String>,
}

/// Where Prometheus is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricsListen {
    /// Nowhere.
    Off,
    /// At the default address, if nobody else is there.
    Default(SocketAddr),
    /// There, or not at all.
    Given(SocketAddr),
}

/// The database.
#[derive(Debug)]
pub struct DatabaseConfig {
    /// External Postgres; none: the embedded one.
    pub url: Option<PgConnectOptions>,
    /// Connections of the reading pool.
    pub connections_max: u32,
}

/// Market data.
#[derive(Debug)]
pub struct MarketConfig {
    /// Key of the provider; none: the simulator.
    pub api_key: Option<SecretString>,
    /// The provider's WebSocket.
    pub ws_url: String,
    /// The provider's REST API.
    pub rest_url: String,
    /// Who sells quotes, the preferred one first.
    pub providers: Vec<ProviderKind>,
    /// Symbols with an order of their own.
    pub routes: BTreeMap<Symbol, Vec<ProviderKind>>,
    /// A provider that has not delivered for so long is replaced by the next one.
    pub failover: Duration,
    /// The second provider's addresses; none: the built-in simulator's.
    pub book_ticker: Option<BookTickerSettings>,
    /// A symbol that nobody has wanted for so long is unsubscribed; none: never.
    pub unwatched: Option<Duration>,
    /// Most credits of the provider to use in a minute; none: what it says itself.
    pub credits_per_minute: Option<u32>,
    /// Most symbols to subscribe to at one time.
    pub symbols_max: Option<usize>,
    /// Symbols on one upstream WebSocket.
    pub symbols_per_connection: Option<usize>,
    /// How long fetched candles below an hour are served.
    pub history_ttl_minutes: Duration,
    /// How long fetched candles of an hour and more are served.
    pub history_ttl_hours: Duration,
    /// How long candles stay in the database, for each interval; not named: for ever.
    pub candles_kept: BTreeMap<Interval, TimeDelta>,
    /// The feed filter.
    pub filter: FilterConfig,
    /// The simulator.
    pub simulator: SimulatorSettings,
}

/// Who sells quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderKind {
    /// Twelve Data, or the simulator of it.
    TwelveData,
    /// An exchange's public book ticker.
    BookTicker,
}

impl ProviderKind {
    /// Reads `twelve_data` or `book_ticker`.
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "twelve_data" => Ok(Self::TwelveData),
            "book_ticker" => Ok(Self::BookTicker),
            other => Err(format!("{other}: a provider is twelve_data or book_ticker")),
        }
    }

    /// `twelve_data` or `book_ticker`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TwelveData => "twelve_data",
            Self::BookTicker => "book_ticker",
        }
    }
}

/// The book ticker.
#[derive(Debug)]
pub struct BookTickerSettings {
    /// Its WebSocket.
    pub ws_url: String,
    /// Its REST API.
    pub rest_url: String,
}

/// The built-in simulator.
#[derive(Debug)]
pub struct SimulatorSettings {
    /// Recorded ticks to replay; none: generated prices alone.
    pub ticks: Vec<PathBuf>,
    /// Speed of the replay.
    pub speed: Decimal,
    /// Seed of the generated prices.
    pub seed: u64,
    /// Whether the replay begins again.
    pub looping: bool,
    /// Longest gap of the replay.
    pub max_gap_ms: u64,
}

/// What the API needs besides secrets.
#[derive(Debug)]
pub struct ApiSettings {
    /// Whether the public address is `https`.
    pub behind_tls: bool,
    /// Whether browsers send our cookies over TLS alone.
    pub secure_cookies: bool,
    /// How long a session may go on; none: for ever.
    pub session_max_age: Option<Duration>,
    /// Passwords that nobody may choose.
    pub breached_passwords: Option<BreachedPasswords>,
    /// Whether live orders and funding need approved documents.
    pub live_requires_kyc: bool,
    /// Origins that browsers may call from.
    pub cors_origins: Vec<String>,
    /// Networks whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// Rate limits.
    pub limits: Limits,
    /// What stands before the routes.
    pub perimeter: PerimeterConfig,
    /// How sockets are served.
    pub sockets: SocketsConfig,
    /// Demo money of a new client.
    pub demo_funds: Decimal,
    /// Leverage of a new client's accounts.
    pub leverage: u32,
    /// Accounts that a client may have.
    pub accounts_max: usize,
    /// Public address of the API.
    pub url: String,
    /// How long a session in a client's place lasts.
    pub impersonation_session: Duration,
    /// Whether it may ask for withdrawals.
    pub impersonation_can_withdraw: bool,
}

/// Mail.
#[derive(Debug)]
pub struct MailSettings {
    /// The mail server; none: mails are kept in the data directory.
    pub smtp: Option<SmtpUrl>,
    /// Who mails are from.
    pub from: Sender,
    /// Public address of the site, for links.
    pub app_url: String,
}

/// Where the CRM takes webhooks, under which names, and its own service API.
#[derive(Debug)]
pub struct CrmSettings {
    /// Address of its webhooks; none: they wait in the outbox.
    pub url: Option<String>,
    /// Names.
    pub vocabulary: Vocabulary,
    /// Address of its service API, without the path; none: it is not called.
    pub service_api: Option<String>,
    /// Our bearer token there; none: the one that it shows us.
    pub api_token: Option<SecretString>,
    /// Whether webhooks and calls may go to private networks.
    pub allow_private: bool,
}

/// The secrets in use.
pub struct Secrets {
    /// Signs access tokens.
    pub access: SecretString,
    /// Still verifies during a rotation.
    pub access_previous: Option<SecretString>,
    /// Signs refresh tokens.
    pub refresh: SecretString,
    /// Still verifies during a rotation.
    pub refresh_previous: Option<SecretString>,
    /// Wraps data keys.
    pub master_key: MasterKey,
    /// Signs tokens that let somebody in, in a client's place.
    pub sso: SecretString,
    /// Still verifies during a rotation.
    pub sso_previous: Option<SecretString>,
    /// Verifies the CRM's own ones.
    pub crm_sso: SecretString,
    /// Still verifies during a rotation.
    pub crm_sso_previous: Option<SecretString>,
    /// The CRM's bearer token.
    pub crm_token: SecretString,
    /// Still valid during a rotation.
    pub crm_token_previous: Option<SecretString>,
    /// Signs webhooks.
    pub webhooks: SecretString,
    /// Signs too during a rotation.
    pub webhooks_previous: Option<SecretString>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(…)")
    }
}

/// How to log: read apart, so that it works before the configuration does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// Filter; none: the command's own default.
    pub filter: Option<String>,
    /// Lines of JSON instead of text.
    pub json: bool,
}

impl Config {
    /// Reads the environment; generates missing secrets where that is allowed.
    ///
    /// # Errors
    /// Everything that is missing or malformed, by name.
    pub fn from_env() -> Result<Self, ConfigErrors> {
        parse::config(std::env::vars().collect())
    }

    /// House rules.
    #[must_use]
    pub const fn rules(&self) -> &Rules {
        &self.engine.rules
    }

    /// Whether prices are simulated.
    #[must_use]
    pub const fn simulated(&self) -> bool {
        self.market.api_key.is_none()
    }
}

impl LogConfig {
    /// Reads the environment; what is malformed counts as unset here and is reported by
    /// [`Config::from_env`].
    #[must_use]
    pub fn from_env() -> Self {
        parse::log(std::env::vars().collect())
    }
}
