//! Passwords: Argon2id, its parameters in the hash, and chosen by strength, not by composition.

use std::sync::Arc;

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};
use zxcvbn::{Score, zxcvbn};

use super::{breached::BreachedPasswords, hashing::Hashing};
use crate::problem::{Answered, Code, FieldError, Problem};

const LENGTH: std::ops::RangeInclusive<usize> = 10..=200;
/// What more than this many characters add is not looked at: the estimate takes its time.
const ESTIMATED_MAX: usize = 72;
/// More than a million guesses: common passwords, names, dates and rows of keys are below it.
const SCORE_LEAST: Score = Score::Two;

/// Hashes and checks passwords off the asynchronous threads.
#[derive(Clone)]
pub(crate) struct Passwords {
    hashing: Hashing,
    /// Checked in place of an account that does not exist, so that its absence takes as long.
    decoy: Arc<str>,
    breached: Option<BreachedPasswords>,
}

/// What a check of a password found.
pub(crate) struct Checked {
    /// It is the right one.
    pub(crate) right: bool,
    /// Then, where the hash was made with other parameters than today's, a new one.
    pub(crate) rehashed: Option<String>,
}

/// Reads a password out of a body, never to be shown again.
pub(crate) fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    String::deserialize(deserializer).map(SecretString::from)
}

/// Whether a password may be chosen by the person with these names and this address.
pub(crate) fn check(password: &str, email: &str, names: &[&str]) -> Result<(), &'static str> {
    if !LENGTH.contains(&password.chars().count()) {
        return Err("must have 10 to 200 characters");
    }
    if password.eq_ignore_ascii_case(email) {
        return Err("must not be the e-mail address");
    }
    let estimated: String = password.chars().take(ESTIMATED_MAX).collect();
    let mut own = vec!["daybook", email, email.split('@').next().unwrap_or(email)];
    own.extend(names);
    if zxcvbn(&estimated, &own).score() < SCORE_LEAST {
        return Err("is too easy to guess: a few unusual words make a good one");
    }
    Ok(())
}

impl Passwords {
    pub(crate) fn new(breached: Option<BreachedPasswords>) -> Self {
        let decoy = hasher()
            .hash_password(b"nobody's password")
            .expect("invariant: Argon2's default parameters are valid");
        Self {
            hashing: Hashing::start(),
            decoy: decoy.to_string().into(),
            breached,
        }
    }

    /// The PHC string of a password that somebody chooses; refused where it was breached.
    pub(crate) async fn hash(&self, password: SecretString) -> Answered<String> {
        let breached = self.breached.clone();
        let work = move || {
            if let Some(breached) = breached {
                refuse_breached(&breached, &password)?;
            }
            hash(&password)
        };
        self.hashing.run(work).await?
    }

    /// Whether the password is the one of `stored`; of nobody when there is none. Takes as long
    /// either way.
    pub(crate) async fn verify(
        &self,
        password: SecretString,
        stored: Option<String>,
    ) -> Answered<Checked> {
        let decoy = Arc::clone(&self.decoy);
        let work = move || {
            let text = stored.as_deref().unwrap_or(&decoy);
            let kept = PasswordHash::new(text).map_err(|error| {
                tracing::error!(%error, "a stored password hash does not parse");
                Problem::new(Code::Internal)
            })?;
            let plain = password.expose_secret().as_bytes();
            let matches = hasher().verify_password(plain, &kept).is_ok();
            let right = matches && stored.is_some();
            let outdated = right && !is_of_today(&kept);
            let rehashed = outdated.then(|| hash(&password)).transpose()?;
            Ok(Checked { right, rehashed })
        };
        self.hashing.run(work).await?
    }
}

fn refuse_breached(breached: &BreachedPasswords, password: &SecretString) -> Answered<()> {
    match breached.contains(password.expose_secret()) {
        Ok(false) => Ok(()),
        Ok(true) => {
            let message = "is known from a breach elsewhere: choose one that nobody has used";
            let error = FieldError::new("password", message);
            Err(Problem::fields(Code::WeakPassword, vec![error]))
        }
        Err(error) => {
            tracing::error!(%error, "breached passwords cannot be read");
            Err(Problem::new(Code::Internal))
        }
    }
}

/// The PHC string of a password, on this thread.
pub(super) fn hash(password: &SecretString) -> Answered<String> {
    let hash = hasher().hash_password(password.expose_secret().as_bytes());
    hash.map(|hash| hash.to_string()).map_err(|error| {
        tracing::error!(%error, "a password could not be hashed");
        Problem::new(Code::Internal)
    })
}

fn is_of_today(kept: &PasswordHash) -> bool {
    let today = Params::DEFAULT;
    let number = |name: &str| kept.params.get(name).and_then(|value| value.decimal().ok());
    kept.algorithm.as_str() == "argon2id"
        && kept.version == Some(Version::V0x13.into())
        && number("m") == Some(today.m_cost())
        && number("t") == Some(today.t_cost())
        && number("p") == Some(today.p_cost())
}

fn hasher() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_verifies_against_its_own_hash_only() {
        let passwords = Passwords::new(None);
        let hash = passwords.hash("correct horse".into()).await.unwrap();
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        let verify = async |password: &str, stored| {
            let checked = passwords.verify(password.into(), stored);
            checked.await.unwrap()
        };
        let right = verify("correct horse", Some(hash.clone())).await;
        assert!(right.right && right.rehashed.is_none());
        assert!(!verify("wrong horse!", Some(hash)).await.right);
        assert!(!verify("nobody's password", None).await.right);
    }

    #[tokio::test]
    async fn a_hash_of_former_parameters_is_made_anew_for_its_owner_alone() {
        let passwords = Passwords::new(None);
        let params = Params::new(8 * 1024, 1, 1, None).unwrap();
        let former = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let former = former.hash_password(b"correct horse").unwrap().to_string();
        let verify = async |password: &str, stored: &str| {
            let stored = Some(stored.to_owned());
            let checked = passwords.verify(password.into(), stored);
            checked.await.unwrap()
        };
        let newer = verify("correct horse", &former).await.rehashed.unwrap();
        let again = verify("correct horse", &newer).await;
        assert!(again.right && again.rehashed.is_none());
        assert!(verify("wrong horse!", &former).await.rehashed.is_none());
    }

    #[test]
    fn passwords_that_are_easy_to_guess_are_refused_whatever_they_are_made_of() {
        let check = |password: &str| check(password, "ada@example.com", &["Ada", "Lovelace"]);
        for weak in [
            "123456789",
            "1234567890",
            "qwertyuiop",
            "password123",
            "aaaaaaaaaaaaaaaa",
            "Ada@example.com",
            "adalovelace",
            "Daybook123",
            &"x".repeat(201),
        ] {
            assert!(check(weak).is_err(), "{weak}");
        }
        for strong in [
            "correct-horse-battery-staple",
            "ÄÖÜäöüßéèê-grün",
            "tuesday kettle 9 marbles",
        ] {
            assert!(check(strong).is_ok(), "{strong}");
        }
    }
}
