//! Longer candles out of shorter ones.

use std::collections::BTreeMap;

use crate::{Candle, Interval};

/// Intervals that fit into this one without a rest, the longest first: the fewer candles, the
/// further they reach back.
pub(super) fn finer(interval: Interval) -> impl Iterator<Item = Interval> {
    let fits =
        move |finer: &Interval| *finer < interval && interval.seconds() % finer.seconds() == 0;
    Interval::ALL.into_iter().rev().filter(fits)
}

/// Candles of `interval` out of shorter ones, oldest first. The first may lack its beginning.
pub(super) fn aggregate(interval: Interval, shorter: &[Candle]) -> Vec<Candle> {
    let mut longer: BTreeMap<_, Candle> = BTreeMap::new();
    for candle in shorter {
        let start = interval.start(candle.time);
        longer
            .entry(start)
            .and_modify(|whole| {
                whole.high = whole.high.max(candle.high);
                whole.low = whole.low.min(candle.low);
                whole.close = candle.close;
                whole.volume += candle.volume;
            })
            .or_insert(Candle {
                time: start,
                ..*candle
            });
    }
    longer.into_values().collect()
}

/// What `known` lacks, filled from candles that were made of shorter ones. The oldest of those is
/// left out: it may lack its beginning.
pub(super) fn filled(known: Vec<Candle>, made: &[Candle]) -> Vec<Candle> {
    let mut all: BTreeMap<_, _> = made.iter().skip(1).map(|it| (it.time, *it)).collect();
    all.extend(known.into_iter().map(|candle| (candle.time, candle)));
    all.into_values().collect()
}

#[cfg(test)]
mod tests {
    use daybook_domain::{Decimal, Timestamp};

    use super::*;

    fn minute(time: &str, prices: [i64; 4]) -> Candle {
        let [open, high, low, close] = prices.map(Decimal::from);
        Candle {
            time: time.parse().unwrap(),
            open,
            high,
            low,
            close,
            volume: Decimal::ONE,
        }
    }

    #[test]
    fn shorter_candles_make_a_longer_one() {
        let minutes = [
            minute("2026-01-16T12:04:00Z", [9, 9, 9, 9]),
            minute("2026-01-16T12:05:00Z", [5, 6, 4, 5]),
            minute("2026-01-16T12:06:00Z", [5, 9, 5, 8]),
            minute("2026-01-16T12:09:00Z", [8, 8, 2, 3]),
        ];
        let made = aggregate(Interval::M5, &minutes);
        assert_eq!(made.len(), 2);
        let five = Candle {
            volume: Decimal::from(3),
            ..minute("2026-01-16T12:05:00Z", [5, 9, 2, 3])
        };
        assert_eq!(made[1], five);
        // The first has seen one of its minutes alone.
        assert_eq!(filled(Vec::new(), &made), [five]);
        let known = minute("2026-01-16T12:05:00Z", [1, 1, 1, 1]);
        assert_eq!(filled(vec![known], &made), [known]);
    }

    #[test]
    fn days_make_weeks_from_monday_and_hours_make_days_across_the_change_of_clocks() {
        let days = ["2026-03-28", "2026-03-29", "2026-03-30", "2026-03-31"];
        let days = days.map(|day| minute(&format!("{day}T00:00:00Z"), [1, 1, 1, 1]));
        let weeks: Vec<Timestamp> = aggregate(Interval::W1, &days)
            .iter()
            .map(|it| it.time)
            .collect();
        let mondays = ["2026-03-23T00:00:00Z", "2026-03-30T00:00:00Z"];
        assert_eq!(
            weeks,
            mondays.map(|monday| monday.parse::<Timestamp>().unwrap())
        );
        let start: Timestamp = "2026-03-28T00:00:00Z".parse().unwrap();
        let hours: Vec<_> = (0..72)
            .map(|hour| Candle {
                time: start + chrono::TimeDelta::hours(hour),
                ..days[0]
            })
            .collect();
        let days = aggregate(Interval::D1, &hours);
        assert!(days.len() == 3 && days.iter().all(|day| day.volume == Decimal::from(24)));
    }

    #[test]
    fn only_what_fits_without_a_rest_makes_a_longer_one() {
        let names = |interval| finer(interval).map(Interval::as_str).collect::<Vec<_>>();
        assert_eq!(names(Interval::M15), ["5m", "1m"]);
        assert_eq!(
            names(Interval::W1),
            ["1d", "4h", "1h", "30m", "15m", "5m", "1m"]
        );
        assert!(names(Interval::M1).is_empty());
    }
}
