//! Protection of a position: its levels, and how a stop loss trails the market.
//!
//! A stop loss that trails moves on the server, in the client's favour alone, and each move is a
//! fact: only a level that is in the book is effective. What trails has a stop loss, always.

use rust_decimal::{Decimal, RoundingStrategy};

use super::{Book, Found, fill::Fill, shape, stops};
use crate::{
    AccountEvent, AccountRejection, Instrument, PositionId,
    account::{Change, Position},
    price,
    quote::Side,
    triggers::protection_triggers,
};

/// What protects a position.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Levels {
    pub(super) stop_loss: Option<Decimal>,
    pub(super) take_profit: Option<Decimal>,
    /// In price units.
    pub(super) trailing_distance: Option<Decimal>,
}

impl Levels {
    pub(super) const fn of(position: &Position) -> Self {
        Self {
            stop_loss: position.stop_loss,
            take_profit: position.take_profit,
            trailing_distance: position.trailing_distance,
        }
    }
}

impl Book<'_> {
    /// Changes the protection of a position. Levels that change have to be beyond the quote at
    /// which the position would close.
    pub(super) fn protect(
        &self,
        position_id: PositionId,
        stop_loss: Change<Decimal>,
        take_profit: Change<Decimal>,
        trailing_distance: Change<Decimal>,
    ) -> Found {
        let position = self.open(position_id)?;
        self.check_acting()?;
        let instrument = self.instrument(position.symbol)?;
        let before = Levels::of(position);
        let mut after = Levels {
            stop_loss: stop_loss.apply(before.stop_loss),
            take_profit: take_profit.apply(before.take_profit),
            trailing_distance: trailing_distance.apply(before.trailing_distance),
        };
        if after.stop_loss.is_none() && trailing_distance.is_keep() {
            // Without a stop loss there is nothing left to trail.
            after.trailing_distance = None;
        }
        if after == before {
            return Ok(Vec::new());
        }
        let fresh = |new: Option<Decimal>, old| new.filter(|_| new != old);
        let new_stop_loss = fresh(after.stop_loss, before.stop_loss);
        let new_take_profit = fresh(after.take_profit, before.take_profit);
        let new_distance = fresh(after.trailing_distance, before.trailing_distance);
        for (name, level) in [
            ("stopLoss", new_stop_loss),
            ("takeProfit", new_take_profit),
            ("trailingDistance", new_distance),
        ] {
            level.map_or(Ok(()), |level| shape::check_price(name, level, instrument))?;
        }
        let quote = self.dealable(instrument)?;
        let side = position.side;
        let reference = price::dealing(quote, instrument, side.opposite());
        stops::check_stop_loss(side, new_stop_loss, reference)?;
        stops::check_take_profit(side, new_take_profit, reference)?;
        let starts = new_distance.is_some() && stop_loss.is_keep() || after.stop_loss.is_none();
        if let Some(distance) = after.trailing_distance.filter(|_| starts) {
            let first = level_behind(side, reference, distance, instrument)?;
            after.stop_loss = Some(tighter(side, first, after.stop_loss));
        }
        if after == before {
            return Ok(Vec::new());
        }
        Ok(vec![self.protection_changed(position_id, after)])
    }

    /// Moves the stop loss that trails, once the market has gained a step on it. What cannot move
    /// now stays.
    pub(super) fn trail(&self, position_id: PositionId) -> Found {
        let position = self.account.position(position_id);
        let Some(position) = position.filter(|_| !self.is_halted()) else {
            return Ok(Vec::new());
        };
        let instrument = self.instrument(position.symbol)?;
        let Ok(quote) = self.dealable(instrument) else {
            return Ok(Vec::new());
        };
        let trigger = protection_triggers(position, instrument).trailing;
        let is_touched = trigger.is_some_and(|trigger| trigger.touched_by(quote));
        let Some(distance) = position.trailing_distance.filter(|_| is_touched) else {
            return Ok(Vec::new());
        };
        let side = position.side;
        let reference = price::dealing(quote, instrument, side.opposite());
        let level = level_behind(side, reference, distance, instrument)?;
        let stop_loss = Some(tighter(side, level, position.stop_loss));
        if stop_loss == position.stop_loss {
            return Ok(Vec::new());
        }
        let after = Levels {
            stop_loss,
            ..Levels::of(position)
        };
        Ok(vec![self.protection_changed(position_id, after)])
    }

    /// The levels of a position once an order has filled into it: those that the order names
    /// replace the ones that stand. A distance alone puts the stop loss behind the quote at once.
    pub(super) fn levels_at_fill(
        &self,
        fill: &Fill<'_>,
        standing: Levels,
    ) -> Result<Levels, AccountRejection> {
        let ticket = fill.ticket;
        let stop_loss = match (ticket.stop_loss, ticket.trailing_distance) {
            (Some(level), _) => Some(level),
            (None, None) => standing.stop_loss,
            (None, Some(distance)) => {
                let side = ticket.side;
                let reference = price::dealing(fill.quote, fill.instrument, side.opposite());
                let first = level_behind(side, reference, distance, fill.instrument)?;
                Some(tighter(side, first, standing.stop_loss))
            }
        };
        Ok(Levels {
            stop_loss,
            take_profit: ticket.take_profit.or(standing.take_profit),
            trailing_distance: ticket.trailing_distance.or(standing.trailing_distance),
        })
    }

    fn protection_changed(&self, position_id: PositionId, levels: Levels) -> AccountEvent {
        AccountEvent::ProtectionChanged {
            position_id,
            stop_loss: levels.stop_loss,
            take_profit: levels.take_profit,
            trailing_distance: levels.trailing_distance,
            at: self.context.at,
        }
    }
}

/// `reference ∓ distance`, rounded away from the market to the instrument's digits: the stop of a
/// position of `side` that would close at `reference`.
///
/// # Errors
/// `InvalidStops` when that is no price.
pub(super) fn level_behind(
    side: Side,
    reference: Decimal,
    distance: Decimal,
    instrument: &Instrument,
) -> Result<Decimal, AccountRejection> {
    let (level, rounding) = match side {
        Side::Buy => (
            reference.checked_sub(distance),
            RoundingStrategy::ToNegativeInfinity,
        ),
        Side::Sell => (
            reference.checked_add(distance),
            RoundingStrategy::ToPositiveInfinity,
        ),
    };
    let level = level.map(|level| level.round_dp_with_strategy(instrument.digits, rounding));
    let level = level.filter(|level| *level > Decimal::ZERO);
    level.ok_or_else(|| {
        let message = format!("trailingDistance {distance} reaches beyond {reference}");
        AccountRejection::InvalidStops(message)
    })
}

/// The stop loss that protects more.
fn tighter(side: Side, level: Decimal, standing: Option<Decimal>) -> Decimal {
    match (side, standing) {
        (_, None) => level,
        (Side::Buy, Some(standing)) => level.max(standing),
        (Side::Sell, Some(standing)) => level.min(standing),
    }
}
