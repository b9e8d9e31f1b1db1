//! One position per symbol: an order increases it, reduces it, closes it, or turns it round.
//!
//! Hedging accounts open with every order, and meet none of this.

use rust_decimal::Decimal;
use uuid::Uuid;

use super::{Book, fill::Fill, position::Closing, trailing::Levels};
use crate::{
    AccountRejection, DealId, PositionId,
    account::{
        Position, PositionMode, Ticket,
        event::{CloseReason, ClosingDeal, MarginBasis},
    },
};

/// What an order does to the positions of its symbol.
#[derive(Clone, Copy)]
pub(super) enum Effect<'a> {
    /// A new position.
    Opens,
    /// Adds to the position of its side.
    Increases(&'a Position),
    /// Takes lots off the opposite position, at most all of them.
    Reduces(&'a Position),
    /// Closes the opposite position, and opens one with what is left of the order.
    Reverses(&'a Position),
}

impl<'a> Effect<'a> {
    /// Whether it does more than lessen what is open.
    pub(super) const fn adds_risk(self) -> bool {
        match self {
            Self::Opens | Self::Increases(_) | Self::Reverses(_) => true,
            Self::Reduces(_) => false,
        }
    }

    /// The position that is another one, or none, once the order has added its lots.
    pub(super) const fn replaced(self) -> Option<&'a Position> {
        match self {
            Self::Opens | Self::Reduces(_) => None,
            Self::Increases(position) | Self::Reverses(position) => Some(position),
        }
    }
}

impl<'a> Book<'a> {
    /// What an order would do now. Known anew at its trigger: what was to reduce may open by then.
    pub(super) fn effect(&self, ticket: &Ticket) -> Effect<'a> {
        match self.terms.mode {
            PositionMode::Hedging => return Effect::Opens,
            PositionMode::Netting => {}
        }
        let mut positions = self.account.positions.iter();
        let Some(position) = positions.find(|position| position.symbol == ticket.symbol) else {
            return Effect::Opens;
        };
        if position.side == ticket.side {
            Effect::Increases(position)
        } else if ticket.volume <= position.volume {
            Effect::Reduces(position)
        } else {
            Effect::Reverses(position)
        }
    }

    /// The deal by which an order takes lots off the opposite position, at the order's price.
    pub(super) fn netting_deal(
        &self,
        fill: &Fill<'_>,
        position: &Position,
        (deal_id, volume): (DealId, Decimal),
    ) -> Result<Box<ClosingDeal>, AccountRejection> {
        let closing = Closing {
            position,
            deal_id,
            volume,
            price: fill.price,
            reason: CloseReason::Client,
        };
        let mut deal = self.closing_deal(&closing, fill.instrument, fill.quote)?;
        deal.order_id = Some(fill.order_id);
        Ok(deal)
    }

    /// The position with the lots of an order added. Its cost is exact, where an average price
    /// would be rounded; the levels that the order names replace its own.
    pub(super) fn increased(
        &self,
        fill: &Fill<'_>,
        position: &Position,
        (basis, commission): (MarginBasis, Decimal),
    ) -> Result<Position, AccountRejection> {
        if position.contract_size != fill.instrument.contract_size {
            let symbol = position.symbol;
            let message = format!("the lots of {symbol} have another size than the open ones");
            return Err(AccountRejection::WrongMode(message));
        }
        let volume = fill.ticket.volume;
        let merged = increased_cost(position, volume, fill.price.price)
            .zip(merged_basis(position, volume, basis));
        let (cost, margin) = merged.ok_or(AccountRejection::Overflow)?;
        let total = position.volume.checked_add(volume);
        let paid = position.commission.checked_add(commission);
        let (total, paid) = total.zip(paid).ok_or(AccountRejection::Overflow)?;
        let levels = self.levels_at_fill(fill, Levels::of(position))?;
        Ok(Position {
            volume: total,
            open_price: cost.checked_div(total).ok_or(AccountRejection::Overflow)?,
            cost: Some(cost),
            margin,
            commission: paid,
            stop_loss: levels.stop_loss,
            take_profit: levels.take_profit,
            trailing_distance: levels.trailing_distance,
            ..position.clone()
        })
    }
}

/// Name of the deal that one command makes with one of several positions. Made from what is known,
/// so that the same decision always has the same names.
pub(super) fn deal_of(seed: DealId, position_id: PositionId) -> DealId {
    Uuid::new_v5(&seed.0, position_id.0.as_bytes()).into()
}

/// `cost + V·P`. None beyond 28 digits.
fn increased_cost(position: &Position, volume: Decimal, price: Decimal) -> Option<Decimal> {
    let before = match position.cost {
        Some(cost) => cost,
        None => position.open_price.checked_mul(position.volume)?,
    };
    before.checked_add(price.checked_mul(volume)?)
}

/// What the margin of all lots rests on: the notional of both deals, spread over the lots; the rate
/// and the leverage of the newer deal, whose tier is that of the whole. None beyond 28 digits.
fn merged_basis(position: &Position, volume: Decimal, added: MarginBasis) -> Option<MarginBasis> {
    let before = position
        .margin
        .notional_per_lot
        .checked_mul(position.volume)?;
    let notional = before.checked_add(added.notional_per_lot.checked_mul(volume)?)?;
    let lots = position.volume.checked_add(volume)?;
    Some(MarginBasis {
        notional_per_lot: notional.checked_div(lots)?,
        ..added
    })
}
