//! What the engine answers when it does not answer.

use daybook_domain::{
    AccountId, AccountRejection, ClientRejection, EndpointRejection, StaffRejection,
    account::Unsettled, instrument::InstrumentRejection,
};
use daybook_store::{AppendError, StoreError};

/// A request got no answer of its own. Nothing of it is in the book.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Another node writes now.
    #[error("this node is not the writer")]
    NotLeader,
    /// A queue is full; ask again later.
    #[error("too many requests are waiting")]
    Overloaded,
    /// The database is away, or the engine stops; ask again with the same key.
    #[error("the book is unavailable")]
    Unavailable,
    /// No such account, or another client's.
    #[error("no such account")]
    NotFound,
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    IdempotencyKeyReused,
    /// A unique value belongs to somebody else.
    #[error("{kind} is taken")]
    UniqueTaken {
        /// Kind of the value: `email`, `account_number`.
        kind: String,
    },
    /// The client's stream refuses a registration.
    #[error("registration refused")]
    ClientRefused(#[source] ClientRejection),
    /// The stream of a member of staff refuses.
    #[error("staff refused")]
    StaffRefused(#[source] StaffRejection),
    /// An account cannot be opened as asked.
    #[error("opening the account refused")]
    AccountRefused(#[source] AccountRejection),
    /// A client cannot be erased yet.
    #[error("account {account_id} is not settled: {unsettled}")]
    NotSettled {
        /// Which of the client's accounts.
        account_id: AccountId,
        /// What is still open.
        unsettled: Unsettled,
    },
    /// An instrument's terms cannot be what is asked.
    #[error("changing the instrument refused")]
    InstrumentRefused(#[source] InstrumentRejection),
    /// An endpoint's stream refuses.
    #[error("changing the endpoint refused")]
    EndpointRefused(#[source] EndpointRejection),
    /// The book contradicts itself, or the database refused what we decided.
    #[error("the book is corrupt: {0}")]
    Corrupt(String),
    /// Reading the book failed.
    #[error("the book could not be read")]
    Store(#[source] StoreError),
}

impl From<AppendError> for EngineError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Fenced => Self::NotLeader,
            AppendError::StaleGeneration(_) | AppendError::Unavailable => Self::Unavailable,
            AppendError::UniqueTaken { kind } => Self::UniqueTaken { kind },
            AppendError::IdempotencyKeyUsed => Self::IdempotencyKeyReused,
            AppendError::Refused(detail) => Self::Corrupt(detail),
            AppendError::Overloaded => Self::Overloaded,
        }
    }
}

impl From<StoreError> for EngineError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Database(_) => Self::Unavailable,
            StoreError::Corrupt { place, detail } => Self::Corrupt(format!("{place}: {detail}")),
            other @ (StoreError::Migration(_) | StoreError::Key(_) | StoreError::Erased(_)) => {
                Self::Store(other)
            }
        }
    }
}
