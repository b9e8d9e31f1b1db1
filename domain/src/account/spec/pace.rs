//! How often orders may come, and the loss of a day after which none may.

use super::{
    limits::{blocked_until, limited},
    *,
};

const FILLED: [&str; 3] = ["OrderPlaced", "OrderFilled", "PositionOpened"];

#[test]
fn so_many_orders_are_placed_in_a_minute_and_the_next_leaves_no_trace() {
    let placed = || buy("EURUSD", "0.01").limit("1.09");
    limited(|limits| limits.orders_per_minute = Some(2))
        .when(placed().placed("o1"))
        .then(&["OrderPlaced"])
        .when(Act::At("2026-07-14T12:00:09Z"))
        // A refusal by a rule stands in the book, and counts.
        .when(buy("EURUSD", "50").placed("o2"))
        .then_rejected("insufficient_margin")
        .when(placed().placed("o3"))
        .then_refused("order_rate")
        .then_rejection(&AccountRejection::OrderRate {
            per_minute: 2,
            retry_after_ms: 51_000,
        })
        .when(buy("EURUSD", "0.01").placed("o4"))
        .then_refused("order_rate")
        // What ends something is no order.
        .when(cancel("o1"))
        .then(&["OrderCancelled"])
        .when(Act::At("2026-07-14T12:01:00Z"))
        .when(placed().placed("o5"))
        .then(&["OrderPlaced"]);
}

#[test]
fn the_lower_of_the_houses_and_the_accounts_rate_counts() {
    let placed = |name| buy("EURUSD", "0.01").limit("1.09").placed(name);
    limited(|limits| limits.orders_per_minute = Some(5))
        .when(Act::Rules(|rules| rules.orders_per_minute = Some(1)))
        .when(placed("o1"))
        .when(placed("o2"))
        .then_refused("order_rate");
    limited(|limits| limits.orders_per_minute = Some(0))
        .when(placed("o1"))
        .then_refused("order_rate")
        .then_rejection(&AccountRejection::OrderRate {
            per_minute: 0,
            retry_after_ms: 60_000,
        });
}

#[test]
fn an_order_that_triggers_was_counted_when_it_was_placed() {
    limited(|limits| limits.orders_per_minute = Some(1))
        .when(buy("EURUSD", "0.01").limit("1.09").placed("o1"))
        .when(quote("EURUSD", "1.0899", "1.09"))
        .then(&["OrderFilled", "PositionOpened"]);
}

#[test]
fn a_netting_order_that_lessens_meets_no_rate() {
    given(netter())
        .when(buy("EURUSD", "1").placed("o1"))
        .when(Act::Controls(|controls| {
            controls.limits.orders_per_minute = Some(1)
        }))
        .when(buy("EURUSD", "0.1").placed("o2"))
        .then_refused("order_rate")
        .when(sell("EURUSD", "1").placed("o3"))
        .then(&["OrderPlaced", "PositionClosed", "OrderNetted"]);
}

#[test]
fn a_day_whose_loss_has_reached_its_limit_takes_no_new_risk() {
    let mut desk = given(trader())
        .when(buy("EURUSD", "1").placed("o1"))
        .when(buy("EURUSD", "1").limit("1.09").placed("o2"))
        .when(buy("EURUSD", "1").limit("1.08").placed("o3"));
    let until = "2026-07-14T21:00:00Z";
    blocked_until(&mut desk, until);
    desk.when(buy("EURUSD", "1").placed("o4"))
        .then_rejected("daily_loss_limit")
        .then_rejection(&AccountRejection::DailyLossLimit { until: time(until) })
        .when(sell("EURUSD", "1").limit("1.2").placed("o5"))
        .then_rejected("daily_loss_limit")
        .when(modify("o3", |to| to.volume = Some(dec("2"))))
        .then_refused("daily_loss_limit")
        .when(quote("EURUSD", "1.08990", "1.09000"))
        .then_rejected("daily_loss_limit")
        .when(close("o1", None))
        .then(&["PositionClosed"])
        .when(Act::At("2026-07-14T21:00:00Z"))
        .when(quote("EURUSD", "1.10000", "1.10010"))
        .when(buy("EURUSD", "1").placed("o6"))
        .then(&FILLED);
}

#[test]
fn a_blocked_netting_account_still_lessens_its_risk_by_orders() {
    let mut desk = given(netter()).when(buy("EURUSD", "1").placed("o1"));
    blocked_until(&mut desk, "2026-07-14T21:00:00Z");
    desk.when(buy("EURUSD", "1").placed("o2"))
        .then_rejected("daily_loss_limit")
        .when(sell("EURUSD", "2").placed("o3"))
        .then_rejected("daily_loss_limit")
        .when(sell("EURUSD", "0.5").placed("o4"))
        .then(&["OrderPlaced", "PositionReduced", "OrderNetted"]);
}

#[test]
fn a_flat_account_starts_its_trading_day_with_its_first_order() {
    limited(|limits| limits.daily_loss = Some(dec("500")))
        .when(buy("EURUSD", "1").limit("1.09").placed("o1"))
        .then(&["TradingDayStarted", "OrderPlaced"])
        .and(|desk| {
            let day = desk.account.risk.day.unwrap();
            assert_eq!(day.day, "2026-07-14".parse().unwrap());
            assert_eq!(day.equity, dec("10000"));
        })
        .when(buy("EURUSD", "1").placed("o2"))
        .then(&FILLED)
        // After the rollover it is the next day's, for who is flat.
        .when(close("o2", None))
        .when(Act::At("2026-07-14T21:00:00Z"))
        .when(quote("EURUSD", "1.08990", "1.09000"))
        .then(&["TradingDayStarted", "OrderFilled", "PositionOpened"])
        .and(|desk| {
            let day = desk.account.risk.day.unwrap();
            assert_eq!(day.day, "2026-07-15".parse().unwrap());
            assert_eq!(day.equity, dec("9990"));
        });
}

#[test]
fn no_limit_no_day() {
    given(trader())
        .when(buy("EURUSD", "1").placed("o1"))
        .then(&FILLED)
        .and(|desk| assert_eq!(desk.account.risk.day, None));
    given(trader())
        .when(Act::Rules(|rules| {
            rules.daily_loss_limit = Some(dec("1000"))
        }))
        .when(buy("EURUSD", "50").placed("o1"))
        .then_facts(&["OrderRejected"])
        .when(buy("EURUSD", "1").placed("o2"))
        .then(&[
            "TradingDayStarted",
            "OrderPlaced",
            "OrderFilled",
            "PositionOpened",
        ]);
}
