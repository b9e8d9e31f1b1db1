//! Fills: the right price on the right quote, covered by free margin.

use daybook_domain::{
    Account, AccountEvent, DealId, Decimal, Instrument, OrderId, Quote, Rules,
    account::{Order, OrderType, Ticket},
    quote::Side,
    rules::LimitFill,
};

use super::{Scene, law, on_the_quote, settled, terms_of};
use crate::sums;

/// An opening deal, with the position that it opens or increases as the next event.
pub fn judge(scene: &Scene<'_>, index: usize) {
    let AccountEvent::OrderFilled {
        order_id,
        symbol,
        side,
        volume,
        execution,
        funds,
        ..
    } = &scene.decision.events[index]
    else {
        unreachable!("only called for fills")
    };
    let before = &scene.states[index];
    let order = before.order(*order_id).expect("a fill without its order");
    let ticket = &order.ticket;
    law(
        "side",
        (*side, *symbol) == (ticket.side, ticket.symbol),
        || format!("{ticket:?}"),
    );
    law("volume", *volume <= ticket.volume, || {
        format!("{volume} of {ticket:?}")
    });
    let terms = terms_of(scene, before, *symbol);
    let quote = on_the_quote(scene, terms, execution);
    let deal = Deal {
        order,
        arrives: arrives(scene, *order_id),
        waited_as_limit: waited_as_limit(scene, *order_id),
        quote: &quote,
        terms,
        rules: scene.rules,
    };
    deal.judge(execution.price);
    settled(before, funds, -execution.commission);
    covered(scene, index, *order_id, execution.commission);
    match &scene.decision.events[index + 1] {
        AccountEvent::PositionOpened {
            side: opened,
            volume: lots,
            open_price,
            ..
        } => {
            law("side", opened == side, || {
                format!("{opened:?} by a {side:?}")
            });
            law("volume", lots == volume, || format!("{lots} by {volume}"));
            law("price", *open_price == execution.price, || {
                format!("{open_price}")
            });
        }
        AccountEvent::PositionIncreased { increase, .. } => {
            law("side", increase.side == *side, || format!("{increase:?}"));
            let after = &scene.states[index + 2];
            let position = after.position(increase.position_id).unwrap();
            let added = position.cost.unwrap() - cost(before, increase.position_id);
            // A cost that was shared has 28 digits: their last may be lost by the sum.
            let out = (added - increase.price * volume).abs();
            law("price", out < Decimal::new(1, 12), || {
                format!("{increase:?}")
            });
        }
        other => panic!("law broken: opening: a fill is followed by {other:?}"),
    }
}

/// No position without its opening fill.
pub fn has_its_fill(scene: &Scene<'_>, index: usize, deal_id: DealId) {
    let before = index
        .checked_sub(1)
        .map(|index| &scene.decision.events[index]);
    let fill = match before {
        Some(AccountEvent::OrderFilled { deal_id, .. }) => Some(*deal_id),
        _ => None,
    };
    law("opening", fill == Some(deal_id), || {
        format!("{deal_id} after {before:?}")
    });
}

/// No order takes more margin than was free at its moment. One that turns a netting position round
/// is looked at as a whole: the lots that it closes give their margin back.
fn covered(scene: &Scene<'_>, index: usize, order_id: OrderId, commission: Decimal) {
    let closing = index
        .checked_sub(1)
        .and_then(|index| match &scene.decision.events[index] {
            AccountEvent::PositionClosed { deal, .. } if deal.order_id == Some(order_id) => {
                Some((index, deal.execution.commission))
            }
            _ => None,
        });
    let (first, closing) = closing.unwrap_or((index, Decimal::ZERO));
    let (before, after) = (&scene.states[first], &scene.states[index + 2]);
    let used = sums::used_margin(before);
    let increase = sums::used_margin(after) - used;
    if increase <= Decimal::ZERO {
        return;
    }
    let due = increase + closing + commission;
    let equity =
        sums::equity(before, scene.market, scene.rules).expect("an account of known worth");
    let free = equity - before.funds.held - used;
    law("covered", due <= free, || format!("{due} with {free} free"));
}

/// Whether the order was placed in this very decision.
pub fn arrives(scene: &Scene<'_>, id: OrderId) -> bool {
    scene.states[0].order(id).is_none()
}

/// Whether it was a resting limit order before this decision.
pub fn waited_as_limit(scene: &Scene<'_>, id: OrderId) -> bool {
    scene.states[0]
        .order(id)
        .is_some_and(|order| match order.ticket.order_type {
            OrderType::Limit => true,
            OrderType::StopLimit => order.triggered,
            OrderType::Market | OrderType::Stop => false,
        })
}

fn cost(account: &Account, id: daybook_domain::PositionId) -> Decimal {
    let position = account.position(id).unwrap();
    position
        .cost
        .unwrap_or(position.open_price * position.volume)
}

/// An order and the market that it deals on.
pub struct Deal<'a> {
    pub order: &'a Order,
    pub arrives: bool,
    pub waited_as_limit: bool,
    pub quote: &'a Quote,
    pub terms: &'a Instrument,
    pub rules: &'a Rules,
}

impl Deal<'_> {
    pub fn judge(&self, price: Decimal) {
        let ticket = &self.order.ticket;
        let expected = self.expected(ticket);
        law("price", price == expected, || {
            format!(
                "{price} is not {expected} for {ticket:?} on {:?}",
                self.quote
            )
        });
        if let (OrderType::Limit | OrderType::StopLimit, Some(limit)) =
            (ticket.order_type, ticket.limit_price)
        {
            law("limit", within(price, ticket.side, limit), || {
                format!("{price} {ticket:?}")
            });
        }
        if let (OrderType::Stop, Some(stop)) = (ticket.order_type, ticket.stop_price) {
            let market = sums::dealing(self.quote, self.terms, ticket.side);
            let reached = within(stop, ticket.side, market);
            law("stop", reached && !self.arrives, || {
                format!("{stop} {:?}", self.quote)
            });
        }
    }

    fn expected(&self, ticket: &Ticket) -> Decimal {
        let dealing = sums::dealing(self.quote, self.terms, ticket.side);
        match ticket.order_type {
            OrderType::Market | OrderType::Stop => {
                sums::at_market(self.quote, self.terms, ticket.side, ticket.volume)
            }
            OrderType::Limit | OrderType::StopLimit => match self.rules.limit_fill {
                LimitFill::AtLimit if self.waited_as_limit && !self.order.marketable => {
                    ticket.limit_price.unwrap()
                }
                LimitFill::AtLimit | LimitFill::Improve => dealing,
            },
        }
    }
}

/// Whether `price` is `limit` or better for a deal of `side`.
fn within(price: Decimal, side: Side, limit: Decimal) -> bool {
    match side {
        Side::Buy => price <= limit,
        Side::Sell => price >= limit,
    }
}
