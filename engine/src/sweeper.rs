//! Moves the floor of recovery: everything that has changed is snapshotted, then the position from
//! before becomes the floor. Also forgets answers that have expired.

use std::sync::Arc;

use daybook_store::StoreError;
use tokio::{
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval},
};

use crate::{
    shard::Note,
    shared::{ACCOUNT, STATE_VERSION, Shared},
};

/// Sweeps between two looks for expired answers in the book.
const SWEEPS_PER_EXPIRY: u64 = 60;

pub(crate) struct Sweeper {
    shared: Arc<Shared>,
    shards: Vec<mpsc::UnboundedSender<Note>>,
}

impl Sweeper {
    pub fn new(shared: Arc<Shared>, shards: Vec<mpsc::UnboundedSender<Note>>) -> Self {
        Self { shared, shards }
    }

    /// Runs until it is aborted.
    pub async fn run(self) {
        let mut turns = interval(self.shared.config.sweep_every);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut floor = 0;
        for turn in 0_u64.. {
            turns.tick().await;
            match self.sweep(floor).await {
                Ok(moved) => floor = moved,
                Err(error) => tracing::warn!(%error, "the sweep failed and will be repeated"),
            }
            if turn.is_multiple_of(SWEEPS_PER_EXPIRY) {
                self.expire().await;
            }
        }
    }

    /// One sweep; returns the floor.
    async fn sweep(&self, floor: i64) -> Result<i64, StoreError> {
        // What is committed up to here is in the shards' states already: it was decided there.
        let position = self.shared.store.head().await?.position;
        if position == floor {
            return Ok(floor);
        }
        let mut swept = Vec::with_capacity(self.shards.len());
        for shard in &self.shards {
            let (done, told) = oneshot::channel();
            let _ended = shard.send(Note::Sweep(done));
            swept.push(told);
        }
        for told in swept {
            if told.await.is_err() {
                // A shard has ended: whoever ends it moves the floor.
                return Ok(floor);
            }
        }
        Ok(move_floor_after(&self.shared, Some(position))
            .await
            .unwrap_or(floor))
    }

    async fn expire(&self) {
        let before = self.shared.answers_since();
        match self.shared.store.expire_idempotency(before).await {
            Ok(0) => {}
            Ok(count) => tracing::debug!(count, "expired answers forgotten"),
            Err(error) => tracing::warn!(%error, "expired answers could not be forgotten"),
        }
    }
}

/// Waits until all snapshots handed over are kept, then moves the floor to `position`; without one,
/// to the end of the book, which nobody may be writing to then.
pub(crate) async fn move_floor_after(shared: &Shared, position: Option<i64>) -> Option<i64> {
    let moved = async {
        let position = match position {
            Some(position) => position,
            None => shared.store.head().await?.position,
        };
        let kept = shared.saver.barrier();
        if kept.await.is_err() {
            return Ok(None);
        }
        let store = &shared.store;
        store
            .set_snapshot_floor(ACCOUNT, STATE_VERSION, position)
            .await?;
        Ok::<_, StoreError>(Some(position))
    };
    moved.await.unwrap_or_else(|error| {
        tracing::warn!(%error, "the floor of recovery could not be moved");
        None
    })
}
