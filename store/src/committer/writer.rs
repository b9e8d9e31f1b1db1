//! The way into the book, and what the committer counts.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::mpsc;

use crate::{error::AppendError, submission::Submission};

/// The way into the book for the one writer. Cheap to clone.
#[derive(Clone)]
pub struct Writer {
    pub(super) queue: mpsc::Sender<Submission>,
    pub(super) counters: Arc<Counters>,
}

impl Writer {
    /// Hands a submission over without waiting. When the queue is full or the committer has
    /// stopped, `on_outcome` is called at once with `Overloaded` or `Fenced`.
    pub fn submit(&self, submission: Submission) {
        match self.queue.try_send(submission) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(refused)) => refused.fail(AppendError::Overloaded),
            Err(mpsc::error::TrySendError::Closed(refused)) => refused.fail(AppendError::Fenced),
        }
    }

    /// What the committer has done so far.
    #[must_use]
    pub fn stats(&self) -> WriterStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        WriterStats {
            batches: read(&self.counters.batches),
            events: read(&self.counters.events),
            bisected: read(&self.counters.bisected),
            reconnects: read(&self.counters.reconnects),
            read_back_committed: read(&self.counters.read_back_committed),
            read_back_lost: read(&self.counters.read_back_lost),
        }
    }
}

/// Counted since this node became the writer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriterStats {
    /// Appends that are in the book.
    pub batches: u64,
    /// Events in them.
    pub events: u64,
    /// Batches that were cut in two because of a refused row.
    pub bisected: u64,
    /// Connections made anew.
    pub reconnects: u64,
    /// Appends whose answer was lost and that turned out to be in the book.
    pub read_back_committed: u64,
    /// Appends whose answer was lost and that turned out not to be in the book.
    pub read_back_lost: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) batches: AtomicU64,
    pub(super) events: AtomicU64,
    pub(super) bisected: AtomicU64,
    pub(super) reconnects: AtomicU64,
    pub(super) read_back_committed: AtomicU64,
    pub(super) read_back_lost: AtomicU64,
}
