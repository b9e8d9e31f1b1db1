//! News for a shard, from the committer, from loads and from the engine.

use std::sync::Arc;

use chrono::NaiveDate;
use daybook_domain::{AccountId, Instrument};
use daybook_store::{AppendError, IdempotencyRow};
use tokio::sync::oneshot;

use super::{inspect::Inspection, seat::Pending, together::Together};
use crate::{
    desk::TermsHistory, error::EngineError, load::LoadedAccount, request::IdempotencyRequest,
};

pub(crate) enum Note {
    /// A submission's outcome is known.
    Settled(Box<Settled>),
    /// An account was loaded, or could not be.
    Arrived(Box<Arrived>),
    /// An account's answers were read.
    AnswersRead {
        account_id: AccountId,
        result: Result<Vec<IdempotencyRow>, EngineError>,
    },
    /// Decide about several accounts at once.
    Together(Box<Together>),
    /// Show an account to somebody.
    Inspect(Box<Inspection>),
    /// Other terms are in force from now on.
    Terms(TermsNote),
    /// All that this shard decided about a trading day's rollover stands in the book.
    RolledOver(NaiveDate),
    /// Snapshot everything that has changed, then tell.
    Sweep(oneshot::Sender<()>),
    /// Take nothing more, finish what is there, snapshot, then tell and end.
    Stop(oneshot::Sender<()>),
}

/// Terms in force, and all that ever were.
#[derive(Clone)]
pub(crate) struct TermsNote {
    pub terms: Arc<Instrument>,
    pub history: Arc<TermsHistory>,
}

/// What became of a submission.
pub(crate) struct Settled {
    pub account_id: AccountId,
    pub had_events: bool,
    /// The key whose answer went with it.
    pub kept: Option<IdempotencyRequest>,
    pub outcome: Outcome,
}

pub(crate) enum Outcome {
    /// It stands in the book.
    Committed(i64),
    /// The state it was decided on did not last; the caller waits for another decision.
    DecideAgain(Box<Pending>),
    /// The key was used before; the caller waits for the stored answer.
    KeyUsed(Box<Pending>),
    /// Not appended; the caller knows. The state may be one that never was.
    Failed,
    /// This node writes no more.
    Fenced,
}

impl Outcome {
    pub fn of_error(error: &AppendError) -> Self {
        match error {
            AppendError::Fenced => Self::Fenced,
            AppendError::StaleGeneration(_)
            | AppendError::UniqueTaken { .. }
            | AppendError::IdempotencyKeyUsed
            | AppendError::Refused(_)
            | AppendError::Unavailable
            | AppendError::Overloaded => Self::Failed,
        }
    }
}

pub(crate) struct Arrived {
    pub account_id: AccountId,
    pub result: Result<Option<(LoadedAccount, Vec<IdempotencyRow>)>, EngineError>,
}
