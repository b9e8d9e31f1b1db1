//! The trigger book: which orders and protections wait for which price.
//!
//! Each symbol has four ladders (bid or ask, falling to a level or rising to it), ordered by the
//! level that a move reaches first and then by age, so that a tick costs what it triggers and not
//! what rests. The book only nominates; the decision looks at the quote again.

use std::{
    cmp::Ordering,
    collections::{BTreeSet, HashMap},
};

use daybook_domain::{
    Decimal, Quote, Symbol, Timestamp,
    triggers::{Direction, QuoteSide, Trigger},
};
use uuid::Uuid;

/// What waits at a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A working order.
    Order,
    /// A position's stop loss. Before the take profit: where one quote touches both, it goes first.
    StopLoss,
    /// A position's take profit.
    TakeProfit,
    /// A position's stop loss that follows the market.
    Trailing,
    /// An account's margin: beyond the level a threshold may be crossed.
    Margin,
}

/// One thing that waits: whose it is, what it is, and its age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiter {
    /// Number of the account, given by whoever keeps the accounts.
    pub account: u32,
    /// What it is.
    pub kind: Kind,
    /// The order or position; nil where the account itself waits.
    pub id: Uuid,
    /// When the order was placed or the position opened: ties go to the older.
    pub since: Timestamp,
}

/// Orders a ladder. Levels that a falling price touches are negated, so that in every ladder the
/// smallest is reached first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rung {
    level: Decimal,
    since_us: i64,
    kind: Kind,
    id: Uuid,
    account: u32,
}

type Ladder = BTreeSet<Rung>;

/// All that waits on one symbol. Indexed by [`ladder_of`].
#[derive(Debug, Default)]
struct Ladders([Ladder; 4]);

const LADDERS: [(QuoteSide, Direction); 4] = [
    (QuoteSide::Bid, Direction::AtOrBelow),
    (QuoteSide::Bid, Direction::AtOrAbove),
    (QuoteSide::Ask, Direction::AtOrBelow),
    (QuoteSide::Ask, Direction::AtOrAbove),
];

/// Levels to watch, by symbol.
#[derive(Debug, Default)]
pub struct TriggerBook {
    symbols: HashMap<Symbol, Ladders>,
}

impl TriggerBook {
    /// An empty book.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Watches a level.
    pub fn insert(&mut self, symbol: Symbol, trigger: &Trigger, waiter: Waiter) {
        let ladders = self.symbols.entry(symbol).or_default();
        ladders.0[ladder_of(trigger)].insert(rung(trigger, &waiter));
    }

    /// Watches it no longer. Says whether it was watched.
    pub fn remove(&mut self, symbol: Symbol, trigger: &Trigger, waiter: &Waiter) -> bool {
        let Some(ladders) = self.symbols.get_mut(&symbol) else {
            return false;
        };
        let ladder = &mut ladders.0[ladder_of(trigger)];
        ladder.remove(&rung(trigger, waiter))
    }

    /// Takes out what `quote` touches and the move from `before` reached first; ties go to the
    /// older. None: nothing is touched.
    pub fn pop_touched(&mut self, quote: &Quote, before: Option<&Quote>) -> Option<Waiter> {
        let ladders = self.symbols.get_mut(&quote.symbol)?;
        let mut first: Option<(usize, Touch)> = None;
        for (index, ladder) in ladders.0.iter().enumerate() {
            let Some(rung) = ladder.first() else {
                continue;
            };
            let Some(touch) = Touch::of(index, rung, quote, before) else {
                continue;
            };
            if first.as_ref().is_none_or(|(_, best)| touch.precedes(best)) {
                first = Some((index, touch));
            }
        }
        let (index, _) = first?;
        let rung = ladders.0[index].pop_first()?;
        Some(Waiter {
            account: rung.account,
            kind: rung.kind,
            id: rung.id,
            since: Timestamp::from_timestamp_micros(rung.since_us)?,
        })
    }

    /// Levels watched, in all.
    #[must_use]
    pub fn len(&self) -> usize {
        let of = |ladders: &Ladders| ladders.0.iter().map(BTreeSet::len).sum::<usize>();
        self.symbols.values().map(of).sum()
    }

    /// Whether nothing is watched.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How a quote touches the head of a ladder.
struct Touch {
    /// How far the price is beyond the level.
    overshoot: Decimal,
    /// How far the price moved towards the level; none when the level was touched already before.
    moved: Option<Decimal>,
    since_us: i64,
    kind: Kind,
    id: Uuid,
}

impl Touch {
    fn of(ladder: usize, rung: &Rung, quote: &Quote, before: Option<&Quote>) -> Option<Self> {
        let price = signed_price(ladder, quote);
        if rung.level > price {
            return None;
        }
        let overshoot = price.saturating_sub(rung.level);
        let moved = before
            .map(|before| price.saturating_sub(signed_price(ladder, before)))
            .filter(|moved| *moved > overshoot);
        Some(Self {
            overshoot,
            moved,
            since_us: rung.since_us,
            kind: rung.kind,
            id: rung.id,
        })
    }

    /// Whether the move reached this one first. Bid and ask are taken to move together and evenly:
    /// what was reached earlier has the greater part of its move behind the level. What the quote
    /// before touched already comes before all that the move reached.
    fn precedes(&self, other: &Self) -> bool {
        let reached = match (self.moved, other.moved) {
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (None, None) => other.overshoot.cmp(&self.overshoot),
            (Some(mine), Some(its)) => {
                // overshoot / moved, compared without dividing.
                let mine_share = self.overshoot.saturating_mul(its);
                let its_share = other.overshoot.saturating_mul(mine);
                its_share.cmp(&mine_share)
            }
        };
        let age = (self.since_us, self.kind, self.id).cmp(&(other.since_us, other.kind, other.id));
        reached.then(age) == Ordering::Less
    }
}

fn ladder_of(trigger: &Trigger) -> usize {
    match (trigger.side_of_quote, trigger.direction) {
        (QuoteSide::Bid, Direction::AtOrBelow) => 0,
        (QuoteSide::Bid, Direction::AtOrAbove) => 1,
        (QuoteSide::Ask, Direction::AtOrBelow) => 2,
        (QuoteSide::Ask, Direction::AtOrAbove) => 3,
    }
}

fn rung(trigger: &Trigger, waiter: &Waiter) -> Rung {
    Rung {
        level: signed(trigger.direction, trigger.level),
        since_us: waiter.since.timestamp_micros(),
        kind: waiter.kind,
        id: waiter.id,
        account: waiter.account,
    }
}

fn signed_price(ladder: usize, quote: &Quote) -> Decimal {
    let (side, direction) = LADDERS[ladder];
    signed(direction, side.of(quote))
}

fn signed(direction: Direction, price: Decimal) -> Decimal {
    match direction {
        Direction::AtOrBelow => -price,
        Direction::AtOrAbove => price,
    }
}
