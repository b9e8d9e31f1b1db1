//! What the trigger book nominates. It is looked at again here: on a quote that does not touch, is
//! stale or outside the session, nothing happens.

use super::{Book, Found, fill::Fill, netting::Effect, position::Closing};
use crate::{
    AccountEvent, AccountRejection, DealId, Instrument, OrderId, PositionId, Quote,
    account::{
        Decision, Order, OrderType, Position,
        event::{CloseReason, TriggerQuote},
    },
    price::{self, DealPrice},
    rules::LimitFill,
    triggers::{order_trigger, protection_triggers},
};

impl Book<'_> {
    /// Triggers and, if it can, fills a working order. One that free margin no longer covers is
    /// rejected; one that nothing can be said about yet (no rate, no quote) waits.
    pub(super) fn trigger_order(
        &self,
        order_id: OrderId,
        deal_id: DealId,
        position_id: PositionId,
    ) -> Decision {
        let Some((order, instrument, quote)) = self.touched_order(order_id) else {
            return Decision::default();
        };
        let effect = self.effect(&order.ticket);
        if self.is_halted() && !effect.adds_risk() {
            // As with protection: what lessens what is open waits for the end of a halt.
            return Decision::default();
        }
        let mut events = self.triggered(order, quote);
        let Some(price) = self.price_at_trigger(order, instrument, quote) else {
            return Ok(events).into();
        };
        let fill = Fill {
            order_id,
            deal_id,
            position_id,
            ticket: &order.ticket,
            instrument,
            quote,
            price,
        };
        let dealt = self
            .check_at_trigger(effect, &fill)
            .and_then(|()| self.deal(fill));
        match dealt {
            Ok(facts) => {
                events.extend(self.first_of_the_day());
                events.extend(facts);
                Ok(events).into()
            }
            Err(refusal) if refusal.is_rule() => {
                let rejected = self.rejected(order_id, &order.ticket, refusal);
                events.extend(rejected.events);
                Decision { events, ..rejected }
            }
            Err(unknown) => self.waits(order, events, unknown),
        }
    }

    /// An order that adds risk meets states, flags and limits again. One that lessens what is open
    /// stands in the book as protection does, and is nobody's request any more.
    fn check_at_trigger(
        &self,
        effect: Effect<'_>,
        fill: &Fill<'_>,
    ) -> Result<(), AccountRejection> {
        if !effect.adds_risk() {
            return Ok(());
        }
        self.check_permitted(effect, fill.instrument)?;
        self.check_max_volume(fill.ticket.volume, fill.instrument)?;
        self.check_day(effect)
    }

    /// Closes a position whose stop loss or take profit is touched. What cannot close now stays.
    pub(super) fn trigger_protection(&self, position_id: PositionId, deal_id: DealId) -> Found {
        let position = self.account.position(position_id);
        let Some(position) = position.filter(|_| !self.is_halted()) else {
            return Ok(Vec::new());
        };
        let instrument = self.instrument(position.symbol)?;
        let Ok(quote) = self.dealable(instrument) else {
            return Ok(Vec::new());
        };
        let Some((reason, price)) = self.protection_price(position, instrument, quote) else {
            return Ok(Vec::new());
        };
        let closing = Closing {
            position,
            deal_id,
            volume: position.volume,
            price,
            reason,
        };
        self.deal_away(&closing, instrument, quote)
    }

    fn touched_order(&self, order_id: OrderId) -> Option<(&Order, &Instrument, &Quote)> {
        let order = self.account.order(order_id)?;
        // An order whose time has come expires; it never fills.
        if order.is_due(self.context.at) {
            return None;
        }
        let instrument = self.instrument(order.ticket.symbol).ok()?;
        let quote = self.dealable(instrument).ok()?;
        let touched = order_trigger(order, instrument)?.touched_by(quote);
        touched.then_some((order, instrument, quote))
    }

    /// Stops are triggered before they deal; a limit deals when it is touched.
    fn triggered(&self, order: &Order, quote: &Quote) -> Vec<AccountEvent> {
        let waits_for_stop = match order.ticket.order_type {
            OrderType::Stop | OrderType::StopLimit => !order.triggered,
            OrderType::Market | OrderType::Limit => false,
        };
        if !waits_for_stop {
            return Vec::new();
        }
        vec![AccountEvent::OrderTriggered {
            order_id: order.order_id,
            quote: TriggerQuote {
                bid: quote.bid,
                ask: quote.ask,
                at: quote.at,
            },
            at: self.context.at,
        }]
    }

    /// The price of a touched order; none for a stop-limit whose limit the quote is beyond.
    fn price_at_trigger(
        &self,
        order: &Order,
        instrument: &Instrument,
        quote: &Quote,
    ) -> Option<DealPrice> {
        let side = order.ticket.side;
        match (order.ticket.order_type, order.ticket.limit_price) {
            (OrderType::StopLimit, Some(limit)) if !order.triggered => {
                // It becomes a limit order on this quote: marketable on arrival, or it rests.
                let marketable = price::within_limit(quote, instrument, side, limit);
                marketable.then(|| price::at_quote(quote, instrument, side))
            }
            (OrderType::Limit | OrderType::StopLimit, Some(limit)) => {
                Some(match self.context.rules.limit_fill {
                    LimitFill::Improve => price::at_quote(quote, instrument, side),
                    LimitFill::AtLimit => price::at_limit(limit),
                })
            }
            (OrderType::Market | OrderType::Limit | OrderType::Stop | OrderType::StopLimit, _) => {
                Some(price::at_market(
                    quote,
                    instrument,
                    side,
                    order.ticket.volume,
                ))
            }
        }
    }

    /// The stop loss goes before the take profit, should both be touched.
    fn protection_price(
        &self,
        position: &Position,
        instrument: &Instrument,
        quote: &Quote,
    ) -> Option<(CloseReason, DealPrice)> {
        let closing = position.side.opposite();
        let triggers = protection_triggers(position, instrument);
        let touched = |trigger: crate::triggers::Trigger| trigger.touched_by(quote);
        if triggers.stop_loss.is_some_and(touched) {
            let price = price::at_market(quote, instrument, closing, position.volume);
            return Some((CloseReason::StopLoss, price));
        }
        if !triggers.take_profit.is_some_and(touched) {
            return None;
        }
        let price = match self.context.rules.limit_fill {
            LimitFill::Improve => price::at_quote(quote, instrument, closing),
            LimitFill::AtLimit => price::at_limit(position.take_profit?),
        };
        Some((CloseReason::TakeProfit, price))
    }

    /// A stop whose deal cannot be computed yet stays a stop. A stop-limit has become a limit.
    fn waits(
        &self,
        order: &Order,
        triggered: Vec<AccountEvent>,
        unknown: AccountRejection,
    ) -> Decision {
        let events = match order.ticket.order_type {
            OrderType::StopLimit => triggered,
            OrderType::Market | OrderType::Limit | OrderType::Stop => Vec::new(),
        };
        let refusal = events.is_empty().then_some(unknown);
        Decision {
            events,
            refusal,
            ..Decision::default()
        }
    }
}
