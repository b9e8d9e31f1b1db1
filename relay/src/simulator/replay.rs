//! When each recorded tick is due. Every listener walks the same timetable with a cursor of its
//! own, so no tick is ever skipped or reordered for anybody, and a slow listener delays nobody.
//!
//! Times are microseconds of our clock; ticks are numbered from 0 across all passes of a loop.

use std::{collections::HashMap, sync::OnceLock};

use daybook_domain::{Decimal, Symbol};
use rust_decimal::prelude::ToPrimitive as _;

use super::recorded::RecordedTick;
use crate::RelayError;

/// From the first subscription to the first tick, so that a client that subscribes over several
/// connections misses nothing.
const LEAD_IN_US: i64 = 250_000;

/// From the last tick of a pass to the first of the next.
const PAUSE_US: i64 = 1_000_000;

/// The timetable of a replay.
#[derive(Debug)]
pub(super) struct Replay {
    ticks: Vec<RecordedTick>,
    /// Microseconds after the start, rising.
    offsets: Vec<i64>,
    /// Numbers of each symbol's ticks within a pass, rising.
    of_symbol: HashMap<Symbol, Vec<usize>>,
    pass_us: i64,
    looping: bool,
    started_us: OnceLock<i64>,
}

impl Replay {
    /// A timetable at the recorded pace × `speed`, no wait longer than `max_gap_ms` of our clock.
    ///
    /// # Errors
    /// [`RelayError::Speed`] when the speed is not above zero.
    pub(super) fn new(
        ticks: Vec<RecordedTick>,
        speed: Decimal,
        max_gap_ms: u64,
        looping: bool,
    ) -> Result<Self, RelayError> {
        if speed <= Decimal::ZERO {
            return Err(RelayError::Speed(speed));
        }
        let offsets = offsets(&ticks, speed, max_gap_ms);
        let mut of_symbol: HashMap<Symbol, Vec<usize>> = HashMap::new();
        for (number, tick) in ticks.iter().enumerate() {
            of_symbol.entry(tick.symbol).or_default().push(number);
        }
        Ok(Self {
            pass_us: offsets.last().copied().unwrap_or_default() + PAUSE_US,
            ticks,
            offsets,
            of_symbol,
            looping,
            started_us: OnceLock::new(),
        })
    }

    /// Whether a symbol's prices come from here.
    pub(super) fn plays(&self, symbol: Symbol) -> bool {
        self.of_symbol.contains_key(&symbol)
    }

    /// Starts the clock, if nobody has yet, and gives the number of the first tick still to come.
    pub(super) fn join(&self, now_us: i64) -> usize {
        self.started_us.get_or_init(|| now_us + LEAD_IN_US);
        self.released(now_us)
    }

    /// When the clock started or will, if anybody has subscribed.
    pub(super) fn started_us(&self) -> Option<i64> {
        self.started_us.get().copied()
    }

    /// How many ticks are due at a moment.
    pub(super) fn released(&self, now_us: i64) -> usize {
        let Some(started) = self.started_us() else {
            return 0;
        };
        let elapsed = now_us - started;
        if elapsed < 0 {
            return 0;
        }
        let due = |elapsed: i64| self.offsets.partition_point(|offset| *offset <= elapsed);
        if !self.looping {
            return due(elapsed);
        }
        let passes = usize::try_from(elapsed / self.pass_us).unwrap_or(usize::MAX);
        passes.saturating_mul(self.ticks.len()) + due(elapsed % self.pass_us)
    }

    /// A tick and when it is due; none past the end, or before anybody has subscribed.
    pub(super) fn tick(&self, number: usize) -> Option<(&RecordedTick, i64)> {
        let started = self.started_us()?;
        let count = self.ticks.len();
        if count == 0 || (!self.looping && number >= count) {
            return None;
        }
        let within = number % count;
        let pass = i64::try_from(number / count).unwrap_or(i64::MAX);
        let due = started + pass.saturating_mul(self.pass_us) + self.offsets[within];
        Some((&self.ticks[within], due))
    }

    /// The newest tick of a symbol among the first `released`; its first before that.
    pub(super) fn newest(&self, symbol: Symbol, released: usize) -> Option<&RecordedTick> {
        let numbers = self.of_symbol.get(&symbol)?;
        let count = self.ticks.len();
        let within = numbers.partition_point(|number| *number < released % count);
        let number = match within.checked_sub(1) {
            Some(index) => numbers[index],
            None if released >= count => *numbers.last()?,
            None => *numbers.first()?,
        };
        self.ticks.get(number)
    }

    /// Whether a symbol has nothing left to play after the first `released` ticks.
    pub(super) fn is_over(&self, symbol: Symbol, released: usize) -> bool {
        let last = self
            .of_symbol
            .get(&symbol)
            .and_then(|numbers| numbers.last());
        !self.looping && last.is_some_and(|last| *last < released)
    }
}

