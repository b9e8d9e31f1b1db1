//! Random scenarios: a stretch of a recording, an account in its quote currency, and as many lives
//! of orders as fit beside each other.
//!
//! # What is avoided, because the engines differ there by definition
//!
//! - *Two limits on one tick.* When a resting limit fills, their best price is that limit for the
//!   rest of the tick. Another limit behind it waits a tick, and arriving orders and new protection
//!   are measured from it. So nothing but stops shares a tick with the fill of a resting limit or a
//!   take profit: see [`fit`].
//! - *A stop-limit whose limit is beyond its stop* fills at its stop there, when it triggers within
//!   its cap, and at the quote here; resting, it fills at the quote there and at its limit here
//!   (`at_limit`). It is told where both are the same price: the stop touched exactly, the cap
//!   jumped over and touched exactly later, or the limit at the stop. See `fate.rs`.
//! - *A stop loss that the opening quote touches already.* Their venue refuses stops in the market,
//!   and the position stays without; ours closes on that quote. A market order whose protection is
//!   inside the spread is refused here and filled there.
//! - *A take profit moved through the market* is a marketable limit there, and refused here.
//! - *An own price moved past its protection* is refused here; they do not relate the two.
//! - *A pending limit moved into the market* fills at the quote there (and its protection is
//!   cancelled, if it has any); here it stays in the book, and fills at its limit (`at_limit`).
//! - *An expiry on a tick that touches*: they fill first. There are no expiries here.
//! - *Two commands on one tick*: theirs are executed together, after all have been given.
//! - *Half a cent.* Their profits are floats before they are money. See [`FX`].
//!
//! The driver replaces a pending order list whose volume or protection changes, because theirs
//! takes no change of its parts, and gives the other level anew when one of two linked ones is
//! taken away.
//! Nothing else is done to make the two agree.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{
    random::Random,
    story::{Lots, Story, Teller},
    tape::Tape,
};

/// A recording, and the terms to trade it on.
pub struct Recording {
    pub file: &'static str,
    pub symbol: &'static str,
    pub digits: u32,
    pub contract_size: i64,
    pub lots: Lots,
    /// A time that some of the stretches lie around, because something happened then.
    pub around_ms: Option<i64>,
}

/// Steps are such that a point of profit on one of them is a whole number of cents (or yen): where
/// exactly half a cent is rounded to is not what is compared.
const FX: Lots = Lots {
    step: 1,
    steps_max: 200,
};
const METAL: Lots = Lots {
    step: 10,
    steps_max: 30,
};

/// 2014-05-02 12:30:01 UTC, the payroll release; and the last tick before its weekend.
const RELEASE_MS: i64 = 1_399_033_801_535;
const WEEKEND_MS: i64 = 1_399_064_340_000;

pub const RECORDINGS: [Recording; 8] = [
    fx("eurusd_ticks_20140501_06_oanda.csv", "EURUSD", 5, None),
    fx("usdjpy_ticks_20190101_histdata.csv", "USDJPY", 3, None),
    Recording {
        file: "xauusd_ticks_20140502_1200_1400_nfp_oanda.csv",
        symbol: "XAUUSD",
        digits: 3,
        contract_size: 100,
        lots: METAL,
        around_ms: Some(RELEASE_MS),
    },
    fx("eurusd_ticks_20190101_histdata.csv", "EURUSD", 5, None),
    fx(
        "eurusd_ticks_20140501_06_oanda.csv",
        "EURUSD",
        5,
        Some(RELEASE_MS),
    ),
    fx(
        "nzdusd_ticks_20140501_06_oanda.csv",
        "NZDUSD",
        5,
        Some(WEEKEND_MS),
    ),
    fx("usdjpy_ticks_20130101_truefx.csv", "USDJPY", 3, None),
    Recording {
        file: "xauusd_ticks_20140504_sunday_open_oanda.csv",
        symbol: "XAUUSD",
        digits: 3,
        contract_size: 100,
        lots: METAL,
        around_ms: None,
    },
];

const fn fx(
    file: &'static str,
    symbol: &'static str,
    digits: u32,
    around_ms: Option<i64>,
) -> Recording {
    Recording {
        file,
        symbol,
        digits,
        contract_size: 100_000,
        lots: FX,
        around_ms,
    }
}

