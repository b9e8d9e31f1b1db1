//! What staff looked at: every look is a fact, but for those that repeat one of a moment ago, so
//! that turning pages does not fill the book.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::{ClientId, Timestamp};

/// Within this time the same look is noted once.
const SAME_WITHIN_MIN: i64 = 15;
/// Looks that are remembered, the newest ones.
const REMEMBERED_MAX: usize = 200;

/// At what kind of thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Look {
    /// Events of a stream.
    Events,
    /// An account's state at some point.
    State,
    /// Every event of an account, with the state after it.
    Replay,
    /// An account's statement.
    Statement,
    /// Whether a stream's chain of hashes holds.
    Verification,
    /// A document that a client handed in.
    Document,
    /// Who did what.
    Audit,
}

/// What was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looked {
    /// What kind of thing.
    pub what: Look,
    /// The stream, where it is about one.
    pub stream: Option<String>,
    /// The client whom it concerns, where it does one.
    pub client_id: Option<ClientId>,
}

/// The newest looks, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looks(VecDeque<(Looked, Timestamp)>);

impl Looks {
    /// Whether this look was noted a moment ago.
    pub(super) fn has(&self, look: &Looked, at: Timestamp) -> bool {
        let recent = |before: Timestamp| (at - before).num_minutes() < SAME_WITHIN_MIN;
        let mut known = self.0.iter();
        known.any(|(known, before)| known == look && recent(*before))
    }

    pub(super) fn note(&mut self, look: Looked, at: Timestamp) {
        self.0.retain(|(known, _)| *known != look);
        if self.0.len() >= REMEMBERED_MAX {
            self.0.pop_front();
        }
        self.0.push_back((look, at));
    }
}
