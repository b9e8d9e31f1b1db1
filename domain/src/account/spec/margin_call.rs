//! The margin call: a notice, nothing is blocked.

use super::{house::evaluate, *};
use crate::rules::TradingState;

/// 9 lots at 1.10010 on ten thousand dollars: 9,900.90 of margin.
fn stretched() -> Desk {
    given(trader())
        .when(Act::Rules(|rules| rules.stop_out_level = dec("20")))
        .when(buy("EURUSD", "9").placed("o1"))
}

#[test]
fn a_margin_call_is_raised_once_at_the_level() {
    stretched()
        .when(evaluate())
        .and(|desk| assert_eq!(desk.figures().margin_level, Some(dec("100.09"))))
        .then_nothing()
        .when(quote("EURUSD", "1.09900", "1.09910"))
        .when(evaluate())
        .then(&["MarginCallRaised"])
        .and(|desk| {
            let AccountEvent::MarginCallRaised {
                level,
                equity,
                used_margin,
                ..
            } = &desk.decision.events[0]
            else {
                panic!("no margin call");
            };
            assert_eq!((level, used_margin), (&dec("91.00"), &dec("9900.90")));
            assert_eq!(*equity, dec("9010.00"));
            assert!(desk.account.risk.margin_called);
        })
        .when(evaluate())
        .then_nothing();
}

#[test]
fn exactly_at_the_level_is_a_margin_call_and_a_cent_above_is_none() {
    // Used margin is exactly 1,000: 1 lot at 1.00000, 1:100.
    let given_equity = |equity: &'static str| {
        given([
            opened(),
            funded("2000"),
            quote("EURUSD", "1.00000", "1.00000"),
        ])
        .when(buy("EURUSD", "1").placed("o1"))
        .when(adjusted(Bucket::Demo, equity))
        .when(evaluate())
    };
    given_equity("-999.99").then_nothing();
    given_equity("-1000").then(&["MarginCallRaised"]);
}

#[test]
fn it_is_cleared_at_the_higher_level_alone() {
    stretched()
        .when(quote("EURUSD", "1.09900", "1.09910"))
        .when(evaluate())
        .when(quote("EURUSD", "1.10050", "1.10060"))
        .when(evaluate())
        .and(|desk| assert_eq!(desk.figures().margin_level, Some(dec("104.64"))))
        .then_nothing()
        .when(quote("EURUSD", "1.10110", "1.10120"))
        .when(evaluate())
        .then(&["MarginCallCleared"])
        .when(evaluate())
        .then_nothing()
        .when(quote("EURUSD", "1.09900", "1.09910"))
        .when(evaluate())
        .then(&["MarginCallRaised"]);
}

#[test]
fn it_ends_with_the_last_position() {
    stretched()
        .when(quote("EURUSD", "1.09900", "1.09910"))
        .when(evaluate())
        .when(close("o1", None))
        .when(evaluate())
        .then(&["MarginCallCleared"])
        .and(|desk| {
            let [AccountEvent::MarginCallCleared { level, .. }] = &desk.decision.events[..] else {
                panic!("not cleared");
            };
            assert_eq!(*level, None);
        });
}

#[test]
fn nothing_is_blocked_by_it() {
    given([
        opened(),
        funded("2000"),
        quote("EURUSD", "1.10000", "1.10000"),
    ])
    .when(buy("EURUSD", "1").placed("o1"))
    .when(quote("EURUSD", "1.09050", "1.09050"))
    .when(evaluate())
    .then(&["MarginCallRaised"])
    .when(sell("EURUSD", "0.5").placed("o2"))
    .then(&["OrderPlaced", "OrderFilled", "PositionOpened"]);
}

#[test]
fn the_levels_are_settings() {
    stretched()
        .when(Act::Rules(|rules| {
            rules.margin_call_level = Some(dec("90"))
        }))
        .when(quote("EURUSD", "1.09900", "1.09910"))
        .when(evaluate())
        .then_nothing()
        .when(Act::Rules(|rules| rules.margin_call_level = None))
        .when(quote("EURUSD", "1.09400", "1.09410"))
        .when(evaluate())
        .then_nothing();
    // A level to clear at below that of the call never makes it flap.
    stretched()
        .when(Act::Rules(|rules| {
            rules.margin_call_clear_level = dec("80")
        }))
        .when(quote("EURUSD", "1.09900", "1.09910"))
        .when(evaluate())
        .then(&["MarginCallRaised"])
        .when(evaluate())
        .then_nothing();
}

#[test]
fn no_state_of_trading_stops_it() {
    stretched()
        .when(Act::Rules(|rules| {
            rules.trading_state = TradingState::Halted
        }))
        .when(quote("EURUSD", "1.09900", "1.09910"))
        .when(evaluate())
        .then(&["MarginCallRaised"]);
}

#[test]
fn what_cannot_be_valued_is_not_judged() {
    let mut desk = stretched();
    desk.market = Market::new(instrument::seed().into_iter().map(Arc::new));
    desk.when(evaluate()).then_nothing();
}

#[test]
fn a_flat_account_has_nothing_to_say() {
    given(trader()).when(evaluate()).then_nothing();
}
