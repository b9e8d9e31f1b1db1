//! What a shard hands to the committer.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};
use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    error::AppendError,
    keys::NewKey,
    recorded::{Metadata, StreamId},
    sessions::SessionChange,
};

/// An event to be. The payload is final JSON text: personal fields are sealed already.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// Stable name.
    pub event_type: &'static str,
    /// Version of the payload's shape.
    pub event_version: &'static str,
    /// JSON text.
    pub payload: String,
}

/// A stream as its one owner in this process holds it. The committer keeps its chain head and its
/// generation here; a failed append raises the generation, and whatever was decided on the state
/// before is refused until the owner has reloaded.
#[derive(Debug)]
pub struct StreamHandle {
    /// The stream.
    pub stream: StreamId,
    pub(crate) generation: AtomicU64,
    pub(crate) head: Mutex<ChainHead>,
}

/// Last committed sequence and hash of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChainHead {
    /// Sequence of the last event; 0 for an empty stream.
    pub sequence: i64,
    /// Its hash; zeros for an empty stream.
    pub hash: [u8; 32],
}

impl StreamHandle {
    /// A handle on a stream whose committed end is `head`.
    #[must_use]
    pub fn new(stream: StreamId, head: ChainHead) -> Arc<Self> {
        Arc::new(Self {
            stream,
            generation: AtomicU64::new(0),
            head: Mutex::new(head),
        })
    }

    /// The generation to stamp submissions with.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The committed end of the stream, as far as this handle has seen it.
    #[must_use]
    pub fn head(&self) -> ChainHead {
        // A panic elsewhere cannot leave two plain values half-changed.
        *self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_head(&self, head: ChainHead) {
        *self.head.lock().unwrap_or_else(PoisonError::into_inner) = head;
    }

    /// Refuses from now on what was decided on `generation`. One that is past already stays: what
    /// the owner decided after reloading must not fall with what it decided before.
    pub(crate) fn invalidate(&self, generation: u64) {
        let next = generation.saturating_add(1);
        let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
        // A failed exchange is the case above.
        let _raised = self
            .generation
            .compare_exchange(generation, next, success, failure);
    }
}

/// Events for one stream, in order.
#[derive(Clone, Debug)]
pub struct StreamAppend {
    /// The stream.
    pub handle: Arc<StreamHandle>,
    /// The generation of the state that this was decided on.
    pub generation: u64,
    /// Sequence of the first event: one past the speculative end that the decider saw.
    pub first_sequence: i64,
    /// The events.
    pub events: Vec<NewEvent>,
}

/// A value that may exist once, committed with the events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UniqueRow {
    /// `email`, `account_number`, `external_id`.
    pub kind: &'static str,
    /// The value, or its keyed hash where it is personal.
    pub value: String,
    /// Whose it is.
    pub owner: Uuid,
}

/// A secret that is no event (a password's hash), committed with the events, replacing an older one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretRow {
    /// Whose.
    pub subject: Uuid,
    /// Which: `password`.
    pub name: &'static str,
    /// The secret, already hashed or encrypted.
    pub value: String,
}

/// The first answer to an idempotency key, committed with what it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyRow {
    /// Caller, a space, and the route.
    pub scope: String,
    /// The client's key.
    pub key: String,
    /// Stream whose hot state carries it (`aggregate_id`).
    pub aggregate_id: String,
    /// SHA-256 of path and body.
    pub request_hash: [u8; 32],
    /// HTTP status of the answer.
    pub status: u16,
    /// Body of the answer, byte for byte.
    pub body: String,
    /// Position the answer was committed at; filled in by the store, 0 before.
    pub position: i64,
}

/// What happened to a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Position of its last event, or the head's position when it had none.
    pub position: i64,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
}

/// Called once, from the committer's task, when the outcome is known. Must not block.
pub type OnOutcome = Box<dyn FnOnce(Result<Committed, AppendError>) + Send>;

/// One command's worth of rows: appended whole or not at all. A submission without any row is a
/// barrier: it is answered when everything submitted before it has been decided.
pub struct Submission {
    /// Events by stream.
    pub appends: Vec<StreamAppend>,
    /// Streams whose uncommitted state the answer rests on, besides those appended to: when one of
    /// them fails, so does this submission.
    pub rests_on: Vec<(Arc<StreamHandle>, u64)>,
    /// Of all its events.
    pub metadata: Arc<Metadata>,
    /// The answer to keep.
    pub idempotency: Option<IdempotencyRow>,
    /// Unique rows.
    pub uniques: Vec<UniqueRow>,
    /// Data keys of new subjects.
    pub keys: Vec<NewKey>,
    /// Secrets.
    pub secrets: Vec<SecretRow>,
    /// Sessions that begin or end with it.
    pub sessions: Vec<SessionChange>,
    /// Told the outcome.
    pub on_outcome: OnOutcome,
}

impl Submission {
    /// One command's events, with nothing beside them.
    #[must_use]
    pub fn new(appends: Vec<StreamAppend>, metadata: Arc<Metadata>, on_outcome: OnOutcome) -> Self {
        Self {
            appends,
            rests_on: Vec::new(),
            metadata,
            idempotency: None,
            uniques: Vec::new(),
            keys: Vec::new(),
            secrets: Vec::new(),
            sessions: Vec::new(),
            on_outcome,
        }
    }

    pub(crate) fn events(&self) -> usize {
        self.appends.iter().map(|append| append.events.len()).sum()
    }

    /// About what it sends to Postgres.
    pub(crate) fn bytes(&self) -> usize {
        let events = self.appends.iter().flat_map(|append| &append.events);
        let payloads: usize = events.map(|event| event.payload.len()).sum();
        payloads + self.idempotency.as_ref().map_or(0, |row| row.body.len())
    }

    /// Nothing of it was appended: whatever was decided on top of it must not be either.
    pub(crate) fn fail(self, error: AppendError) {
        for append in &self.appends {
            append.handle.invalidate(append.generation);
        }
        answer(self.on_outcome, Err(error));
    }

    pub(crate) fn succeed(self, committed: Committed) {
        answer(self.on_outcome, Ok(committed));
    }
}

impl fmt::Debug for Submission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submission")
            .field("appends", &self.appends)
            .field("idempotency", &self.idempotency)
            .finish_non_exhaustive()
    }
}

/// A panic in a caller's code must not take the writer of the book along.
fn answer(on_outcome: OnOutcome, outcome: Result<Committed, AppendError>) {
    if catch_unwind(AssertUnwindSafe(|| on_outcome(outcome))).is_err() {
        tracing::error!("a submission's on_outcome panicked");
    }
}
