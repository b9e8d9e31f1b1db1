//! Three states and three flags: who may take risk, who may only lessen it, and who may do nothing.

use super::*;
use crate::{
    account::event::{CancelReason, CloseReason},
    rules::TradingState,
};

const FILLED: [&str; 3] = ["OrderPlaced", "OrderFilled", "PositionOpened"];

type Setting = fn(&mut Controls);

/// Everything that keeps an account from new risk, and under which name.
const REDUCING: [(Setting, &str); 3] = [
    (
        |controls| controls.state = TradingState::Reducing,
        "trading_disabled",
    ),
    (
        |controls| controls.trading_disabled = true,
        "trading_disabled",
    ),
    (|controls| controls.close_only = true, "close_only"),
];

const HALTED: [Setting; 2] = [
    |controls| controls.state = TradingState::Halted,
    |controls| controls.read_only = true,
];

/// A position and a resting order.
fn trading() -> Desk {
    given(trader())
        .when(buy("EURUSD", "1").placed("o1"))
        .when(buy("EURUSD", "1").limit("1.09").placed("o2"))
}

#[test]
fn who_may_only_lessen_risk_opens_nothing() {
    for (change, code) in REDUCING {
        trading()
            .when(Act::Controls(change))
            .when(sell("EURUSD", "1").placed("o3"))
            .then_rejected(code)
            .when(buy("EURUSD", "1").limit("1.08").placed("o4"))
            .then_rejected(code);
    }
}

#[test]
fn who_may_only_lessen_risk_closes_protects_modifies_and_cancels() {
    for (change, code) in REDUCING {
        trading()
            .when(Act::Controls(change))
            .when(protect("o1", Change::Set("1.09"), Change::Keep))
            .then(&["ProtectionChanged"])
            .when(close("o1", Some("0.5")))
            .then(&["PositionReduced"])
            .when(close_all(None, None))
            .then(&["PositionClosed"])
            .when(modify("o2", |to| to.limit_price = Some(dec("1.085"))))
            .then(&["OrderModified"])
            .when(modify("o2", |to| to.volume = Some(dec("0.5"))))
            .then(&["OrderModified"])
            .when(modify("o2", |to| to.volume = Some(dec("0.6"))))
            .then_refused(code)
            .when(cancel("o2"))
            .then(&["OrderCancelled"]);
    }
}

#[test]
fn an_order_of_who_may_only_lessen_risk_is_rejected_when_it_triggers() {
    for (change, code) in REDUCING {
        trading()
            .when(Act::Controls(change))
            .when(quote("EURUSD", "1.08990", "1.09000"))
            .then_rejected(code)
            .and(|desk| assert_eq!(desk.account.orders, []));
    }
}

#[test]
fn a_netting_account_that_may_only_lessen_risk_does_it_by_orders_too() {
    for (change, code) in REDUCING {
        given(netter())
            .when(buy("EURUSD", "1").placed("o1"))
            .when(Act::Controls(change))
            .when(buy("EURUSD", "0.1").placed("o2"))
            .then_rejected(code)
            .when(sell("EURUSD", "1.1").placed("o3"))
            .then_rejected(code)
            .when(sell("EURUSD", "0.2").placed("o4"))
            .then(&["OrderPlaced", "PositionReduced", "OrderNetted"])
            .when(sell("EURUSD", "0.8").limit("1.11").placed("o5"))
            .then(&["OrderPlaced"])
            .when(quote("EURUSD", "1.11000", "1.11010"))
            .then(&["PositionClosed", "OrderNetted"]);
    }
}

#[test]
fn who_is_halted_may_do_nothing_not_even_close() {
    for change in HALTED {
        trading()
            .when(Act::Controls(change))
            .when(buy("EURUSD", "1").placed("o3"))
            .then_rejected("trading_disabled")
            .when(close("o1", None))
            .then_refused("trading_disabled")
            .when(close_all(None, None))
            .then_refused("trading_disabled")
            .when(protect("o1", Change::Set("1.09"), Change::Keep))
            .then_refused("trading_disabled")
            .when(trail("o1", Change::Set("0.001")))
            .then_refused("trading_disabled")
            .when(modify("o2", |to| to.limit_price = Some(dec("1.08"))))
            .then_refused("trading_disabled")
            .when(cancel("o2"))
            .then_refused("trading_disabled")
            .when(quote("EURUSD", "1.08990", "1.09000"))
            .then_rejected("trading_disabled");
        given(netter())
            .when(buy("EURUSD", "1").placed("o1"))
            .when(Act::Controls(change))
            .when(sell("EURUSD", "1").placed("o2"))
            .then_rejected("trading_disabled");
    }
}

