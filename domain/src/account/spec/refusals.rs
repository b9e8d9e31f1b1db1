//! Every other way in which an order is refused.

use super::*;
use crate::instrument::Availability;

type Ticket = super::super::Ticket;

fn refused(order: Ticket, code: &str) {
    given(trader()).when(order.placed("o1")).then_refused(code);
}

fn rejected(order: Ticket, code: &str) {
    given(trader())
        .when(order.placed("o1"))
        .then_facts(&["OrderRejected"])
        .then_rejected(code);
}

#[test]
fn an_unknown_symbol_leaves_no_trace() {
    refused(buy("NOPE", "1"), "unknown_symbol");
}

#[test]
fn a_price_that_the_type_wants_has_to_be_there_and_no_other() {
    let base = |order_type| Ticket {
        order_type,
        ..buy("EURUSD", "1")
    };
    let limited = |order_type| Ticket {
        limit_price: Some(dec("1.09")),
        ..base(order_type)
    };
    let stopped = |order_type| Ticket {
        stop_price: Some(dec("1.12")),
        ..base(order_type)
    };
    for order in [
        limited(OrderType::Market),
        stopped(OrderType::Market),
        base(OrderType::Limit),
        stopped(OrderType::Limit),
        base(OrderType::Stop),
        limited(OrderType::Stop),
        limited(OrderType::StopLimit),
        stopped(OrderType::StopLimit),
    ] {
        refused(order, "invalid_order");
    }
}

#[test]
fn values_are_positive_and_have_the_digits_of_the_instrument() {
    refused(buy("EURUSD", "0"), "invalid_order");
    refused(buy("EURUSD", "-1"), "invalid_order");
    refused(buy("EURUSD", "1").limit("0"), "invalid_order");
    refused(buy("EURUSD", "1").stop("-1"), "invalid_order");
    refused(buy("EURUSD", "1").limit("1.090001"), "invalid_order");
    refused(buy("EURUSD", "1").stop_loss("1.0900001"), "invalid_order");
    refused(buy("EURUSD", "1").take_profit("0"), "invalid_order");
    refused(sell("EURUSD", "1").limit("1000000001"), "invalid_order");
    let placed = given(trader()).when(buy("EURUSD", "1").limit("1.0900000").placed("o1"));
    placed.then(&["OrderPlaced"]);
}

#[test]
fn lifetimes_fit_the_type() {
    refused(
        buy("EURUSD", "1").stop("1.12").for_time(TimeInForce::Ioc),
        "invalid_order",
    );
    refused(
        buy("EURUSD", "1")
            .stop("1.12")
            .limit("1.13")
            .for_time(TimeInForce::Fok),
        "invalid_order",
    );
    refused(
        buy("EURUSD", "1").limit("1.09").for_time(TimeInForce::Gtd),
        "invalid_order",
    );
    refused(
        buy("EURUSD", "1").limit("1.09").until(NOON),
        "invalid_order",
    );
    let dated = Ticket {
        time_in_force: TimeInForce::Gtc,
        ..buy("EURUSD", "1")
            .limit("1.09")
            .until("2026-07-15T12:00:00Z")
    };
    refused(dated, "invalid_order");
}

#[test]
fn names_are_short_and_not_empty() {
    refused(buy("EURUSD", "1").in_group(""), "invalid_order");
    refused(
        buy("EURUSD", "1").in_group(&"g".repeat(65)),
        "invalid_order",
    );
    let named = Ticket {
        client_order_id: Some("n".repeat(65).into()),
        ..buy("EURUSD", "1")
    };
    refused(named, "invalid_order");
}

#[test]
fn an_identifier_that_works_already_is_not_used_again() {
    given(trader())
        .when(buy("EURUSD", "1").limit("1.09").placed("o1"))
        .when(buy("EURUSD", "1").limit("1.08").placed("o1"))
        .then_refused("invalid_order");
}

#[test]
fn without_a_quote_nothing_can_be_said() {
    for order in [buy("GBPUSD", "1"), buy("GBPUSD", "1").limit("1.2")] {
        refused(order, "no_quote");
    }
}

#[test]
fn volume_stays_within_its_range_and_steps() {
    rejected(buy("EURUSD", "0.001"), "volume_out_of_range");
    rejected(buy("EURUSD", "100.01"), "volume_out_of_range");
    rejected(
        buy("EURUSD", "79228162514264337593543950335"),
        "volume_out_of_range",
    );
    rejected(buy("EURUSD", "0.015"), "volume_step");
    rejected(
        buy("EURUSD", "1.0000000000000000000000000001"),
        "volume_step",
    );
    rejected(buy("EURUSD", "0.001").limit("1.09"), "volume_out_of_range");
}

