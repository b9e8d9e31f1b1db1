//! The part of a fill that adds lots: its position, its margin and its facts.

use rust_decimal::Decimal;

use super::{Book, fill::Fill, netting::Effect, trailing::Levels};
use crate::{
    AccountEvent, AccountRejection, Timestamp,
    account::{
        AMOUNT_MAX, Position,
        event::{ClosingDeal, FundsChange, MarginBasis, PositionIncrease},
    },
    commission::commission,
    execution::Execution,
    margin::{self, Notional},
};

/// The part of a fill that adds lots.
pub(super) struct Entry {
    /// Lots added.
    pub(super) volume: Decimal,
    /// The position as it is after it.
    pub(super) position: Position,
    /// What margin in use grows by, a closing deal before it included; may be negative.
    pub(super) increase: Decimal,
    pub(super) execution: Execution,
    funds: FundsChange,
}

impl Entry {
    /// The order is filled, and its position open or increased.
    pub(super) fn facts(
        self,
        fill: &Fill<'_>,
        effect: Effect<'_>,
        at: Timestamp,
    ) -> [AccountEvent; 2] {
        let follows = match effect {
            Effect::Increases(_) => self.position_increased(fill, at),
            Effect::Opens | Effect::Reduces(_) | Effect::Reverses(_) => {
                self.position_opened(fill, at)
            }
        };
        let filled = AccountEvent::OrderFilled {
            order_id: fill.order_id,
            deal_id: fill.deal_id,
            position_id: self.position.position_id,
            symbol: self.position.symbol,
            side: self.position.side,
            volume: self.volume,
            execution: Box::new(self.execution),
            funds: self.funds,
            at,
        };
        [filled, follows]
    }

    fn position_opened(&self, fill: &Fill<'_>, at: Timestamp) -> AccountEvent {
        let position = &self.position;
        AccountEvent::PositionOpened {
            position_id: position.position_id,
            order_id: position.order_id,
            deal_id: fill.deal_id,
            symbol: position.symbol,
            side: position.side,
            volume: position.volume,
            open_price: position.open_price,
            contract_size: position.contract_size,
            margin: position.margin,
            commission: position.commission,
            stop_loss: position.stop_loss,
            take_profit: position.take_profit,
            trailing_distance: position.trailing_distance,
            at,
        }
    }

    fn position_increased(&self, fill: &Fill<'_>, at: Timestamp) -> AccountEvent {
        let position = &self.position;
        let cost = position.cost;
        AccountEvent::PositionIncreased {
            increase: Box::new(PositionIncrease {
                position_id: position.position_id,
                order_id: fill.order_id,
                deal_id: fill.deal_id,
                symbol: position.symbol,
                side: position.side,
                volume: self.volume,
                price: self.execution.price,
                commission: self.execution.commission,
                total_volume: position.volume,
                cost: cost.expect("invariant: an increased position keeps its cost"),
                margin: position.margin,
                stop_loss: position.stop_loss,
                take_profit: position.take_profit,
                trailing_distance: position.trailing_distance,
            }),
            at,
        }
    }
}

impl<'a> Book<'a> {
    /// Computes the part of a fill that adds lots, after the deal that closes what it reverses.
    pub(super) fn entry(
        &self,
        fill: &Fill<'a>,
        effect: Effect<'a>,
        closing: Option<&ClosingDeal>,
    ) -> Result<Entry, AccountRejection> {
        let (market, rules) = (self.context.market, self.context.rules);
        let (currency, side) = (self.terms.currency, fill.ticket.side);
        let closed = closing.map_or(Decimal::ZERO, |deal| deal.volume);
        let volume = fill.ticket.volume - closed;
        let price = fill.price.price;
        let notional = margin::notional(fill.instrument, price, side, currency, market)?;
        // What could not be valued afterwards could not be closed either.
        margin::rate(market, fill.instrument.quote, currency, side)?;
        let outside = (market, rules);
        let commission = commission(fill.instrument, volume, &notional, side, currency, outside)?;
        let basis = self.basis(fill, effect, volume, &notional)?;
        let position = match effect {
            Effect::Increases(onto) => self.increased(fill, onto, (basis, commission))?,
            Effect::Opens | Effect::Reduces(_) | Effect::Reverses(_) => {
                self.opened(fill, volume, (basis, commission))?
            }
        };
        let mut funds = self.account.funds;
        if let Some(deal) = closing {
            funds.apply(&deal.funds);
        }
        Ok(Entry {
            volume,
            increase: self.increase(effect, &position)?,
            position,
            execution: self.receipt(fill.quote, fill.price, commission, &notional.rate)?,
            funds: funds.settle(self.terms.kind, currency, -commission)?,
        })
    }

