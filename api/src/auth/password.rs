//! Passwords: Argon2id, its parameters in the hash, and never more at once than the machine bears.

use std::{num::NonZero, sync::Arc, thread};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};
use tokio::sync::{Semaphore, TryAcquireError};

use crate::problem::{Answered, Code, Problem};

const LENGTH: std::ops::RangeInclusive<usize> = 10..=200;
/// Callers that may wait for a turn; one turn takes tens of milliseconds.
const WAITING_MAX: usize = 256;

/// Hashes and checks passwords off the asynchronous threads.
#[derive(Clone)]
pub(crate) struct Passwords {
    turns: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// Checked in place of an account that does not exist, so that its absence takes as long.
    decoy: Arc<str>,
}

/// Reads a password out of a body, never to be shown again.
pub(crate) fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    String::deserialize(deserializer).map(SecretString::from)
}

/// Whether a password may be chosen.
pub(crate) fn check(password: &str, email: &str) -> Result<(), &'static str> {
    if !LENGTH.contains(&password.chars().count()) {
        return Err("must have 10 to 200 characters");
    }
    if password.eq_ignore_ascii_case(email) {
        return Err("must not be the e-mail address");
    }
    Ok(())
}

impl Passwords {
    pub(crate) fn new() -> Self {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let decoy = hasher()
            .hash_password(b"nobody's password")
            .expect("invariant: Argon2's default parameters are valid");
        Self {
            turns: Arc::new(Semaphore::new(cores)),
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
            decoy: decoy.to_string().into(),
        }
    }

    /// The PHC string of a password.
    pub(crate) async fn hash(&self, password: SecretString) -> Answered<String> {
        self.run(move || {
            let hash = hasher().hash_password(password.expose_secret().as_bytes());
            hash.map(|hash| hash.to_string())
                .map_err(|error| error.to_string())
        })
        .await?
        .map_err(|error| {
            tracing::error!(error, "a password could not be hashed");
            Problem::new(Code::Internal)
        })
    }

    /// Whether the password is the one of `stored`; of nobody when there is none. Takes as long
    /// either way. `still_allowed` is asked once it is this caller's turn.
    pub(crate) async fn verify(
        &self,
        password: SecretString,
        stored: Option<String>,
        still_allowed: impl FnOnce() -> Answered<()> + Send + 'static,
    ) -> Answered<bool> {
        let decoy = Arc::clone(&self.decoy);
        self.run(move || {
            still_allowed()?;
            let text = stored.as_deref().unwrap_or(&decoy);
            let hash = PasswordHash::new(text).map_err(|error| {
                tracing::error!(%error, "a stored password hash does not parse");
                Problem::new(Code::Internal)
            })?;
            let password = password.expose_secret().as_bytes();
            let matches = hasher().verify_password(password, &hash).is_ok();
            Ok(matches && stored.is_some())
        })
        .await?
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Answered<T> {
        let waiting = self.waiting.try_acquire().map_err(|error| match error {
            TryAcquireError::NoPermits | TryAcquireError::Closed => Problem::new(Code::Overloaded),
        })?;
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.expect("invariant: the semaphore is never closed");
        drop(waiting);
        let job = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        job.await.map_err(|error| {
            tracing::error!(%error, "password work panicked");
            Problem::new(Code::Internal)
        })
    }
}

fn hasher() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_verifies_against_its_own_hash_only() {
        let passwords = Passwords::new();
        let hash = passwords.hash("correct horse".into()).await.unwrap();
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        let verify = |password: &str, stored| passwords.verify(password.into(), stored, || Ok(()));
        assert!(verify("correct horse", Some(hash.clone())).await.unwrap());
        assert!(!verify("wrong horse!", Some(hash)).await.unwrap());
        assert!(!verify("nobody's password", None).await.unwrap());
    }

    #[tokio::test]
    async fn whoever_is_blocked_while_waiting_is_refused() {
        let refuse = || Err(Problem::new(Code::SignInBlocked));
        let answer = Passwords::new().verify("x".into(), None, refuse).await;
        assert_eq!(answer.unwrap_err().code(), Code::SignInBlocked);
    }

    #[test]
    fn short_long_and_obvious_passwords_are_refused() {
        let email = "ada@example.com";
        assert!(check("123456789", email).is_err());
        assert!(check("1234567890", email).is_ok());
        assert!(check("ÄÖÜäöüßéèê", email).is_ok(), "characters, not bytes");
        assert!(check(&"x".repeat(201), email).is_err());
        assert!(check("Ada@example.com", email).is_err());
    }
}
