//! Where history outlives the process. What keeps it is given from above, for this crate knows no
//! database.

use daybook_domain::{Symbol, Timestamp};
use futures::future::BoxFuture;

use crate::{Candle, Interval};

/// One symbol at one interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesKey {
    /// The instrument.
    pub symbol: Symbol,
    /// The length of its candles.
    pub interval: Interval,
}

/// Candles as the provider gave them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Oldest first; the last may still run.
    pub candles: Vec<Candle>,
    /// Between these the provider has no candle but the given ones; without a start: from the
    /// beginning of its history.
    pub covered: (Option<Timestamp>, Timestamp),
    /// When the newest history was fetched; none where these are older candles.
    pub newest_at: Option<Timestamp>,
}

/// Candles as they were kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// The newest before the given time, oldest first.
    pub candles: Vec<Candle>,
    /// How far back from the given time (or from the newest history) nothing is missing, where
    /// anything is known at all; `Some(None)`: back to the beginning.
    pub complete_from: Option<Option<Timestamp>>,
    /// When the newest history was last fetched.
    pub newest_at: Option<Timestamp>,
}

/// Why history could not be read or kept. Never fatal: it is fetched again.
pub type KeepFailed = Box<dyn std::error::Error + Send + Sync>;

/// Keeps history.
pub trait CandleStore: Send + Sync + 'static {
    /// The newest `limit` candles that start before `before`; without it, the newest of all, and
    /// `complete_from` counts back from the newest history.
    fn load(
        &self,
        series: SeriesKey,
        before: Option<Timestamp>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Stored, KeepFailed>>;

    /// Keeps these; what was known of the same times is replaced.
    fn save(&self, series: SeriesKey, fetched: Fetched) -> BoxFuture<'_, Result<(), KeepFailed>>;
}
