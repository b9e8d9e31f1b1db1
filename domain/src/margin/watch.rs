//! What an account is sensitive to: levels within which no quote makes `Evaluate` say anything.
//!
//! Margin in use rests on stored values, so a quote can only lead to something through equity. For
//! a *reach* t every price that matters may go against the account by the share t of itself, all
//! at once: the worst equity within that box is that of its worst corner, because a position's
//! value only grows with its closing price and, its sign given, is monotone in the rate it is
//! converted at; rounding is monotone too. The reach is the largest that the search finds whose
//! worst corner, computed exactly as a close is valued, is still strictly on the safe side. Levels
//! are therefore never too far away; at worst they are closer than they had to be.
//!
//! They hold for one state of the account, the instruments' terms, the rules and the quotes that
//! were there: whoever watches asks again after each of its events, each change of those, and each
//! level that was touched.

use rust_decimal::{Decimal, RoundingStrategy};

use super::thresholds::Thresholds;
use crate::{
    Account, Currency, Market, Quote, Rules, Symbol,
    account::Position,
    price,
    profit::{conversion_side, price_profit},
    quote::Side,
    triggers::{Direction, QuoteSide, Trigger},
};

/// A level of a symbol's raw quote. Touching it says nothing yet: `Evaluate` looks again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// The symbol; not always one that the account has a position in.
    pub symbol: Symbol,
    /// Half of the quote, direction and level.
    pub trigger: Trigger,
}

/// No level is further from its price than half of it.
const REACH_MAX: Decimal = Decimal::from_parts(5, 0, 0, false, 1);
/// Below this share of the price every quote counts.
const REACH_MIN: Decimal = Decimal::from_parts(1, 0, 0, false, 9);
/// How much of what a straight line would allow is tried.
const CAUTION: Decimal = Decimal::from_parts(98, 0, 0, false, 2);
/// A reach that cannot grow by more than a tenth is good enough.
const GOOD_ENOUGH: Decimal = Decimal::from_parts(11, 0, 0, false, 1);
const TRIES: usize = 8;

/// The levels an account has to be evaluated at. As long as every quote stays within them (no
/// trigger touched), no quote leads to a margin call, its clearing, a stop-out or a daily loss.
///
/// Where something is due already but cannot be done yet, every quote of what it holds counts; so
/// does the first quote of a symbol or rate that is missing. Nothing is watched without positions.
#[must_use]
pub fn watch(account: &Account, market: &Market, rules: &Rules) -> Vec<Watch> {
    let Some(terms) = account.terms.as_ref() else {
        return Vec::new();
    };
    let book = Corner {
        account,
        currency: terms.currency,
        market,
        rules,
    };
    let mut watches = book.missing();
    if account.positions.is_empty() || !watches.is_empty() {
        return watches;
    }
    let limits = Thresholds::of(account, rules).and_then(|thresholds| book.limits(&thresholds));
    match limits.and_then(|limits| book.reach(&limits).map(|reach| (limits, reach))) {
        Some((limits, reach)) => book.levels(&limits, reach, &mut watches),
        None => book.every_quote(&mut watches),
    }
    book.first_quotes(&mut watches);
    watches
}

/// Equities between which nothing happens.
#[derive(Clone, Copy)]
struct Limits {
    floor: Option<Decimal>,
    ceiling: Option<Decimal>,
}

/// Where the market goes: against the account, or its way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Against,
    Along,
}

/// What is valued.
struct Corner<'a> {
    account: &'a Account,
    currency: Currency,
    market: &'a Market,
    rules: &'a Rules,
}

