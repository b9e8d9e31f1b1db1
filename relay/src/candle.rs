//! Candles: their intervals, and how quotes build them.
//!
//! Candles are built from **bid** prices, as charts of dealing platforms are. Weeks begin on
//! Monday and days at midnight, UTC. `volume` is the provider's; where it has none (currencies,
//! and every candle built from our own quotes) it is zero.

use std::{collections::VecDeque, fmt, str::FromStr};

use chrono::{DateTime, TimeDelta};
use daybook_domain::{Decimal, Quote, Timestamp};
use serde::Serialize;

/// The length of a candle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Interval {
    /// One minute.
    M1,
    /// Five minutes.
    M5,
    /// A quarter of an hour.
    M15,
    /// Half an hour.
    M30,
    /// One hour.
    H1,
    /// Four hours.
    H4,
    /// One day, from midnight UTC.
    D1,
    /// One week, from Monday midnight UTC.
    W1,
}

/// The text names no interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an interval is one of 1m, 5m, 15m, 30m, 1h, 4h, 1d, 1w")]
pub struct UnknownInterval;

impl Interval {
    /// All intervals, shortest first.
    pub const ALL: [Self; 8] = [
        Self::M1,
        Self::M5,
        Self::M15,
        Self::M30,
        Self::H1,
        Self::H4,
        Self::D1,
        Self::W1,
    ];

    /// Reads `1m`, `5m`, `15m`, `30m`, `1h`, `4h`, `1d` or `1w`.
    ///
    /// # Errors
    /// [`UnknownInterval`] for anything else.
    pub fn parse(text: &str) -> Result<Self, UnknownInterval> {
        let named = |interval: &Self| interval.as_str() == text;
        Self::ALL.into_iter().find(named).ok_or(UnknownInterval)
    }

    /// Our name: `1m` … `1w`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::M1 => "1m",
            Self::M5 => "5m",
            Self::M15 => "15m",
            Self::M30 => "30m",
            Self::H1 => "1h",
            Self::H4 => "4h",
            Self::D1 => "1d",
            Self::W1 => "1w",
        }
    }

    /// The provider's name: `1min` … `1week`.
    #[must_use]
    pub const fn provider_name(self) -> &'static str {
        match self {
            Self::M1 => "1min",
            Self::M5 => "5min",
            Self::M15 => "15min",
            Self::M30 => "30min",
            Self::H1 => "1h",
            Self::H4 => "4h",
            Self::D1 => "1day",
            Self::W1 => "1week",
        }
    }

    /// Seconds from the start of one candle to that of the next.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        match self {
            Self::M1 => 60,
            Self::M5 => 300,
            Self::M15 => 900,
            Self::M30 => 1_800,
            Self::H1 => 3_600,
            Self::H4 => 14_400,
            Self::D1 => 86_400,
            Self::W1 => 604_800,
        }
    }

    /// Start of the candle that `at` falls into; the beginning of the calendar for a time so early
    /// that its candle would start before it.
    #[must_use]
    pub fn start(self, at: Timestamp) -> Timestamp {
        /// 1970-01-05, the first Monday of the UNIX era.
        const MONDAY: i64 = 4 * 86_400;
        let anchor = match self {
            Self::W1 => MONDAY,
            Self::M1 | Self::M5 | Self::M15 | Self::M30 | Self::H1 | Self::H4 | Self::D1 => 0,
        };
        let elapsed = (at.timestamp() - anchor).rem_euclid(self.seconds());
        DateTime::from_timestamp(at.timestamp() - elapsed, 0).unwrap_or(Timestamp::MIN_UTC)
    }

    /// Start of the first candle that does not start before `at`.
    #[must_use]
    pub fn start_at_or_after(self, at: Timestamp) -> Timestamp {
        let start = self.start(at);
        if start == at { start } else { self.end(start) }
    }

    /// Start of the next candle.
    #[must_use]
    pub fn end(self, start: Timestamp) -> Timestamp {
        let end = start.checked_add_signed(TimeDelta::seconds(self.seconds()));
        end.unwrap_or(Timestamp::MAX_UTC)
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Interval {
    type Err = UnknownInterval;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// Open, high, low and close of one interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Candle {
    /// Start of the interval.
    pub time: Timestamp,
    /// First price.
    pub open: Decimal,
    /// Highest price.
    pub high: Decimal,
    /// Lowest price.
    pub low: Decimal,
    /// Last price.
    pub close: Decimal,
    /// The provider's volume, zero where it has none.
    pub volume: Decimal,
}

impl Candle {
    fn begin(time: Timestamp, price: Decimal) -> Self {
        Self {
            time,
            open: price,
            high: price,
            low: price,
            close: price,
            volume: Decimal::ZERO,
        }
    }

    fn take(&mut self, price: Decimal) {
        self.high = self.high.max(price);
        self.low = self.low.min(price);
        self.close = price;
    }

    /// Gives every price the instrument's decimals.
    pub(crate) fn rescale(&mut self, digits: u32) {
        for price in [
            &mut self.open,
            &mut self.high,
            &mut self.low,
            &mut self.close,
        ] {
            price.rescale(digits);
        }
    }

    /// The provider's candle with what our own quotes added: the provider saw the interval from
    /// its start and knows the volume, we saw the newest price.
    #[must_use]
    pub(crate) fn joined(self, live: &Self) -> Self {
        Self {
            high: self.high.max(live.high),
            low: self.low.min(live.low),
            close: live.close,
            ..self
        }
    }
}

/// The newest candles of one symbol and interval, built from quotes.
#[derive(Debug, Default)]
pub(crate) struct LiveCandles {
    candles: VecDeque<Candle>,
}

/// Bridges the time between two fetches of the provider's history, whose life is a minute.
const LIVE_CANDLES_MAX: usize = 256;

impl LiveCandles {
    /// Takes in a quote. One that is older than the newest candle is late and changes nothing.
    pub(crate) fn take(&mut self, interval: Interval, quote: &Quote) {
        let start = interval.start(quote.at);
        match self.candles.back_mut() {
            Some(newest) if newest.time == start => newest.take(quote.bid),
            Some(newest) if newest.time > start => {}
            Some(_) | None => {
                if self.candles.len() == LIVE_CANDLES_MAX {
                    self.candles.pop_front();
                }
                self.candles.push_back(Candle::begin(start, quote.bid));
            }
        }
    }

    /// Oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Candle> {
        self.candles.iter()
    }
}

