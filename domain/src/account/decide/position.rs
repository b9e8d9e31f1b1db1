//! Reducing and closing positions.

use rust_decimal::Decimal;

use super::{Book, Found, shape};
use crate::{
    AccountEvent, AccountRejection, DealId, Instrument, PositionId, Quote, Timestamp,
    account::{
        Position,
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
        self.check_acting()?;
        let instrument = self.instrument(position.symbol)?;
        let quote = self.dealable(instrument)?;
        let volume = volume.unwrap_or(position.volume);
        shape::check_part(volume, position.volume, instrument)?;
        let closing = Closing {
            position,
            deal_id,
            volume,
            price: price::at_market(quote, instrument, position.side.opposite(), volume),
            reason: CloseReason::Client,
        };
        self.deal_away(&closing, instrument, quote)
    }

    /// A closing deal, as the fact that it is.
    pub(super) fn deal_away(
        &self,
        closing: &Closing<'_>,
        instrument: &Instrument,
        quote: &Quote,
    ) -> Found {
        let deal = self.closing_deal(closing, instrument, quote)?;
        Ok(vec![ended(deal, self.context.at)])
    }

    /// A closing deal: price profit, accrued swap and commission, settled as one amount.
    pub(super) fn closing_deal(
        &self,
        closing: &Closing<'_>,
        instrument: &Instrument,
        quote: &Quote,
    ) -> Result<Box<ClosingDeal>, AccountRejection> {
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
        Ok(Box::new(ClosingDeal {
            deal_id,
            position_id: position.position_id,
            order_id: None,
            kind: self.terms.kind,
            symbol: position.symbol,
            side,
            volume,
            remaining: position.volume - volume,
            realised: realised.amount,
            swap,
            reason,
            execution: self.receipt(quote, price, commission, &realised.rate)?,
            funds: self.account.funds.settle(self.terms.kind, currency, net)?,
        }))
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

    pub(super) fn open(&self, position_id: PositionId) -> Result<&'a Position, AccountRejection> {
        let position = self.account.position(position_id);
        position.ok_or(AccountRejection::PositionNotOpen(position_id))
    }
}

/// What a closing deal did to its position.
pub(super) fn ended(deal: Box<ClosingDeal>, at: Timestamp) -> AccountEvent {
    if deal.remaining.is_zero() {
        AccountEvent::PositionClosed { deal, at }
    } else {
        AccountEvent::PositionReduced { deal, at }
    }
}
