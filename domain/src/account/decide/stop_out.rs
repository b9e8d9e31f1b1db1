//! The stop-out: closes positions, one step after the other, until the margin level is above the
//! threshold or nothing is left that can be closed now.
//!
//! - `mt5` the position with the largest loss; if none loses, that with the smallest profit.
//! - `fair` the position with the largest margin.
//! - `smart` as little as brings the level strictly above, of the position whose closing frees most
//!   margin. Without hedged volume that is the one with the largest margin; with it, closing the
//!   covered leg would free nothing or even need more.
//!
//! Every step closes lots, so it always ends, also where closing a leg of hedged volume raises
//! margin in use. Pending orders reserve no margin, hence none is cancelled.

use std::cmp::Reverse;

use rust_decimal::Decimal;

use super::evaluate::{Course, Standing, deal_of};
use crate::{
    AccountEvent, Symbol,
    account::{
        Position,
        event::{CloseReason, StopOutAction},
    },
    margin::{self, Legs, Thresholds},
    profit,
    rules::StopOutRule,
};

/// How many multiples below the one that was found are looked at: rounding may bend the line that
/// the search rests on by a few steps, never by more.
const VERIFIED: u64 = 8;

impl Course<'_> {
    pub(super) fn stop_out(&mut self) {
        let at = self.context.at;
        let mut standing = self.standing();
        let mut step = 0;
        while let Some(before) = standing
            && before.is_out()
            && let Some((index, closed)) = self.step(&before, step)
        {
            if step == 0 {
                self.tell(AccountEvent::StopOutStarted {
                    rule: self.context.rules.stop_out,
                    level: before.level(),
                    usable: self.terms.currency.round(before.usable),
                    used_margin: before.thresholds.used_margin,
                    at,
                });
            }
            let action = action_of(&closed);
            self.deal(index, closed);
            standing = self.standing();
            self.tell(AccountEvent::StopOutStep {
                action,
                level_before: before.level(),
                level_after: standing.and_then(|after| after.level()),
                at,
            });
            step += 1;
        }
        if step > 0 {
            self.tell(AccountEvent::StopOutFinished {
                level: standing.and_then(|after| after.level()),
                at,
            });
        }
    }

    /// The next position to close, and its deal. What cannot be dealt after all is left out.
    fn step(&mut self, standing: &Standing, step: u32) -> Option<(usize, AccountEvent)> {
        loop {
            let index = self.choose()?;
            let deal_id = deal_of(
                self.seed,
                self.account.positions[index].position_id,
                Some(step),
            );
            let volume = match self.context.rules.stop_out {
                StopOutRule::Smart => self.smallest(index, standing),
                StopOutRule::Mt5 | StopOutRule::Fair | StopOutRule::Off => None,
            };
            if let Some(closed) = self.closing(index, volume, deal_id, CloseReason::StopOut) {
                return Some((index, closed));
            }
            self.open[index].closable = false;
        }
    }

    /// The position that the rule closes first; the older one of two that are equal.
    fn choose(&self) -> Option<usize> {
        let closable = (0..self.open.len()).filter(|index| self.open[*index].closable);
        let position = |index: usize| &self.account.positions[index];
        let margin = |index: usize| self.open[index].margin;
        match self.context.rules.stop_out {
            StopOutRule::Off => None,
            StopOutRule::Mt5 => closable.min_by_key(|index| self.open[*index].value),
            StopOutRule::Fair => closable.min_by_key(|index| Reverse(margin(*index))),
            StopOutRule::Smart => {
                let symbols = self.legs();
                let freed = |index| freed(&symbols, position(index)).unwrap_or_default();
                closable.min_by_key(|index| Reverse((freed(*index), margin(*index))))
            }
        }
    }

    /// Both legs of every symbol, with their margin.
    fn legs(&self) -> Vec<(Symbol, Legs, Decimal)> {
        let empty = Legs::new(self.book().leverage(), self.terms.currency);
        let mut symbols: Vec<(Symbol, Legs)> = Vec::new();
        for position in &self.account.positions {
            let symbol = position.symbol;
            let known = symbols.iter_mut().find(|(other, _)| *other == symbol);
            let legs = known.map_or(&empty, |(_, legs)| legs);
            let Some(with) = legs.with(position) else {
                continue;
            };
            match symbols.iter_mut().find(|(other, _)| *other == symbol) {
                Some((_, legs)) => *legs = with,
                None => symbols.push((symbol, with)),
            }
        }
        let margins = symbols
            .into_iter()
            .filter_map(|(symbol, legs)| Some((symbol, legs, legs.margin()?)));
        margins.collect()
    }

    /// The smallest multiple of the step that brings the level strictly above, its commission paid
    /// and at least the minimum volume left. None: the whole position goes.
    ///
    /// Equity and margin are both straight lines of the volume closed, but for a bend where the
    /// position's leg stops being the larger one. Between its ends and that bend the level only
    /// rises or only falls: it is above on one side of at most one point, and that is searched by
    /// halving. What is found is verified, and so is that the multiples just below it fail.
    fn smallest(&self, index: usize, standing: &Standing) -> Option<Decimal> {
        let position = &self.account.positions[index];
        let book = self.book();
        let terms = book.instrument(position.symbol).ok()?;
        let multiples = |volume: Decimal| -> u64 {
            let steps = volume.checked_div(terms.volume_step);
            let whole = steps.filter(|steps| *steps >= Decimal::ONE);
            whole.map_or(0, |steps| steps.trunc().try_into().unwrap_or(u64::MAX))
        };
        let most = multiples(position.volume.checked_sub(terms.min_volume)?);
        let bend = multiples(self.excess(position)?).min(most);
        let volume = |steps: u64| Decimal::from(steps).checked_mul(terms.volume_step);
        let above = |steps: u64| {
            volume(steps).is_some_and(|volume| self.is_above(index, volume, standing) == Some(true))
        };
        let segments = [(1, bend), (bend + 1, most)];
        let segments = segments.into_iter().filter(|(first, last)| first <= last);
        let mut found = segments.filter_map(|(first, last)| first_above(first, last, &above));
        volume(found.next()?)
    }

    /// Lots by which the position's leg is larger than the other.
    fn excess(&self, position: &Position) -> Option<Decimal> {
        let mut positions = self.account.positions.iter();
        positions.try_fold(Decimal::ZERO, |sum, other| {
            if other.symbol != position.symbol {
                Some(sum)
            } else if other.side == position.side {
                sum.checked_add(other.volume)
            } else {
                sum.checked_sub(other.volume)
            }
        })
    }

    /// Whether the level is strictly above once `volume` of a position is closed and something of
    /// it is left.
    fn is_above(&self, index: usize, volume: Decimal, standing: &Standing) -> Option<bool> {
        let position = &self.account.positions[index];
        let (currency, rules) = (self.terms.currency, self.context.rules);
        let closed = self.closing(index, Some(volume), self.seed, CloseReason::StopOut)?;
        let AccountEvent::PositionReduced { deal, .. } = &closed else {
            return None;
        };
        let mut left = position.clone();
        left.volume = left.volume.checked_sub(volume)?;
        left.cost = match position.cost {
            None => None,
            Some(cost) => Some(share(cost, left.volume, position.volume)?),
        };
        left.swap -= deal.swap;
        let group = self.account.group();
        let value = profit::unrealised(&left, currency, group, self.context.market, rules)?;
        let equity = standing
            .equity
            .checked_sub(self.open[index].value)?
            .checked_add(deal.funds.total())?
            .checked_add(value)?;
        let leverage = self.book().leverage();
        let symbol = position.symbol;
        let before = margin::symbol_margin(&self.account.positions, symbol, leverage, currency);
        let others = self.account.positions.iter();
        let mut others: Vec<_> = others
            .filter(|other| other.symbol == symbol && other.position_id != position.position_id)
            .cloned()
            .collect();
        others.push(left);
        let after = margin::symbol_margin(&others, symbol, leverage, currency);
        let used = standing.thresholds.used_margin.checked_sub(before)?;
        let used = used.checked_add(after)?;
        let at = Thresholds::stop_out_at(used, self.account.funds.held, rules)?;
        Some(equity > at)
    }
}

