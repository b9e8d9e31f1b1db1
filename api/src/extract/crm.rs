//! The broker's CRM, by its service token.

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use daybook_engine::{IdempotencyRequest, Origin};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::command::Keyed;
use crate::{
    app::{App, Shared},
    config::ApiConfig,
    extract::Info,
    problem::{Answered, Code, Problem},
    request::RequestInfo,
};

const ACTOR_MAX: usize = 64;
/// Clocks may differ by this much, in seconds.
const LEEWAY_S: u64 = 30;

/// The CRM, with the operator who acts there. **Permission:** whoever holds `CRM_SERVICE_TOKEN`, or
/// the one before during a rotation: the token itself, or a JWT signed with it (HS256, `exp`
/// required).
#[derive(Clone, Debug)]
pub(crate) struct Crm {
    /// `crm:{operator}`, from `X-Crm-Actor`.
    pub(crate) actor: String,
    info: Arc<RequestInfo>,
}

impl Crm {
    /// The request's identifier.
    pub(crate) fn request_id(&self) -> Arc<str> {
        Arc::clone(&self.info.id)
    }

    /// Who, why and from where. The CRM's address is no client's, and personal to nobody.
    pub(crate) fn origin(&self, reason: &str) -> Origin {
        Origin {
            actor: self.actor.clone(),
            on_behalf_of: None,
            reason: reason.to_owned(),
            correlation_id: self.info.id.to_string(),
            ip: None,
            user_agent: None,
        }
    }
}

impl FromRequestParts<Shared> for Crm {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Problem> {
        check(&parts.headers, &app.handles.config)?;
        let Info(info) = Info::from_request_parts(parts, app).await?;
        let actor = actor(&parts.headers)?;
        Ok(Self { actor, info })
    }
}

/// The CRM, asking for a change: a standby takes none. **Permission:** as [`Crm`].
#[derive(Clone, Debug)]
pub(crate) struct CrmCommand(pub(crate) Crm);

impl FromRequestParts<Shared> for CrmCommand {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Problem> {
        let crm = Crm::from_request_parts(parts, app).await?;
        App::engine(app)?;
        Ok(Self(crm))
    }
}

/// The same with the key of its answer. **Permission:** as [`Crm`].
pub(crate) struct CrmChange {
    pub(crate) crm: Crm,
    keyed: Keyed,
}

impl CrmChange {
    /// The key of the answer. There is one CRM, whoever acts in it.
    pub(crate) fn idempotency(&self, body: &[u8]) -> Option<IdempotencyRequest> {
        self.keyed.idempotency(&"crm", "", body)
    }
}

impl FromRequestParts<Shared> for CrmChange {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Problem> {
        let CrmCommand(crm) = CrmCommand::from_request_parts(parts, app).await?;
        let keyed = Keyed::of(parts)?;
        Ok(Self { crm, keyed })
    }
}

pub(super) fn check(headers: &HeaderMap, config: &ApiConfig) -> Answered<()> {
    let value = headers.get(header::AUTHORIZATION);
    let text = value.and_then(|value| value.to_str().ok());
    let (scheme, given) = text
        .and_then(|text| text.split_once(' '))
        .unwrap_or_default();
    let secrets = config.crm_token.iter().chain(&config.crm_token_previous);
    let given = given.trim();
    // Every secret is looked at, so that the time tells nothing of which one was nearly right.
    let known = secrets.fold(false, |known, secret| is_token(given, secret) | known);
    if scheme.eq_ignore_ascii_case("bearer") && known {
        Ok(())
    } else {
        Err(Problem::new(Code::Unauthenticated))
    }
}

fn is_token(given: &str, secret: &SecretString) -> bool {
    let hash = |text: &str| Sha256::digest(text.as_bytes());
    let same = hash(given).ct_eq(&hash(secret.expose_secret()));
    bool::from(same) | is_signed(given, secret)
}

fn is_signed(given: &str, secret: &SecretString) -> bool {
    /// Whatever else it says is the CRM's own business.
    #[derive(Deserialize)]
    struct Claims {}
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_required_spec_claims(&["exp"]);
    validation.validate_aud = false;
    validation.leeway = LEEWAY_S;
    let key = DecodingKey::from_secret(secret.expose_secret().as_bytes());
    decode::<Claims>(given, &key, &validation).is_ok()
}

/// The operator in the CRM, as the book names them.
pub(super) fn actor(headers: &HeaderMap) -> Answered<String> {
    let Some(value) = headers.get("x-crm-actor") else {
        return Ok("crm".to_owned());
    };
    let text = value.to_str().unwrap_or_default().trim();
    let sane = text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if sane && (1..=ACTOR_MAX).contains(&text.len()) {
        Ok(format!("crm:{text}"))
    } else {
        let message = "must have 1 to 64 visible ASCII characters";
        Err(Problem::field(Code::InvalidValue, "X-Crm-Actor", message))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::json;

    use super::*;

    const TOKEN: &str = "the token of the CRM";
    const PREVIOUS: &str = "the one before";

    fn config() -> ApiConfig {
        ApiConfig {
            crm_token: Some(TOKEN.to_owned().into()),
            crm_token_previous: Some(PREVIOUS.to_owned().into()),
            ..ApiConfig::new("secret".to_owned().into())
        }
    }

    fn asked(authorization: &str) -> bool {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_str(authorization).unwrap();
        headers.insert(header::AUTHORIZATION, value);
        check(&headers, &config()).is_ok()
    }

    fn signed(claims: &serde_json::Value, secret: &str, algorithm: Algorithm) -> String {
        let key = EncodingKey::from_secret(secret.as_bytes());
        let token = encode(&Header::new(algorithm), claims, &key).unwrap();
        format!("Bearer {token}")
    }

    fn soon() -> i64 {
        chrono::Utc::now().timestamp() + 60
    }

    #[test]
    fn the_token_and_the_one_before_are_the_crms() {
        for secret in [TOKEN, PREVIOUS] {
            assert!(asked(&format!("Bearer {secret}")), "{secret}");
            let claims = json!({ "exp": soon(), "sub": "crm", "aud": "anybody" });
            assert!(asked(&signed(&claims, secret, Algorithm::HS256)));
        }
        assert!(asked(&format!("bearer {TOKEN}")));
    }

    #[test]
    fn nobody_else_is() {
        for authorization in ["", "Bearer", "Bearer ", "Bearer x", TOKEN, "Basic eDp5"] {
            assert!(!asked(authorization), "{authorization}");
        }
        for (claims, secret, algorithm) in [
            (json!({}), TOKEN, Algorithm::HS256),
            (json!({ "exp": soon() - 600 }), TOKEN, Algorithm::HS256),
            (json!({ "exp": soon() }), "another", Algorithm::HS256),
            (json!({ "exp": soon() }), TOKEN, Algorithm::HS512),
        ] {
            assert!(!asked(&signed(&claims, secret, algorithm)), "{claims}");
        }
        let nobody = ApiConfig::new("secret".to_owned().into());
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer x"));
        assert!(check(&headers, &nobody).is_err());
    }

    #[test]
    fn the_operator_is_named_where_there_is_one() {
        let named = |name: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-crm-actor", HeaderValue::from_static(name));
            actor(&headers).ok()
        };
        assert_eq!(actor(&HeaderMap::new()).unwrap(), "crm");
        assert_eq!(named("jane@broker").as_deref(), Some("crm:jane@broker"));
        assert_eq!(named(""), None);
        assert_eq!(named("\tx\ty"), None);
    }
}
