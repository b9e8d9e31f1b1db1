//! Tokens that let somebody of the broker's in, in a client's place: ours, and the CRM's own.
//!
//! Here it is found out whether a token is genuine. Whether it is good (in time, for the first time,
//! for a client who may be visited) the client's stream decides, so that each refusal of a genuine
//! token is a fact.

use daybook_domain::{ClientId, GrantId, Timestamp};
use jsonwebtoken::Validation;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    signing::{Secrets, hs256},
    token::TokenError,
};
use crate::config::ImpersonationConfig;

const ISSUER: &str = "daybook";
const AUDIENCE: &str = "daybook-sso";
/// Whom a token of the CRM's is for, if it says so.
const CRM_AUDIENCE: &str = "daybook";
const TYPE: &str = "sso";
/// What stands for a reason where the CRM's token gives none.
const CRM_REASON: &str = "single sign-on from the CRM";
/// Longer ones are none of anybody's.
const TOKEN_MAX: usize = 4_096;

#[derive(Clone, Serialize, Deserialize)]
struct Claims {
    sub: Uuid,
    iss: String,
    aud: String,
    typ: String,
    jti: Uuid,
    /// Who comes.
    act: String,
    iat: i64,
    nbf: i64,
    exp: i64,
}

/// What the CRM says; whatever else stands there is its own business.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CrmClaims {
    client_email: String,
    impersonated_by: String,
    #[serde(default)]
    reason: Option<String>,
    iat: i64,
    exp: i64,
}

/// A permission on its way to a token, or read from one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Permission {
    pub(crate) client_id: ClientId,
    pub(crate) grant_id: GrantId,
    pub(crate) admin_id: String,
}

/// What a genuine token of the CRM's says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CrmToken {
    /// As the CRM writes the address.
    pub(crate) client_email: String,
    pub(crate) admin_id: String,
    pub(crate) reason: String,
    /// SHA-256 of what is signed, in hexadecimal.
    pub(crate) hash: String,
    pub(crate) issued_at: Timestamp,
    pub(crate) expires_at: Timestamp,
}

/// Makes our tokens, and reads both kinds.
pub(crate) struct SsoTokens {
    ours: Secrets,
    /// None: the CRM has none.
    crms: Option<Secrets>,
}

impl SsoTokens {
    pub(crate) fn new(config: &ImpersonationConfig) -> Self {
        let previous = config.sso_secret_previous.as_ref();
        let crm_previous = config.crm_sso_secret_previous.as_ref();
        let crms = config.crm_sso_secret.as_ref();
        Self {
            ours: Secrets::new(&config.sso_secret, previous),
            crms: crms.map(|secret| Secrets::new(secret, crm_previous)),
        }
    }

    pub(crate) fn issue(
        &self,
        permission: &Permission,
        issued_at: Timestamp,
        expires_at: Timestamp,
    ) -> String {
        self.ours.sign(&Claims {
            sub: permission.client_id.0,
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            typ: TYPE.to_owned(),
            jti: permission.grant_id.0,
            act: permission.admin_id.clone(),
            iat: issued_at.timestamp(),
            nbf: issued_at.timestamp(),
            exp: expires_at.timestamp(),
        })
    }

    /// What a genuine token of ours permits, or did once.
    pub(crate) fn verify(&self, token: &str) -> Result<Permission, TokenError> {
        let mut validation = timeless();
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        let claims: Claims = self.ours.open(sane(token)?, &validation)?;
        if claims.typ != TYPE {
            return Err(TokenError::Invalid);
        }
        Ok(Permission {
            client_id: ClientId(claims.sub),
            grant_id: GrantId(claims.jti),
            admin_id: claims.act,
        })
    }

    /// What a genuine token of the CRM's says.
    pub(crate) fn verify_crm(&self, token: &str) -> Result<CrmToken, TokenError> {
        let crms = self.crms.as_ref().ok_or(TokenError::Invalid)?;
        let mut validation = timeless();
        // It names nobody, or us.
        validation.set_audience(&[CRM_AUDIENCE]);
        validation.set_required_spec_claims(&["exp"]);
        let token = sane(token)?;
        let claims: CrmClaims = crms.open_foreign(token, &validation)?;
        let (signed, _signature) = token.rsplit_once('.').ok_or(TokenError::Invalid)?;
        let time = |seconds| Timestamp::from_timestamp(seconds, 0).ok_or(TokenError::Invalid);
        Ok(CrmToken {
            client_email: claims.client_email,
            admin_id: claims.impersonated_by,
            reason: claims.reason.unwrap_or_else(|| CRM_REASON.to_owned()),
            // The signature is no part of it: there may be more ways than one to write it.
            hash: hex::encode(Sha256::digest(signed.as_bytes())),
            issued_at: time(claims.iat)?,
            expires_at: time(claims.exp)?,
        })
    }
}

/// Whatever the token says of time.
fn timeless() -> Validation {
    let mut validation = hs256();
    validation.validate_exp = false;
    validation
}

