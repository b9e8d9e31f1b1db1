//! Tokens of the links in mails: JWT, HS256, good for one purpose and for a while.
//!
//! They are a function of an event and the secret, so a mail reads the same on each try and no
//! table holds them. Each purpose has a key of its own, derived from the secret of access tokens,
//! and an audience of its own: neither an access token nor another link's can stand in for one.

use daybook_domain::{ClientId, Timestamp};
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

const ISSUER: &str = "daybook";
const VERIFY_EMAIL: Purpose = Purpose {
    audience: "daybook-verify-email",
    lifetime_s: 24 * 60 * 60,
};
const RESET_PASSWORD: Purpose = Purpose {
    audience: "daybook-reset-password",
    lifetime_s: 60 * 60,
};

/// An invitation's link serves the same purpose, for longer.
const INVITATION_S: i64 = 3 * 24 * 60 * 60;

/// What a link is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Purpose {
    audience: &'static str,
    pub(crate) lifetime_s: i64,
}

/// A token is none that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Forged, malformed, for another purpose, or signed with a secret that is gone.
    #[error("the link is not valid")]
    Invalid,
    /// It was good once.
    #[error("the link has expired")]
    Expired,
}

/// What a link to verify an address says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmailVerification {
    /// Whose address.
    pub client_id: ClientId,
    email_hash: String,
}

/// What a link to choose a new password says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordReset {
    /// Whose password.
    pub client_id: ClientId,
    /// Which request: `ClientCommand::ResetPassword` takes the newest alone, once.
    pub number: u32,
}

/// Issues and checks the tokens of links.
pub struct Links {
    verify_email: Keys,
    reset_password: Keys,
}

struct Keys {
    purpose: Purpose,
    current: Key,
    previous: Option<Key>,
}

struct Key {
    id: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims<C> {
    sub: ClientId,
    iss: String,
    aud: String,
    iat: i64,
    exp: i64,
    #[serde(flatten)]
    content: C,
}

#[derive(Debug, Serialize, Deserialize)]
struct EmailClaim {
    /// Hash of the address: a link to a former one verifies no other.
    email: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct ResetClaim {
    number: u32,
}

impl EmailVerification {
    /// Whether it was this address (in its normalised form) that the link was sent to.
    #[must_use]
    pub fn is_of(&self, email: &str) -> bool {
        self.email_hash == email_hash(self.client_id, email)
    }
}

impl Links {
    /// `secret` and `previous` are those that sign access tokens.
    #[must_use]
    pub fn new(secret: &SecretString, previous: Option<&SecretString>) -> Self {
        let keys = |purpose| Keys {
            purpose,
            current: Key::derive(secret, purpose),
            previous: previous.map(|secret| Key::derive(secret, purpose)),
        };
        Self {
            verify_email: keys(VERIFY_EMAIL),
            reset_password: keys(RESET_PASSWORD),
        }
    }

    /// A token that verifies this address, good for 24 hours from `at`, the event's time.
    #[must_use]
    pub fn issue_verify_email(&self, client_id: ClientId, email: &str, at: Timestamp) -> String {
        let email = email_hash(client_id, email);
        self.verify_email.issue(client_id, at, EmailClaim { email })
    }

