//! Access and refresh tokens: JWT, HS256. The key's id is in the header, so that a rotation keeps
//! the former secret's tokens valid until they expire.
//!
//! Every kind of token has an audience and a secret of its own kind: none passes for another.

use std::time::Duration;

use daybook_domain::{ClientId, SessionId, StaffId, StaffRole, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::signing::{Secrets, hs256};
use crate::{
    config::ApiConfig,
    problem::{Code, Problem},
};

const ISSUER: &str = "daybook";
/// Clocks of nodes may differ by this much.
const LEEWAY_S: u64 = 5;

/// Whom a session belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    Client,
    Staff,
}

impl Audience {
    /// As sessions keep it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Staff => "staff",
        }
    }

    const fn access(self) -> &'static str {
        match self {
            Self::Client => "daybook-api",
            Self::Staff => "daybook-staff",
        }
    }

    const fn refresh(self) -> &'static str {
        match self {
            Self::Client => "daybook-refresh",
            Self::Staff => "daybook-staff-refresh",
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Claims {
    sub: Uuid,
    iss: String,
    aud: String,
    /// `access` or `refresh`; a token for another purpose is none for this one.
    typ: String,
    jti: Uuid,
    sid: Uuid,
    iat: i64,
    nbf: i64,
    exp: i64,
    /// Somebody of the broker's, who acts in the client's place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    act: Option<String>,
    /// What a member of staff may do: another role ends the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role: Option<StaffRole>,
}

/// Who a token names, in which session, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) client_id: ClientId,
    pub(crate) session_id: SessionId,
    pub(crate) expires_at: i64,
    /// Who acts in the client's place.
    pub(crate) impersonated_by: Option<String>,
}

/// Which member of staff a token names, in which session, and what they may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StaffIdentity {
    pub(crate) staff_id: StaffId,
    pub(crate) session_id: SessionId,
    pub(crate) role: StaffRole,
}

/// What a refresh token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refresh {
    pub(crate) subject: Uuid,
    pub(crate) session_id: SessionId,
    pub(crate) token_id: Uuid,
    pub(crate) issued_at: Timestamp,
    pub(crate) expires_at: Timestamp,
}

/// Whose token, of which session.
#[derive(Clone, Debug)]
pub(crate) struct Bearer {
    pub(crate) subject: Uuid,
    pub(crate) session_id: SessionId,
    pub(crate) audience: Audience,
    pub(crate) impersonated_by: Option<String>,
    /// Of staff.
    pub(crate) role: Option<StaffRole>,
}

/// Issues and checks tokens.
pub(crate) struct Tokens {
    access: Secrets,
    refresh: Secrets,
    access_ttl: Duration,
    refresh_ttl: Duration,
}

/// What the token says is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenError {
    Invalid,
    Expired,
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Invalid => Self::new(Code::Unauthenticated),
            TokenError::Expired => Self::new(Code::TokenExpired),
        }
    }
}

/// Opens a token of ours for one purpose.
fn verified(
    secrets: &Secrets,
    token: &str,
    audience: &str,
    typ: &str,
) -> Result<Claims, TokenError> {
    let mut validation = hs256();
    validation.leeway = LEEWAY_S;
    validation.validate_nbf = true;
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[audience]);
    validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
    let claims: Claims = secrets.open(token, &validation)?;
    if claims.typ == typ {
        Ok(claims)
    } else {
        Err(TokenError::Invalid)
    }
}

impl Tokens {
    pub(crate) fn new(config: &ApiConfig) -> Self {
        let (access, refresh) = (&config.access_secret, &config.refresh_secret);
        Self {
            access: Secrets::new(access, config.access_secret_previous.as_ref()),
            refresh: Secrets::new(refresh, config.refresh_secret_previous.as_ref()),
            access_ttl: config.access_ttl,
            refresh_ttl: config.refresh_ttl,
        }
    }

    /// Seconds that an access token lives which is issued now, of a session that ends then.
    pub(crate) fn lifetime_s(&self, now: Timestamp, until: Timestamp) -> u64 {
        let left = u64::try_from((until - now).num_seconds()).unwrap_or(0);
        self.access_ttl.as_secs().min(left)
    }

    /// How long a refresh token lives.
    pub(crate) const fn refresh_ttl(&self) -> Duration {
        self.refresh_ttl
    }

