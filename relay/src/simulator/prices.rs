//! Generated prices: a path that looks like a random walk but is a pure function of seed, symbol
//! and time, so that history, live ticks and every restart belong to one and the same path.
//!
//! The path is a sum of octaves of linear noise, each twice as long as the one before and √2 as
//! strong, which gives the moves of a Brownian motion at every scale from half a second to days;
//! beyond the longest octave it returns to its level. All of it is integer arithmetic.

use daybook_domain::Decimal;

use crate::catalogue::Listing;

/// Length of the shortest octave.
const OCTAVE_MS: i64 = 500;
/// The longest octave is 500 ms · 2^21, about twelve days.
const OCTAVES: u32 = 22;
const DAY_MS: u128 = 86_400_000;
/// Relative prices are in parts per billion.
const BILLION: i64 = 1_000_000_000;
/// Standard deviation of the sum of four 16-bit numbers.
const NOISE_DEVIATION: i64 = 37_837;
/// The path never leaves half to one and a half times the level.
const DISPLACEMENT_MAX: i64 = BILLION / 2;

/// A tick: both sides in points, at a time in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tick {
    pub bid: i64,
    pub ask: i64,
    pub at_ms: i64,
}

/// The price path of one symbol.
#[derive(Debug)]
pub(super) struct Path {
    seed: u64,
    level: i64,
    spread: i64,
    pace_ms: i64,
    amplitudes: [i64; OCTAVES as usize],
}

impl Path {
    /// The path of a symbol under a seed. Two symbols never move together.
    pub(super) fn new(seed: u64, listing: &Listing) -> Self {
        let name = listing.provider_symbol.bytes();
        let seed = name.fold(mix(seed), |seed, byte| mix(seed ^ u64::from(byte)));
        Self {
            seed,
            level: listing.level_points,
            spread: listing.spread_points,
            pace_ms: listing.pace_ms.max(1),
            amplitudes: std::array::from_fn(|octave| {
                amplitude(listing.daily_volatility_bps, octave_ms(octave))
            }),
        }
    }

    /// Distance from the level, in parts per billion.
    pub(super) fn displacement(&self, at_ms: i64) -> i64 {
        let octaves = self.amplitudes.iter().enumerate();
        let sum: i64 = octaves
            .map(|(octave, amplitude)| amplitude * self.noise(octave, at_ms) / NOISE_DEVIATION)
            .sum();
        sum.clamp(-DISPLACEMENT_MAX, DISPLACEMENT_MAX)
    }

    /// The bid at a moment, in points, at the usual spread.
    pub(super) fn bid(&self, at_ms: i64) -> i64 {
        (self.middle(at_ms) - self.spread / 2).max(1)
    }

    /// The newest tick at a moment.
    pub(super) fn newest(&self, at_ms: i64) -> Tick {
        let slot = at_ms.div_euclid(self.pace_ms);
        let tick = self.tick(slot);
        if tick.at_ms <= at_ms {
            tick
        } else {
            self.tick(slot - 1)
        }
    }

    /// The first slot whose tick lies after a moment.
    pub(super) fn slot_after(&self, at_ms: i64) -> i64 {
        let slot = at_ms.div_euclid(self.pace_ms);
        if self.tick_ms(slot) > at_ms {
            slot
        } else {
            slot + 1
        }
    }

    /// When the tick of a slot is due: once in each, at an irregular place.
    pub(super) fn tick_ms(&self, slot: i64) -> i64 {
        slot * self.pace_ms + below(self.hash(u64::MAX, slot), self.pace_ms)
    }

    /// The tick of a slot. Its spread varies from 80 to 140 % of the usual one.
    pub(super) fn tick(&self, slot: i64) -> Tick {
        let at_ms = self.tick_ms(slot);
        let percent = 80 + below(self.hash(u64::MAX - 1, slot), 61);
        let spread = (self.spread * percent / 100).max(1);
        let bid = (self.middle(at_ms) - spread / 2).max(1);
        Tick {
            bid,
            ask: bid + spread,
            at_ms,
        }
    }

    fn middle(&self, at_ms: i64) -> i64 {
        scaled(self.level, self.displacement(at_ms))
    }

    /// Linear noise of one octave, about `NOISE_DEVIATION` strong.
    fn noise(&self, octave: usize, at_ms: i64) -> i64 {
        let length = octave_ms(octave);
        let lane = octave as u64;
        // Shifted, so that the octaves do not all bend at the same moments.
        let shifted = at_ms + below(self.hash(lane, i64::MIN), length);
        let index = shifted.div_euclid(length);
        let along = shifted.rem_euclid(length);
        let knot = |index| deviate(self.hash(lane, index));
        (knot(index) * (length - along) + knot(index + 1) * along) / length
    }

    fn hash(&self, lane: u64, index: i64) -> u64 {
        mix(mix(self.seed ^ lane) ^ index.cast_unsigned())
    }
}

/// A number of points moved by parts per billion.
pub(super) fn scaled(points: i64, displacement: i64) -> i64 {
    let moved = i128::from(points) * i128::from(BILLION + displacement) / i128::from(BILLION);
    i64::try_from(moved).unwrap_or(i64::MAX).max(1)
}

/// A price from points.
pub(super) fn price(points: i64, digits: u32) -> Decimal {
    Decimal::new(points, digits)
}