impl Corner<'_> {
    /// None where something is still to be done that no equity decides.
    fn limits(&self, thresholds: &Thresholds) -> Option<Limits> {
        let risk = &self.account.risk;
        let blocked = risk.day.is_some_and(|day| day.blocked_until.is_some());
        if blocked && self.rules.daily_loss_closes_all {
            return None;
        }
        let floors = [
            thresholds.margin_call.filter(|_| !risk.margin_called),
            thresholds.stop_out,
            thresholds.daily_loss.filter(|_| !blocked),
        ];
        Some(Limits {
            floor: floors.into_iter().flatten().max(),
            ceiling: risk.margin_called.then_some(thresholds.cleared),
        })
    }

    /// The reach within which nothing happens; none when that is no reach at all.
    fn reach(&self, limits: &Limits) -> Option<Decimal> {
        let now = self.equity(Way::Against, Decimal::ZERO, &mut |_| ())?;
        let mut best = None;
        let mut reach = REACH_MAX;
        for _ in 0..TRIES {
            let allowed = self.allowed(limits, now, reach)?;
            let next = reach.checked_mul(allowed.min(Decimal::ONE_HUNDRED))?;
            if allowed > Decimal::ONE {
                best = Some(reach);
                if reach == REACH_MAX || allowed < GOOD_ENOUGH {
                    break;
                }
            }
            reach = next.checked_mul(CAUTION)?.min(REACH_MAX);
            if reach < REACH_MIN || best.is_some_and(|best| reach <= best) {
                break;
            }
        }
        best
    }

    /// How many times the move to the worst corner fits between the limits: above 1 it is safe.
    fn allowed(&self, limits: &Limits, now: Decimal, reach: Decimal) -> Option<Decimal> {
        let fits = |room: Decimal, moved: Decimal| {
            if moved <= Decimal::ZERO {
                // Nothing moves: safe if there is room at all.
                return Some(if room > Decimal::ZERO {
                    Decimal::ONE_HUNDRED
                } else {
                    Decimal::ZERO
                });
            }
            let share = room.checked_div(moved)?;
            // A share that rounds to one is not above it.
            Some(if room > moved {
                share
            } else {
                share.min(Decimal::ONE)
            })
        };
        let mut allowed = Decimal::ONE_HUNDRED;
        if let Some(floor) = limits.floor {
            let worst = self.equity(Way::Against, reach, &mut |_| ())?;
            let room = now.checked_sub(floor)?;
            allowed = allowed.min(fits(room, now.checked_sub(worst)?)?);
        }
        if let Some(ceiling) = limits.ceiling {
            let best = self.equity(Way::Along, reach, &mut |_| ())?;
            let room = ceiling.checked_sub(now)?;
            allowed = allowed.min(fits(room, best.checked_sub(now)?)?);
        }
        Some(allowed)
    }

    fn levels(&self, limits: &Limits, reach: Decimal, watches: &mut Vec<Watch>) {
        let mut note = |watch: Watch| {
            if !watches.contains(&watch) {
                watches.push(watch);
            }
        };
        let ways = [
            limits.floor.map(|_| Way::Against),
            limits.ceiling.map(|_| Way::Along),
        ];
        for way in ways.into_iter().flatten() {
            let noted = self.equity(way, reach, &mut note);
            debug_assert!(noted.is_some(), "invariant: this corner was valued before");
        }
    }

    /// Equity at a corner of the box. Notes every level that makes the corner.
    fn equity(&self, way: Way, reach: Decimal, note: &mut impl FnMut(Watch)) -> Option<Decimal> {
        let kind = self.account.terms.as_ref()?.kind;
        let mut equity = self.account.funds.tradable(kind);
        for position in &self.account.positions {
            equity = equity.checked_add(self.value(position, way, reach, note)?)?;
        }
        Some(equity)
    }

    /// A position's value at a corner, rounded as every valuation is.
    fn value(
        &self,
        position: &Position,
        way: Way,
        reach: Decimal,
        note: &mut impl FnMut(Watch),
    ) -> Option<Decimal> {
        let terms = self.market.terms(position.symbol, self.account.group())?;
        let quote = self.market.quote(position.symbol)?;
        let closing = position.side.opposite();
        // A long position is worth more when its price rises, a short one when it falls.
        let rises = (position.side == Side::Buy) == (way == Way::Along);
        let watch = level(quote, closing, rises, reach);
        note(watch);
        let quote = Quote {
            bid: watch.trigger.level,
            ask: watch.trigger.level,
            ..*quote
        };
        let price = price::at_market(&quote, terms, closing, position.volume).price;
        let profit = price_profit(position, position.volume, price)?;
        let side = conversion_side(profit, closing, self.rules);
        // Who loses is worse off at a higher rate, who wins at a lower one.
        let rate_rises = (profit < Decimal::ZERO) == (way == Way::Against);
        let mut moved = |link: &crate::market::Link<'_>| {
            let watch = level(link.quote, link.side, rate_rises != link.upside_down, reach);
            note(watch);
            watch.trigger.level
        };
        let rate = self
            .market
            .rate_at(terms.quote, self.currency, side, &mut moved)?;
        let amount = self.currency.round(rate.convert(profit)?);
        amount.checked_add(self.currency.round(position.swap))
    }

    /// Quotes without which nothing can be valued: their arrival counts.
    fn missing(&self) -> Vec<Watch> {
        let mut missing = Vec::new();
        for position in &self.account.positions {
            let symbol = position.symbol;
            let Some(terms) = self.market.terms(symbol, self.account.group()) else {
                continue;
            };
            if self.market.quote(symbol).is_none() {
                push_any(&mut missing, symbol);
            }
            let sides = [Side::Buy, Side::Sell];
            let known = |side| self.market.rate(terms.quote, self.currency, side).is_some();
            if !sides.into_iter().all(known) {
                for symbol in self.market.awaited(terms.quote, self.currency) {
                    push_any(&mut missing, symbol);
                }
            }
        }
        missing
    }

    /// Pairs whose first quote would change the way on which something is converted.
    fn first_quotes(&self, watches: &mut Vec<Watch>) {
        let mut seen = Vec::new();
        for position in &self.account.positions {
            let terms = self.market.terms(position.symbol, self.account.group());
            let Some(from) = terms.map(|terms| terms.quote) else {
                continue;
            };
            if seen.contains(&from) {
                continue;
            }
            seen.push(from);
            for symbol in self.market.awaited(from, self.currency) {
                push_any(watches, symbol);
            }
        }
    }

    /// Everything that goes into its valuation, and what a close has to wait for: its notional and
    /// its commission are converted too.
    fn every_quote(&self, watches: &mut Vec<Watch>) {
        let mut note = |watch: Watch| push_any(watches, watch.symbol);
        for way in [Way::Against, Way::Along] {
            for position in &self.account.positions {
                // What cannot be valued still has a quote of its own.
                note(Watch::any(position.symbol));
                let _: Option<Decimal> = self.value(position, way, Decimal::ZERO, &mut note);
            }
        }
        for position in &self.account.positions {
            let Some(terms) = self.market.terms(position.symbol, self.account.group()) else {
                continue;
            };
            let dealt_in = [Some(terms.base), terms.commission.currency];
            for currency in dealt_in.into_iter().flatten() {
                for symbol in self.market.awaited(currency, self.currency) {
                    note(Watch::any(symbol));
                }
            }
        }
    }
}

