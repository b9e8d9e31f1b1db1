//! Limit, stop and stop-limit orders: placing them, their lives and their ends.

use super::*;

const FILLED: [&str; 3] = ["OrderPlaced", "OrderFilled", "PositionOpened"];

#[test]
fn a_limit_away_from_the_market_rests() {
    given(trader())
        .when(buy("EURUSD", "1").limit("1.10009").placed("o1"))
        .then(&["OrderPlaced"])
        .and(|desk| {
            assert_eq!(desk.only_order().placed_at, time(NOON));
            assert_eq!(
                desk.figures().used_margin,
                dec("0"),
                "pending orders reserve nothing"
            );
        })
        .when(sell("EURUSD", "1").limit("1.10001").placed("o2"))
        .then(&["OrderPlaced"]);
}

#[test]
fn a_limit_that_is_marketable_on_arrival_fills_at_the_quote() {
    for at_limit in [false, true] {
        let mut desk = given(trader());
        if at_limit {
            desk.rules.limit_fill = crate::rules::LimitFill::AtLimit;
        }
        desk.when(buy("EURUSD", "1").limit("1.10500").placed("o1"))
            .then(&FILLED)
            .then_dealt_at("1.10010")
            .when(sell("EURUSD", "1").limit("1.10000").placed("o2"))
            .then(&FILLED)
            .then_dealt_at("1.10000");
    }
}

#[test]
fn a_marketable_limit_beyond_free_margin_is_rejected() {
    given(trader())
        .when(buy("EURUSD", "50").limit("1.20000").placed("o1"))
        .then_facts(&["OrderRejected"])
        .then_rejected("insufficient_margin");
}

#[test]
fn a_stop_through_the_market_on_arrival_is_rejected() {
    given(trader())
        .when(buy("EURUSD", "1").stop("1.10010").placed("o1"))
        .then_rejected("invalid_stops")
        .when(buy("EURUSD", "1").stop("1.10011").placed("o2"))
        .then(&["OrderPlaced"])
        .when(sell("EURUSD", "1").stop("1.10000").placed("o3"))
        .then_rejected("invalid_stops")
        .when(sell("EURUSD", "1").stop("1.09999").placed("o4"))
        .then(&["OrderPlaced"])
        .when(buy("EURUSD", "1").stop("1.10010").limit("1.2").placed("o5"))
        .then_rejected("invalid_stops");
}

#[test]
fn protection_of_a_pending_order_is_beyond_its_own_price() {
    let placed = |order: super::super::Ticket| given(trader()).when(order.placed("o1"));
    placed(buy("EURUSD", "1").limit("1.09").stop_loss("1.09")).then_rejected("invalid_stops");
    placed(buy("EURUSD", "1").limit("1.09").take_profit("1.09")).then_rejected("invalid_stops");
    placed(
        buy("EURUSD", "1")
            .limit("1.09")
            .stop_loss("1.08")
            .take_profit("1.095"),
    )
    .then(&["OrderPlaced"]);
    placed(sell("EURUSD", "1").stop("1.09").stop_loss("1.08")).then_rejected("invalid_stops");
    placed(
        sell("EURUSD", "1")
            .stop("1.09")
            .stop_loss("1.095")
            .take_profit("1.08"),
    )
    .then(&["OrderPlaced"]);
    // A stop-limit order deals at its limit.
    placed(
        buy("EURUSD", "1")
            .stop("1.12")
            .limit("1.11")
            .stop_loss("1.115"),
    )
    .then_rejected("invalid_stops");
    placed(
        buy("EURUSD", "1")
            .stop("1.12")
            .limit("1.11")
            .take_profit("1.115"),
    )
    .then(&["OrderPlaced"]);
}

#[test]
fn immediate_or_cancel_fills_now_or_never() {
    for life in [TimeInForce::Ioc, TimeInForce::Fok] {
        given(trader())
            .when(
                buy("EURUSD", "1")
                    .limit("1.10009")
                    .for_time(life)
                    .placed("o1"),
            )
            .then(&["OrderPlaced", "OrderCancelled"])
            .and(|desk| assert_eq!(desk.account.orders, []))
            .when(
                buy("EURUSD", "1")
                    .limit("1.10010")
                    .for_time(life)
                    .placed("o2"),
            )
            .then(&FILLED)
            .when(buy("EURUSD", "1").for_time(life).placed("o3"))
            .then(&FILLED);
    }
}

