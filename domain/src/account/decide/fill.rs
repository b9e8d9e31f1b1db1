//! Filling an order: what it costs, whether free margin covers it, and the facts it leaves.

use rust_decimal::Decimal;

use super::Book;
use crate::{
    AccountEvent, AccountRejection, DealId, Instrument, Money, OrderId, PositionId, Quote,
    account::{
        Ticket,
        event::{CancelReason, FundsChange, MarginBasis},
    },
    commission::commission,
    execution::Execution,
    instrument::Availability,
    margin,
    market::Rate,
    price::DealPrice,
    profit,
};

/// An order about to be dealt at a price.
#[derive(Clone, Copy)]
pub(super) struct Fill<'a> {
    pub(super) order_id: OrderId,
    pub(super) deal_id: DealId,
    pub(super) position_id: PositionId,
    pub(super) ticket: &'a Ticket,
    pub(super) instrument: &'a Instrument,
    pub(super) quote: &'a Quote,
    pub(super) price: DealPrice,
}

/// Free margin covered this fill when it was checked. Only [`Book::cover`] makes one.
pub(super) struct Covered<'a> {
    fill: Fill<'a>,
    margin: MarginBasis,
    execution: Execution,
    funds: FundsChange,
}

impl<'a> Book<'a> {
    /// Whether a position may be opened in this instrument at all.
    pub(super) fn openable(&self, instrument: &Instrument) -> Result<(), AccountRejection> {
        match instrument.availability {
            Availability::Enabled => Ok(()),
            Availability::CloseOnly => Err(AccountRejection::CloseOnly(instrument.symbol)),
            Availability::Disabled => Err(AccountRejection::InstrumentDisabled(instrument.symbol)),
        }
    }

    /// Checks that the account may have one more position, and that
    /// `increase of used margin + commission ≤ free margin`; no increase, no refusal.
    pub(super) fn cover(&self, fill: Fill<'a>) -> Result<Covered<'a>, AccountRejection> {
        let open = self.account.positions.len();
        if open >= self.context.rules.positions_max {
            return Err(AccountRejection::MaxPosition(open));
        }
        let Fill {
            ticket,
            instrument,
            price,
            ..
        } = fill;
        let (market, rules) = (self.context.market, self.context.rules);
        let (currency, leverage) = (self.terms.currency, self.leverage());
        let notional = margin::notional(instrument, price.price, ticket.side, currency, market)?;
        // What could not be valued afterwards could not be closed either.
        margin::rate(market, instrument.quote, currency, ticket.side)?;
        let commission = commission(
            instrument,
            ticket.volume,
            &notional,
            ticket.side,
            currency,
            (market, rules),
        )?;
        let margin = MarginBasis {
            notional_per_lot: notional.per_lot,
            margin_rate: instrument.margin_rate_of(ticket.side),
            max_leverage: instrument.max_leverage,
            hedged_contract_size: instrument.hedged_contract_size,
        };
        let adding = margin::Adding {
            symbol: ticket.symbol,
            side: ticket.side,
            volume: ticket.volume,
            contract_size: instrument.contract_size,
            basis: &margin,
        };
        let increase = margin::increase(&self.account.positions, &adding, leverage, currency);
        let increase = increase.ok_or(AccountRejection::Overflow)?;
        if increase > Decimal::ZERO {
            let required = increase.checked_add(commission);
            self.check_covered(required.ok_or(AccountRejection::Overflow)?)?;
        }
        let funds = self
            .account
            .funds
            .settle(self.terms.kind, currency, -commission)?;
        let execution = self.receipt(fill.quote, price, commission, &notional.rate)?;
        Ok(Covered {
            fill,
            margin,
            execution,
            funds,
        })
    }

    /// What a deal rested on.
    pub(super) fn receipt(
        &self,
        quote: &Quote,
        price: DealPrice,
        commission: Decimal,
        rate: &Rate,
    ) -> Result<Execution, AccountRejection> {
        Ok(Execution {
            quote_bid: quote.bid,
            quote_ask: quote.ask,
            quote_at: quote.at,
            source: quote.source,
            spread_markup: price.spread_markup,
            slippage: price.slippage,
            price: price.price,
            commission,
            conversion: rate.conversion().ok_or(AccountRejection::Overflow)?,
            rule_version: self.context.rules.rule_version,
        })
    }

    /// The order is filled, its position open, and the rest of its OCO group cancelled.
    pub(super) fn filled(&self, covered: Covered<'_>) -> Vec<AccountEvent> {
        let Covered {
            fill,
            margin,
            execution,
            funds,
        } = covered;
        let Ticket {
            symbol,
            side,
            volume,
            ..
        } = *fill.ticket;
        let at = self.context.at;
        let opened = AccountEvent::PositionOpened {
            position_id: fill.position_id,
            order_id: fill.order_id,
            deal_id: fill.deal_id,
            symbol,
            side,
            volume,
            open_price: execution.price,
            contract_size: fill.instrument.contract_size,
            margin,
            commission: execution.commission,
            stop_loss: fill.ticket.stop_loss,
            take_profit: fill.ticket.take_profit,
            trailing_distance: fill.ticket.trailing_distance,
            at,
        };
        let filled = AccountEvent::OrderFilled {
            order_id: fill.order_id,
            deal_id: fill.deal_id,
            position_id: fill.position_id,
            symbol,
            side,
            volume,
            execution: Box::new(execution),
            funds,
            at,
        };
        let mut events = vec![filled, opened];
        events.extend(self.siblings_cancelled(fill.order_id, fill.ticket));
        events
    }

    fn siblings_cancelled(
        &self,
        order_id: OrderId,
        ticket: &Ticket,
    ) -> impl Iterator<Item = AccountEvent> {
        let group = ticket.oco_group.as_deref();
        let at = self.context.at;
        let orders = self.account.orders.iter();
        orders
            .filter(move |order| group.is_some() && order.ticket.oco_group.as_deref() == group)
            .filter(move |order| order.order_id != order_id)
            .map(move |order| AccountEvent::OrderCancelled {
                order_id: order.order_id,
                reason: CancelReason::Oco,
                at,
            })
    }

    fn check_covered(&self, required: Decimal) -> Result<(), AccountRejection> {
        let currency = self.terms.currency;
        let free = self.free_margin()?;
        if required > free {
            return Err(AccountRejection::InsufficientMargin {
                required: Money::rounded(required, currency),
                free: Money::rounded(free, currency),
            });
        }
        Ok(())
    }

    /// `tradable + unrealised − held − used margin`. Unknown while a position has no quote.
    fn free_margin(&self) -> Result<Decimal, AccountRejection> {
        let (market, rules) = (self.context.market, self.context.rules);
        let (currency, leverage) = (self.terms.currency, self.leverage());
        let account = self.account;
        let mut equity = account.funds.tradable(self.terms.kind);
        for position in &account.positions {
            let profit = profit::value(position, currency, account.group(), market, rules)?;
            equity = equity
                .checked_add(profit)
                .ok_or(AccountRejection::Overflow)?;
        }
        let used = margin::used_margin(&account.positions, leverage, currency);
        equity
            .checked_sub(account.funds.held)
            .and_then(|usable| usable.checked_sub(used))
            .ok_or(AccountRejection::Overflow)
    }
}