    /// `until`: when its session ends at the latest.
    pub(crate) fn issue_access(&self, bearer: &Bearer, now: Timestamp, until: Timestamp) -> String {
        let lifetime_s = i64::try_from(self.lifetime_s(now, until)).unwrap_or(i64::MAX);
        self.access.sign(&Claims {
            sub: bearer.subject,
            iss: ISSUER.to_owned(),
            aud: bearer.audience.access().to_owned(),
            typ: "access".to_owned(),
            jti: Uuid::now_v7(),
            sid: bearer.session_id.0,
            iat: now.timestamp(),
            nbf: now.timestamp(),
            exp: now.timestamp().saturating_add(lifetime_s),
            act: bearer.impersonated_by.clone(),
            role: bearer.role,
        })
    }

    /// The same token for the same arguments: what was answered once can be answered again.
    pub(crate) fn issue_refresh(&self, refresh: &Refresh, audience: Audience) -> String {
        self.refresh.sign(&Claims {
            sub: refresh.subject,
            iss: ISSUER.to_owned(),
            aud: audience.refresh().to_owned(),
            typ: "refresh".to_owned(),
            jti: refresh.token_id,
            sid: refresh.session_id.0,
            iat: refresh.issued_at.timestamp(),
            nbf: refresh.issued_at.timestamp(),
            exp: refresh.expires_at.timestamp(),
            act: None,
            role: None,
        })
    }

    /// A client's access token.
    pub(crate) fn verify(&self, token: &str) -> Result<Identity, TokenError> {
        let audience = Audience::Client.access();
        let claims = verified(&self.access, token, audience, "access")?;
        Ok(Identity {
            client_id: ClientId(claims.sub),
            session_id: SessionId(claims.sid),
            expires_at: claims.exp,
            impersonated_by: claims.act,
        })
    }

    /// The access token of a member of staff.
    pub(crate) fn verify_staff(&self, token: &str) -> Result<StaffIdentity, TokenError> {
        let audience = Audience::Staff.access();
        let claims = verified(&self.access, token, audience, "access")?;
        Ok(StaffIdentity {
            staff_id: StaffId(claims.sub),
            session_id: SessionId(claims.sid),
            role: claims.role.ok_or(TokenError::Invalid)?,
        })
    }

