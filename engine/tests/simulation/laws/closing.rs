//! Closing deals: the right price, the right result, the right bucket.

use daybook_domain::{
    Account, AccountCommand, Decimal,
    account::{
        Position,
        event::{CloseReason, ClosingDeal},
    },
    quote::Side,
    rules::LimitFill,
};

use super::{
    Scene, by_protection, law, on_the_quote,
    opening::{Deal, arrives, waited_as_limit},
    settled, terms_of,
};
use crate::sums::{self, money, opposite};

pub fn judge(scene: &Scene<'_>, index: usize, before: &Account, deal: &ClosingDeal) {
    let position = before
        .position(deal.position_id)
        .expect("a close without its position");
    let currency = before.terms.as_ref().unwrap().currency;
    law("side", deal.side == opposite(position.side), || {
        format!("{deal:?}")
    });
    law(
        "volume",
        deal.volume + deal.remaining == position.volume,
        || format!("{deal:?}"),
    );
    price(scene, index, before, position, deal);
    let (volume, at) = (deal.volume, deal.execution.price);
    let outside = (scene.market, scene.rules);
    let realised = sums::realised(position, volume, at, currency, outside);
    law("realised", realised == Some(deal.realised), || {
        format!(
            "{realised:?} is not {} of {position:?} at {at}",
            deal.realised
        )
    });
    let swap = if deal.remaining.is_zero() {
        position.swap
    } else {
        money(currency, position.swap * volume / position.volume)
    };
    law("swap posted", deal.swap == swap, || {
        format!("{} is not {swap}", deal.swap)
    });
    let commission = deal.execution.commission;
    law("commission", commission >= Decimal::ZERO, || {
        format!("{commission}")
    });
    settled(before, &deal.funds, deal.realised + swap - commission);
}

fn price(
    scene: &Scene<'_>,
    index: usize,
    before: &Account,
    position: &Position,
    deal: &ClosingDeal,
) {
    let terms = terms_of(scene, before, position.symbol);
    let quote = on_the_quote(scene, terms, &deal.execution);
    let told = deal.execution.price;
    if let Some(order_id) = deal.order_id {
        let order = before
            .order(order_id)
            .expect("a netting deal without its order");
        let netted = Deal {
            order,
            arrives: arrives(scene, order_id),
            waited_as_limit: waited_as_limit(scene, order_id),
            quote: &quote,
            terms,
            rules: scene.rules,
        };
        return netted.judge(told);
    }
    if deal.reason == CloseReason::CloseBy {
        return close_by(scene, index, told);
    }
    let market = sums::at_market(&quote, terms, deal.side, deal.volume);
    let dealing = sums::dealing(&quote, terms, deal.side);
    let expected = match (deal.reason, scene.rules.limit_fill) {
        // A gap carried the opening deal beyond it: a limit that is marketable on arrival.
        (CloseReason::TakeProfit, LimitFill::AtLimit)
            if position.opened_at == scene.at
                && position.open_price
                    == sums::at_market(&quote, terms, position.side, position.volume) =>
        {
            dealing
        }
        (CloseReason::TakeProfit, LimitFill::AtLimit) => position.take_profit.unwrap(),
        (CloseReason::TakeProfit, LimitFill::Improve) => dealing,
        _ => market,
    };
    law("price", told == expected, || {
        format!(
            "{told} is not {expected} for {:?} on {quote:?}",
            deal.reason
        )
    });
    if by_protection(deal.reason) {
        let level = match deal.reason {
            CloseReason::StopLoss => position.stop_loss,
            _ => position.take_profit,
        };
        let reached = touched(position.side, deal.reason, level.unwrap(), dealing);
        law("protection", reached, || format!("{level:?} on {quote:?}"));
        law("protection", deal.remaining.is_zero(), || {
            "closes part".to_owned()
        });
    }
}

/// Both deals are at the open price of the older position.
fn close_by(scene: &Scene<'_>, index: usize, told: Decimal) {
    let AccountCommand::CloseBy {
        position_id,
        opposite_id,
        ..
    } = scene.command
    else {
        panic!("law broken: close-by: deal {index} of {:?}", scene.command)
    };
    let both = [position_id, opposite_id].map(|id| scene.states[0].position(*id).unwrap());
    let prices = both.map(|position| position.open_price);
    law("price", prices.contains(&told), || {
        format!("{told} is none of {prices:?}")
    });
    let sides = both.map(|position| position.side);
    law("close-by", sides[0] != sides[1], || format!("{sides:?}"));
}

fn touched(side: Side, reason: CloseReason, level: Decimal, dealing: Decimal) -> bool {
    let is_loss = reason == CloseReason::StopLoss;
    match side {
        Side::Buy if is_loss => dealing <= level,
        Side::Buy => dealing >= level,
        Side::Sell if is_loss => dealing >= level,
        Side::Sell => dealing <= level,
    }
}