#[test]
fn a_day_order_ends_at_the_rollover() {
    given(trader())
        .when(
            buy("EURUSD", "1")
                .limit("1.09")
                .for_time(TimeInForce::Day)
                .placed("o1"),
        )
        .then(&["OrderPlaced"])
        .and(|desk| {
            let expires_at = desk.only_order().ticket.expires_at;
            assert_eq!(expires_at, Some(time("2026-07-14T21:00:00Z")));
        })
        .when(Act::At("2026-07-14T20:59:59Z"))
        .when(expire("o1"))
        .then_nothing()
        .when(Act::At("2026-07-14T21:00:00Z"))
        .when(expire("o1"))
        .then(&["OrderExpired"])
        .when(expire("o1"))
        .then_nothing();
}

#[test]
fn an_order_whose_time_has_come_never_fills() {
    given(trader())
        .when(
            buy("EURUSD", "1")
                .limit("1.09")
                .until("2026-07-14T13:00:00Z")
                .placed("o1"),
        )
        .then(&["OrderPlaced"])
        .when(Act::At("2026-07-14T13:00:00Z"))
        .when(quote("EURUSD", "1.08", "1.08"))
        .then_nothing()
        .when(expire("o1"))
        .then(&["OrderExpired"]);
}

#[test]
fn a_client_cancels_what_works_and_nothing_else() {
    given(trader())
        .when(buy("EURUSD", "1").limit("1.09").placed("o1"))
        .when(cancel("o1"))
        .then(&["OrderCancelled"])
        .when(cancel("o1"))
        .then_refused("order_not_working");
}

#[test]
fn pending_orders_are_placed_and_cancelled_while_the_market_is_closed() {
    given(trader())
        .when(Act::At("2026-07-18T12:00:00Z"))
        .when(buy("EURUSD", "1").limit("1.09").placed("o1"))
        .then(&["OrderPlaced"])
        // Marketable on the last quote, but nothing fills on it.
        .when(buy("EURUSD", "1").limit("1.2").placed("o2"))
        .then(&["OrderPlaced"])
        .when(modify("o1", |to| to.limit_price = Some(dec("1.08"))))
        .then(&["OrderModified"])
        .when(cancel("o1"))
        .then(&["OrderCancelled"])
        // Without any quote there is nothing to measure a stop against.
        .when(buy("GBPUSD", "1").stop("1.3").placed("o3"))
        .then(&["OrderPlaced"]);
}

#[test]
fn an_order_that_cannot_wait_is_rejected_while_the_market_is_closed() {
    for order in [
        buy("EURUSD", "1"),
        buy("EURUSD", "1").limit("1.2").for_time(TimeInForce::Ioc),
    ] {
        given(trader())
            .when(Act::At("2026-07-18T12:00:00Z"))
            .when(order.placed("o1"))
            .then_facts(&["OrderRejected"])
            .then_rejected("market_closed");
    }
}

#[test]
fn a_fill_cancels_its_siblings_in_the_same_decision() {
    given(trader())
        .when(buy("EURUSD", "1").limit("1.09").in_group("g").placed("o1"))
        .when(buy("EURUSD", "1").stop("1.11").in_group("g").placed("o2"))
        .when(sell("EURUSD", "1").limit("1.12").in_group("h").placed("o3"))
        .when(quote("EURUSD", "1.0898", "1.0899"))
        .then(&["OrderFilled", "PositionOpened", "OrderCancelled"])
        .and(|desk| assert_eq!(desk.only_order().order_id, id("o3")))
        .when(sell("EURUSD", "1").in_group("h").placed("o4"))
        .then(&[
            "OrderPlaced",
            "OrderFilled",
            "PositionOpened",
            "OrderCancelled",
        ]);
}

#[test]
fn a_rejected_trigger_leaves_its_siblings_working() {
    given(trader())
        .when(buy("EURUSD", "50").limit("1.09").in_group("g").placed("o1"))
        .when(buy("EURUSD", "1").stop("1.11").in_group("g").placed("o2"))
        .when(quote("EURUSD", "1.0898", "1.0899"))
        .then_facts(&["OrderRejected"])
        .then_rejected("insufficient_margin")
        .and(|desk| assert_eq!(desk.only_order().order_id, id("o2")));
}
