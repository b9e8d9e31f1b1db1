//! Trading hours, in the exchange's time zone and aware of daylight saving.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// Which hours an instrument keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionPlan {
    /// Sunday 17:00 to Friday 17:00 New York.
    #[default]
    Fx,
    /// As FX, with the daily break 17:00–18:00 New York (metals, energies).
    DailyBreak,
    /// US index futures: Sunday 18:00 to Friday 17:00 New York, break 17:00–18:00.
    IndexUs,
    /// Xetra hours for DE40: Monday to Friday 08:00–22:00 Berlin.
    IndexEu,
    /// Around the clock (crypto).
    Always,
}

/// Whether a session is open, and until when that answer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionState {
    /// Open for trading.
    pub open: bool,
    /// The next instant at which `open` changes; cache until then.
    pub until: Timestamp,
}

impl SessionPlan {
    /// The session at an instant.
    #[must_use]
    pub fn state(self, at: Timestamp) -> SessionState {
        let _ = at;
        todo!("domain")
    }
}

/// The next rollover (17:00 New York) strictly after `at`.
#[must_use]
pub fn next_rollover(at: Timestamp) -> Timestamp {
    let _ = at;
    todo!("domain")
}
