//! What can go wrong with the book.

use uuid::Uuid;

use crate::recorded::StreamId;

/// A read or an administrative act failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Postgres is away or refused.
    #[error("database")]
    Database(#[from] sqlx::Error),
    /// The schema could not be migrated.
    #[error("migration")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// What was read contradicts itself: a gap, a broken chain, an undecodable payload.
    #[error("the book is corrupt at {place}: {detail}")]
    Corrupt {
        /// Stream and sequence, or position.
        place: String,
        /// What is wrong.
        detail: String,
    },
    /// A key is missing, or does not decrypt.
    #[error("key: {0}")]
    Key(String),
    /// The subject's key was destroyed: what was sealed under it is gone.
    #[error("the data of {0} were erased")]
    Erased(Uuid),
}

/// A submission was not appended. Nothing of it is in the book.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Another node writes now; this one must stop.
    #[error("this node is not the writer")]
    Fenced,
    /// An earlier submission of the same stream failed: reload the stream and decide again.
    #[error("{0} must be reloaded")]
    StaleGeneration(StreamId),
    /// A unique row exists already.
    #[error("{kind} is taken")]
    UniqueTaken {
        /// Kind of the row (`email`, `account_number`, `external_id`).
        kind: String,
    },
    /// The idempotency key was used before; read the stored answer.
    #[error("the idempotency key was used before")]
    IdempotencyKeyUsed,
    /// The database refused the data itself.
    #[error("refused by the database: {0}")]
    Refused(String),
    /// The database is away and the outcome is known: not appended.
    #[error("the database is unavailable")]
    Unavailable,
    /// The committer's queue is full.
    #[error("the committer's queue is full")]
    Overloaded,
}
