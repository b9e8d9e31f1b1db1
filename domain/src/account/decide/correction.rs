//! Busting and re-pricing deals by compensation: what was dealt stays in the book, and a new fact
//! makes good what it moved.
//!
//! The deal arrives as the book knows it, former corrections of its price included.

use rust_decimal::Decimal;

use super::{Book, Found, shape};
use crate::{
    AccountEvent, AccountRejection, DealId, PositionId, Symbol,
    account::{
        Position,
        event::{BustedDeal, ClosingDeal, DealRecord, FundsChange, RepricedDeal},
    },
    execution::{Conversion, Execution},
    quote::Side,
};

/// A deal that opened or increased a position.
#[derive(Clone, Copy)]
struct Opening<'a> {
    deal_id: DealId,
    position_id: PositionId,
    symbol: Symbol,
    side: Side,
    volume: Decimal,
    execution: &'a Execution,
    funds: &'a FundsChange,
}

impl<'a> Book<'a> {
    /// Undoes a deal. Of a closing deal the money is given back and the position stays as it is;
    /// of an opening deal the commission is given back and, where its position is open, its lots
    /// are removed with the swap they accrued. Deals that closed those lots are busted on their own.
    pub(super) fn bust(&self, deal: &DealRecord, reason: &str, by: &str) -> Found {
        let mut bust = match deal {
            DealRecord::Closing { deal, .. } => self.bust_closing(deal)?,
            DealRecord::Opening { .. } => self.bust_opening(opening_of(deal))?,
        };
        if self.account.busted.contains(&bust.deal_id) {
            return Err(AccountRejection::DealBusted(bust.deal_id));
        }
        reason.clone_into(&mut bust.reason);
        by.clone_into(&mut bust.by);
        Ok(vec![AccountEvent::DealBusted {
            bust: Box::new(bust),
            at: self.context.at,
        }])
    }

    fn bust_closing(&self, deal: &ClosingDeal) -> Result<BustedDeal, AccountRejection> {
        if deal.kind != self.terms.kind {
            return Err(not_correctable("the deal is of another kind of account"));
        }
        Ok(BustedDeal {
            deal_id: deal.deal_id,
            position_id: deal.position_id,
            symbol: deal.symbol,
            kind: deal.kind,
            volume_removed: Decimal::ZERO,
            cost_removed: Decimal::ZERO,
            realised: -deal.realised,
            swap: -deal.swap,
            commission: deal.execution.commission,
            funds: self.undone(&deal.funds)?,
            reason: String::new(),
            by: String::new(),
        })
    }

    fn bust_opening(&self, deal: Opening<'_>) -> Result<BustedDeal, AccountRejection> {
        let position = self.position_of(&deal)?;
        let volume_removed =
            position.map_or(Decimal::ZERO, |position| position.volume.min(deal.volume));
        Ok(BustedDeal {
            deal_id: deal.deal_id,
            position_id: deal.position_id,
            symbol: deal.symbol,
            kind: self.terms.kind,
            volume_removed,
            cost_removed: position.map_or(Ok(Decimal::ZERO), |position| {
                cost_removed(position, volume_removed, deal.execution.price)
            })?,
            realised: Decimal::ZERO,
            swap: Decimal::ZERO,
            commission: deal.execution.commission,
            funds: self.undone(deal.funds)?,
            reason: String::new(),
            by: String::new(),
        })
    }

    /// The opposite of what a deal moved. What was taken goes back to the buckets that it came
    /// from; what was given is taken as a loss is, real money before bonus.
    fn undone(&self, funds: &FundsChange) -> Result<FundsChange, AccountRejection> {
        let currency = self.terms.currency;
        if funds.currency != currency {
            return Err(not_correctable("the deal is in another currency"));
        }
        let total = funds.total();
        if total > Decimal::ZERO {
            return self.account.funds.settle(self.terms.kind, currency, -total);
        }
        let back = FundsChange::new(currency, -funds.real, -funds.demo, -funds.bonus);
        self.account.funds.checked(back)
    }