fn sane(token: &str) -> Result<&str, TokenError> {
    if token.len() > TOKEN_MAX {
        return Err(TokenError::Invalid);
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
    use serde_json::{Value, json};

    use super::*;
    use crate::config::ApiConfig;

    const OURS: &str = "the secret of impersonation";
    const CRMS: &str = "the secret of the CRM";

    fn config() -> ImpersonationConfig {
        let mut config = ApiConfig::new(OURS.into()).impersonation;
        config.crm_sso_secret = Some(CRMS.into());
        config
    }

    fn permission() -> Permission {
        Permission {
            client_id: ClientId(Uuid::now_v7()),
            grant_id: GrantId(Uuid::now_v7()),
            admin_id: "ines".to_owned(),
        }
    }

    fn issued(tokens: &SsoTokens, permission: &Permission) -> String {
        let now = chrono::Utc::now();
        tokens.issue(permission, now, now + chrono::Duration::seconds(120))
    }

    fn signed(claims: &Value, secret: &str, algorithm: Algorithm) -> String {
        let key = EncodingKey::from_secret(secret.as_bytes());
        encode(&Header::new(algorithm), claims, &key).unwrap()
    }

    fn of_crm() -> Value {
        json!({ "clientEmail": "Ada@example.com", "impersonatedBy": "jane", "iat": 100, "exp": 200 })
    }

    #[test]
    fn a_token_of_ours_says_who_comes_to_whom() {
        let (tokens, permission) = (SsoTokens::new(&config()), permission());
        let token = issued(&tokens, &permission);
        assert_eq!(tokens.verify(&token), Ok(permission));
        assert_eq!(tokens.verify_crm(&token), Err(TokenError::Invalid));
    }

    #[test]
    fn a_token_of_the_crm_is_known_by_what_is_signed() {
        let tokens = SsoTokens::new(&config());
        let token = signed(&of_crm(), CRMS, Algorithm::HS256);
        let read = tokens.verify_crm(&token).unwrap();
        assert_eq!(
            (&*read.client_email, &*read.admin_id),
            ("Ada@example.com", "jane")
        );
        assert_eq!(
            (read.issued_at.timestamp(), read.expires_at.timestamp()),
            (100, 200)
        );
        assert_eq!(tokens.verify(&token), Err(TokenError::Invalid));
        let mut other = of_crm();
        other["jti"] = json!("another");
        other["aud"] = json!("daybook");
        let other = signed(&other, CRMS, Algorithm::HS256);
        assert_ne!(tokens.verify_crm(&other).unwrap().hash, read.hash);
    }

    #[test]
    fn a_rotation_believes_the_former_secret_of_either() {
        let permission = permission();
        let token = issued(&SsoTokens::new(&config()), &permission);
        let crm = signed(&of_crm(), CRMS, Algorithm::HS256);
        let mut during = config();
        during.sso_secret_previous = Some(std::mem::replace(&mut during.sso_secret, "new".into()));
        during.crm_sso_secret_previous = during.crm_sso_secret.replace("newer".into());
        let tokens = SsoTokens::new(&during);
        assert_eq!(tokens.verify(&token), Ok(permission));
        assert!(tokens.verify_crm(&crm).is_ok());
        during.sso_secret_previous = None;
        during.crm_sso_secret_previous = None;
        let tokens = SsoTokens::new(&during);
        assert!(tokens.verify(&token).is_err() && tokens.verify_crm(&crm).is_err());
    }

    #[test]
    fn what_is_not_genuine_is_nothing() {
        let tokens = SsoTokens::new(&config());
        let with = |name: &str, value: Value| {
            let mut claims = of_crm();
            claims[name] = value;
            claims
        };
        let good = signed(&of_crm(), CRMS, Algorithm::HS256);
        let payload = good.split('.').nth(1).unwrap();
        let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{payload}.");
        for forged in [
            signed(&of_crm(), "a guess", Algorithm::HS256),
            signed(&of_crm(), CRMS, Algorithm::HS384),
            signed(&of_crm(), CRMS, Algorithm::HS512),
            signed(&with("aud", json!("another site")), CRMS, Algorithm::HS256),
            signed(&with("clientEmail", Value::Null), CRMS, Algorithm::HS256),
            signed(&with("iat", Value::Null), CRMS, Algorithm::HS256),
            signed(&with("exp", json!("200")), CRMS, Algorithm::HS256),
            signed(&with("exp", json!(i64::MAX)), CRMS, Algorithm::HS256),
            signed(
                &with("x", json!("x".repeat(TOKEN_MAX))),
                CRMS,
                Algorithm::HS256,
            ),
            unsigned,
            good.replace('.', ""),
            String::new(),
        ] {
            assert_eq!(
                tokens.verify_crm(&forged),
                Err(TokenError::Invalid),
                "{forged}"
            );
            assert_eq!(tokens.verify(&forged), Err(TokenError::Invalid), "{forged}");
        }
    }

    #[test]
    fn even_with_one_secret_for_both_kinds_stay_apart() {
        let mut config = config();
        config.crm_sso_secret = Some(config.sso_secret.clone());
        let tokens = SsoTokens::new(&config);
        let ours = issued(&tokens, &permission());
        let crms = signed(&of_crm(), OURS, Algorithm::HS256);
        assert_eq!(tokens.verify_crm(&ours), Err(TokenError::Invalid));
        assert_eq!(tokens.verify(&crms), Err(TokenError::Invalid));
    }

    #[test]
    fn a_crm_without_a_secret_has_no_tokens() {
        let mut config = config();
        config.crm_sso_secret = None;
        let tokens = SsoTokens::new(&config);
        for secret in [CRMS, ""] {
            let token = signed(&of_crm(), secret, Algorithm::HS256);
            assert_eq!(tokens.verify_crm(&token), Err(TokenError::Invalid));
        }
    }
}
