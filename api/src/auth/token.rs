//! Access tokens: JWT, HS256, 15 minutes. The key's id is in the header, so that a rotation keeps
//! the former secret's tokens valid until they expire.

use std::{str::FromStr, time::Duration};

use daybook_domain::{ClientId, Timestamp};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode,
    errors::ErrorKind,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    config::ApiConfig,
    problem::{Code, Problem},
};

const ISSUER: &str = "daybook";
const AUDIENCE: &str = "daybook-api";
/// Clocks of nodes may differ by this much.
const LEEWAY_S: u64 = 5;

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    sub: String,
    iss: String,
    aud: String,
    /// `access`; a token for another purpose is none for this one.
    typ: String,
    jti: String,
    iat: i64,
    exp: i64,
}

struct Key {
    id: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

/// Who a token names, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) client_id: ClientId,
    pub(crate) expires_at: i64,
}

/// Issues and checks access tokens.
pub(crate) struct Tokens {
    current: Key,
    previous: Option<Key>,
    lifetime: Duration,
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

impl Key {
    fn new(secret: &SecretString) -> Self {
        let secret = secret.expose_secret().as_bytes();
        // Separated from every other use of the secret; it tells nothing about it.
        let digest = Sha256::new()
            .chain_update(b"daybook jwt kid\0")
            .chain_update(secret)
            .finalize();
        Self {
            id: hex::encode(&digest[..6]),
            encoding: EncodingKey::from_secret(secret),
            decoding: DecodingKey::from_secret(secret),
        }
    }
}

impl Tokens {
    pub(crate) fn new(config: &ApiConfig) -> Self {
        Self {
            current: Key::new(&config.access_secret),
            previous: config.access_secret_previous.as_ref().map(Key::new),
            lifetime: config.access_ttl,
        }
    }

    /// Seconds that a token lives.
    pub(crate) fn lifetime_s(&self) -> u64 {
        self.lifetime.as_secs()
    }

    pub(crate) fn issue(&self, client_id: ClientId, now: Timestamp) -> String {
        let lifetime_s = i64::try_from(self.lifetime.as_secs()).unwrap_or(i64::MAX);
        let claims = Claims {
            sub: client_id.to_string(),
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            typ: "access".to_owned(),
            jti: Uuid::now_v7().to_string(),
            iat: now.timestamp(),
            exp: now.timestamp().saturating_add(lifetime_s),
        };
        let header = Header {
            kid: Some(self.current.id.clone()),
            ..Header::new(Algorithm::HS256)
        };
        encode(&header, &claims, &self.current.encoding)
            .expect("invariant: claims are plain text and HMAC takes any key")
    }

    pub(crate) fn verify(&self, token: &str) -> Result<Identity, TokenError> {
        let header = decode_header(token).map_err(|_| TokenError::Invalid)?;
        let keys = [Some(&self.current), self.previous.as_ref()];
        let mut keys = keys.into_iter().flatten();
        let key = keys.find(|key| header.kid.as_deref() == Some(&key.id));
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = LEEWAY_S;
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let key = key.ok_or(TokenError::Invalid)?;
        let decoded = decode::<Claims>(token, &key.decoding, &validation);
        let claims = match decoded {
            Ok(decoded) => decoded.claims,
            Err(error) if matches!(error.kind(), ErrorKind::ExpiredSignature) => {
                return Err(TokenError::Expired);
            }
            Err(_) => return Err(TokenError::Invalid),
        };
        if claims.typ != "access" {
            return Err(TokenError::Invalid);
        }
        let client_id = ClientId::from_str(&claims.sub).map_err(|_| TokenError::Invalid)?;
        Ok(Identity {
            client_id,
            expires_at: claims.exp,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(secret: &str, previous: Option<&str>) -> Tokens {
        let mut config = ApiConfig::new(secret.into());
        config.access_secret_previous = previous.map(Into::into);
        Tokens::new(&config)
    }

    fn now() -> Timestamp {
        chrono::Utc::now()
    }

    #[test]
    fn a_token_names_its_client_until_it_expires() {
        let tokens = tokens("secret-one", None);
        let client = ClientId(Uuid::now_v7());
        let token = tokens.issue(client, now());
        let identity = tokens.verify(&token).unwrap();
        assert_eq!(identity.client_id, client);
        assert!((890..=900).contains(&(identity.expires_at - now().timestamp())));
        let old = tokens.issue(client, now() - chrono::Duration::minutes(20));
        assert_eq!(tokens.verify(&old), Err(TokenError::Expired));
    }

    #[test]
    fn a_rotation_keeps_tokens_of_the_former_secret() {
        let before = tokens("secret-one", None);
        let token = before.issue(ClientId::default(), now());
        assert!(
            tokens("secret-two", Some("secret-one"))
                .verify(&token)
                .is_ok()
        );
        assert_eq!(
            tokens("secret-two", None).verify(&token),
            Err(TokenError::Invalid)
        );
    }

    #[test]
    fn a_forged_token_is_refused() {
        let tokens = tokens("secret-one", None);
        let token = tokens.issue(ClientId::default(), now());
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
    fn a_token_for_another_purpose_is_refused() {
        let tokens = tokens("secret-one", None);
        let claims = Claims {
            sub: ClientId::default().to_string(),
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            typ: "refresh".to_owned(),
            jti: String::new(),
            iat: now().timestamp(),
            exp: now().timestamp() + 60,
        };
        let header = Header {
            kid: Some(tokens.current.id.clone()),
            ..Header::new(Algorithm::HS256)
        };
        let token = encode(&header, &claims, &tokens.current.encoding).unwrap();
        assert_eq!(tokens.verify(&token), Err(TokenError::Invalid));
    }
}
