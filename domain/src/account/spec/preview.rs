//! Orders seen before they are placed.

use super::{super::Preview, *};
use crate::{
    instrument::{Commission, CommissionBasis},
    rules::StopOutRule,
};

impl Desk {
    fn preview(&self, ticket: &super::super::Ticket) -> Preview {
        let context = Context {
            at: self.at,
            market: &self.market,
            rules: &self.rules,
        };
        self.account.preview(ticket, &context)
    }
}

/// What is previewed is what happens.
fn like_the_deal(desk: Desk, ticket: super::super::Ticket) {
    let preview = desk.preview(&ticket);
    assert!(preview.accepted, "{:?}", preview.refusal);
    let before = desk.figures();
    let after = desk.when(ticket.placed("real"));
    let figures = after.figures();
    assert_eq!(preview.price, Some(after.receipt().price));
    assert_eq!(
        preview.margin,
        Some(figures.used_margin - before.used_margin)
    );
    assert_eq!(preview.free_margin_after, figures.free_margin);
    assert_eq!(preview.margin_level_after, figures.margin_level);
}

#[test]
fn a_preview_says_what_the_order_would_do() {
    let desk = given(trader()).when(Act::Terms("EURUSD", |terms| {
        terms.commission = Commission {
            basis: CommissionBasis::PerLot,
            rate: dec("7"),
            minimum: dec("0"),
            currency: Some(Currency::USD),
        };
    }));
    let preview = desk.preview(&buy("EURUSD", "1"));
    assert_eq!(
        preview,
        Preview {
            price: Some(dec("1.10010")),
            margin: Some(dec("1100.10")),
            commission: Some(dec("7.00")),
            // 9,993 less ten points of spread, over 1,100.10.
            margin_level_after: Some(dec("907.46")),
            free_margin_after: Some(dec("8882.90")),
            // 9,993 − x · 100,000 = 550.05, from 1.10010 down, rounded up.
            liquidation_price: Some(dec("1.00568")),
            accepted: true,
            refusal: None,
        }
    );
    assert_eq!(desk.account.positions, [], "nothing has changed");
}

#[test]
fn a_preview_is_what_happens() {
    like_the_deal(given(trader()), buy("EURUSD", "2"));
    like_the_deal(given(trader()), sell("EURUSD", "2"));
    like_the_deal(given(trader()), buy("EURUSD", "1").limit("1.2"));
    let long = || given(netter()).when(buy("EURUSD", "3").placed("o1"));
    like_the_deal(long(), buy("EURUSD", "1"));
    like_the_deal(long(), sell("EURUSD", "1"));
    like_the_deal(long(), sell("EURUSD", "3"));
    like_the_deal(long(), sell("EURUSD", "5"));
}

#[test]
fn who_lacks_margin_learns_how_much() {
    let preview = given(trader()).preview(&buy("EURUSD", "20"));
    assert!(!preview.accepted);
    assert_eq!(preview.refusal.unwrap().code(), "insufficient_margin");
    assert_eq!(preview.margin, Some(dec("22002.00")));
    assert_eq!(preview.free_margin_after, Some(dec("-12202.00")));
}

#[test]
fn a_refusal_is_the_one_that_the_order_would_meet() {
    let desk = given(trader()).when(Act::Controls(|controls| controls.close_only = true));
    let refused = |ticket| desk.preview(&ticket).refusal.unwrap().code();
    assert_eq!(refused(buy("EURUSD", "1")), "close_only");
    assert_eq!(refused(buy("NOPE", "1")), "unknown_symbol");
    assert_eq!(refused(buy("EURUSD", "0")), "invalid_order");
    assert_eq!(refused(buy("GBPUSD", "1")), "close_only");
    assert_eq!(desk.preview(&buy("GBPUSD", "1")).price, None, "no quote");
    let unopened = given([]).preview(&buy("EURUSD", "1"));
    assert_eq!(unopened.refusal, Some(AccountRejection::NotOpen));
}

