//! Prices: recorded ticks, and hostile ones made up: gaps, crashes, widened spreads, old time-stamps.

use std::{fs, path::PathBuf, sync::OnceLock};

use chrono::Duration;
use daybook_domain::{Decimal, Quote, Symbol, Timestamp, quote::QuoteSource};

use crate::dice::Dice;

/// What is traded: symbol, digits, and a price to begin with.
pub const SYMBOLS: [(&str, u32, i64); 8] = [
    ("EURUSD", 5, 138_650),
    ("NZDUSD", 5, 86_100),
    ("USDJPY", 3, 102_300),
    ("GBPUSD", 5, 168_800),
    ("EURGBP", 5, 82_150),
    ("XAUUSD", 2, 128_500),
    ("BTCUSD", 2, 6_180_000),
    ("DE40", 1, 95_500),
];

const RECORDED: [&str; 3] = [
    "eurusd_ticks_20140501_06_oanda.csv",
    "nzdusd_ticks_20140501_06_oanda.csv",
    "xauusd_ticks_20140502_1200_1400_nfp_oanda.csv",
];

pub fn symbol(name: &str) -> Symbol {
    Symbol::parse(name).unwrap()
}

/// A tick before its time is moved to the run's own: milliseconds since the one before it.
#[derive(Clone, Copy)]
struct Recorded {
    after_ms: i64,
    symbol: Symbol,
    bid: Decimal,
    ask: Decimal,
}

/// All recorded ticks, merged by time; empty, and said so once, where the recordings are absent.
fn recordings() -> &'static [Recorded] {
    static TICKS: OnceLock<Vec<Recorded>> = OnceLock::new();
    TICKS.get_or_init(|| {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/market");
        let mut lines = Vec::new();
        for name in RECORDED {
            match fs::read_to_string(folder.join(name)) {
                Ok(text) => lines.extend(text.lines().skip(1).filter_map(parse)),
                Err(_) => eprintln!("recorded ticks are absent ({name}): made-up prices alone"),
            }
        }
        lines.sort_by_key(|(at_ms, ..)| *at_ms);
        let mut before = lines.first().map_or(0, |(at_ms, ..)| *at_ms);
        let ticks = lines.into_iter().map(|(at_ms, symbol, bid, ask)| {
            let after_ms = at_ms - before;
            before = at_ms;
            Recorded {
                after_ms,
                symbol,
                bid,
                ask,
            }
        });
        ticks.collect()
    })
}

fn parse(line: &str) -> Option<(i64, Symbol, Decimal, Decimal)> {
    let mut fields = line.split(',');
    let at_ms = fields.next()?.parse().ok()?;
    let symbol = Symbol::parse(fields.next()?).ok()?;
    let bid = fields.next()?.parse().ok()?;
    Some((at_ms, symbol, bid, fields.next()?.parse().ok()?))
}

pub struct Tape {
    /// The next recorded tick.
    cursor: usize,
    middles: [i64; SYMBOLS.len()],
    recorded_percent: u32,
    hostility: u32,
}

impl Tape {
    pub fn new(dice: &mut Dice) -> Self {
        let recorded = recordings();
        Self {
            cursor: dice.index(recorded.len().max(1)),
            middles: SYMBOLS.map(|(_, _, middle)| middle),
            recorded_percent: if recorded.is_empty() {
                0
            } else {
                dice.pick(&[0, 40, 90])
            },
            hostility: dice.pick(&[0, 2, 6]),
        }
    }

    /// The next quote and how long after the last it comes.
    pub fn next(&mut self, dice: &mut Dice, now: Timestamp) -> (Quote, Timestamp) {
        if dice.happens(self.recorded_percent)
            && let Some(quote) = self.recorded(now)
        {
            return (quote, quote.at);
        }
        self.made_up(dice, now)
    }

    fn recorded(&mut self, now: Timestamp) -> Option<Quote> {
        let ticks = recordings();
        let tick = *ticks.get(self.cursor % ticks.len().max(1))?;
        self.cursor += 1;
        // A long pause of the recording is a pause of the run: at most a weekend.
        let after_ms = tick.after_ms.clamp(0, 50 * 3_600_000);
        let index = SYMBOLS
            .iter()
            .position(|(name, ..)| *name == tick.symbol.as_str())?;
        let digits = SYMBOLS[index].1;
        let bid = tick.bid.round_dp(digits);
        let ask = tick.ask.round_dp(digits).max(bid);
        self.middles[index] = in_points(bid, digits);
        Some(Quote {
            symbol: tick.symbol,
            bid,
            ask,
            at: now + Duration::milliseconds(after_ms),
            source: QuoteSource::Recorded,
        })
    }

    fn made_up(&mut self, dice: &mut Dice, now: Timestamp) -> (Quote, Timestamp) {
        let index = dice.index(SYMBOLS.len());
        let (name, digits, start) = SYMBOLS[index];
        let middle = &mut self.middles[index];
        let is_hostile = dice.happens(self.hostility);
        let moved = if is_hostile {
            // A gap of up to 8 % either way.
            *middle * dice.between(-80, 80) / 1_000
        } else {
            dice.between(-12, 12) * (start / 80_000).max(1)
        };
        *middle = (*middle + moved).clamp(start / 4, start * 4);
        let spread = if is_hostile {
            dice.between(0, start / 200)
        } else {
            dice.between(0, 12)
        };
        let at = now + Duration::milliseconds(dice.between(0, 1_500));
        let late_ms = if dice.once_in(60) {
            dice.between(0, 40_000)
        } else {
            0
        };
        let quote = Quote {
            symbol: symbol(name),
            bid: Decimal::new(*middle, digits),
            ask: Decimal::new(*middle + spread, digits),
            at: at - Duration::milliseconds(late_ms),
            source: QuoteSource::Simulator,
        };
        (quote, at)
    }
}

fn in_points(price: Decimal, digits: u32) -> i64 {
    let mut points = price;
    points.rescale(digits);
    i64::try_from(points.mantissa()).unwrap()
}
