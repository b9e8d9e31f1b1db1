//! The feed filter: what the provider sends is not yet a price that anybody may be filled at.
//!
//! Zero, negative, crossed and older-than-last quotes are dropped (equal times pass). A jump is
//! held until three successive quotes agree; the third of them passes, so that a real crash or a
//! reopening is not frozen out and a single bad print moves nobody. The first quote of a symbol,
//! after a session break, or after a silence is not tested.

use std::{collections::HashMap, sync::Arc, time::Duration};

use daybook_domain::{Decimal, Instrument, Quote, Symbol, Timestamp, session::SessionPlan};
use metrics::counter;

/// Quotes that must agree, one after the other, before a jump is believed.
const AGREEING_QUOTES: u32 = 3;

/// Settings of the filter.
#[derive(Clone, Debug)]
pub struct FilterConfig {
    /// A move of bid or ask by more than this share of its last value is a jump (0.10).
    pub jump_max: Decimal,
    /// Held quotes agree while they lie within this share of each other (0.01).
    pub agreement: Decimal,
    /// After so long without a quote the next one is not tested (60 s).
    pub silence: Duration,
}

impl Default for FilterConfig {
    fn default() -> Self {
        Self {
            jump_max: Decimal::new(10, 2),
            agreement: Decimal::new(1, 2),
            silence: Duration::from_secs(60),
        }
    }
}

/// Why a quote was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// Bid or ask is zero or negative.
    NotPositive,
    /// The bid is above the ask.
    Crossed,
    /// Its time is before that of the last quote that passed.
    OlderThanLast,
}

impl DropReason {
    /// Its name in the metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotPositive => "not_positive",
            Self::Crossed => "crossed",
            Self::OlderThanLast => "older_than_last",
        }
    }
}

/// What the filter made of a quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A price to deal on.
    Passed,
    /// A jump that is not confirmed yet; it will not be seen again, its successors decide.
    Held,
    /// Not a price.
    Dropped(DropReason),
}

/// Judges the quotes of a feed, one symbol at a time and in order.
pub struct Filter {
    config: FilterConfig,
    plans: HashMap<Symbol, SessionPlan>,
    symbols: HashMap<Symbol, Memory>,
}

/// What is remembered of one symbol.
struct Memory {
    last: Quote,
    /// Time of the newest quote that was not dropped, held ones included: it broke the silence.
    heard_at: Timestamp,
    /// When the session known at the last quote ends, or the break does.
    session_until: Timestamp,
    held: Option<Held>,
}

/// Quotes beyond the jump, which agree so far.
#[derive(Clone, Copy)]
struct Held {
    bid: (Decimal, Decimal),
    ask: (Decimal, Decimal),
    count: u32,
}

impl Filter {
    /// A filter that has seen nothing. Instruments tell the trading hours.
    #[must_use]
    pub fn new(config: FilterConfig, instruments: &[Arc<Instrument>]) -> Self {
        let plan = |instrument: &Arc<Instrument>| (instrument.symbol, instrument.session);
        Self {
            config,
            plans: instruments.iter().map(plan).collect(),
            symbols: HashMap::new(),
        }
    }

    /// Judges a quote, and remembers it unless it is dropped.
    pub fn test(&mut self, quote: &Quote) -> Verdict {
        let verdict = self.judge(quote);
        match verdict {
            Verdict::Passed => counter!("daybook_feed_quotes_passed_total").increment(1),
            Verdict::Held => counter!("daybook_feed_quotes_held_total").increment(1),
            Verdict::Dropped(reason) => {
                counter!("daybook_feed_quotes_dropped_total", "reason" => reason.as_str())
                    .increment(1);
            }
        }
        verdict
    }

    fn judge(&mut self, quote: &Quote) -> Verdict {
        if quote.bid <= Decimal::ZERO || quote.ask <= Decimal::ZERO {
            return Verdict::Dropped(DropReason::NotPositive);
        }
        if quote.bid > quote.ask {
            return Verdict::Dropped(DropReason::Crossed);
        }
        let plan = self.plans.get(&quote.symbol).copied().unwrap_or_default();
        let Some(memory) = self.symbols.get_mut(&quote.symbol) else {
            self.symbols
                .insert(quote.symbol, Memory::first(plan, quote));
            return Verdict::Passed;
        };
        if quote.at < memory.last.at {
            return Verdict::Dropped(DropReason::OlderThanLast);
        }
        let exempt = memory.reopens(plan, quote) | memory.was_silent(quote, self.config.silence);
        memory.heard_at = quote.at;
        if exempt || !memory.jumps(quote, self.config.jump_max) {
            memory.pass(quote);
            return Verdict::Passed;
        }
        memory.hold(quote, self.config.agreement)
    }
}

impl Memory {
    fn first(plan: SessionPlan, quote: &Quote) -> Self {
        Self {
            last: *quote,
            heard_at: quote.at,
            session_until: plan.state(quote.at).until,
            held: None,
        }
    }

    fn pass(&mut self, quote: &Quote) {
        self.last = *quote;
        self.held = None;
    }

    /// Whether a session has begun since the quote before this one.
    fn reopens(&mut self, plan: SessionPlan, quote: &Quote) -> bool {
        if quote.at < self.session_until {
            return false;
        }
        let session = plan.state(quote.at);
        self.session_until = session.until;
        session.open
    }

    fn was_silent(&self, quote: &Quote, silence: Duration) -> bool {
        (quote.at - self.heard_at).to_std().unwrap_or_default() >= silence
    }

    fn jumps(&self, quote: &Quote, jump_max: Decimal) -> bool {
        let beyond = |new: Decimal, last: Decimal| (new - last).abs() > last * jump_max;
        beyond(quote.bid, self.last.bid) || beyond(quote.ask, self.last.ask)
    }

    fn hold(&mut self, quote: &Quote, agreement: Decimal) -> Verdict {
        let agreeing = self.held.and_then(|held| held.joined(quote, agreement));
        let held = agreeing.unwrap_or_else(|| Held::new(quote));
        if held.count == AGREEING_QUOTES {
            self.pass(quote);
            return Verdict::Passed;
        }
        self.held = Some(held);
        Verdict::Held
    }
}

impl Held {
    const fn new(quote: &Quote) -> Self {
        Self {
            bid: (quote.bid, quote.bid),
            ask: (quote.ask, quote.ask),
            count: 1,
        }
    }

    /// None when `quote` lies too far from any of those before it.
    fn joined(self, quote: &Quote, agreement: Decimal) -> Option<Self> {
        let widened = |(low, high): (Decimal, Decimal), price: Decimal| {
            let (low, high) = (low.min(price), high.max(price));
            (high - low <= low * agreement).then_some((low, high))
        };
        Some(Self {
            bid: widened(self.bid, quote.bid)?,
            ask: widened(self.ask, quote.ask)?,
            count: self.count + 1,
        })
    }
}

#[cfg(test)]
mod tests;