fn offsets(ticks: &[RecordedTick], speed: Decimal, max_gap_ms: u64) -> Vec<i64> {
    let max_gap_us = i64::try_from(max_gap_ms.saturating_mul(1_000)).unwrap_or(i64::MAX);
    let mut offset = 0_i64;
    let mut previous_ms = ticks.first().map_or(0, |tick| tick.at_ms);
    let next = |tick: &RecordedTick| {
        let gap_us = Decimal::from(tick.at_ms - previous_ms) * Decimal::ONE_THOUSAND;
        previous_ms = tick.at_ms;
        // A speed near zero makes a gap too long for a number; it is shortened like any other.
        let gap_us = gap_us.checked_div(speed).and_then(|gap| gap.to_i64());
        offset = offset.saturating_add(gap_us.unwrap_or(i64::MAX).min(max_gap_us));
        offset
    };
    ticks.iter().map(next).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_000_000_000;

    fn symbol(name: &str) -> Symbol {
        Symbol::parse(name).unwrap()
    }

    fn ticks() -> Vec<RecordedTick> {
        let tick = |(at_ms, name, bid): (i64, &str, i64)| RecordedTick {
            at_ms,
            symbol: symbol(name),
            bid: Decimal::from(bid),
            ask: Decimal::from(bid + 1),
        };
        let ticks = [
            (50_000, "EURUSD", 1),
            (50_000, "EURUSD", 2),
            (50_100, "NZDUSD", 3),
            (51_100, "EURUSD", 4),
            (99_999_999, "EURUSD", 5),
        ];
        ticks.map(tick).into()
    }

    fn replay(speed: &str, looping: bool) -> Replay {
        Replay::new(ticks(), speed.parse().unwrap(), 5_000, looping).unwrap()
    }

    fn due(replay: &Replay, number: usize) -> Option<i64> {
        let started = replay.started_us()?;
        replay.tick(number).map(|(_, due)| due - started)
    }

    #[test]
    fn gaps_keep_the_recorded_pace_and_long_ones_are_shortened() {
        let normal = replay("1", false);
        normal.join(START);
        let offsets: Vec<_> = (0..6).map_while(|number| due(&normal, number)).collect();
        assert_eq!(offsets, [0, 0, 100_000, 1_100_000, 6_100_000]);
        let fast = replay("4", false);
        fast.join(START);
        let offsets: Vec<_> = (0..6).map_while(|number| due(&fast, number)).collect();
        assert_eq!(offsets, [0, 0, 25_000, 275_000, 5_275_000]);
    }

    #[test]
    fn a_speed_that_is_not_above_zero_is_refused() {
        for speed in ["0", "-1"] {
            let refused = Replay::new(ticks(), speed.parse().unwrap(), 5_000, false);
            assert!(matches!(refused, Err(RelayError::Speed(_))));
        }
    }

    #[test]
    fn the_clock_starts_with_the_first_listener_who_misses_nothing() {
        let replay = replay("1", false);
        assert_eq!(replay.released(START), 0);
        assert!(replay.tick(0).is_none());
        assert_eq!(replay.join(START), 0);
        // Over a second connection, within the lead-in.
        assert_eq!(replay.join(START + 200_000), 0);
        // Late: two ticks have gone by.
        assert_eq!(replay.join(START + LEAD_IN_US + 1), 2);
        assert_eq!(replay.started_us(), Some(START + LEAD_IN_US));
    }

    #[test]
    fn a_replay_ends_and_a_loop_does_not() {
        let once = replay("1", false);
        once.join(START);
        assert_eq!(once.released(i64::MAX / 2), 5);
        assert!(once.tick(5).is_none());
        assert!(once.is_over(symbol("NZDUSD"), 3) && !once.is_over(symbol("EURUSD"), 3));
        assert!(once.is_over(symbol("EURUSD"), 5));
        let looping = replay("1", true);
        looping.join(START);
        assert_eq!(due(&looping, 5), Some(6_100_000 + PAUSE_US));
        assert_eq!(
            due(&looping, 12),
            Some(2 * (6_100_000 + PAUSE_US) + 100_000)
        );
        let (tick, due) = looping.tick(12).unwrap();
        assert_eq!(tick.symbol, symbol("NZDUSD"));
        assert_eq!((looping.released(due - 1), looping.released(due)), (12, 13));
        assert!(!looping.is_over(symbol("NZDUSD"), 12));
    }

    #[test]
    fn the_newest_price_of_a_symbol_is_its_last_that_was_due() {
        let replay = replay("1", true);
        let bid = |name, released| {
            let tick = replay.newest(symbol(name), released);
            tick.map(|tick| tick.bid.to_string())
        };
        assert_eq!(bid("NZDUSD", 0).as_deref(), Some("3")); // Not yet: the first.
        assert_eq!(bid("EURUSD", 2).as_deref(), Some("2"));
        assert_eq!(bid("EURUSD", 3).as_deref(), Some("2"));
        assert_eq!(bid("EURUSD", 5).as_deref(), Some("5"));
        assert_eq!(bid("NZDUSD", 6).as_deref(), Some("3")); // From the pass before.
        assert_eq!(bid("GBPUSD", 6), None);
    }
}
