//! Where the engine's time comes from.

use chrono::{SubsecRound, Utc};
use daybook_domain::Timestamp;

/// A source of time, in whole microseconds: the precision of the book.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Utc::now().trunc_subsecs(6)
    }
}
