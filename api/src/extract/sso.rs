//! Who may let somebody in, in a client's place.

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use daybook_engine::{IdempotencyRequest, Origin};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{command::Keyed, crm};
use crate::{
    app::{App, Shared},
    config::ImpersonationConfig,
    extract::Info,
    problem::Problem,
    request::RequestInfo,
};

/// Whoever may let somebody in; a standby takes no such command. **Permission:** whoever holds
/// `CRM_SERVICE_TOKEN` (as `Crm`) or `SSO_IMPERSONATION_SECRET`, or one of those before during a
/// rotation.
pub(crate) struct SsoIssuer {
    /// `crm:{operator}`, from `X-Crm-Actor`; else `crm`.
    pub(crate) actor: String,
    pub(crate) info: Arc<RequestInfo>,
    keyed: Keyed,
}

impl SsoIssuer {
    /// The operator as the CRM names them.
    pub(crate) fn operator(&self) -> &str {
        self.actor.strip_prefix("crm:").unwrap_or(&self.actor)
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

    /// The key of the answer.
    pub(crate) fn idempotency(&self, body: &[u8]) -> Option<IdempotencyRequest> {
        self.keyed.idempotency(&self.actor, "", body)
    }
}

impl FromRequestParts<Shared> for SsoIssuer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Problem> {
        let config = &app.handles.config;
        if !has_secret(&parts.headers, &config.impersonation) {
            crm::check(&parts.headers, config)?;
        }
        let Info(info) = Info::from_request_parts(parts, app).await?;
        let actor = crm::actor(&parts.headers)?;
        App::engine(app)?;
        let keyed = Keyed::of(parts)?;
        Ok(Self { actor, info, keyed })
    }
}

/// The secret itself. Whatever is signed with it, our own tokens first of all, is not the secret.
fn has_secret(headers: &HeaderMap, config: &ImpersonationConfig) -> bool {
    let value = headers.get(header::AUTHORIZATION);
    let text = value.and_then(|value| value.to_str().ok());
    let (scheme, given) = text
        .and_then(|text| text.split_once(' '))
        .unwrap_or_default();
    let secrets = std::iter::once(&config.sso_secret).chain(&config.sso_secret_previous);
    let given = given.trim();
    let known = secrets.fold(false, |known, secret| is_secret(given, secret) | known);
    scheme.eq_ignore_ascii_case("bearer") && known
}

fn is_secret(given: &str, secret: &SecretString) -> bool {
    let hash = |text: &str| Sha256::digest(text.as_bytes());
    hash(given).ct_eq(&hash(secret.expose_secret())).into()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;
    use crate::config::ApiConfig;

    #[test]
    fn the_secret_and_the_one_before_let_in_and_nothing_else() {
        let mut config = ApiConfig::new("the secret".into()).impersonation;
        config.sso_secret_previous = Some("the one before".into());
        let asked = |authorization: &str| {
            let mut headers = HeaderMap::new();
            let value = HeaderValue::from_str(authorization).unwrap();
            headers.insert(header::AUTHORIZATION, value);
            has_secret(&headers, &config)
        };
        assert!(asked("Bearer the secret") && asked("bearer the one before"));
        for wrong in ["", "Bearer", "Bearer ", "Basic the secret", "the secret"] {
            assert!(!asked(wrong), "{wrong}");
        }
        assert!(!has_secret(&HeaderMap::new(), &config));
    }
}
