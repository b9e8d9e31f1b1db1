//! Waiting for conditions, with deadlines generous enough for a slow and noisy machine.

use std::{
    future::Future,
    time::{Duration, Instant},
};

/// The deadline of everything that should happen soon.
pub const SOON: Duration = Duration::from_secs(30);

/// Asks `probe` again and again until it answers, and returns the answer.
///
/// # Panics
/// After [`SOON`], naming `what` was waited for.
pub async fn eventually<T, F, P>(what: &str, probe: P) -> T
where
    P: FnMut() -> F,
    F: Future<Output = Option<T>>,
{
    within(SOON, what, probe).await
}

/// As [`eventually`], with a deadline of one's own.
///
/// # Panics
/// After `deadline`, naming `what` was waited for.
pub async fn within<T, F, P>(deadline: Duration, what: &str, mut probe: P) -> T
where
    P: FnMut() -> F,
    F: Future<Output = Option<T>>,
{
    let started = Instant::now();
    let mut pause = Duration::from_millis(10);
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(
            started.elapsed() < deadline,
            "waited {deadline:?} in vain: {what}"
        );
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(200));
    }
}

/// Awaits a future, but no longer than [`SOON`].
///
/// # Panics
/// After the deadline, naming `what` was waited for.
pub async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(SOON, future).await {
        Ok(output) => output,
        Err(_) => panic!("waited {SOON:?} in vain: {what}"),
    }
}