impl Watch {
    /// Any quote of a symbol: no bid is below zero.
    #[must_use]
    pub const fn any(symbol: Symbol) -> Self {
        Self {
            symbol,
            trigger: Trigger {
                side_of_quote: QuoteSide::Bid,
                direction: Direction::AtOrAbove,
                level: Decimal::ZERO,
            },
        }
    }
}

fn push_any(watches: &mut Vec<Watch>, symbol: Symbol) {
    let watch = Watch::any(symbol);
    if !watches.contains(&watch) {
        watches.push(watch);
    }
}

/// The level at which a half of a quote has moved by the share `reach` of itself: the bid for
/// `sell`, the ask for `buy`. Rounded towards the quote, so that it is never further away.
fn level(quote: &Quote, side: Side, rises: bool, reach: Decimal) -> Watch {
    let price = quote.price(side);
    let by = price.saturating_mul(reach);
    let (direction, moved, rounding) = if rises {
        let moved = price.saturating_add(by);
        (
            Direction::AtOrAbove,
            moved,
            RoundingStrategy::ToNegativeInfinity,
        )
    } else {
        let moved = price.saturating_sub(by);
        (
            Direction::AtOrBelow,
            moved,
            RoundingStrategy::ToPositiveInfinity,
        )
    };
    let digits = price.scale().max(DIGITS);
    Watch {
        symbol: quote.symbol,
        trigger: Trigger {
            side_of_quote: match side {
                Side::Buy => QuoteSide::Ask,
                Side::Sell => QuoteSide::Bid,
            },
            direction,
            level: moved.round_dp_with_strategy(digits, rounding),
        },
    }
}

/// Decimals of a level, where its price has no more.
const DIGITS: u32 = 8;
