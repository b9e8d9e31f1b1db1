//! Secrets that sign tokens: the current one signs, the former one is believed during a rotation.
//! HS256 and nothing else, whatever a token says of itself.

use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode,
    errors::ErrorKind,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use super::token::TokenError;

/// A secret, and the former one during a rotation.
pub(super) struct Secrets {
    current: Key,
    previous: Option<Key>,
}

struct Key {
    id: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
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

/// HS256, and nothing besides it.
pub(super) fn hs256() -> Validation {
    Validation::new(Algorithm::HS256)
}

impl Secrets {
    pub(super) fn new(current: &SecretString, previous: Option<&SecretString>) -> Self {
        Self {
            current: Key::new(current),
            previous: previous.map(Key::new),
        }
    }

    pub(super) fn sign(&self, claims: &impl Serialize) -> String {
        let header = Header {
            kid: Some(self.current.id.clone()),
            ..Header::new(Algorithm::HS256)
        };
        encode(&header, claims, &self.current.encoding)
            .expect("invariant: claims are plain text and HMAC takes any key")
    }

    /// Opens a token of ours by the key that its header names.
    pub(super) fn open<C: DeserializeOwned + Clone>(
        &self,
        token: &str,
        validation: &Validation,
    ) -> Result<C, TokenError> {
        let header = decode_header(token).map_err(|_| TokenError::Invalid)?;
        let mut keys = self.keys();
        let key = keys.find(|key| header.kid.as_deref() == Some(&key.id));
        read(token, key.ok_or(TokenError::Invalid)?, validation)
    }

    /// Opens a token that somebody else has made with the same secret: its header names no key of
    /// ours.
    pub(super) fn open_foreign<C: DeserializeOwned + Clone>(
        &self,
        token: &str,
        validation: &Validation,
    ) -> Result<C, TokenError> {
        let opened = self.keys().map(|key| read(token, key, validation));
        opened
            .reduce(|first, second| first.or(second))
            .unwrap_or(Err(TokenError::Invalid))
    }

    fn keys(&self) -> impl Iterator<Item = &Key> {
        [Some(&self.current), self.previous.as_ref()]
            .into_iter()
            .flatten()
    }
}

fn read<C: DeserializeOwned + Clone>(
    token: &str,
    key: &Key,
    validation: &Validation,
) -> Result<C, TokenError> {
    match decode::<C>(token, &key.decoding, validation) {
        Ok(decoded) => Ok(decoded.claims),
        Err(error) if matches!(error.kind(), ErrorKind::ExpiredSignature) => {
            Err(TokenError::Expired)
        }
        Err(_) => Err(TokenError::Invalid),
    }
}