/// Orders of a scenario, and how often a life may be told again until so many fit.
const STORIES: usize = 30;
const ATTEMPTS_MAX: usize = 300;

/// Writes the scenario of this seed and its ticks into a folder.
pub fn write(seed: u64, recording: &Recording, whole: &Tape, folder: &Path) -> PathBuf {
    let mut random = Random::new(seed);
    let tape = stretch(whole, recording.around_ms, &mut random);
    let stories = stories(&tape, recording, &mut random);
    let mut commands: Vec<Value> = stories
        .into_iter()
        .flat_map(|story| story.commands)
        .collect();
    commands.sort_by_key(|command| command["atMs"].as_i64());
    let ticks = format!("{seed}.csv");
    tape.write(&folder.join(&ticks), recording.symbol);
    let (base, quote) = recording.symbol.split_at(3);
    // A rate of seven places that no amount of money here times it is half a cent.
    let commission = ["0", "0.0000317", "0.0000717"][random.below(3)];
    let scenario = json!({
        "account": {"currency": quote, "balance": "1000000000", "leverage": 100},
        "instruments": {recording.symbol: {
            "base": base, "quote": quote, "digits": recording.digits,
            "contractSize": recording.contract_size, "commissionRate": commission,
        }},
        "settings": {"limitFill": "at_limit", "sessions": "always", "maxQuoteAgeMs": null,
                     "feedFilter": "off"},
        "ticks": [ticks],
        "commands": commands,
    });
    let path = folder.join(format!("{seed}.json"));
    let text = serde_json::to_string_pretty(&scenario).expect("JSON is written");
    fs::write(&path, text).expect("the scenario can be written");
    path
}

fn stretch(whole: &Tape, around_ms: Option<i64>, random: &mut Random) -> Tape {
    let length = (1_200 + random.below(2_000)).min(whole.len());
    let last = whole.len() - length;
    let start = match around_ms.filter(|_| random.chance(70)) {
        Some(ms) => {
            let there = whole.ticks.partition_point(|tick| tick.ms < ms);
            there.saturating_sub(random.below(length)).min(last)
        }
        None => random.below(last + 1),
    };
    whole.cut(start..start + length)
}

fn stories(tape: &Tape, recording: &Recording, random: &mut Random) -> Vec<Story> {
    let usual_move = tape.usual_move();
    let mut told: Vec<Story> = Vec::new();
    for _ in 0..ATTEMPTS_MAX {
        let teller = Teller {
            tape,
            symbol: recording.symbol,
            lots: recording.lots,
            usual_move,
            random,
            name: format!("o{}", told.len() + 1),
            story: Story::default(),
        };
        let story = teller.tell();
        let fits = |story: &Story| told.iter().all(|other| fit(story, other));
        told.extend(story.filter(|story| fits_itself(story) && fits(story)));
        if told.len() == STORIES {
            break;
        }
    }
    told
}

fn fits_itself(story: &Story) -> bool {
    let ticks: HashSet<usize> = story.told_at.iter().copied().collect();
    ticks.len() == story.told_at.len() && story.limits_at.iter().all(|at| !ticks.contains(at))
}

/// Whether two lives may stand beside each other.
fn fit(one: &Story, other: &Story) -> bool {
    // One command a tick.
    disjoint(&one.told_at, &other.told_at)
        && is_undisturbed(one, other)
        && is_undisturbed(other, one)
}

/// Avoided: while a resting limit fills, their best price is that limit for the rest of the tick,
/// for other limits, for arriving orders and for new protection alike.
fn is_undisturbed(story: &Story, by: &Story) -> bool {
    let is_apart = disjoint(&by.limits_at, &story.told_at)
        && disjoint(&by.limits_at, &story.opens_at)
        && disjoint(&by.limits_at, &story.limits_at);
    let is_off = by.capped.is_none_or(|capped| {
        let sign = capped.side.sign();
        let between = sign * capped.stop..=sign * capped.limit;
        let mut stops = story.stops.iter();
        !stops.any(|(side, stop)| *side == capped.side && between.contains(&(sign * stop)))
    });
    is_apart && is_off
}

fn disjoint(one: &[usize], other: &[usize]) -> bool {
    one.iter().all(|at| !other.contains(at))
}
