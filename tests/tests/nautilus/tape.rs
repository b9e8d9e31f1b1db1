//! A stretch of recorded ticks in whole points, and when which level is touched on it.

use std::{fmt::Write as _, fs, ops::Range, path::Path};

use super::random::Random;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Buy,
    Sell,
}

impl Side {
    pub const fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Buy => "buy",
            Self::Sell => "sell",
        }
    }

    /// Prices times this: less is better for whoever deals on this side.
    pub const fn sign(self) -> i64 {
        match self {
            Self::Buy => 1,
            Self::Sell => -1,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Tick {
    pub ms: i64,
    pub bid: i64,
    pub ask: i64,
}

#[derive(Clone, Debug)]
pub struct Tape {
    pub digits: u32,
    pub ticks: Vec<Tick>,
}

impl Tape {
    /// Reads `timestamp_ms_utc,symbol,bid,ask`.
    pub fn read(path: &Path, digits: u32) -> Self {
        let text = fs::read_to_string(path).expect("recorded ticks are readable");
        let tick = |line: &str| {
            let fields: Vec<&str> = line.split(',').collect();
            let [ms, _, bid, ask] = fields[..] else {
                return None;
            };
            Some(Tick {
                ms: ms.parse().ok()?,
                bid: points(bid, digits)?,
                ask: points(ask, digits)?,
            })
        };
        let ticks = text.lines().skip(1).map(|line| {
            tick(line).unwrap_or_else(|| panic!("{} has no tick in {line:?}", path.display()))
        });
        Self {
            digits,
            ticks: ticks.collect(),
        }
    }

    pub fn cut(&self, range: Range<usize>) -> Self {
        Self {
            digits: self.digits,
            ticks: self.ticks[range].to_vec(),
        }
    }

    pub fn write(&self, path: &Path, symbol: &str) {
        let mut text = "timestamp_ms_utc,symbol,bid,ask\n".to_owned();
        for Tick { ms, bid, ask } in &self.ticks {
            let (bid, ask) = (self.decimal(*bid), self.decimal(*ask));
            writeln!(text, "{ms},{symbol},{bid},{ask}").expect("memory takes it");
        }
        fs::write(path, text).expect("the cut can be written");
    }

    pub fn len(&self) -> usize {
        self.ticks.len()
    }

    pub fn decimal(&self, points: i64) -> String {
        let scale = 10_i64.pow(self.digits);
        let width = self.digits as usize;
        format!("{}.{:0width$}", points / scale, points % scale)
    }

    /// What a deal of this side is done at.
    pub fn price(&self, at: usize, side: Side) -> i64 {
        match side {
            Side::Buy => self.ticks[at].ask,
            Side::Sell => self.ticks[at].bid,
        }
    }

    pub fn is_within_limit(&self, at: usize, side: Side, limit: i64) -> bool {
        side.sign() * self.price(at, side) <= side.sign() * limit
    }

    pub fn reaches_stop(&self, at: usize, side: Side, stop: i64) -> bool {
        side.sign() * self.price(at, side) >= side.sign() * stop
    }

    /// The first tick from `from` on that is within the limit.
    pub fn first_within(&self, from: usize, side: Side, limit: i64) -> Option<usize> {
        (from..self.len()).find(|at| self.is_within_limit(*at, side, limit))
    }

    /// The first tick from `from` on that reaches the stop.
    pub fn first_reaching(&self, from: usize, side: Side, stop: i64) -> Option<usize> {
        (from..self.len()).find(|at| self.reaches_stop(*at, side, stop))
    }

    /// A tick for a command: the first of its millisecond, because commands are named by theirs.
    pub fn command_tick(&self, random: &mut Random, range: Range<usize>) -> Option<usize> {
        let starts = |at: &usize| *at == 0 || self.ticks[*at].ms > self.ticks[*at - 1].ms;
        (0..20)
            .filter_map(|_| random.within(range.clone()))
            .find(starts)
    }

    /// How far the price goes in 200 ticks, on average: what makes a level near or far here.
    pub fn usual_move(&self) -> i64 {
        let starts = (0..self.len().saturating_sub(200)).step_by(50);
        let moves: Vec<i64> = starts
            .map(|at| (self.ticks[at + 200].bid - self.ticks[at].bid).abs())
            .collect();
        let count = i64::try_from(moves.len()).expect("a small number");
        (moves.iter().sum::<i64>() / count.max(1)).max(5)
    }
}

/// A decimal of at most `digits` places, in units of the last one.
fn points(text: &str, digits: u32) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let missing = (digits as usize).checked_sub(fraction.len())?;
    format!("{whole}{fraction}{}", "0".repeat(missing))
        .parse()
        .ok()
}