    /// What the margin of a deal rests on: the terms, and the leverage of the tier that the
    /// symbol's notional reaches with it.
    fn basis(
        &self,
        fill: &Fill<'_>,
        effect: Effect<'_>,
        volume: Decimal,
        notional: &Notional,
    ) -> Result<MarginBasis, AccountRejection> {
        let (instrument, side) = (fill.instrument, fill.ticket.side);
        let closed = match effect {
            Effect::Reverses(position) => Some(position.position_id),
            Effect::Opens | Effect::Increases(_) | Effect::Reduces(_) => None,
        };
        let standing = self.account.positions.iter();
        let standing = standing.filter(|position| position.symbol == instrument.symbol);
        let standing = standing.filter(|position| Some(position.position_id) != closed);
        let reached = total_notional(standing).and_then(|sum| {
            let added = volume.checked_mul(notional.per_lot)?;
            sum.checked_add(added)
        });
        let reached = reached.ok_or(AccountRejection::Overflow)?;
        let tiers = instrument.leverage_tiers.iter();
        let tiers = tiers.take_while(|tier| tier.from_notional <= reached);
        let of_tier = tiers.last().map_or(u32::MAX, |tier| tier.max_leverage);
        Ok(MarginBasis {
            notional_per_lot: notional.per_lot,
            margin_rate: instrument.margin_rate_of(side),
            max_leverage: instrument.max_leverage.min(of_tier),
            hedged_contract_size: instrument.hedged_contract_size,
        })
    }

    fn opened(
        &self,
        fill: &Fill<'_>,
        volume: Decimal,
        (margin, commission): (MarginBasis, Decimal),
    ) -> Result<Position, AccountRejection> {
        if self.account.position(fill.position_id).is_some() {
            let message = format!("position {} exists already", fill.position_id);
            return Err(AccountRejection::InvalidOrder(message));
        }
        let levels = self.levels_at_fill(fill, Levels::default())?;
        Ok(Position {
            position_id: fill.position_id,
            order_id: fill.order_id,
            symbol: fill.ticket.symbol,
            side: fill.ticket.side,
            volume,
            open_price: fill.price.price,
            cost: None,
            contract_size: fill.instrument.contract_size,
            margin,
            commission,
            swap: Decimal::ZERO,
            stop_loss: levels.stop_loss,
            take_profit: levels.take_profit,
            trailing_distance: levels.trailing_distance,
            swap_day: None,
            opened_at: self.context.at,
        })
    }

    /// What margin in use of the symbol grows by when `position` stands where it did not, or in the
    /// place of another: after less before, so that whatever is set off within a symbol counts.
    fn increase(
        &self,
        effect: Effect<'_>,
        position: &Position,
    ) -> Result<Decimal, AccountRejection> {
        let (leverage, currency) = (self.leverage_in_force(), self.terms.currency);
        let alone = margin::required(&position.margin, position.volume, leverage, currency);
        // No sum of what fits this outgrows 28 digits.
        let fits = alone.is_some_and(|alone| alone <= AMOUNT_MAX)
            && total_notional([position]).is_some_and(|notional| notional <= AMOUNT_MAX);
        if !fits {
            return Err(AccountRejection::Overflow);
        }
        let symbol = position.symbol;
        let before = &self.account.positions;
        let replaced = effect.replaced().map(|position| position.position_id);
        let mut after: Vec<_> = before
            .iter()
            .filter(|other| other.symbol == symbol && Some(other.position_id) != replaced)
            .cloned()
            .collect();
        after.push(position.clone());
        let of_symbol =
            |positions: &[Position]| margin::symbol_margin(positions, symbol, leverage, currency);
        of_symbol(&after)
            .checked_sub(of_symbol(before))
            .ok_or(AccountRejection::Overflow)
    }
}

/// `Σ V·N` in the account's currency. None beyond 28 digits.
pub(super) fn total_notional<'p>(
    positions: impl IntoIterator<Item = &'p Position>,
) -> Option<Decimal> {
    let mut positions = positions.into_iter();
    positions.try_fold(Decimal::ZERO, |sum, position| {
        let notional = position
            .volume
            .checked_mul(position.margin.notional_per_lot)?;
        sum.checked_add(notional)
    })
}
