//! Sign-ins that fail, counted per account and per address by all nodes together: the 5th within
//! the time still answers as the first did, and then both are blocked for that time.
//!
//! An attempt is counted before the password is looked at and given back when it was right, so
//! that no number of attempts at one time exceeds what failures are allowed. Counts live in the
//! database, and outlive a restart.

use std::{future::Future, net::IpAddr, time::Duration};

use daybook_store::{
    Store, StoreError,
    perimeter::{Attempt, Reserved, SignInRules, SignInTable},
};
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep, timeout},
};

use crate::{
    config::Limits,
    problem::{Answered, Code, Problem},
    rate_limit::whole_seconds,
};

/// Attempts that may wait for others, of the same account or address, to end.
const WAITING_MAX: usize = 256;
/// For how long they do.
const WAIT_MAX: Duration = Duration::from_secs(10);
const PAUSE_FIRST: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_millis(160);
/// A database that takes longer is away.
const PATIENCE: Duration = Duration::from_secs(5);
/// The delay is doubled no more often than this.
const DOUBLED_MAX: u32 = 4;

/// What came of looking at somebody's credentials.
#[derive(Debug)]
pub(crate) enum Tried<T> {
    /// They were right.
    Right(T),
    /// They were wrong; the answer to give.
    Wrong(Problem),
}

/// Counts failures, delays their answers, and blocks.
pub(crate) struct SignInGuard {
    rules: Option<SignInRules>,
    delay: Duration,
    table: SignInTable,
    waiting: Semaphore,
}

/// An attempt under way. Dropped before it has ended, it has failed: whoever hangs up has tried.
struct Held {
    table: SignInTable,
    rules: SignInRules,
    attempt: Option<Attempt>,
}

impl SignInGuard {
    pub(crate) fn new(limits: &Limits, store: &Store) -> Self {
        let rules = limits.login_block_after.filter(|max| *max > 0);
        Self {
            rules: rules.map(|failures_max| SignInRules {
                failures_max,
                window: limits.login_block,
            }),
            delay: limits.login_delay,
            table: SignInTable::new(store),
            waiting: Semaphore::new(WAITING_MAX),
        }
    }

    /// Runs one attempt to sign in to `account` (a look-up hash) from `address`. `check` looks at
    /// the credentials; where it fails by our fault, the attempt never was. Refused while either
    /// is blocked; 503 while the database is away.
    pub(crate) async fn attempt<T>(
        &self,
        account: &str,
        address: IpAddr,
        check: impl Future<Output = Answered<Tried<T>>>,
    ) -> Answered<T> {
        let Some(rules) = self.rules else {
            return match check.await? {
                Tried::Right(value) => Ok(value),
                Tried::Wrong(problem) => Err(problem),
            };
        };
        let held = self.reserve(account, address, rules).await?;
        match check.await {
            Ok(Tried::Right(value)) => {
                held.succeeded().await?;
                Ok(value)
            }
            Ok(Tried::Wrong(problem)) => {
                let failures = held.failed().await?;
                sleep(delay(self.delay, failures, rules.failures_max)).await;
                Err(problem)
            }
            Err(fault) => {
                held.given_back().await;
                Err(fault)
            }
        }
    }

    /// Forgets the failures of an account whose owner was proved otherwise. Where the database does
    /// not take it the block runs out by itself.
    pub(crate) async fn forgive(&self, account: &str) {
        if self.rules.is_some()
            && let Err(problem) = in_time(self.table.forgive(account)).await
        {
            tracing::warn!(code = ?problem.code(), "failed sign-ins are not forgotten");
        }
    }