#[test]
fn a_halt_leaves_protection_in_the_book_until_it_ends() {
    given(trader())
        .when(buy("EURUSD", "1").stop_loss("1.09").placed("o1"))
        .when(Act::Controls(|controls| {
            controls.state = TradingState::Halted
        }))
        .when(quote("EURUSD", "1.08000", "1.08010"))
        .then_nothing()
        .when(Act::Controls(|controls| {
            controls.state = TradingState::Active
        }))
        .when(quote("EURUSD", "1.08500", "1.08510"))
        .then(&["PositionClosed"]);
}

#[test]
fn a_read_only_client_keeps_the_protection_it_has() {
    given(trader())
        .when(buy("EURUSD", "1").trailing("0.01").placed("o1"))
        .when(Act::Controls(|controls| controls.read_only = true))
        .when(quote("EURUSD", "1.11000", "1.11010"))
        .then(&["ProtectionChanged"])
        .when(quote("EURUSD", "1.10000", "1.10010"))
        .then(&["PositionClosed"])
        .and(|desk| assert_eq!(desk.deal().reason, CloseReason::StopLoss));
}

#[test]
fn orders_run_out_under_a_halt() {
    given(trader())
        .when(
            buy("EURUSD", "1")
                .limit("1.09")
                .for_time(TimeInForce::Day)
                .placed("o1"),
        )
        .when(Act::Controls(|controls| {
            controls.state = TradingState::Halted
        }))
        .when(Act::At("2026-07-14T21:00:00Z"))
        .when(expire("o1"))
        .then(&["OrderExpired"]);
}

#[test]
fn the_house_has_the_same_three_states() {
    trading()
        .when(Act::Rules(|rules| {
            rules.trading_state = TradingState::Reducing
        }))
        .when(buy("EURUSD", "1").placed("o3"))
        .then_rejected("trading_disabled")
        .when(close("o1", Some("0.5")))
        .then(&["PositionReduced"])
        .when(Act::Rules(|rules| {
            rules.trading_state = TradingState::Halted
        }))
        .when(close("o1", None))
        .then_refused("trading_disabled")
        .when(Act::Rules(|rules| {
            rules.trading_state = TradingState::Active
        }))
        .when(buy("EURUSD", "1").placed("o4"))
        .then(&FILLED);
}

#[test]
fn the_instrument_is_reported_before_the_client_and_the_client_before_the_market() {
    trading()
        .when(Act::Controls(|controls| controls.trading_disabled = true))
        .when(Act::Terms("EURUSD", |terms| {
            terms.availability = crate::instrument::Availability::Disabled;
        }))
        .when(buy("EURUSD", "1").placed("o3"))
        .then_rejected("instrument_disabled")
        .when(Act::Terms("EURUSD", |terms| {
            terms.availability = crate::instrument::Availability::Enabled;
        }))
        .when(Act::At("2026-07-18T12:00:00Z"))
        .when(buy("EURUSD", "1").placed("o4"))
        .then_rejected("trading_disabled");
}

#[test]
fn a_group_of_orders_survives_a_rejected_trigger() {
    given(trader())
        .when(buy("EURUSD", "1").limit("1.09").in_group("g").placed("o1"))
        .when(buy("EURUSD", "1").stop("1.11").in_group("g").placed("o2"))
        .when(Act::Controls(|controls| controls.close_only = true))
        .when(quote("EURUSD", "1.08990", "1.09000"))
        .then_rejected("close_only")
        .when(Act::Controls(|controls| controls.close_only = false))
        .when(quote("EURUSD", "1.11000", "1.11010"))
        .then(&["OrderTriggered", "OrderFilled", "PositionOpened"]);
}

#[test]
fn a_cancelled_order_says_that_its_client_asked() {
    trading().when(cancel("o2")).and(|desk| {
        let AccountEvent::OrderCancelled { reason, .. } = &desk.decision.events[0] else {
            panic!("a cancellation");
        };
        assert_eq!(*reason, CancelReason::Client);
    });
}
