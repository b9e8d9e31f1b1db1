//! Leverage and controls.

use super::{
    house::{change_leverage, controls},
    *,
};
use crate::Money;

#[test]
fn more_leverage_frees_margin_and_less_takes_it() {
    given(trader())
        .when(buy("EURUSD", "1").placed("o1"))
        .when(change_leverage(200))
        .then(&["LeverageChanged"])
        .and(|desk| assert_eq!(desk.used_margin(), dec("550.05")))
        .when(change_leverage(50))
        .then(&["LeverageChanged"])
        .and(|desk| assert_eq!(desk.used_margin(), dec("2200.20")))
        .when(change_leverage(50))
        .then_nothing();
}

#[test]
fn leverage_that_free_margin_does_not_cover_is_refused() {
    given(trader())
        .when(buy("EURUSD", "1").placed("o1"))
        .when(change_leverage(10))
        .then_refused("insufficient_margin")
        .then_rejection(&AccountRejection::InsufficientMargin {
            required: Money::rounded(dec("11001"), Currency::USD),
            free: Money::rounded(dec("9990"), Currency::USD),
        })
        .when(change_leverage(12))
        .then(&["LeverageChanged"]);
}

#[test]
fn more_leverage_is_never_refused_for_margin() {
    given(trader())
        .when(buy("EURUSD", "9").placed("o1"))
        .when(quote("EURUSD", "1.08900", "1.08910"))
        .and(|desk| assert!(desk.figures().free_margin.unwrap() < dec("0")))
        .when(change_leverage(101))
        .then(&["LeverageChanged"])
        .when(change_leverage(100))
        .then_refused("insufficient_margin");
}

#[test]
fn leverage_is_between_one_and_the_most_allowed() {
    given(trader())
        .when(change_leverage(0))
        .then_refused("leverage_out_of_range")
        .when(change_leverage(501))
        .then_rejection(&AccountRejection::LeverageOutOfRange {
            asked: 501,
            max: 500,
        })
        .when(controls(|controls| {
            controls.limits.max_leverage = Some(200)
        }))
        .then(&["ControlsChanged"])
        .when(change_leverage(201))
        .then_rejection(&AccountRejection::LeverageOutOfRange {
            asked: 201,
            max: 200,
        })
        .when(change_leverage(200))
        .then(&["LeverageChanged"]);
}

#[test]
fn an_instrument_keeps_its_own_largest_leverage() {
    given(trader())
        .when(change_leverage(500))
        .when(quote("XAUUSD", "2000.00", "2000.00"))
        .when(buy("XAUUSD", "1").placed("o1"))
        .and(|desk| assert_eq!(desk.used_margin(), dec("1000"), "1:200"));
}

#[test]
fn a_limit_on_leverage_re_margins_what_is_open() {
    let limited = |most| controls(move |controls| controls.limits.max_leverage = Some(most));
    given(trader())
        .when(buy("EURUSD", "1").placed("o1"))
        .when(limited(20))
        .then(&["ControlsChanged"])
        .and(|desk| assert_eq!(desk.used_margin(), dec("5500.50")))
        .when(limited(10))
        .then_refused("insufficient_margin")
        .when(controls(|_| ()))
        .then(&["ControlsChanged"])
        .and(|desk| assert_eq!(desk.used_margin(), dec("1100.10")));
}

#[test]
fn controls_are_set_as_a_whole_and_the_same_twice_is_already_so() {
    let closing = || controls(|controls| controls.close_only = true);
    given(trader())
        .when(controls(|_| ()))
        .then_nothing()
        .when(closing())
        .then(&["ControlsChanged"])
        .and(|desk| assert!(desk.account.controls().close_only))
        .when(closing())
        .then_nothing()
        .when(controls(|controls| controls.swap_free = true))
        .and(|desk| {
            assert!(!desk.account.controls().close_only);
            assert!(desk.account.controls().swap_free);
        });
}

#[test]
fn limits_that_mean_nothing_are_refused() {
    given(trader())
        .when(controls(|controls| controls.limits.max_leverage = Some(0)))
        .then_refused("invalid_terms")
        .when(controls(|controls| {
            controls.limits.daily_loss = Some(dec("-1"))
        }))
        .then_refused("invalid_terms");
}

#[test]
fn what_cannot_be_valued_is_not_re_margined_upwards() {
    let mut desk = given(trader()).when(buy("EURUSD", "1").placed("o1"));
    desk.market = Market::new(instrument::seed().into_iter().map(Arc::new));
    desk.when(change_leverage(50))
        .then_refused("no_quote")
        .when(change_leverage(200))
        .then(&["LeverageChanged"]);
}