    /// Waits while others are under way that may fail still: after their end it is known whether
    /// this one may be made.
    async fn reserve(&self, account: &str, address: IpAddr, rules: SignInRules) -> Answered<Held> {
        let deadline = Instant::now() + WAIT_MAX;
        let mut pause = PAUSE_FIRST;
        let mut waiting = None;
        loop {
            let reserved = self.table.reserve(account, address, rules);
            match in_time(reserved).await? {
                Reserved::Go(attempt) => {
                    return Ok(Held {
                        table: self.table.clone(),
                        rules,
                        attempt: Some(attempt),
                    });
                }
                Reserved::Blocked(left) => {
                    let problem = Problem::new(Code::SignInBlocked);
                    return Err(problem.retry_after(whole_seconds(left)));
                }
                Reserved::Busy => {}
            }
            if waiting.is_none() {
                waiting = self.waiting.try_acquire().ok();
            }
            if waiting.is_none() || Instant::now() >= deadline {
                return Err(Problem::new(Code::Overloaded));
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

impl Held {
    async fn succeeded(mut self) -> Answered<()> {
        if let Some(attempt) = &self.attempt {
            in_time(self.table.succeeded(attempt)).await?;
        }
        self.attempt = None;
        Ok(())
    }

    /// How many failures the account has now.
    async fn failed(mut self) -> Answered<u32> {
        let mut failures = 0;
        if let Some(attempt) = &self.attempt {
            failures = in_time(self.table.failed(attempt, self.rules)).await?;
        }
        self.attempt = None;
        Ok(failures)
    }

    async fn given_back(mut self) {
        if let Some(attempt) = self.attempt.take()
            && let Err(problem) = in_time(self.table.given_back(&attempt)).await
        {
            tracing::warn!(code = ?problem.code(), "an attempt to sign in lapses into a failure");
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(attempt) = self.attempt.take() else {
            return;
        };
        // Without a runtime, or a database, it lapses into a failure by itself.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let (table, rules) = (self.table.clone(), self.rules);
        runtime.spawn(async move {
            if let Err(error) = table.failed(&attempt, rules).await {
                tracing::warn!(%error, "an attempt to sign in lapses into a failure");
            }
        });
    }
}

/// How long the answer to an account's `failures`th failure waits: the first does not, nor does
/// the one that blocks.
fn delay(first: Duration, failures: u32, failures_max: u32) -> Duration {
    if failures < 2 || failures >= failures_max {
        return Duration::ZERO;
    }
    first * 2_u32.pow((failures - 2).min(DOUBLED_MAX))
}

async fn in_time<T>(asked: impl Future<Output = Result<T, StoreError>>) -> Answered<T> {
    match timeout(PATIENCE, asked).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Problem::new(Code::Unavailable)),
    }
}

#[cfg(test)]
mod tests {
    use daybook_store::testing::TestDatabase;

    use super::*;

    const HERE: &str = "203.0.113.1";

    async fn guard(limits: Limits) -> (TestDatabase, SignInGuard) {
        let database = TestDatabase::start().await;
        let guard = SignInGuard::new(&limits, &database.store().await);
        (database, guard)
    }

    fn undelayed() -> Limits {
        Limits {
            login_delay: Duration::ZERO,
            ..Limits::default()
        }
    }

    fn wrong() -> Answered<Tried<()>> {
        Ok(Tried::Wrong(Problem::new(Code::InvalidCredentials)))
    }

    async fn attempt(
        guard: &SignInGuard,
        check: impl Future<Output = Answered<Tried<()>>>,
    ) -> Option<Code> {
        let address = HERE.parse().unwrap();
        let answer = guard.attempt("a", address, check).await;
        answer.err().map(|problem| problem.code())
    }

    #[test]
    fn answers_wait_longer_from_failure_to_failure_but_for_the_first_and_the_last() {
        let waits = (1..=6).map(|failures| delay(Duration::from_millis(250), failures, 5));
        let waits: Vec<_> = waits.map(|wait| wait.as_millis()).collect();
        assert_eq!(waits, [0, 250, 500, 1_000, 0, 0]);
        let most = delay(Duration::from_millis(250), 99, 100);
        assert_eq!(most, Duration::from_secs(4));
        assert_eq!(delay(Duration::ZERO, 3, 5), Duration::ZERO);
    }

    #[tokio::test]
    async fn right_passwords_are_not_refused_however_many_come_at_once() {
        let (_database, guard) = guard(undelayed()).await;
        let slowly = || async {
            sleep(Duration::from_millis(20)).await;
            Ok(Tried::Right(()))
        };
        let all = (0..20).map(|_| attempt(&guard, slowly()));
        let answers = futures::future::join_all(all).await;
        assert_eq!(answers, [None; 20]);
    }

    #[tokio::test]
    async fn a_fault_of_ours_is_nobodys_failure() {
        let (_database, guard) = guard(undelayed()).await;
        for _ in 0..10 {
            let fault = async { Err(Problem::new(Code::Overloaded)) };
            assert_eq!(attempt(&guard, fault).await, Some(Code::Overloaded));
        }
        assert_eq!(attempt(&guard, async { Ok(Tried::Right(())) }).await, None);
    }

    #[tokio::test]
    async fn whoever_hangs_up_has_failed() {
        let (_database, guard) = guard(undelayed()).await;
        for _ in 0..5 {
            let never = std::future::pending();
            let soon = Duration::from_millis(500);
            assert!(timeout(soon, attempt(&guard, never)).await.is_err());
        }
        let answer = attempt(&guard, async { Ok(Tried::Right(())) }).await;
        assert_eq!(answer, Some(Code::SignInBlocked));
    }

    #[tokio::test]
    async fn switched_off_it_counts_nothing() {
        let limits = Limits {
            login_block_after: None,
            ..undelayed()
        };
        let (_database, guard) = guard(limits).await;
        for _ in 0..20 {
            let answer = attempt(&guard, async { wrong() }).await;
            assert_eq!(answer, Some(Code::InvalidCredentials));
        }
    }

    #[tokio::test]
    async fn the_fifth_failure_answers_as_the_first_and_the_sixth_is_told_when_to_come_back() {
        let (_database, guard) = guard(undelayed()).await;
        for _ in 0..5 {
            let answer = attempt(&guard, async { wrong() }).await;
            assert_eq!(answer, Some(Code::InvalidCredentials));
        }
        let address = HERE.parse().unwrap();
        let check = async { Ok(Tried::Right(())) };
        let refused = guard.attempt("other", address, check).await.unwrap_err();
        assert_eq!(refused.code(), Code::SignInBlocked);
        assert_eq!(refused.retry_after_s(), Some(900));
    }
}
