//! The daily loss limit.

use super::{
    house::{controls, evaluate, roll_over},
    *,
};
use crate::account::event::{CancelReason, CloseReason};

const TUESDAY: &str = "2026-07-14";

/// A trader with a limit of 1,000 whose Wednesday began with one lot open and 9,990 of equity.
fn limited() -> Desk {
    given(trader())
        .when(controls(|controls| {
            controls.limits.daily_loss = Some(dec("1000"));
            controls.swap_free = true;
        }))
        .when(buy("EURUSD", "1").placed("o1"))
        .when(Act::At("2026-07-14T21:00:00Z"))
        .when(quote("EURUSD", "1.10000", "1.10010"))
        .when(roll_over(TUESDAY))
        .then(&["TradingDayStarted"])
}

#[test]
fn the_day_starts_at_the_rollover_with_the_equity_of_then() {
    limited()
        .and(|desk| {
            let [AccountEvent::TradingDayStarted { day, equity, .. }] = &desk.decision.events[..]
            else {
                panic!("no day");
            };
            assert_eq!(day.to_string(), "2026-07-15");
            assert_eq!(*equity, dec("9990"));
        })
        .when(roll_over(TUESDAY))
        .then_nothing();
}

#[test]
fn no_day_starts_where_no_limit_counts_from_it() {
    given(trader())
        .when(Act::At("2026-07-14T21:00:00Z"))
        .when(roll_over(TUESDAY))
        .then_nothing();
}

#[test]
fn the_limit_is_reached_by_what_is_unrealised_too_and_once_a_day() {
    limited()
        .when(quote("EURUSD", "1.09001", "1.09011"))
        .when(evaluate())
        .then_nothing()
        .when(quote("EURUSD", "1.09000", "1.09010"))
        .when(evaluate())
        .then(&["DailyLossLimitReached"])
        .and(|desk| {
            let [
                AccountEvent::DailyLossLimitReached {
                    limit, loss, until, ..
                },
            ] = &desk.decision.events[..]
            else {
                panic!("not reached");
            };
            assert_eq!((*limit, *loss), (dec("1000"), dec("1000")));
            assert_eq!(*until, time("2026-07-15T21:00:00Z"));
        })
        .when(quote("EURUSD", "1.08000", "1.08010"))
        .when(evaluate())
        .then_nothing();
}

#[test]
fn what_is_deposited_or_taken_out_is_neither_loss_nor_profit() {
    limited()
        .when(adjusted(Bucket::Demo, "-5000"))
        .when(evaluate())
        .then_nothing()
        .when(adjusted(Bucket::Demo, "7000"))
        .when(quote("EURUSD", "1.09000", "1.09010"))
        .when(evaluate())
        .then(&["DailyLossLimitReached"]);
}

#[test]
fn the_next_day_counts_anew() {
    limited()
        .when(quote("EURUSD", "1.09000", "1.09010"))
        .when(evaluate())
        .then(&["DailyLossLimitReached"])
        .when(Act::At("2026-07-15T21:00:00Z"))
        .when(quote("EURUSD", "1.09000", "1.09010"))
        .when(roll_over("2026-07-15"))
        .then(&["TradingDayStarted"])
        .when(evaluate())
        .then_nothing()
        .and(|desk| assert_eq!(desk.account.risk.day.unwrap().blocked_until, None));
}

#[test]
fn a_day_that_is_over_is_not_judged() {
    limited()
        .when(Act::At("2026-07-15T21:00:00Z"))
        .when(quote("EURUSD", "1.09000", "1.09010"))
        .when(evaluate())
        .then_nothing();
}

#[test]
fn the_house_has_a_limit_and_a_clients_own_goes_before_it() {
    let unlimited = || {
        given(trader())
            .when(Act::Rules(|rules| {
                rules.daily_loss_limit = Some(dec("500"));
                rules.swap = false;
            }))
            .when(buy("EURUSD", "1").placed("o1"))
            .when(Act::At("2026-07-14T21:00:00Z"))
            .when(quote("EURUSD", "1.10000", "1.10010"))
            .when(roll_over(TUESDAY))
    };
    unlimited()
        .when(quote("EURUSD", "1.09500", "1.09510"))
        .when(evaluate())
        .then(&["DailyLossLimitReached"]);
    unlimited()
        .when(controls(|controls| {
            controls.limits.daily_loss = Some(dec("501"))
        }))
        .when(quote("EURUSD", "1.09500", "1.09510"))
        .when(evaluate())
        .then_nothing();
}

/// As `limited`, with gold beside it and an order that waits.
fn closing_all() -> Desk {
    given(trader())
        .when(quote("XAUUSD", "2000.00", "2000.00"))
        .when(Act::Rules(|rules| rules.daily_loss_closes_all = true))
        .when(controls(|controls| {
            controls.limits.daily_loss = Some(dec("1000"));
            controls.swap_free = true;
        }))
        .when(buy("EURUSD", "1").placed("o1"))
        .when(buy("XAUUSD", "0.1").placed("o2"))
        .when(buy("EURUSD", "1").limit("1.05000").placed("o3"))
        .when(Act::At("2026-07-14T21:00:00Z"))
        .when(quote("EURUSD", "1.10000", "1.10010"))
        .when(roll_over(TUESDAY))
        .then(&["TradingDayStarted"])
}

#[test]
fn the_house_may_close_everything_at_the_limit() {
    closing_all()
        .when(Act::At("2026-07-14T22:00:00Z"))
        .when(quote("XAUUSD", "2000.00", "2000.00"))
        .when(quote("EURUSD", "1.09000", "1.09010"))
        .when(evaluate())
        .then(&[
            "DailyLossLimitReached",
            "PositionClosed",
            "PositionClosed",
            "OrderCancelled",
        ])
        .and(|desk| {
            assert_eq!(desk.deal().reason, CloseReason::Admin);
            let Some(AccountEvent::OrderCancelled { reason, .. }) = desk.decision.events.last()
            else {
                panic!("not cancelled");
            };
            assert_eq!(*reason, CancelReason::DailyLoss);
        })
        .when(evaluate())
        .then_nothing();
}

#[test]
fn what_cannot_be_closed_then_is_closed_as_soon_as_it_can() {
    // Gold rests from 17:00 to 18:00 New York.
    closing_all()
        .when(quote("EURUSD", "1.09000", "1.09010"))
        .when(evaluate())
        .then(&["DailyLossLimitReached", "PositionClosed", "OrderCancelled"])
        .when(evaluate())
        .then_nothing()
        .when(Act::At("2026-07-14T22:00:00Z"))
        .when(quote("XAUUSD", "1990.00", "1990.00"))
        .when(evaluate())
        .then(&["PositionClosed"])
        .and(|desk| assert_eq!(desk.account.positions, []));
}
