//! Candles of the simulator: the provider's intervals over the price path.

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveDateTime, TimeZone as _, Utc};
use daybook_domain::Decimal;

use super::world::{Listed, World};

/// Prices looked at within one candle.
const SAMPLES: i64 = 16;

/// An interval of the provider's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Aligned to midnight UTC, in seconds.
    Seconds(i64),
    /// From Monday.
    Week,
    /// From the first.
    Month,
}

/// One candle of bids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bar {
    pub start_s: i64,
    pub open: Decimal,
    pub high: Decimal,
    pub low: Decimal,
    pub close: Decimal,
}

impl Step {
    /// Reads `1min` … `1month`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "1min" => Self::Seconds(60),
            "5min" => Self::Seconds(300),
            "15min" => Self::Seconds(900),
            "30min" => Self::Seconds(1_800),
            "45min" => Self::Seconds(2_700),
            "1h" => Self::Seconds(3_600),
            "2h" => Self::Seconds(7_200),
            "4h" => Self::Seconds(14_400),
            "8h" => Self::Seconds(28_800),
            "1day" => Self::Seconds(86_400),
            "1week" => Self::Week,
            "1month" => Self::Month,
            _ => return None,
        })
    }

    /// Start of the candle that a moment falls into, in UNIX seconds.
    pub(super) fn start(self, at_s: i64) -> i64 {
        const WEEK: i64 = 604_800;
        const MONDAY: i64 = 4 * 86_400;
        match self {
            Self::Seconds(length) => at_s - at_s.rem_euclid(length),
            Self::Week => at_s - (at_s - MONDAY).rem_euclid(WEEK),
            Self::Month => first_of_month(at_s).unwrap_or(at_s),
        }
    }

    /// Whether its candles are named by a day alone.
    pub(super) const fn is_daily(self) -> bool {
        match self {
            Self::Seconds(length) => length >= 86_400,
            Self::Week | Self::Month => true,
        }
    }

    fn end(self, start_s: i64) -> i64 {
        match self {
            Self::Seconds(length) => start_s + length,
            Self::Week => start_s + 604_800,
            // Into the next month, whatever its length.
            Self::Month => self.start(start_s + 32 * 86_400),
        }
    }
}

/// At most `count` candles that start between `from_s` and `to_s` (both included), newest first;
/// the running one ends now.
pub(super) fn bars(
    world: &World,
    listed: &Listed,
    step: Step,
    count: usize,
    (from_s, to_s): (i64, i64),
    now_ms: i64,
) -> Vec<Bar> {
    let mut start_s = step.start(to_s.min(now_ms / 1_000));
    let mut bars = Vec::with_capacity(count);
    while bars.len() < count && start_s >= from_s && start_s >= 0 {
        let end_ms = (step.end(start_s) * 1_000 - 1).min(now_ms);
        bars.push(bar(world, listed, start_s, end_ms, now_ms));
        start_s = step.start(start_s - 1);
    }
    bars
}

fn bar(world: &World, listed: &Listed, start_s: i64, end_ms: i64, now_ms: i64) -> Bar {
    let start_ms = start_s * 1_000;
    let at = |sample: i64| start_ms + (end_ms - start_ms) * sample / (SAMPLES - 1);
    let price = |sample| world.bid(listed, at(sample), now_ms);
    let open = price(0);
    let mut bar = Bar {
        start_s,
        open,
        high: open,
        low: open,
        close: open,
    };
    for sample in 1..SAMPLES {
        bar.close = price(sample);
        bar.high = bar.high.max(bar.close);
        bar.low = bar.low.min(bar.close);
    }
    bar
}

fn first_of_month(at_s: i64) -> Option<i64> {
    let day = DateTime::from_timestamp(at_s, 0)?.date_naive();
    let first = NaiveDate::from_ymd_opt(day.year(), day.month(), 1)?;
    Some(first.and_hms_opt(0, 0, 0)?.and_utc().timestamp())
}

/// A date or a time of the provider's, in UNIX seconds.
pub(super) fn parse_time(text: &str) -> Option<i64> {
    let day = || {
        NaiveDate::parse_from_str(text, "%Y-%m-%d")
            .ok()?
            .and_hms_opt(0, 0, 0)
    };
    let time = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S"]
        .into_iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    Some(time.or_else(day)?.and_utc().timestamp())
}

/// The provider's form of a time.
pub(super) fn datetime(at_s: i64, step: Step) -> String {
    let at = Utc.timestamp_opt(at_s, 0).single().unwrap_or_default();
    let format = if step.is_daily() {
        "%Y-%m-%d"
    } else {
        "%Y-%m-%d %H:%M:%S"
    };
    at.format(format).to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{simulator::replay::Replay, testing::instrument};

    fn at(text: &str) -> i64 {
        parse_time(text).unwrap()
    }

    #[test]
    fn candles_start_where_the_providers_do() {
        let friday = at("2026-03-06 15:47:31");
        let start = |name| datetime(Step::parse(name).unwrap().start(friday), Step::Seconds(1));
        assert_eq!(start("45min"), "2026-03-06 15:45:00");
        assert_eq!(start("4h"), "2026-03-06 12:00:00");
        assert_eq!(start("1day"), "2026-03-06 00:00:00");
        assert_eq!(start("1week"), "2026-03-02 00:00:00");
        assert_eq!(start("1month"), "2026-03-01 00:00:00");
        assert_eq!(Step::parse("7min"), None);
        assert_eq!(Step::Month.end(at("2026-02-01")), at("2026-03-01"));
    }

    #[test]
    fn history_is_contiguous_newest_first_and_the_same_whenever_it_is_asked() {
        let replay = Replay::new(Vec::new(), Decimal::ONE, 5_000, false).unwrap();
        let world = World::new(1, &[Arc::new(instrument("EURUSD"))], replay);
        let euro = world.find("EUR/USD").unwrap();
        let now_ms = at("2026-03-06 15:47:31") * 1_000;
        let ask = |now_ms| {
            let all = (0, i64::MAX);
            bars(&world, euro, Step::Seconds(60), 100, all, now_ms)
        };
        let history = ask(now_ms);
        assert_eq!(history.len(), 100);
        assert_eq!(
            datetime(history[0].start_s, Step::Seconds(60)),
            "2026-03-06 15:47:00"
        );
        for pair in history.windows(2) {
            assert_eq!(pair[0].start_s - pair[1].start_s, 60);
            assert!(pair[1].low <= pair[1].open.min(pair[1].close));
            assert!(pair[1].high >= pair[1].open.max(pair[1].close));
            // A candle opens a millisecond after the one before it closed.
            assert!((pair[0].open - pair[1].close).abs() <= "0.00002".parse().unwrap());
        }
        assert_eq!(ask(now_ms + 60_000)[2..], history[1..99]);
        assert_eq!(history[0].close, world.bid(euro, now_ms, now_ms));
    }

    #[test]
    fn both_ends_of_a_range_are_included() {
        let replay = Replay::new(Vec::new(), Decimal::ONE, 5_000, false).unwrap();
        let world = World::new(1, &[Arc::new(instrument("EURUSD"))], replay);
        let euro = world.find("EUR/USD").unwrap();
        let range = (at("2026-03-06 15:00:00"), at("2026-03-06 15:10:00"));
        let now_ms = at("2026-03-07") * 1_000;
        let found = bars(&world, euro, Step::Seconds(300), 5_000, range, now_ms);
        let starts: Vec<_> = found.iter().map(|bar| bar.start_s).collect();
        assert_eq!(starts, [range.1, range.1 - 300, range.0]);
    }
}
