//! Catch-up and live reading by position: NOTIFY wakes, polling stands behind it.

use std::time::Duration;

use tokio::{sync::watch, time::timeout};

use crate::{error::StoreError, recorded::Recorded, store::Store};

const RETRY: Duration = Duration::from_millis(250);
/// Looks at the book without being woken after this time: the third net under NOTIFY and polling.
const LOOK: Duration = Duration::from_secs(5);

/// Yields events in position order, without gaps, forever.
pub struct Subscription {
    store: Store,
    after: i64,
    committed: watch::Receiver<i64>,
}

impl Subscription {
    pub(crate) fn new(store: Store, after: i64) -> Self {
        let committed = store.committed();
        Self {
            store,
            after,
            committed,
        }
    }

    /// The position of the last event yielded.
    #[must_use]
    pub const fn position(&self) -> i64 {
        self.after
    }

    /// The next events, at least one, at most `limit`. Waits while there are none; retries by
    /// itself when the database is away for a while. Cancel-safe.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when positions are not contiguous.
    pub async fn next_batch(&mut self, limit: i64) -> Result<Vec<Recorded>, StoreError> {
        loop {
            // Marked as seen before reading: what commits while we read wakes us again.
            if *self.committed.borrow_and_update() <= self.after {
                // An error cannot be: the sender lives as long as our store.
                let _woken = timeout(LOOK, self.committed.changed()).await;
            }
            match self.store.read_all(self.after, limit.max(1)).await {
                Ok(events) => {
                    if let Some(last) = events.last() {
                        self.after = last.position;
                        return Ok(events);
                    }
                }
                Err(StoreError::Database(error)) => {
                    tracing::warn!(%error, after = self.after, "reading the book: trying again");
                    tokio::time::sleep(RETRY).await;
                }
                Err(
                    error @ (StoreError::Migration(_)
                    | StoreError::Corrupt { .. }
                    | StoreError::Key(_)
                    | StoreError::Erased(_)),
                ) => return Err(error),
            }
        }
    }
}