#[test]
fn an_instrument_may_be_disabled_or_close_only() {
    given(trader())
        .when(Act::Terms("EURUSD", |terms| {
            terms.availability = Availability::Disabled
        }))
        .when(buy("EURUSD", "1").placed("o1"))
        .then_rejected("instrument_disabled")
        .when(Act::Terms("EURUSD", |terms| {
            terms.availability = Availability::CloseOnly
        }))
        .when(buy("EURUSD", "1").limit("1.09").placed("o2"))
        .then_rejected("close_only");
}

#[test]
fn a_quote_of_exactly_the_greatest_age_is_fresh_and_an_older_one_stale() {
    given(trader())
        .when(Act::At("2026-07-14T12:00:10Z"))
        .when(buy("EURUSD", "1").placed("o1"))
        .then(&["OrderPlaced", "OrderFilled", "PositionOpened"])
        .when(Act::At("2026-07-14T12:00:10.001Z"))
        .when(buy("EURUSD", "1").placed("o2"))
        .then_rejected("stale_quote")
        .then_rejection(&AccountRejection::StaleQuote {
            symbol: symbol("EURUSD"),
            at: time(NOON),
            max_age_ms: 10_000,
        })
        .when(Act::Rules(|rules| rules.max_quote_age_ms = None))
        .when(buy("EURUSD", "1").placed("o3"))
        .then(&["OrderPlaced", "OrderFilled", "PositionOpened"]);
}

#[test]
fn a_providers_clock_that_runs_ahead_makes_no_quote_stale() {
    given(trader())
        .when(Act::At("2026-07-14T11:59:00Z"))
        .when(buy("EURUSD", "1").placed("o1"))
        .then(&["OrderPlaced", "OrderFilled", "PositionOpened"]);
}

#[test]
fn a_market_that_never_closes_by_rule_trades_at_the_weekend() {
    given([opened(), funded("10000")])
        .when(Act::At("2026-07-18T12:00:00Z"))
        .when(Act::Rules(|rules| {
            rules.sessions = crate::rules::SessionRule::Always
        }))
        .when(quote("EURUSD", "1.10000", "1.10010"))
        .when(buy("EURUSD", "1").placed("o1"))
        .then(&["OrderPlaced", "OrderFilled", "PositionOpened"]);
}

#[test]
fn an_account_has_so_many_orders_and_positions_and_no_more() {
    given(trader())
        .when(Act::Rules(|rules| {
            rules.orders_max = 1;
            rules.positions_max = 1;
        }))
        .when(buy("EURUSD", "0.01").limit("1.09").placed("o1"))
        .then(&["OrderPlaced"])
        .when(buy("EURUSD", "0.01").limit("1.08").placed("o2"))
        .then_rejected("too_many_orders")
        .when(buy("EURUSD", "0.01").placed("o3"))
        .then(&["OrderPlaced", "OrderFilled", "PositionOpened"])
        .when(buy("EURUSD", "0.01").placed("o4"))
        .then_rejected("max_position")
        .when(quote("EURUSD", "1.0899", "1.09"))
        .then_rejected("max_position")
        .and(|desk| assert_eq!(desk.account.orders, []));
}

#[test]
fn the_first_rule_that_is_broken_is_reported() {
    let broken = || Ticket {
        volume: dec("1000"),
        ..buy("EURUSD", "1").stop_loss("2")
    };
    rejected(broken(), "volume_out_of_range");
    given(trader())
        .when(Act::At("2026-07-14T12:01:00Z"))
        .when(broken().placed("o1"))
        .then_rejected("stale_quote")
        .when(Act::At("2026-07-18T12:00:00Z"))
        .when(broken().placed("o1"))
        .then_rejected("market_closed")
        .when(Act::Terms("EURUSD", |terms| {
            terms.availability = Availability::Disabled
        }))
        .when(broken().placed("o1"))
        .then_rejected("instrument_disabled");
}

#[test]
fn absurd_terms_overflow_and_never_panic() {
    given(trader())
        .when(Act::Terms("EURUSD", |terms| {
            terms.contract_size = Decimal::MAX;
        }))
        .when(buy("EURUSD", "1").placed("o1"))
        .then_refused("overflow");
    given(trader())
        .when(Act::Terms("EURUSD", |terms| terms.max_leverage = 0))
        .when(buy("EURUSD", "1").placed("o1"))
        .then_refused("overflow");
}

#[test]
fn whether_a_refusal_is_a_rule_decides_whether_it_leaves_a_trace() {
    assert!(AccountRejection::MarketClosed(symbol("EURUSD")).is_rule());
    assert!(AccountRejection::TradingDisabled.is_rule());
    assert!(!AccountRejection::NoQuote(symbol("EURUSD")).is_rule());
    assert!(!AccountRejection::Overflow.is_rule());
}
