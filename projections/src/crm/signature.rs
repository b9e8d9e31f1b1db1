//! Signatures of deliveries: hexadecimal over the body, and Standard Webhooks over identifier, time
//! and body. During a rotation both secrets sign.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use uuid::Uuid;

const WHSEC: &str = "whsec_";
/// How far a receiver's clock may be from ours, as Standard Webhooks has it.
const TOLERANCE_S: i64 = 300;

/// Signs with one secret, or with two during a rotation.
#[derive(Clone, Debug)]
pub struct Signer {
    current: SecretString,
    previous: Option<SecretString>,
}

/// Why a delivery is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// A header is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// No signature in the header is made with the secret.
    #[error("{0} does not match")]
    Mismatch(&'static str),
    /// The time is too far from now.
    #[error("webhook-timestamp is not within five minutes of now")]
    Stale,
}

impl Signer {
    /// With the secret in use and, during a rotation, the one before.
    #[must_use]
    pub const fn new(current: SecretString, previous: Option<SecretString>) -> Self {
        Self { current, previous }
    }

    /// The headers that sign `body`, sent at `timestamp` in UNIX seconds.
    #[must_use]
    pub fn headers(&self, id: Uuid, timestamp: i64, body: &str) -> Vec<(&'static str, String)> {
        let secrets = std::iter::once(&self.current).chain(&self.previous);
        let standard: Vec<String> = secrets
            .map(|secret| standard(secret, &id.to_string(), timestamp, body))
            .collect();
        let mut headers = vec![
            ("webhook-id", id.to_string()),
            ("webhook-timestamp", timestamp.to_string()),
            ("webhook-signature", standard.join(" ")),
            ("x-webhook-signature", plain(&self.current, body)),
        ];
        if let Some(previous) = &self.previous {
            headers.push(("x-webhook-signature-previous", plain(previous, body)));
        }
        headers
    }
}

/// Verifies a delivery as its receiver would: both schemes, and the time against `now` in UNIX
/// seconds. `header` finds a header by its lower-case name.
///
/// # Errors
/// [`VerifyError`] says what is wrong first.
pub fn verify<'a>(
    secret: &SecretString,
    header: impl Fn(&str) -> Option<&'a str>,
    body: &str,
    now: i64,
) -> Result<(), VerifyError> {
    let given = |name: &'static str| header(name).ok_or(VerifyError::Missing(name));
    let id = given("webhook-id")?;
    let timestamp = given("webhook-timestamp")?;
    let signatures = given("webhook-signature")?;
    let hex = given("x-webhook-signature")?;
    let timestamp: i64 = timestamp.parse().map_err(|_| VerifyError::Stale)?;
    if (now - timestamp).abs() > TOLERANCE_S {
        return Err(VerifyError::Stale);
    }
    let expected = standard(secret, id, timestamp, body);
    if !signatures.split(' ').any(|one| equal(one, &expected)) {
        return Err(VerifyError::Mismatch("webhook-signature"));
    }
    let previous = header("x-webhook-signature-previous");
    let expected = plain(secret, body);
    if !equal(hex, &expected) && !previous.is_some_and(|hex| equal(hex, &expected)) {
        return Err(VerifyError::Mismatch("x-webhook-signature"));
    }
    Ok(())
}

/// Hexadecimal HMAC-SHA256 of the body, keyed with the secret's text as it is.
fn plain(secret: &SecretString, body: &str) -> String {
    hex::encode(hmac(secret.expose_secret().as_bytes(), body.as_bytes()))
}

/// `v1,` and the signature, keyed with the base64 part of a `whsec_…` secret, of any other with its
/// text's bytes.
fn standard(secret: &SecretString, id: &str, timestamp: i64, body: &str) -> String {
    let text = secret.expose_secret();
    let decoded = text
        .strip_prefix(WHSEC)
        .and_then(|encoded| STANDARD.decode(encoded).ok());
    let key = decoded.unwrap_or_else(|| text.as_bytes().to_vec());
    let signed = format!("{id}.{timestamp}.{body}");
    format!("v1,{}", STANDARD.encode(hmac(&key, signed.as_bytes())))
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac =
        <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("invariant: any length is a key");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// In a time that tells nothing of where they differ.
fn equal(left: &str, right: &str) -> bool {
    bool::from(subtle::ConstantTimeEq::ct_eq(
        left.as_bytes(),
        right.as_bytes(),
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde::Deserialize;

    use super::*;

    /// Made with openssl by tests/vectors/webhooks/signatures.sh.
    const VECTORS: &str = include_str!("../../../tests/vectors/webhooks/signatures.json");

    #[derive(Deserialize)]
    struct Vector {
        id: Uuid,
        timestamp: i64,
        body: String,
        secret: String,
        previous: Option<String>,
        headers: HashMap<String, String>,
    }

    fn vectors() -> Vec<Vector> {
        serde_json::from_str(VECTORS).unwrap()
    }

    #[test]
    fn signatures_are_those_that_openssl_makes() {
        let vectors = vectors();
        assert!(vectors.len() >= 4);
        for vector in vectors {
            let signer = Signer::new(
                vector.secret.clone().into(),
                vector.previous.map(SecretString::from),
            );
            let headers = signer.headers(vector.id, vector.timestamp, &vector.body);
            let headers: HashMap<String, String> = headers
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect();
            assert_eq!(headers, vector.headers, "{}", vector.secret);
        }
    }

    #[test]
    fn a_receiver_with_either_secret_believes_it_and_nobody_else_does() {
        for vector in vectors() {
            let find = |name: &str| vector.headers.get(name).map(String::as_str);
            let check = |secret: &str, body: &str, now: i64| {
                verify(&secret.to_owned().into(), find, body, now)
            };
            for secret in std::iter::once(&vector.secret).chain(&vector.previous) {
                assert_eq!(check(secret, &vector.body, vector.timestamp), Ok(()));
            }
            let wrong = check("another secret", &vector.body, vector.timestamp);
            assert_eq!(wrong, Err(VerifyError::Mismatch("webhook-signature")));
            let changed = check(&vector.secret, "[]", vector.timestamp);
            assert!(changed.is_err());
            let late = check(&vector.secret, &vector.body, vector.timestamp + 301);
            assert_eq!(late, Err(VerifyError::Stale));
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let nothing = |_: &str| None;
        let refused = verify(&"secret".to_owned().into(), nothing, "{}", 0);
        assert_eq!(refused, Err(VerifyError::Missing("webhook-id")));
    }
}
