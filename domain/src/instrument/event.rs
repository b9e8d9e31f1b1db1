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
}

impl InstrumentEvent {
    /// Stable name of the event.
    #[must_use]
    pub const fn event_type(&self) -> &'static str {
        match self {
            Self::InstrumentListed { .. } => "InstrumentListed",
        }
    }
}
