//! What the market does to working orders.

use super::*;
use crate::{instrument::Availability, rules::LimitFill};

#[test]
fn a_buy_limit_fills_when_the_ask_touches_it_and_a_sell_limit_when_the_bid_does() {
    given(trader())
        .when(buy("EURUSD", "1").limit("1.09000").placed("o1"))
        .when(sell("EURUSD", "1").limit("1.11000").placed("o2"))
        .when(quote("EURUSD", "1.08990", "1.09001"))
        .then_nothing()
        .when(quote("EURUSD", "1.08990", "1.09000"))
        .then(&["OrderFilled", "PositionOpened"])
        .then_dealt_at("1.09000")
        .when(quote("EURUSD", "1.10999", "1.11005"))
        .then_nothing()
        .when(quote("EURUSD", "1.11000", "1.11005"))
        .then(&["OrderFilled", "PositionOpened"])
        .then_dealt_at("1.11000");
}

#[test]
fn a_limit_fill_improves_or_not_as_the_house_says() {
    for (rule, price) in [
        (LimitFill::Improve, "1.08500"),
        (LimitFill::AtLimit, "1.09000"),
    ] {
        let mut desk = given(trader());
        desk.rules.limit_fill = rule;
        desk.when(buy("EURUSD", "1").limit("1.09000").placed("o1"))
            .when(quote("EURUSD", "1.08490", "1.08500"))
            .then(&["OrderFilled", "PositionOpened"])
            .then_dealt_at(price);
    }
}

#[test]
fn a_stop_fills_at_the_quote_after_a_gap_never_at_the_stop() {
    given(trader())
        .when(sell("EURUSD", "1").stop("1.09000").placed("o1"))
        .when(buy("EURUSD", "1").stop("1.12000").placed("o2"))
        .when(quote("EURUSD", "1.08700", "1.08710"))
        .then(&["OrderTriggered", "OrderFilled", "PositionOpened"])
        .then_dealt_at("1.08700")
        .when(quote("EURUSD", "1.12500", "1.12510"))
        .then(&["OrderTriggered", "OrderFilled", "PositionOpened"])
        .then_dealt_at("1.12510");
}

#[test]
fn a_stop_is_triggered_by_a_touch() {
    given(trader())
        .when(buy("EURUSD", "1").stop("1.11000").placed("o1"))
        .when(quote("EURUSD", "1.10989", "1.10999"))
        .then_nothing()
        .when(quote("EURUSD", "1.10990", "1.11000"))
        .then(&["OrderTriggered", "OrderFilled", "PositionOpened"]);
}

#[test]
fn a_stop_limit_with_its_limit_beyond_caps_the_slippage() {
    let order = || {
        buy("EURUSD", "1")
            .stop("1.11000")
            .limit("1.11050")
            .placed("o1")
    };
    given(trader())
        .when(order())
        .when(quote("EURUSD", "1.11030", "1.11040"))
        .then(&["OrderTriggered", "OrderFilled", "PositionOpened"])
        .then_dealt_at("1.11040");
    given(trader())
        .when(order())
        .when(quote("EURUSD", "1.11090", "1.11100"))
        .then(&["OrderTriggered"])
        .and(|desk| assert!(desk.only_order().triggered))
        .when(quote("EURUSD", "1.11080", "1.11090"))
        .then_nothing()
        .when(quote("EURUSD", "1.11040", "1.11050"))
        .then(&["OrderFilled", "PositionOpened"])
        .then_dealt_at("1.11050");
}

#[test]
fn a_stop_limit_with_its_limit_short_of_the_stop_waits_for_the_price_to_come_back() {
    given(trader())
        .when(
            sell("EURUSD", "1")
                .stop("1.09000")
                .limit("1.09200")
                .placed("o1"),
        )
        .then(&["OrderPlaced"])
        .when(quote("EURUSD", "1.08990", "1.09000"))
        .then(&["OrderTriggered"])
        .when(quote("EURUSD", "1.09199", "1.09210"))
        .then_nothing()
        .when(quote("EURUSD", "1.09210", "1.09220"))
        .then(&["OrderFilled", "PositionOpened"])
        .then_dealt_at("1.09210");
}

#[test]
fn a_stop_limit_that_fills_as_it_triggers_fills_at_the_quote_whatever_the_rule() {
    let mut desk = given(trader());
    desk.rules.limit_fill = LimitFill::AtLimit;
    desk.when(
        buy("EURUSD", "1")
            .stop("1.11000")
            .limit("1.11050")
            .placed("o1"),
    )
    .when(quote("EURUSD", "1.11030", "1.11040"))
    .then_dealt_at("1.11040");
}