#[cfg(test)]
mod tests {
    use daybook_domain::{Symbol, quote::QuoteSource};

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn quote(time: &str, bid: &str) -> Quote {
        Quote {
            symbol: Symbol::parse("EURUSD").unwrap(),
            bid: bid.parse().unwrap(),
            ask: "9".parse().unwrap(),
            at: at(time),
            source: QuoteSource::Recorded,
        }
    }

    #[test]
    fn every_interval_reads_back_its_own_name() {
        for interval in Interval::ALL {
            assert_eq!(Interval::parse(interval.as_str()), Ok(interval));
        }
        assert_eq!(Interval::parse("2m"), Err(UnknownInterval));
        assert_eq!(Interval::parse("1min"), Err(UnknownInterval));
    }

    #[test]
    fn weeks_begin_on_monday_and_days_at_midnight_utc() {
        let friday = at("2014-05-02T12:30:01.535Z");
        assert_eq!(Interval::W1.start(friday), at("2014-04-28T00:00:00Z"));
        assert_eq!(Interval::D1.start(friday), at("2014-05-02T00:00:00Z"));
        assert_eq!(Interval::H4.start(friday), at("2014-05-02T12:00:00Z"));
        assert_eq!(Interval::M30.start(friday), at("2014-05-02T12:30:00Z"));
        assert_eq!(
            Interval::M1.end(at("2014-05-02T12:30:00Z")),
            at("2014-05-02T12:31:00Z")
        );
    }

    #[test]
    fn quotes_build_candles_of_bids() {
        let mut live = LiveCandles::default();
        for (time, bid) in [
            ("2014-05-02T12:30:01Z", "1.3846"),
            ("2014-05-02T12:30:02Z", "1.3825"),
            ("2014-05-02T12:30:59.999Z", "1.3830"),
            ("2014-05-02T12:31:00Z", "1.3829"),
            ("2014-05-02T12:30:30Z", "9.9999"), // Late: its candle is closed.
        ] {
            live.take(Interval::M1, &quote(time, bid));
        }
        let candles: Vec<_> = live.iter().copied().collect();
        assert_eq!(candles.len(), 2);
        let first = candles[0];
        let prices = [first.open, first.high, first.low, first.close].map(|p| p.to_string());
        assert_eq!(prices, ["1.3846", "1.3846", "1.3825", "1.3830"]);
        assert_eq!(candles[1].time, at("2014-05-02T12:31:00Z"));
    }

    #[test]
    fn the_number_of_live_candles_is_bounded() {
        let mut live = LiveCandles::default();
        let start = at("2014-05-02T12:30:00Z");
        for minute in 0..1_000 {
            let quote = Quote {
                at: start + TimeDelta::minutes(minute),
                ..quote("2014-05-02T12:30:00Z", "1.1")
            };
            live.take(Interval::M1, &quote);
        }
        assert_eq!(live.iter().count(), LIVE_CANDLES_MAX);
        let newest = live.iter().last().map(|candle| candle.time);
        assert_eq!(newest, Some(start + TimeDelta::minutes(999)));
    }

    #[test]
    fn a_joined_candle_keeps_the_providers_open_and_our_close() {
        let provider = Candle {
            volume: Decimal::TEN,
            ..Candle::begin(at("2014-05-02T12:30:00Z"), Decimal::from(5))
        };
        let mut live = Candle::begin(provider.time, Decimal::from(7));
        live.take(Decimal::from(3));
        let joined = provider.joined(&live);
        let prices = [
            joined.open,
            joined.high,
            joined.low,
            joined.close,
            joined.volume,
        ];
        assert_eq!(prices, [5, 7, 3, 3, 10].map(Decimal::from));
    }
}