    /// The open position that an opening deal is part of.
    fn position_of(&self, deal: &Opening<'_>) -> Result<Option<&'a Position>, AccountRejection> {
        let position = self.account.position(deal.position_id);
        let same = position
            .is_none_or(|position| (position.symbol, position.side) == (deal.symbol, deal.side));
        if !same {
            return Err(not_correctable("the position is not the deal's"));
        }
        Ok(position)
    }

    /// Corrects a deal's price. Where the lots that an opening deal bought are all still open, the
    /// position's price moves; else the difference is settled in money.
    pub(super) fn reprice(
        &self,
        deal: &DealRecord,
        price: Decimal,
        reason: &str,
        by: &str,
    ) -> Found {
        let (deal_id, symbol, from) = identity_of(deal);
        if self.account.busted.contains(&deal_id) {
            return Err(AccountRejection::DealBusted(deal_id));
        }
        shape::check_price("price", price, self.instrument(symbol)?)?;
        if price == from {
            return Ok(Vec::new());
        }
        let mut reprice = match deal {
            DealRecord::Closing {
                deal,
                contract_size,
            } => self.reprice_closing(deal, *contract_size, price)?,
            DealRecord::Opening { .. } => self.reprice_opening(opening_of(deal), price)?,
        };
        reason.clone_into(&mut reprice.reason);
        by.clone_into(&mut reprice.by);
        Ok(vec![AccountEvent::DealRepriced {
            reprice: Box::new(reprice),
            at: self.context.at,
        }])
    }

    fn reprice_closing(
        &self,
        deal: &ClosingDeal,
        contract_size: Decimal,
        price: Decimal,
    ) -> Result<RepricedDeal, AccountRejection> {
        if deal.kind != self.terms.kind {
            return Err(not_correctable("the deal is of another kind of account"));
        }
        let from = deal.execution.price;
        let gained = gained(deal.side, from, price, deal.volume, contract_size)?;
        let (realised, funds) = self.settled(gained, &deal.execution.conversion)?;
        Ok(RepricedDeal {
            deal_id: deal.deal_id,
            position_id: deal.position_id,
            symbol: deal.symbol,
            kind: deal.kind,
            from,
            to: price,
            volume: deal.volume,
            moves_position: false,
            realised,
            funds,
            reason: String::new(),
            by: String::new(),
        })
    }

    fn reprice_opening(
        &self,
        deal: Opening<'_>,
        price: Decimal,
    ) -> Result<RepricedDeal, AccountRejection> {
        let from = deal.execution.price;
        let currency = self.terms.currency;
        let (moves_position, (realised, funds)) = match self.position_of(&deal)? {
            Some(position) => {
                check_movable(position, &deal, price)?;
                let nothing =
                    FundsChange::new(currency, Decimal::ZERO, Decimal::ZERO, Decimal::ZERO);
                (true, (Decimal::ZERO, nothing))
            }
            None => (false, self.settled_later(&deal, price)?),
        };
        Ok(RepricedDeal {
            deal_id: deal.deal_id,
            position_id: deal.position_id,
            symbol: deal.symbol,
            kind: self.terms.kind,
            from,
            to: price,
            volume: deal.volume,
            moves_position,
            realised,
            funds,
            reason: String::new(),
            by: String::new(),
        })
    }

    /// The difference of an opening deal all of whose lots were closed since. Its receipt has the
    /// conversion of its margin, which says what the difference is worth only where it is from
    /// the currency of the price.
    fn settled_later(
        &self,
        deal: &Opening<'_>,
        price: Decimal,
    ) -> Result<(Decimal, FundsChange), AccountRejection> {
        let instrument = self.instrument(deal.symbol)?;
        let (quote, currency) = (instrument.quote, self.terms.currency);
        let of_margin = &deal.execution.conversion;
        let conversion = if of_margin.from == quote {
            of_margin.clone()
        } else if quote == currency {
            Conversion {
                from: currency,
                to: currency,
                rate: Decimal::ONE,
                side: deal.side,
                path: Vec::new(),
            }
        } else {
            let message = "the receipt has no rate of the price's currency: correct the deals \
                           that closed the position";
            return Err(not_correctable(message));
        };
        let from = deal.execution.price;
        let size = instrument.contract_size;
        let gained = gained(deal.side, from, price, deal.volume, size)?;
        self.settled(gained, &conversion)
    }

    /// A difference in the currency of the price, at the rate of a receipt: the amount, and where
    /// it goes.
    fn settled(
        &self,
        difference: Decimal,
        conversion: &Conversion,
    ) -> Result<(Decimal, FundsChange), AccountRejection> {
        let currency = self.terms.currency;
        if conversion.to != currency {
            return Err(not_correctable("the deal is in another currency"));
        }
        let amount = difference
            .checked_mul(conversion.rate)
            .ok_or(AccountRejection::Overflow)?;
        let amount = currency.round(amount);
        let funds = self
            .account
            .funds
            .settle(self.terms.kind, currency, amount)?;
        Ok((amount, funds))
    }
}

/// What the removed lots cost, where a position of several deals stays open without them.
fn cost_removed(
    position: &Position,
    volume: Decimal,
    price: Decimal,
) -> Result<Decimal, AccountRejection> {
    let Some(cost) = position.cost.filter(|_| position.volume > volume) else {
        return Ok(Decimal::ZERO);
    };
    let removed = volume
        .checked_mul(price)
        .ok_or(AccountRejection::Overflow)?;
    if removed >= cost {
        return Err(not_correctable(
            "the rest of the position would have no price",
        ));
    }
    Ok(removed)
}

/// Checks that the deal's lots are all open, so that the position's price can move. A position of
/// several deals has them open as long as it is no smaller than the deal: whatever was closed was
/// closed at the average, and moving the rest by the whole difference makes the sum right.
fn check_movable(
    position: &Position,
    deal: &Opening<'_>,
    price: Decimal,
) -> Result<(), AccountRejection> {
    let from = deal.execution.price;
    let movable = match position.cost {
        None => position.volume == deal.volume && position.open_price == from,
        Some(cost) => {
            let moved = price
                .checked_sub(from)
                .and_then(|moved| moved.checked_mul(deal.volume))
                .and_then(|moved| cost.checked_add(moved))
                .ok_or(AccountRejection::Overflow)?;
            position.volume >= deal.volume && moved > Decimal::ZERO
        }
    };
    if movable {
        return Ok(());
    }
    let message = "part of the deal's lots are closed, or its price was corrected since";
    Err(not_correctable(message))
}

/// What a deal of `side` would have brought more at another price, in the price's currency: who
/// sold gains by a higher one, who bought by a lower.
fn gained(
    side: Side,
    from: Decimal,
    to: Decimal,
    volume: Decimal,
    contract_size: Decimal,
) -> Result<Decimal, AccountRejection> {
    let better = match side {
        Side::Sell => to.checked_sub(from),
        Side::Buy => from.checked_sub(to),
    };
    better
        .and_then(|better| better.checked_mul(volume))
        .and_then(|better| better.checked_mul(contract_size))
        .ok_or(AccountRejection::Overflow)
}

fn identity_of(deal: &DealRecord) -> (DealId, Symbol, Decimal) {
    match deal {
        DealRecord::Closing { deal, .. } => (deal.deal_id, deal.symbol, deal.execution.price),
        DealRecord::Opening {
            deal_id,
            symbol,
            execution,
            ..
        } => (*deal_id, *symbol, execution.price),
    }
}

fn opening_of(deal: &DealRecord) -> Opening<'_> {
    let DealRecord::Opening {
        deal_id,
        position_id,
        symbol,
        side,
        volume,
        execution,
        funds,
    } = deal
    else {
        unreachable!("invariant: only called with an opening deal");
    };
    Opening {
        deal_id: *deal_id,
        position_id: *position_id,
        symbol: *symbol,
        side: *side,
        volume: *volume,
        execution,
        funds,
    }
}

fn not_correctable(message: &str) -> AccountRejection {
    AccountRejection::NotCorrectable(message.to_owned())
}