const fn octave_ms(octave: usize) -> i64 {
    OCTAVE_MS << octave
}

/// Strength of an octave, in parts per billion: `0.46 · σ_day · √(length / day)`, with which the
/// octaves together move by σ in a day.
fn amplitude(daily_volatility_bps: i64, length_ms: i64) -> i64 {
    const MILLION_SQUARED: u128 = 1_000_000_000_000;
    let length = u128::from(length_ms.unsigned_abs());
    let root_millionths = (length * MILLION_SQUARED / DAY_MS).isqrt();
    let root_millionths = i64::try_from(root_millionths).unwrap_or(i64::MAX);
    let daily = daily_volatility_bps * (BILLION / 10_000);
    daily * 46 / 100 * root_millionths / 1_000_000
}

/// Nearly normal, centred on zero: the sum of four 16-bit numbers.
fn deviate(hash: u64) -> i64 {
    const CENTRE: i64 = 2 * 65_535;
    let parts = hash.to_le_bytes();
    let pairs = parts.chunks_exact(2);
    let sum: i64 = pairs
        .map(|pair| i64::from(u16::from_le_bytes([pair[0], pair[1]])))
        .sum();
    sum - CENTRE
}

/// A number from 0 up to but not including `bound`.
fn below(hash: u64, bound: i64) -> i64 {
    let remainder = hash % bound.unsigned_abs().max(1);
    remainder.cast_signed()
}

/// SplitMix64's finaliser: every input bit reaches every output bit.
const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{catalogue::listing, testing::instrument};

    const NOON: i64 = 1_767_268_800_000;
    const DAY: i64 = 86_400_000;

    fn path(seed: u64, symbol: &str) -> Path {
        Path::new(seed, &listing(&instrument(symbol)))
    }

    /// Root mean square of the moves over `step_ms`, in parts per billion.
    fn deviation(path: &Path, step_ms: i64, count: i64) -> i64 {
        let moves = (0..count).map(|index| {
            let at = NOON + index * step_ms;
            let moved = path.displacement(at + step_ms) - path.displacement(at);
            i128::from(moved) * i128::from(moved)
        });
        let mean = moves.sum::<i128>() / i128::from(count);
        i64::try_from(mean.isqrt()).unwrap()
    }

    #[test]
    fn a_seed_gives_the_same_path_always_and_another_seed_another() {
        let (one, same, other) = (path(7, "EURUSD"), path(7, "EURUSD"), path(8, "EURUSD"));
        let ticks = |path: &Path| (0..100).map(|slot| path.tick(slot)).collect::<Vec<_>>();
        assert_eq!(ticks(&one), ticks(&same));
        assert_ne!(ticks(&one), ticks(&other));
    }

    #[test]
    fn a_day_moves_by_about_the_listed_volatility_and_a_second_by_its_share() {
        for (symbol, bps) in [("EURUSD", 45), ("BTCUSD", 250)] {
            let path = path(1, symbol);
            let day = deviation(&path, DAY, 400);
            let listed = bps * BILLION / 10_000;
            assert!(
                (listed / 2..listed * 2).contains(&day),
                "{symbol}: {day} of {listed}"
            );
            // √86,400 is 294.
            let second = deviation(&path, 1_000, 20_000);
            assert!(
                (day / 600..day / 150).contains(&second),
                "{symbol}: {second} of {day}"
            );
        }
    }

    #[test]
    fn prices_stay_near_their_level_and_never_cross() {
        for symbol in ["EURUSD", "XRPUSD", "USDJPY", "XAUUSD"] {
            let listed = listing(&instrument(symbol));
            let path = path(3, symbol);
            for slot in (0..2_000).map(|step| NOON / listed.pace_ms + step * 9_973) {
                let tick = path.tick(slot);
                let near = listed.level_points / 2..=listed.level_points * 3 / 2;
                assert!(near.contains(&tick.bid), "{symbol}: {tick:?}");
                let spread = tick.ask - tick.bid;
                assert!(spread >= 1 && spread <= listed.spread_points * 7 / 5);
            }
        }
    }

    #[test]
    fn symbols_move_apart_from_each_other() {
        let (euro, pound) = (path(1, "EURUSD"), path(1, "GBPUSD"));
        let agreeing = (0..2_000).filter(|index| {
            let at = NOON + index * 60_000;
            let moved = |path: &Path| path.displacement(at + 60_000) > path.displacement(at);
            moved(&euro) == moved(&pound)
        });
        let agreeing = agreeing.count();
        assert!((700..1_300).contains(&agreeing), "{agreeing} of 2000");
    }

    #[test]
    fn majors_tick_several_times_a_second_and_times_never_go_back() {
        let path = path(1, "EURUSD");
        let first = path.slot_after(NOON);
        let times: Vec<_> = (first..).map(|slot| path.tick_ms(slot)).take(400).collect();
        assert!(times[0] > NOON && times.is_sorted());
        let seconds = (times[399] - times[0]) / 1_000;
        assert!((80..120).contains(&seconds), "400 ticks in {seconds} s");
    }

    #[test]
    fn the_newest_tick_is_the_last_that_was_due() {
        let path = path(1, "EURUSD");
        for at in (NOON..NOON + 5_000).step_by(37) {
            let newest = path.newest(at);
            assert!(newest.at_ms <= at);
            assert_eq!(path.tick(path.slot_after(at) - 1), newest);
        }
    }
}
