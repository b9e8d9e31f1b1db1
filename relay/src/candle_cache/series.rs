//! One symbol at one interval: what our quotes build of it, and how that joins the provider's
//! history.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::TimeDelta;
use daybook_domain::{Instrument, Quote, Timestamp, rules::SessionRule, session::SessionPlan};

use crate::{Candle, Interval, candle::LiveCandles, catalogue};

/// The provider needs a moment to finish a candle after its end.
const SETTLING: TimeDelta = TimeDelta::seconds(5);

/// What a page was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) limit: usize,
    pub(super) before: Option<Timestamp>,
}

/// A page in memory.
#[derive(Debug)]
pub(super) struct Entry {
    /// How many were asked for; fewer candles mean that there are no older ones.
    pub(super) size: usize,
    /// Oldest first.
    pub(super) candles: Vec<Candle>,
    /// When the provider said so.
    pub(super) fetched_at: Timestamp,
    /// Why it is not newer or longer, if so.
    pub(super) failure: Option<String>,
    /// After a failure: not before this.
    pub(super) retry_at: Timestamp,
}

/// One symbol at one interval.
pub(super) struct Series {
    pub(super) provider_symbol: String,
    pub(super) digits: u32,
    pub(super) plan: SessionPlan,
    live: Mutex<LiveCandles>,
}

/// Candles that start before this were over, and finished, at `fetched_at`.
pub(super) fn settled_until(interval: Interval, fetched_at: Timestamp) -> Timestamp {
    let over = fetched_at.checked_sub_signed(SETTLING);
    interval.start(over.unwrap_or(Timestamp::MIN_UTC))
}

/// Whether any moment of a candle lies within trading hours. Days and weeks always do enough.
pub(super) fn trades(plan: SessionPlan, interval: Interval, start: Timestamp) -> bool {
    if interval >= Interval::D1 {
        return true;
    }
    let state = plan.state(start);
    state.open || state.until < interval.end(start)
}

impl Series {
    pub(super) fn new(instrument: &Instrument) -> Self {
        Self {
            provider_symbol: catalogue::listing(instrument).provider_symbol,
            digits: instrument.digits,
            plan: instrument.session,
            live: Mutex::default(),
        }
    }

    /// Takes in a quote, unless trading hours count and it lies outside.
    pub(super) fn take(&self, interval: Interval, quote: &Quote, sessions: SessionRule) {
        let counts = match sessions {
            SessionRule::Always => true,
            SessionRule::Terms => self.plan.is_open(quote.at),
        };
        if counts {
            self.live().take(interval, quote);
        }
    }

    /// The provider's candles and ours as one row, oldest first, cut to what was asked for.
    pub(super) fn joined(&self, interval: Interval, entry: &Entry, asked: Asked) -> Vec<Candle> {
        let settled = settled_until(interval, entry.fetched_at);
        let wanted = |candle: &Candle| asked.before.is_none_or(|before| candle.time < before);
        let known = entry.candles.iter().filter(|candle| wanted(candle));
        let mut candles: BTreeMap<_, _> = known.map(|it| (it.time, *it)).collect();
        for live in self.live().iter().filter(|candle| wanted(candle)) {
            let joined = match candles.get(&live.time) {
                Some(known) if known.time < settled => *known,
                Some(known) => known.joined(live),
                None => *live,
            };
            candles.insert(live.time, joined);
        }
        let skipped = candles.len().saturating_sub(asked.limit);
        candles.into_values().skip(skipped).collect()
    }

    /// A panic elsewhere cannot leave candles half-built in a way that a chart would notice.
    fn live(&self) -> MutexGuard<'_, LiveCandles> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn candles_trade_where_any_of_their_time_does_in_summer_and_in_winter() {
        let fx = |interval, start| trades(SessionPlan::Fx, interval, at(start));
        // The week ends on Friday at 17:00 New York: 22:00 UTC in winter, 21:00 in summer.
        assert!(fx(Interval::M1, "2026-01-16T21:59:00Z"));
        assert!(!fx(Interval::M1, "2026-01-16T22:00:00Z"));
        assert!(!fx(Interval::M1, "2026-07-17T21:00:00Z"));
        assert!(!fx(Interval::H4, "2026-01-17T08:00:00Z"));
        // It begins in the middle of a four-hour candle, and an hour earlier in summer.
        assert!(fx(Interval::H4, "2026-03-08T20:00:00Z"));
        assert!(fx(Interval::H1, "2026-03-08T21:00:00Z"));
        assert!(!fx(Interval::H1, "2026-03-01T21:00:00Z"));
        assert!(fx(Interval::D1, "2026-01-17T00:00:00Z"));
        assert!(trades(
            SessionPlan::Always,
            Interval::M1,
            at("2026-01-17T08:00:00Z")
        ));
    }

    #[test]
    fn a_candle_is_settled_a_moment_after_its_end() {
        let until = |fetched| settled_until(Interval::M1, at(fetched));
        assert_eq!(until("2026-01-16T12:31:04Z"), at("2026-01-16T12:30:00Z"));
        assert_eq!(until("2026-01-16T12:31:05Z"), at("2026-01-16T12:31:00Z"));
    }
}
