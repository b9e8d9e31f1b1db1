//! Failed sign-ins per account and per address: the 5th within the time still answers as the first
//! did, and then both are blocked for that time.
//!
//! Kept in memory: a restart forgives, and each node counts for itself.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use crate::{
    bounded::Bounded,
    config::Limits,
    problem::{Code, Problem},
};

const ENTRIES_MAX: usize = 50_000;

/// What failures are counted for. The account is named by its look-up hash, so that addresses that
/// do not exist are treated alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Subject {
    Account(String),
    Address(IpAddr),
}

#[derive(Clone, Debug, Default)]
struct Failures {
    at: Vec<Instant>,
    blocked_until: Option<Instant>,
}

/// Counts failures and blocks.
pub(crate) struct SignInGuard {
    failures_max: Option<usize>,
    window: Duration,
    failures: Bounded<Subject, Failures>,
}

impl SignInGuard {
    pub(crate) fn new(limits: &Limits) -> Self {
        let failures_max = limits.login_block_after.filter(|max| *max > 0);
        Self {
            failures_max: failures_max.and_then(|max| usize::try_from(max).ok()),
            window: limits.login_block,
            failures: Bounded::new(ENTRIES_MAX),
        }
    }

    /// Refuses while the account or the address is blocked.
    pub(crate) fn check(
        &self,
        account: &str,
        address: IpAddr,
        now: Instant,
    ) -> Result<(), Problem> {
        let blocked = subjects(account, address)
            .into_iter()
            .filter_map(|subject| self.failures.get(&subject)?.blocked_until)
            .map(|until| until.saturating_duration_since(now))
            .max()
            .filter(|left| !left.is_zero());
        match blocked {
            Some(left) => {
                let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
                Err(Problem::new(Code::SignInBlocked).retry_after(seconds))
            }
            None => Ok(()),
        }
    }

    /// Counts a failure for both.
    pub(crate) fn failed(&self, account: &str, address: IpAddr, now: Instant) {
        let Some(failures_max) = self.failures_max else {
            return;
        };
        for subject in subjects(account, address) {
            self.failures
                .update(subject, Failures::default(), |failures| {
                    let window = self.window;
                    failures
                        .at
                        .retain(|at| now.saturating_duration_since(*at) < window);
                    failures.at.push(now);
                    if failures.at.len() >= failures_max {
                        failures.blocked_until = Some(now + window);
                        failures.at.clear();
                    }
                });
        }
    }

    /// The owner signed in: the account's count starts again. The address's does not, or anybody
    /// with an account of his own could go on guessing at others.
    pub(crate) fn succeeded(&self, account: &str) {
        let subject = Subject::Account(account.to_owned());
        if self.failures.get(&subject).is_some() {
            self.failures.insert(subject, Failures::default());
        }
    }
}

fn subjects(account: &str, address: IpAddr) -> [Subject; 2] {
    [
        Subject::Account(account.to_owned()),
        Subject::Address(address),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "203.0.113.1";
    const THERE: &str = "203.0.113.2";

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_fifth_failure_blocks_the_account_and_the_address_and_nobody_else() {
        let guard = SignInGuard::new(&Limits::default());
        let now = Instant::now();
        for _ in 0..5 {
            assert!(guard.check("a", address(HERE), now).is_ok());
            guard.failed("a", address(HERE), now);
        }
        assert!(guard.check("a", address(THERE), now).is_err());
        let problem = guard.check("b", address(HERE), now).unwrap_err();
        assert_eq!(problem.retry_after_s(), Some(900));
        assert!(guard.check("b", address(THERE), now).is_ok());
        let later = now + Duration::from_secs(900);
        assert!(guard.check("a", address(HERE), later).is_ok());
    }

    #[test]
    fn failures_that_lie_apart_do_not_add_up() {
        let guard = SignInGuard::new(&Limits::default());
        let start = Instant::now();
        for step in 0..20 {
            guard.failed("a", address(HERE), start + Duration::from_secs(300) * step);
        }
        let end = start + Duration::from_secs(300) * 20;
        assert!(guard.check("a", address(HERE), end).is_ok());
    }

    #[test]
    fn a_sign_in_forgives_the_account_but_not_the_address() {
        let guard = SignInGuard::new(&Limits::default());
        let now = Instant::now();
        for _ in 0..4 {
            guard.failed("a", address(HERE), now);
        }
        guard.succeeded("a");
        guard.failed("a", address(HERE), now);
        assert!(guard.check("a", address(THERE), now).is_ok());
        assert!(guard.check("a", address(HERE), now).is_err());
    }

    #[test]
    fn it_can_be_switched_off() {
        let limits = Limits {
            login_block_after: None,
            ..Limits::default()
        };
        let guard = SignInGuard::new(&limits);
        let now = Instant::now();
        for _ in 0..100 {
            guard.failed("a", address(HERE), now);
        }
        assert!(guard.check("a", address(HERE), now).is_ok());
    }
}
