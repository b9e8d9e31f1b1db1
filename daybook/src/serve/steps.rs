//! Stopping in steps, none of which may take forever.

use std::{future::Future, time::Duration};

/// How long one step may take.
const STEP_MAX: Duration = Duration::from_secs(15);

/// Awaits a step, and goes on without it when it hangs: what is not written by then is not
/// acknowledged either, and the next start recovers from the book.
pub async fn bounded(what: &str, step: impl Future<Output = ()>) {
    if tokio::time::timeout(STEP_MAX, step).await.is_err() {
        tracing::warn!(
            "{what} took longer than {} s and was left",
            STEP_MAX.as_secs()
        );
    }
}
