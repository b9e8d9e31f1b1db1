//! What somebody of staff signs in with at first: made where they are taken in, shown once.

use daybook_domain::client::normalised_email;
use daybook_store::{Keyring, SubjectKey};
use rand::RngExt as _;
use secrecy::SecretString;

use super::{
    UNIQUE_STAFF_EMAIL, password,
    totp::{self, SECRET_TOTP, Setup},
};
use crate::problem::Answered;

/// Without letters and digits that look alike: 99 bits in twenty of them.
const ALPHABET: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";
const GROUPS: usize = 4;
const GROUP_LENGTH: usize = 5;

/// A password and an authenticator, plain and as they rest.
pub struct FirstCredentials {
    /// To be told to its owner, and replaced by them.
    pub password: String,
    /// Argon2id.
    pub password_hash: String,
    /// Base32, for typing into an authenticator.
    pub secret: String,
    /// The same for a click.
    pub otpauth_url: String,
    /// The same for a camera in front of a terminal.
    pub qr: String,
}

/// The secrets could not be made; the log says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the password or the authenticator could not be made")]
pub struct CredentialsError;

impl FirstCredentials {
    /// New ones for the address that the authenticator will show.
    ///
    /// # Errors
    /// [`CredentialsError`].
    pub fn make(email: &str) -> Result<Self, CredentialsError> {
        Self::try_make(email).map_err(|_logged| CredentialsError)
    }

    fn try_make(email: &str) -> Answered<Self> {
        let password = random_password();
        let password_hash = password::hash(&SecretString::from(password.clone()))?;
        let Setup { secret, url, .. } = totp::set_up(email)?;
        Ok(Self {
            password,
            password_hash,
            secret,
            qr: totp::qr_text(&url)?,
            otpauth_url: url,
        })
    }

    /// The authenticator's secret as it rests.
    #[must_use]
    pub fn sealed_secret(&self, key: &SubjectKey) -> String {
        key.seal(SECRET_TOTP, &self.secret)
    }
}

/// Under which an address is unique among staff: its keyed hash, however it is written.
#[must_use]
pub fn staff_email_hash(keys: &Keyring, email: &str) -> String {
    keys.lookup_hash(UNIQUE_STAFF_EMAIL, &normalised_email(email))
}

fn random_password() -> String {
    let mut random = rand::rng();
    let mut group = || -> String {
        let letter = |_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())]);
        (0..GROUP_LENGTH).map(letter).collect()
    };
    let groups: Vec<String> = (0..GROUPS).map(|_| group()).collect();
    groups.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_password_is_one_that_may_be_chosen_and_no_two_are_the_same() {
        let first = random_password();
        assert_eq!(first.len(), 23);
        assert!(password::check(&first, "ines@broker.example", &[]).is_ok());
        assert_ne!(first, random_password());
    }

    #[test]
    fn the_authenticator_is_shown_in_every_form() {
        let first = FirstCredentials::make("ines@broker.example").unwrap();
        assert!(first.otpauth_url.contains(&first.secret));
        assert!(first.qr.lines().count() > 10);
        assert!(first.password_hash.starts_with("$argon2id$"));
    }
}