#[test]
fn mark_up_belongs_to_the_quote_that_triggers() {
    given([opened(), funded("10000")])
        .when(Act::Terms("EURUSD", |terms| terms.spread_markup = dec("4")))
        .when(quote("EURUSD", "1.10000", "1.10010"))
        .when(buy("EURUSD", "1").limit("1.09000").placed("o1"))
        .when(quote("EURUSD", "1.08980", "1.08999"))
        .then_nothing()
        .when(quote("EURUSD", "1.08980", "1.08998"))
        .then(&["OrderFilled", "PositionOpened"])
        .then_dealt_at("1.09000");
}

#[test]
fn limits_never_slip_and_stops_do() {
    given([opened(), funded("10000")])
        .when(Act::Terms("EURUSD", |terms| terms.slippage = dec("5")))
        .when(quote("EURUSD", "1.10000", "1.10010"))
        .when(buy("EURUSD", "1").limit("1.09000").placed("o1"))
        .when(buy("EURUSD", "1").stop("1.11000").placed("o2"))
        .when(quote("EURUSD", "1.08980", "1.08990"))
        .then_dealt_at("1.08990")
        .when(quote("EURUSD", "1.10990", "1.11000"))
        .then_dealt_at("1.11005");
}

#[test]
fn a_trigger_that_free_margin_no_longer_covers_is_rejected() {
    given(trader())
        .when(buy("EURUSD", "8").placed("o1"))
        .when(buy("EURUSD", "8").stop("1.11").placed("o2"))
        .then(&["OrderPlaced"])
        .when(quote("EURUSD", "1.1099", "1.11"))
        .then(&["OrderTriggered", "OrderFilled", "PositionOpened"]);
    given(trader())
        .when(buy("EURUSD", "5").placed("o1"))
        .when(sell("EURUSD", "11").stop("1.09").placed("o2"))
        .when(quote("EURUSD", "1.0899", "1.09"))
        .then_facts(&["OrderTriggered", "OrderRejected"])
        .then_rejected("insufficient_margin")
        .and(|desk| assert_eq!(desk.account.orders, []));
}

#[test]
fn an_instrument_that_may_only_be_closed_rejects_what_triggers() {
    for (availability, code) in [
        (Availability::CloseOnly, "close_only"),
        (Availability::Disabled, "instrument_disabled"),
    ] {
        let mut desk = given(trader()).when(buy("EURUSD", "1").limit("1.09").placed("o1"));
        let mut terms = Instrument::clone(desk.market.instrument(symbol("EURUSD")).unwrap());
        terms.availability = availability;
        desk.market.set_instrument(Arc::new(terms));
        desk.when(quote("EURUSD", "1.0899", "1.09"))
            .then_rejected(code);
    }
}

#[test]
fn a_nomination_that_the_quote_does_not_bear_out_does_nothing() {
    given(trader())
        .when(buy("EURUSD", "1").limit("1.09").placed("o1"))
        .when(ask(trigger_of(id("o1"))))
        .then_nothing()
        .when(ask(trigger_of(id("o9"))))
        .then_nothing()
        .when(ask(protection_of(id("o1"))))
        .then_nothing();
}

#[test]
fn nothing_triggers_on_a_stale_quote_or_outside_the_session() {
    given(trader())
        .when(
            buy("EURUSD", "1")
                .limit("1.2")
                .until("2026-07-20T12:00:00Z")
                .placed("seed"),
        )
        .and(|desk| assert_eq!(desk.account.positions.len(), 1, "marketable at once"))
        .when(Act::At("2026-07-14T12:00:11Z"))
        .when(buy("EURUSD", "1").limit("1.2").placed("o1"))
        .then(&["OrderPlaced"])
        .when(ask(trigger_of(id("o1"))))
        .then_nothing()
        .when(Act::At("2026-07-18T12:00:00Z"))
        .when(quote("EURUSD", "1.05", "1.06"))
        .then_nothing()
        .when(Act::At("2026-07-20T12:00:00Z"))
        .when(quote("EURUSD", "1.05", "1.06"))
        .then(&["OrderFilled", "PositionOpened"]);
}

#[test]
fn a_trigger_waits_while_free_margin_cannot_be_said() {
    given(trader())
        .when(quote("GBPUSD", "1.30000", "1.30010"))
        .when(buy("GBPUSD", "0.1").placed("o1"))
        .when(buy("EURUSD", "1").stop("1.11").placed("o2"))
        .and(|desk| {
            // After a restart there is a quote of one symbol and none of the other.
            let mut market = Market::new(desk.market.instruments().cloned());
            market.set_quote(Quote {
                ask: dec("1.12"),
                ..*desk.market.quote(symbol("EURUSD")).unwrap()
            });
            let context = Context {
                at: desk.at,
                market: &market,
                rules: &desk.rules,
            };
            let decision = desk.account.decide(&trigger_of(id("o2")), &context);
            assert_eq!(decision.events, []);
            assert_eq!(
                decision.refusal,
                Some(AccountRejection::NoQuote(symbol("GBPUSD")))
            );
        });
}