    /// What a link to verify an address says.
    ///
    /// # Errors
    /// [`LinkError`].
    pub fn verify_verify_email(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<EmailVerification, LinkError> {
        let claims: Claims<EmailClaim> = self.verify_email.verify(token, now)?;
        Ok(EmailVerification {
            client_id: claims.sub,
            email_hash: claims.content.email,
        })
    }

    /// A token to choose a new password, good for 1 hour from `at`, the event's time.
    #[must_use]
    pub fn issue_reset_password(&self, client_id: ClientId, number: u32, at: Timestamp) -> String {
        self.reset_password
            .issue(client_id, at, ResetClaim { number })
    }

    /// A token to choose a first password, good for 3 days from `at`, the event's time. It is read
    /// as one to choose a new password.
    #[must_use]
    pub fn issue_invitation(&self, client_id: ClientId, number: u32, at: Timestamp) -> String {
        let keys = &self.reset_password;
        keys.issue_for(client_id, at, INVITATION_S, ResetClaim { number })
    }

    /// What a link to choose a new password says.
    ///
    /// # Errors
    /// [`LinkError`].
    pub fn verify_reset_password(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<PasswordReset, LinkError> {
        let claims: Claims<ResetClaim> = self.reset_password.verify(token, now)?;
        Ok(PasswordReset {
            client_id: claims.sub,
            number: claims.content.number,
        })
    }
}

impl Keys {
    fn issue<C: Serialize>(&self, sub: ClientId, at: Timestamp, content: C) -> String {
        self.issue_for(sub, at, self.purpose.lifetime_s, content)
    }

    fn issue_for<C: Serialize>(
        &self,
        sub: ClientId,
        at: Timestamp,
        lifetime_s: i64,
        content: C,
    ) -> String {
        let claims = Claims {
            sub,
            iss: ISSUER.to_owned(),
            aud: self.purpose.audience.to_owned(),
            iat: at.timestamp(),
            exp: at.timestamp().saturating_add(lifetime_s),
            content,
        };
        let header = Header {
            kid: Some(self.current.id.clone()),
            ..Header::new(Algorithm::HS256)
        };
        encode(&header, &claims, &self.current.encoding)
            .expect("invariant: claims are plain values and HMAC takes any key")
    }

    fn verify<C: DeserializeOwned>(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Claims<C>, LinkError> {
        let header = decode_header(token).map_err(|_| LinkError::Invalid)?;
        let keys = [Some(&self.current), self.previous.as_ref()];
        let mut keys = keys.into_iter().flatten();
        let key = keys.find(|key| header.kid.as_deref() == Some(&key.id));
        let key = key.ok_or(LinkError::Invalid)?;
        let mut validation = Validation::new(Algorithm::HS256);
        // Judged below, by the caller's clock.
        validation.validate_exp = false;
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[self.purpose.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let decoded = decode::<Claims<C>>(token, &key.decoding, &validation);
        let claims = decoded.map_err(|_| LinkError::Invalid)?.claims;
        if claims.exp <= now.timestamp() {
            return Err(LinkError::Expired);
        }
        Ok(claims)
    }
}

impl Key {
    fn derive(secret: &SecretString, purpose: Purpose) -> Self {
        let secret = secret.expose_secret().as_bytes();
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret)
            .expect("invariant: any length is a key");
        mac.update(b"daybook link v1\0");
        mac.update(purpose.audience.as_bytes());
        let key = mac.finalize().into_bytes();
        // Separated from every other use of the key; it tells nothing about it.
        let digest = Sha256::new()
            .chain_update(b"daybook jwt kid\0")
            .chain_update(key)
            .finalize();
        Self {
            id: hex::encode(&digest[..6]),
            encoding: EncodingKey::from_secret(&key),
            decoding: DecodingKey::from_secret(&key),
        }
    }
}

fn email_hash(client_id: ClientId, email: &str) -> String {
    let digest = Sha256::new()
        .chain_update(b"daybook verify email\0")
        .chain_update(client_id.0.as_bytes())
        .chain_update(email.as_bytes())
        .finalize();
    hex::encode(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMAIL: &str = "ada@example.com";

    fn links(secret: &str, previous: Option<&str>) -> Links {
        let previous = previous.map(SecretString::from);
        Links::new(&secret.into(), previous.as_ref())
    }

    fn client() -> ClientId {
        ClientId(uuid::Uuid::from_u128(7))
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp(1_790_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn a_link_verifies_its_address_for_a_day() {
        let links = links("secret-one", None);
        let token = links.issue_verify_email(client(), EMAIL, at(0));
        let said = links.verify_verify_email(&token, at(86_399)).unwrap();
        assert_eq!(said.client_id, client());
        assert!(said.is_of(EMAIL));
        assert!(!said.is_of("eve@example.com"));
        let late = links.verify_verify_email(&token, at(86_400));
        assert_eq!(late, Err(LinkError::Expired));
    }

    #[test]
    fn a_link_resets_a_password_for_an_hour() {
        let links = links("secret-one", None);
        let token = links.issue_reset_password(client(), 3, at(0));
        let said = PasswordReset {
            client_id: client(),
            number: 3,
        };
        assert_eq!(links.verify_reset_password(&token, at(3_599)), Ok(said));
        let late = links.verify_reset_password(&token, at(3_600));
        assert_eq!(late, Err(LinkError::Expired));
    }

    #[test]
    fn an_invitation_is_good_for_three_days() {
        let links = links("secret-one", None);
        let token = links.issue_invitation(client(), 1, at(0));
        let said = PasswordReset {
            client_id: client(),
            number: 1,
        };
        assert_eq!(links.verify_reset_password(&token, at(259_199)), Ok(said));
        let late = links.verify_reset_password(&token, at(259_200));
        assert_eq!(late, Err(LinkError::Expired));
    }

    #[test]
    fn the_same_event_gives_the_same_token() {
        let issue = || links("secret-one", None).issue_reset_password(client(), 1, at(0));
        assert_eq!(issue(), issue());
        let issue = || links("secret-one", None).issue_verify_email(client(), EMAIL, at(0));
        assert_eq!(issue(), issue());
        assert!(!issue().contains(EMAIL));
    }

    #[test]
    fn a_link_serves_no_other_purpose() {
        let links = links("secret-one", None);
        let verify = links.issue_verify_email(client(), EMAIL, at(0));
        let reset = links.issue_reset_password(client(), 1, at(0));
        let invalid = LinkError::Invalid;
        assert_eq!(links.verify_reset_password(&verify, at(1)), Err(invalid));
        assert_eq!(links.verify_verify_email(&reset, at(1)), Err(invalid));
    }

    /// Signed with one purpose's key, for another audience: the key's id fits, the rest does not.
    #[test]
    fn the_audience_counts_beside_the_key() {
        let links = links("secret-one", None);
        let keys = Keys {
            purpose: RESET_PASSWORD,
            current: Key::derive(&"secret-one".into(), VERIFY_EMAIL),
            previous: None,
        };
        let email = email_hash(client(), EMAIL);
        let token = keys.issue(client(), at(0), EmailClaim { email });
        let said = links.verify_verify_email(&token, at(1));
        assert_eq!(said, Err(LinkError::Invalid));
    }

    /// As `api` signs them: with the secret itself, and its id in the header.
    #[test]
    fn an_access_token_is_no_link() {
        let links = links("secret-one", None);
        let digest = Sha256::new()
            .chain_update(b"daybook jwt kid\0secret-one")
            .finalize();
        for kid in [
            hex::encode(&digest[..6]),
            links.reset_password.current.id.clone(),
        ] {
            let header = Header {
                kid: Some(kid),
                ..Header::new(Algorithm::HS256)
            };
            for aud in ["daybook-api", "daybook-reset-password"] {
                let claims = Claims {
                    sub: client(),
                    iss: ISSUER.to_owned(),
                    aud: aud.to_owned(),
                    iat: at(0).timestamp(),
                    exp: at(900).timestamp(),
                    content: ResetClaim { number: 1 },
                };
                let secret = EncodingKey::from_secret(b"secret-one");
                let token = encode(&header, &claims, &secret).unwrap();
                let said = links.verify_reset_password(&token, at(1));
                assert_eq!(said, Err(LinkError::Invalid), "{aud}");
            }
        }
    }

    #[test]
    fn a_rotation_keeps_links_of_the_former_secret() {
        let token = links("secret-one", None).issue_reset_password(client(), 1, at(0));
        let rotated = links("secret-two", Some("secret-one"));
        assert!(rotated.verify_reset_password(&token, at(1)).is_ok());
        let gone = links("secret-two", None).verify_reset_password(&token, at(1));
        assert_eq!(gone, Err(LinkError::Invalid));
    }

    #[test]
    fn a_forged_link_is_refused() {
        let links = links("secret-one", None);
        let token = links.issue_reset_password(client(), 1, at(0));
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
            let said = links.verify_reset_password(forged, at(1));
            assert_eq!(said, Err(LinkError::Invalid), "{forged}");
        }
    }
}
