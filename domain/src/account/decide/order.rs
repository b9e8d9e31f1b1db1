//! Placing, changing and ending orders.

use super::{Book, Found, fill::Fill, shape, stops};
use crate::{
    AccountEvent, AccountRejection, DealId, Decimal, Instrument, OrderId, PositionId, Quote,
    account::{
        Change, Decision, Order, OrderChanges, OrderLevels, OrderType, Ticket, TimeInForce,
        event::CancelReason,
    },
    instrument::Availability,
    price::{self, DealPrice},
    session::next_rollover,
};

impl<'a> Book<'a> {
    /// Places an order. One that is refused by a rule leaves an `OrderRejected`; one that is
    /// malformed, or for which there is no price yet, leaves no trace.
    pub(super) fn place(
        &self,
        order_id: OrderId,
        deal_id: DealId,
        position_id: PositionId,
        ticket: &'a Ticket,
    ) -> Decision {
        match self.try_place(order_id, deal_id, position_id, ticket) {
            Err(refusal) if refusal.is_rule() => self.rejected(order_id, ticket, refusal),
            found => found.into(),
        }
    }

    /// The decision that an order is refused, and that the book says so.
    pub(super) fn rejected(
        &self,
        order_id: OrderId,
        ticket: &Ticket,
        refusal: AccountRejection,
    ) -> Decision {
        let rejected = AccountEvent::OrderRejected {
            order_id,
            ticket: Box::new(ticket.clone()),
            reason: refusal.code().to_owned(),
            detail: refusal.to_string(),
            at: self.context.at,
        };
        Decision {
            events: vec![rejected],
            refusal: Some(refusal),
            ..Decision::default()
        }
    }

    fn try_place(
        &self,
        order_id: OrderId,
        deal_id: DealId,
        position_id: PositionId,
        ticket: &'a Ticket,
    ) -> Found {
        let instrument = self.instrument(ticket.symbol)?;
        shape::check_ticket(ticket, instrument, self.context.at)?;
        if self.account.order(order_id).is_some() {
            let message = format!("order {order_id} exists already");
            return Err(AccountRejection::InvalidOrder(message));
        }
        let effect = self.effect(ticket);
        self.check_permitted(effect, instrument)?;
        let quote = if deals_at_once(ticket) {
            Some(self.dealable(instrument)?)
        } else {
            self.reference_quote(instrument)?
        };
        self.check_volume(ticket.volume, effect, instrument)?;
        stops::check_protection(ticket, instrument, quote)?;
        if let (Some(stop), Some(quote)) = (ticket.stop_price, quote) {
            stops::check_ahead(ticket.side, stop, instrument, quote)?;
        }
        let arrival = self.price_on_arrival(ticket, instrument);
        let rests = arrival.is_none() && !deals_at_once(ticket);
        self.check_pace(effect, rests)?;
        let mut events = Vec::with_capacity(4);
        events.extend(self.first_of_the_day());
        events.push(self.placed(order_id, ticket));
        let Some((quote, price)) = arrival else {
            events.extend(self.not_marketable(order_id, ticket));
            return Ok(events);
        };
        events.extend(self.deal(Fill {
            order_id,
            deal_id,
            position_id,
            ticket,
            instrument,
            quote,
            price,
        })?);
        Ok(events)
    }

    /// The price at which an order fills as soon as it arrives, if it does.
    pub(super) fn price_on_arrival(
        &self,
        ticket: &Ticket,
        instrument: &Instrument,
    ) -> Option<(&'a Quote, DealPrice)> {
        let side = ticket.side;
        match (ticket.order_type, ticket.limit_price) {
            (OrderType::Market, _) => {
                let quote = self.dealable(instrument).ok()?;
                Some((
                    quote,
                    price::at_market(quote, instrument, side, ticket.volume),
                ))
            }
            (OrderType::Limit, Some(limit)) => {
                let quote = self.dealable(instrument).ok()?;
                let marketable = price::within_limit(quote, instrument, side, limit);
                marketable.then(|| (quote, price::at_quote(quote, instrument, side)))
            }
            (OrderType::Limit | OrderType::Stop | OrderType::StopLimit, _) => None,
        }
    }

    /// What does not fill on arrival works from now on, or is cancelled if it may not wait.
    fn not_marketable(&self, order_id: OrderId, ticket: &Ticket) -> Option<AccountEvent> {
        deals_at_once(ticket).then_some(AccountEvent::OrderCancelled {
            order_id,
            reason: CancelReason::NotMarketable,
            at: self.context.at,
        })
    }

    fn placed(&self, order_id: OrderId, ticket: &Ticket) -> AccountEvent {
        let mut ticket = Box::new(ticket.clone());
        if ticket.time_in_force == TimeInForce::Day {
            ticket.expires_at = Some(next_rollover(self.context.at));
        }
        AccountEvent::OrderPlaced {
            order_id,
            ticket,
            at: self.context.at,
        }
    }

