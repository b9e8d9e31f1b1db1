//! Protecting, reducing and closing positions.

use rust_decimal::Decimal;

use super::{Book, Found, shape, stops};
use crate::{
    AccountEvent, AccountRejection, DealId, Instrument, PositionId, Quote,
    account::{
        Change, Position,
        event::{CloseReason, ClosingDeal},
    },
    commission::commission,
    margin,
    price::{self, DealPrice},
    profit,
};

/// A position about to be closed, whole or in part, at a price.
pub(super) struct Closing<'a> {
    pub(super) position: &'a Position,
    pub(super) deal_id: DealId,
    pub(super) volume: Decimal,
    pub(super) price: DealPrice,
    pub(super) reason: CloseReason,
}

impl<'a> Book<'a> {
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
        let instrument = self.instrument(position.symbol)?;
        let stop_loss = stop_loss.apply(position.stop_loss);
        let take_profit = take_profit.apply(position.take_profit);
        let new_stop_loss = stop_loss.filter(|_| stop_loss != position.stop_loss);
        let new_take_profit = take_profit.filter(|_| take_profit != position.take_profit);
        if (stop_loss, take_profit) == (position.stop_loss, position.take_profit) {
            return Ok(Vec::new());
        }
        for (name, level) in [("stopLoss", new_stop_loss), ("takeProfit", new_take_profit)] {
            level.map_or(Ok(()), |level| shape::check_price(name, level, instrument))?;
        }
        let quote = self.dealable(instrument)?;
        let side = position.side;
        let reference = price::dealing(quote, instrument, side.opposite());
        stops::check_stop_loss(side, new_stop_loss, reference)?;
        stops::check_take_profit(side, new_take_profit, reference)?;
        Ok(vec![AccountEvent::ProtectionChanged {
            position_id,
            stop_loss,
            take_profit,
            trailing_distance: trailing_distance.apply(position.trailing_distance),
            at: self.context.at,
        }])
    }

    /// Closes a position at the market: all of it, or as many lots as asked.
    pub(super) fn close(
        &self,
        position_id: PositionId,
        deal_id: DealId,
        volume: Option<Decimal>,
    ) -> Found {
        if let Some(volume) = volume {
            shape::positive("volume", volume)?;
        }
        let position = self.open(position_id)?;
        let instrument = self.instrument(position.symbol)?;
        let quote = self.dealable(instrument)?;
        let volume = volume.unwrap_or(position.volume);
        if volume != position.volume {
            // What is left of a position may always be closed whole.
            shape::check_range(volume, instrument.min_volume, position.volume)?;
            shape::check_step(volume, instrument)?;
        }
        let closing = Closing {
            position,
            deal_id,
            volume,
            price: price::at_market(quote, instrument, position.side.opposite(), volume),
            reason: CloseReason::Client,
        };
        self.deal_away(&closing, instrument, quote)
    }

    /// The closing deal: price profit, accrued swap and commission, settled as one amount.
    pub(super) fn deal_away(
        &self,
        closing: &Closing<'_>,
        instrument: &Instrument,
        quote: &Quote,
    ) -> Found {
        let Closing {
            position,
            deal_id,
            volume,
            price,
            reason,
        } = *closing;
        let outside = (self.context.market, self.context.rules);
        let currency = self.terms.currency;
        let side = position.side.opposite();
        let realised =
            profit::realise(position, volume, price.price, instrument, currency, outside)?;
        let notional = margin::notional(instrument, price.price, side, currency, outside.0)?;
        let commission = commission(instrument, volume, &notional, side, currency, outside)?;
        let swap = self.swap_of(position, volume)?;
        let net = realised
            .amount
            .checked_add(swap)
            .and_then(|net| net.checked_sub(commission))
            .ok_or(AccountRejection::Overflow)?;
        let remaining = position.volume - volume;
        let deal = Box::new(ClosingDeal {
            deal_id,
            position_id: position.position_id,
            order_id: None,
            kind: self.terms.kind,
            symbol: position.symbol,
            side,
            volume,
            remaining,
            realised: realised.amount,
            swap,
            reason,
            execution: self.receipt(quote, price, commission, &realised.rate)?,
            funds: self.account.funds.settle(self.terms.kind, currency, net)?,
        });
        let at = self.context.at;
        Ok(vec![if remaining.is_zero() {
            AccountEvent::PositionClosed { deal, at }
        } else {
            AccountEvent::PositionReduced { deal, at }
        }])
    }

    /// The accrued swap that a deal posts: all of it, or pro rata.
    fn swap_of(&self, position: &Position, volume: Decimal) -> Result<Decimal, AccountRejection> {
        if volume == position.volume || position.swap.is_zero() {
            return Ok(position.swap);
        }
        let part = position
            .swap
            .checked_mul(volume)
            .and_then(|product| product.checked_div(position.volume));
        let part = part.ok_or(AccountRejection::Overflow)?;
        Ok(self.terms.currency.round(part))
    }

    fn open(&self, position_id: PositionId) -> Result<&'a Position, AccountRejection> {
        let position = self.account.position(position_id);
        position.ok_or(AccountRejection::PositionNotOpen(position_id))
    }
}
