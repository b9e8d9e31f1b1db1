//! What happens to an instrument's terms.

use serde::{Deserialize, Serialize};

use super::Instrument;
use crate::Timestamp;

/// A dated fact about an instrument.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InstrumentEvent {
    /// The instrument can be traded from now on, under these terms.
    InstrumentListed {
        /// All terms.
        terms: Box<Instrument>,
        /// When.
        at: Timestamp,
    },
    /// Other terms are in force from now on. What was dealt before keeps its own.
    InstrumentTermsChanged {
        /// All terms, as they are now.
        terms: Box<Instrument>,
        /// Names of the terms that changed.
        changed: Vec<String>,
        /// Who.
        by: String,
        /// For people.
        reason: Option<String>,
        /// When.
        at: Timestamp,
    },
}

impl InstrumentEvent {
    /// Stable name of the event.
    #[must_use]
    pub const fn event_type(&self) -> &'static str {
        match self {
            Self::InstrumentListed { .. } => "InstrumentListed",
            Self::InstrumentTermsChanged { .. } => "InstrumentTermsChanged",
        }
    }

    /// The terms in force after it, and from when on.
    #[must_use]
    pub const fn terms(&self) -> (&Instrument, Timestamp) {
        match self {
            Self::InstrumentListed { terms, at }
            | Self::InstrumentTermsChanged { terms, at, .. } => (terms, *at),
        }
    }
}
