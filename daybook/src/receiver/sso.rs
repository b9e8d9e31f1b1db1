//! Tokens with which an operator of the CRM goes to the site in a client's place.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::Utc;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::Sha256;
use uuid::Uuid;

use super::{Agreed, http::Request};

/// How long a token is good.
const LIFE_S: i64 = 300;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wanted {
    client_email: String,
    impersonated_by: String,
}

/// `POST /control/sso`.
pub(super) fn control(agreed: &Agreed, request: &Request) -> (u16, Value) {
    if request.method != "POST" {
        return (405, json!({ "error": "POST makes a token" }));
    }
    let Some(secret) = &agreed.sso else {
        return (409, json!({ "error": "no CRM_SSO_SECRET was given" }));
    };
    match serde_json::from_str(&request.body) {
        Ok(wanted) => {
            let token = mint(&wanted, secret);
            let url = format!("{}/sso/impersonate?token={token}", agreed.site);
            (200, json!({ "token": token, "url": url }))
        }
        Err(error) => (400, json!({ "error": error.to_string() })),
    }
}

/// A JWT, HS256.
fn mint(wanted: &Wanted, secret: &SecretString) -> String {
    let now = Utc::now().timestamp();
    let claims = json!({
        "clientEmail": wanted.client_email,
        "impersonatedBy": wanted.impersonated_by,
        "iat": now,
        "exp": now + LIFE_S,
        "jti": Uuid::now_v7(),
    });
    let header = json!({ "alg": "HS256", "typ": "JWT" });
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let signed = format!("{}.{}", part(&header), part(&claims));
    let key = secret.expose_secret().as_bytes();
    let mac = Hmac::<Sha256>::new_from_slice(key);
    let mut mac = mac.expect("invariant: keys of any length are taken");
    mac.update(signed.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    format!("{signed}.{signature}")
}