    pub(crate) fn verify_refresh(
        &self,
        token: &str,
        audience: Audience,
    ) -> Result<Refresh, TokenError> {
        let claims = verified(&self.refresh, token, audience.refresh(), "refresh")?;
        let time = |seconds| Timestamp::from_timestamp(seconds, 0).ok_or(TokenError::Invalid);
        Ok(Refresh {
            subject: claims.sub,
            session_id: SessionId(claims.sid),
            token_id: claims.jti,
            issued_at: time(claims.iat)?,
            expires_at: time(claims.exp)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(secret: &str, previous: Option<&str>) -> Tokens {
        let mut config = ApiConfig::new(secret.into());
        config.access_secret_previous = previous.map(Into::into);
        config.refresh_secret = format!("{secret}, refreshing").into();
        Tokens::new(&config)
    }

    fn now() -> Timestamp {
        chrono::Utc::now()
    }

    fn bearer(audience: Audience) -> Bearer {
        Bearer {
            subject: Uuid::now_v7(),
            session_id: SessionId(Uuid::now_v7()),
            audience,
            impersonated_by: None,
            role: (audience == Audience::Staff).then_some(StaffRole::Compliance),
        }
    }

    fn far() -> Timestamp {
        now() + chrono::Duration::days(7)
    }

    fn refresh() -> Refresh {
        Refresh {
            subject: Uuid::now_v7(),
            session_id: SessionId(Uuid::now_v7()),
            token_id: Uuid::now_v7(),
            issued_at: Timestamp::from_timestamp(now().timestamp(), 0).unwrap(),
            expires_at: Timestamp::from_timestamp(now().timestamp() + 60, 0).unwrap(),
        }
    }

    #[test]
    fn a_token_names_its_client_and_session_until_it_expires() {
        let tokens = tokens("secret-one", None);
        let bearer = bearer(Audience::Client);
        let identity = tokens
            .verify(&tokens.issue_access(&bearer, now(), far()))
            .unwrap();
        assert_eq!(identity.client_id.0, bearer.subject);
        assert_eq!(identity.session_id, bearer.session_id);
        assert!((890..=900).contains(&(identity.expires_at - now().timestamp())));
        let old = tokens.issue_access(&bearer, now() - chrono::Duration::minutes(20), far());
        assert_eq!(tokens.verify(&old), Err(TokenError::Expired));
    }

    #[test]
    fn no_access_outlives_its_session() {
        let tokens = tokens("secret-one", None);
        let end = now() + chrono::Duration::seconds(30);
        assert_eq!(tokens.lifetime_s(now(), far()), 900);
        assert!((29..=30).contains(&tokens.lifetime_s(now(), end)));
        assert_eq!(tokens.lifetime_s(end, now()), 0);
        let bearer = bearer(Audience::Client);
        let token = tokens.issue_access(&bearer, now(), end);
        assert!(tokens.verify(&token).unwrap().expires_at <= end.timestamp());
    }

    #[test]
    fn a_token_of_the_future_is_none_yet() {
        let tokens = tokens("secret-one", None);
        let later = now() + chrono::Duration::minutes(2);
        let token = tokens.issue_access(&bearer(Audience::Client), later, far());
        assert_eq!(tokens.verify(&token), Err(TokenError::Invalid));
    }

    #[test]
    fn a_rotation_keeps_tokens_of_the_former_secret() {
        let before = tokens("secret-one", None);
        let token = before.issue_access(&bearer(Audience::Client), now(), far());
        let during = tokens("secret-two", Some("secret-one"));
        assert!(during.verify(&token).is_ok());
        let after = tokens("secret-two", None);
        assert_eq!(after.verify(&token), Err(TokenError::Invalid));
    }

    #[test]
    fn a_forged_token_is_refused() {
        let tokens = tokens("secret-one", None);
        let token = tokens.issue_access(&bearer(Audience::Client), now(), far());
        let mut tampered = token.clone().into_bytes();
        let last = tampered.len() - 4;
        tampered[last] = if tampered[last] == b'A' { b'B' } else { b'A' };
        let tampered = String::from_utf8(tampered).unwrap();
        let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", token.split('.').nth(1).unwrap());
        for forged in [
            tampered.as_str(),
            unsigned.as_str(),
            "",
            "a.b.c",
            &token[1..],
        ] {
            assert_eq!(tokens.verify(forged), Err(TokenError::Invalid), "{forged}");
        }
    }

    #[test]
    fn no_kind_of_token_passes_for_another() {
        let tokens = tokens("secret-one", None);
        let client = tokens.issue_access(&bearer(Audience::Client), now(), far());
        let staff = tokens.issue_access(&bearer(Audience::Staff), now(), far());
        let refreshing = tokens.issue_refresh(&refresh(), Audience::Client);
        assert!(tokens.verify_staff(&client).is_err());
        assert!(tokens.verify(&staff).is_err());
        let role = tokens.verify_staff(&staff).map(|identity| identity.role);
        assert_eq!(role, Ok(StaffRole::Compliance));
        assert!(tokens.verify(&refreshing).is_err());
        let as_refresh = |token: &str| tokens.verify_refresh(token, Audience::Client);
        assert!(as_refresh(&client).is_err());
        assert!(tokens.verify_refresh(&refreshing, Audience::Staff).is_err());
        assert!(as_refresh(&refreshing).is_ok());
    }

    #[test]
    fn even_with_one_secret_for_all_kinds_stay_apart() {
        let mut config = ApiConfig::new("the-same-secret".into());
        config.refresh_secret = config.access_secret.clone();
        let tokens = Tokens::new(&config);
        let refreshing = tokens.issue_refresh(&refresh(), Audience::Client);
        assert_eq!(tokens.verify(&refreshing), Err(TokenError::Invalid));
    }

    #[test]
    fn a_refresh_token_is_the_same_whenever_it_is_made() {
        let tokens = tokens("secret-one", None);
        let refresh = refresh();
        let first = tokens.issue_refresh(&refresh, Audience::Client);
        assert_eq!(first, tokens.issue_refresh(&refresh, Audience::Client));
        let read = tokens.verify_refresh(&first, Audience::Client);
        assert_eq!(read, Ok(refresh));
    }
}
