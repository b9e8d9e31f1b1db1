//! Catch-up and live reading by position: NOTIFY wakes, polling stands behind it.

use crate::{error::StoreError, recorded::Recorded};

/// Yields events in position order, without gaps, forever.
pub struct Subscription;

impl Subscription {
    /// The next events, at least one, at most `limit`. Waits while there are none; retries by
    /// itself when the database is away for a while.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when positions are not contiguous.
    pub async fn next_batch(&mut self, limit: i64) -> Result<Vec<Recorded>, StoreError> {
        let _ = limit;
        todo!("store")
    }
}
