//! Filling an order: what it costs, whether limits and free margin permit it, and the facts it
//! leaves.

use rust_decimal::Decimal;

use super::{
    Book, Found,
    entry::Entry,
    netting::{Effect, deal_of},
    position::ended,
};
use crate::{
    AccountEvent, AccountRejection, DealId, Instrument, OrderId, PositionId, Quote,
    account::{
        Ticket,
        event::{CancelReason, ClosingDeal},
    },
    execution::Execution,
    market::Rate,
    price::DealPrice,
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

/// What an order would do: computed, and not yet permitted.
pub(super) struct Draft<'a> {
    pub(super) fill: Fill<'a>,
    pub(super) effect: Effect<'a>,
    /// The deal that takes lots off the opposite position of a netting account.
    pub(super) closing: Option<Box<ClosingDeal>>,
    /// The deal that adds lots.
    pub(super) entry: Option<Entry>,
}

/// Limits and free margin permitted this fill when it was checked. Only [`Book::cover`] makes one.
pub(super) struct Covered<'a>(Draft<'a>);

impl Draft<'_> {
    /// Commission of all deals, in the account's currency. None beyond 28 digits.
    pub(super) fn commission(&self) -> Option<Decimal> {
        let closing = self.closing.as_ref();
        let closing = closing.map_or(Decimal::ZERO, |deal| deal.execution.commission);
        let entry = self.entry.as_ref();
        closing.checked_add(entry.map_or(Decimal::ZERO, |entry| entry.execution.commission))
    }
}

impl<'a> Book<'a> {
    /// The facts of a fill, if it is permitted.
    pub(super) fn deal(&self, fill: Fill<'a>) -> Found {
        let covered = self.cover(self.draft(fill)?)?;
        Ok(self.filled(covered))
    }

    /// Computes what an order does, whether or not it may.
    pub(super) fn draft(&self, fill: Fill<'a>) -> Result<Draft<'a>, AccountRejection> {
        let effect = self.effect(fill.ticket);
        let (closing, entry) = match effect {
            Effect::Opens | Effect::Increases(_) => {
                let entry = self.entry(&fill, effect, None)?;
                (None, Some(entry))
            }
            Effect::Reduces(position) => {
                let named = (fill.deal_id, fill.ticket.volume);
                (Some(self.netting_deal(&fill, position, named)?), None)
            }
            Effect::Reverses(position) => {
                let named = (deal_of(fill.deal_id, position.position_id), position.volume);
                let closing = self.netting_deal(&fill, position, named)?;
                let entry = self.entry(&fill, effect, Some(&closing))?;
                (Some(closing), Some(entry))
            }
        };
        Ok(Draft {
            fill,
            effect,
            closing,
            entry,
        })
    }

    /// Checks that the account may have what the order adds, and that
    /// `increase of used margin + commission ≤ free margin`; no increase, no refusal.
    pub(super) fn cover(&self, draft: Draft<'a>) -> Result<Covered<'a>, AccountRejection> {
        let Some(entry) = &draft.entry else {
            return Ok(Covered(draft));
        };
        self.check_room_for(draft.effect, draft.fill.instrument, &entry.position)?;
        if entry.increase > Decimal::ZERO {
            let due = draft.commission();
            let required = due.and_then(|due| entry.increase.checked_add(due));
            self.check_covered(required.ok_or(AccountRejection::Overflow)?)?;
        }
        Ok(Covered(draft))
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

    /// The facts of a fill that was permitted.
    pub(super) fn filled(&self, covered: Covered<'_>) -> Vec<AccountEvent> {
        self.facts(covered.0)
    }

    /// The order is filled or netted, its position as it is then, and the rest of its OCO group
    /// cancelled.
    pub(super) fn facts(&self, draft: Draft<'_>) -> Vec<AccountEvent> {
        let at = self.context.at;
        let Draft {
            fill,
            effect,
            closing,
            entry,
        } = draft;
        let mut events = Vec::with_capacity(3);
        if let Some(deal) = closing {
            let netted = AccountEvent::OrderNetted {
                order_id: fill.order_id,
                deal_id: deal.deal_id,
                position_id: deal.position_id,
                volume: deal.volume,
                at,
            };
            events.push(ended(deal, at));
            events.extend(entry.is_none().then_some(netted));
        }
        if let Some(entry) = entry {
            events.extend(entry.facts(&fill, effect, at));
        }
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
}