#[test]
fn a_pending_order_is_estimated_as_if_it_filled_at_its_own_price() {
    let desk = given(trader());
    let limit = desk.preview(&buy("EURUSD", "1").limit("1.09"));
    assert!(limit.accepted);
    assert_eq!(limit.price, Some(dec("1.09")));
    assert_eq!(limit.margin, Some(dec("1090.00")));
    // The spread is lost at once, and nothing else: the market has come to the order by then.
    assert_eq!(limit.free_margin_after, Some(dec("8900.00")));
    let stop = desk.preview(&sell("EURUSD", "1").stop("1.09"));
    assert_eq!(
        (stop.price, stop.margin),
        (Some(dec("1.09")), Some(dec("1090.00")))
    );
    let stop_limit = desk.preview(&buy("EURUSD", "1").stop("1.12").limit("1.13"));
    assert_eq!(stop_limit.price, Some(dec("1.13")));
}

#[test]
fn a_closed_market_is_estimated_on_its_last_quote() {
    let desk = given(trader()).when(Act::At("2026-07-18T12:00:00Z"));
    let preview = desk.preview(&buy("EURUSD", "1"));
    assert_eq!(preview.refusal.unwrap().code(), "market_closed");
    assert_eq!(preview.margin, Some(dec("1100.10")));
    let pending = desk.preview(&buy("EURUSD", "1").limit("1.09"));
    assert!(pending.accepted);
    assert_eq!(pending.margin, Some(dec("1090.00")));
}

#[test]
fn the_liquidation_price_is_where_the_stop_out_begins() {
    // 500 = 10,000 + (p − 1.1) · 100,000 · 1 lot, spread and all.
    let quoted = [
        opened(),
        funded("10000"),
        quote("EURUSD", "1.10000", "1.10000"),
    ];
    let desk = given(quoted);
    let long = desk.preview(&buy("EURUSD", "1"));
    assert_eq!(long.liquidation_price, Some(dec("1.00550")));
    let short = desk.preview(&sell("EURUSD", "1"));
    assert_eq!(short.liquidation_price, Some(dec("1.19450")));
    // An exact price is said as it is, another on the market's side of it.
    let two = desk.preview(&buy("EURUSD", "2"));
    assert_eq!(two.liquidation_price, Some(dec("1.05550")));
    let three = desk.preview(&buy("EURUSD", "3"));
    assert_eq!(three.liquidation_price, Some(dec("1.07217")), "1.0721666…");
    let short = desk.preview(&sell("EURUSD", "3"));
    assert_eq!(short.liquidation_price, Some(dec("1.12783")), "1.1278333…");
}

#[test]
fn the_stop_out_price_of_a_yen_position_moves_with_its_own_conversion() {
    let desk = given([opened(), funded("10000")])
        .when(quote("USDJPY", "155.000", "155.000"))
        .when(buy("USDJPY", "1").placed("o1"));
    let price = desk.preview(&buy("USDJPY", "1")).liquidation_price.unwrap();
    // 200,000 · (p − 155) / p = 1,000 − 10,000
    assert_eq!(price, dec("148.326"));
}

#[test]
fn without_a_price_that_ruins_there_is_no_liquidation_price() {
    let rich = given([opened(), funded("10000000")])
        .when(quote("EURUSD", "1.10000", "1.10010"))
        .when(sell("EURUSD", "1").placed("o1"));
    assert_eq!(rich.preview(&buy("EURUSD", "1")).liquidation_price, None);
    assert_eq!(rich.preview(&buy("EURUSD", "2")).liquidation_price, None);
    let short = rich.preview(&sell("EURUSD", "1")).liquidation_price;
    assert!(short.is_some(), "no short is safe");
    let mut off = given(trader());
    off.rules.stop_out = StopOutRule::Off;
    assert_eq!(off.preview(&buy("EURUSD", "1")).liquidation_price, None);
    let flat = given(netter()).when(buy("EURUSD", "1").placed("o1"));
    assert_eq!(flat.preview(&sell("EURUSD", "1")).liquidation_price, None);
}

#[test]
fn who_is_beyond_the_stop_out_already_is_liquidated_now() {
    let desk = given(trader());
    let preview = desk.preview(&buy("EURUSD", "50"));
    assert_eq!(preview.liquidation_price, Some(dec("1.10000")));
}

#[test]
fn a_preview_trails_and_protects_like_the_order() {
    let desk = given(trader());
    let refused = desk.preview(&buy("EURUSD", "1").stop_loss("1.2"));
    assert_eq!(refused.refusal.unwrap().code(), "invalid_stops");
    assert_eq!(refused.margin, Some(dec("1100.10")));
    assert!(desk.preview(&buy("EURUSD", "1").trailing("0.001")).accepted);
}