impl Standing {
    fn is_out(&self) -> bool {
        let threshold = self.thresholds.stop_out;
        threshold.is_some_and(|threshold| self.equity <= threshold)
    }
}

/// The first of some multiples that is above, where they are above from one point on or up to one.
fn first_above(first: u64, last: u64, above: &impl Fn(u64) -> bool) -> Option<u64> {
    if above(first) {
        return Some(first);
    }
    if !above(last) {
        return None;
    }
    let (mut below, mut found) = (first, last);
    while found - below > 1 {
        let middle = below + (found - below) / 2;
        if above(middle) {
            found = middle;
        } else {
            below = middle;
        }
    }
    let lowest = found.saturating_sub(VERIFIED).max(first);
    (lowest..=found).find(|steps| above(*steps))
}

/// Margin that closing a position whole sets free; negative where it covers others.
fn freed(symbols: &[(Symbol, Legs, Decimal)], position: &Position) -> Option<Decimal> {
    let mut symbols = symbols.iter();
    let (_, legs, margin) = symbols.find(|(symbol, ..)| *symbol == position.symbol)?;
    margin.checked_sub(legs.without(position)?.margin()?)
}

fn share(whole: Decimal, part: Decimal, of: Decimal) -> Option<Decimal> {
    whole.checked_mul(part)?.checked_div(of)
}

fn action_of(closed: &AccountEvent) -> StopOutAction {
    if let AccountEvent::PositionReduced { deal, .. } = closed {
        return StopOutAction::Reduce {
            position_id: deal.position_id,
            volume: deal.volume,
        };
    }
    let AccountEvent::PositionClosed { deal, .. } = closed else {
        unreachable!("invariant: a stop-out deals by closing");
    };
    StopOutAction::Close {
        position_id: deal.position_id,
    }
}