    /// The newest quote, to measure a pending order against. While the market is open there has
    /// to be one; while it is closed an order may be placed that nothing can be measured against.
    fn reference_quote(
        &self,
        instrument: &Instrument,
    ) -> Result<Option<&'a Quote>, AccountRejection> {
        match self.quote(instrument.symbol) {
            Ok(quote) => Ok(Some(quote)),
            Err(missing) if self.in_session(instrument) => Err(missing),
            Err(_) => Ok(None),
        }
    }

    /// Changes the levels of a working order. A limit that becomes marketable stays in the book;
    /// the trigger book nominates it at once.
    pub(super) fn modify(&self, order_id: OrderId, changes: &OrderChanges) -> Found {
        let order = self.working(order_id)?;
        self.check_acting()?;
        let instrument = self.instrument(order.ticket.symbol)?;
        let from = order.ticket.levels();
        let to = changed(&from, changes);
        if from == to {
            return Ok(Vec::new());
        }
        shape::check_levels(&to, order.ticket.order_type, instrument)?;
        if order.triggered && from.stop_price != to.stop_price {
            let message = "stopPrice was touched already".to_owned();
            return Err(AccountRejection::InvalidOrder(message));
        }
        if let Change::Set(expires_at) = changes.expires_at {
            shape::check_expiry(expires_at, self.context.at)?;
        }
        self.check_modified(order, &to, instrument)?;
        Ok(vec![AccountEvent::OrderModified {
            order_id,
            from: Box::new(from),
            to: Box::new(to),
            at: self.context.at,
        }])
    }

    fn check_modified(
        &self,
        order: &Order,
        to: &OrderLevels,
        instrument: &Instrument,
    ) -> Result<(), AccountRejection> {
        if instrument.availability == Availability::Disabled {
            return Err(AccountRejection::InstrumentDisabled(instrument.symbol));
        }
        let mut ticket = order.ticket.clone();
        ticket.set_levels(to);
        if order.ticket.volume != to.volume {
            let effect = self.effect(&ticket);
            if to.volume > order.ticket.volume {
                // More lots are new risk, as if they were ordered now.
                self.check_permitted(effect, instrument)?;
                self.check_day(effect)?;
            }
            self.check_volume(to.volume, effect, instrument)?;
        }
        stops::check_protection(&ticket, instrument, None)?;
        let moved = order.ticket.stop_price != to.stop_price;
        let stop = to.stop_price.filter(|_| moved);
        let Some(stop) = stop else {
            return Ok(());
        };
        match self.reference_quote(instrument)? {
            Some(quote) => stops::check_ahead(ticket.side, stop, instrument, quote),
            None => Ok(()),
        }
    }

    /// Cancels a working order.
    pub(super) fn cancel(&self, order_id: OrderId) -> Found {
        self.working(order_id)?;
        self.check_acting()?;
        Ok(vec![AccountEvent::OrderCancelled {
            order_id,
            reason: CancelReason::Client,
            at: self.context.at,
        }])
    }

    /// Ends an order whose time has come; one that ended before is already so.
    pub(super) fn expire(&self, order_id: OrderId) -> Found {
        let order = self.account.order(order_id);
        let due = order.is_some_and(|order| order.is_due(self.context.at));
        if !due {
            return Ok(Vec::new());
        }
        Ok(vec![AccountEvent::OrderExpired {
            order_id,
            at: self.context.at,
        }])
    }

    fn working(&self, order_id: OrderId) -> Result<&'a Order, AccountRejection> {
        let order = self.account.order(order_id);
        order.ok_or(AccountRejection::OrderNotWorking(order_id))
    }
}

/// Whether the order deals on arrival or not at all.
fn deals_at_once(ticket: &Ticket) -> bool {
    match ticket.time_in_force {
        TimeInForce::Ioc | TimeInForce::Fok => true,
        TimeInForce::Gtc | TimeInForce::Day | TimeInForce::Gtd => {
            ticket.order_type == OrderType::Market
        }
    }
}

fn changed(from: &OrderLevels, changes: &OrderChanges) -> OrderLevels {
    let or = |change: Option<Decimal>, current: Option<Decimal>| change.or(current);
    OrderLevels {
        volume: changes.volume.unwrap_or(from.volume),
        limit_price: or(changes.limit_price, from.limit_price),
        stop_price: or(changes.stop_price, from.stop_price),
        stop_loss: changes.stop_loss.apply(from.stop_loss),
        take_profit: changes.take_profit.apply(from.take_profit),
        expires_at: changes.expires_at.apply(from.expires_at),
    }
}
