//! Netting: pending orders at their triggers, their groups, and swap.

use super::*;

fn long() -> Desk {
    given(netter()).when(buy("EURUSD", "1").placed("o1"))
}

#[test]
fn a_pending_order_increases_reduces_closes_and_reverses_at_its_trigger() {
    long()
        .when(buy("EURUSD", "1").stop("1.105").placed("o2"))
        .when(sell("EURUSD", "0.5").limit("1.11").placed("o3"))
        .when(sell("EURUSD", "1.5").limit("1.115").placed("o4"))
        .when(sell("EURUSD", "1").stop("1.1").placed("o5"))
        .then_rejected("invalid_stops")
        .when(sell("EURUSD", "1").stop("1.09").placed("o5"))
        .when(quote("EURUSD", "1.10490", "1.10500"))
        .then(&["OrderTriggered", "OrderFilled", "PositionIncreased"])
        .when(quote("EURUSD", "1.11000", "1.11010"))
        .then(&["PositionReduced", "OrderNetted"])
        .when(quote("EURUSD", "1.11500", "1.11510"))
        .then(&["PositionClosed", "OrderNetted"])
        .and(|desk| assert_eq!(desk.account.positions, []))
        .when(quote("EURUSD", "1.09000", "1.09010"))
        .then(&["OrderTriggered", "OrderFilled", "PositionOpened"]);
}

#[test]
fn a_stop_turns_the_position_round_after_a_gap() {
    long()
        .when(
            sell("EURUSD", "2")
                .stop("1.09")
                .take_profit("1.07")
                .placed("o2"),
        )
        .when(quote("EURUSD", "1.08500", "1.08510"))
        .then(&[
            "OrderTriggered",
            "PositionClosed",
            "OrderFilled",
            "PositionOpened",
        ])
        .then_balance("8490")
        .and(|desk| {
            let position = desk.only_position();
            assert_eq!((position.side, position.volume), (Side::Sell, dec("1")));
            assert_eq!(position.open_price, dec("1.08500"));
            assert_eq!(position.take_profit, Some(dec("1.07")));
        });
}

#[test]
fn a_stop_limit_reduces_once_the_price_comes_back_to_it() {
    long()
        .when(
            sell("EURUSD", "1")
                .stop("1.095")
                .limit("1.096")
                .placed("o2"),
        )
        .when(quote("EURUSD", "1.09400", "1.09410"))
        .then(&["OrderTriggered"])
        .when(quote("EURUSD", "1.09600", "1.09610"))
        .then(&["PositionClosed", "OrderNetted"])
        .then_dealt_at("1.09600");
}

#[test]
fn what_was_to_reduce_opens_where_nothing_is_left_to_reduce() {
    long()
        .when(sell("EURUSD", "1").limit("1.11").placed("o2"))
        .when(close("o1", None))
        .when(quote("EURUSD", "1.11000", "1.11010"))
        .then(&["OrderFilled", "PositionOpened"])
        .and(|desk| assert_eq!(desk.only_position().side, Side::Sell));
}

#[test]
fn a_fill_that_reduces_cancels_its_siblings_too() {
    long()
        .when(
            sell("EURUSD", "0.5")
                .limit("1.11")
                .in_group("g")
                .placed("o2"),
        )
        .when(
            sell("EURUSD", "0.5")
                .stop("1.09")
                .in_group("g")
                .placed("o3"),
        )
        .when(quote("EURUSD", "1.11000", "1.11010"))
        .then(&["PositionReduced", "OrderNetted", "OrderCancelled"])
        .and(|desk| assert_eq!(desk.account.orders, []))
        .when(
            buy("EURUSD", "0.1")
                .limit("1.08")
                .in_group("h")
                .placed("o4"),
        )
        .when(sell("EURUSD", "1").in_group("h").placed("o5"))
        .then(&[
            "OrderPlaced",
            "PositionClosed",
            "OrderFilled",
            "PositionOpened",
            "OrderCancelled",
        ]);
}

#[test]
fn immediate_or_cancel_reduces_now_or_never() {
    long()
        .when(
            sell("EURUSD", "0.5")
                .limit("1.10001")
                .for_time(TimeInForce::Ioc)
                .placed("o2"),
        )
        .then(&["OrderPlaced", "OrderCancelled"])
        .when(
            sell("EURUSD", "0.5")
                .limit("1.10000")
                .for_time(TimeInForce::Fok)
                .placed("o3"),
        )
        .then(&["OrderPlaced", "PositionReduced", "OrderNetted"]);
}

#[test]
fn the_stop_loss_of_a_netted_position_closes_all_of_it() {
    long()
        .when(buy("EURUSD", "1").stop_loss("1.09").placed("o2"))
        .when(quote("EURUSD", "1.08900", "1.08910"))
        .then(&["PositionClosed"])
        .and(|desk| assert_eq!(desk.deal().volume, dec("2")));
}

#[test]
fn accrued_swap_is_posted_pro_rata_and_kept_by_an_increase() {
    let mut desk = given(netter()).when(buy("EURUSD", "1").placed("o1"));
    desk.account.positions[0].swap = dec("-3.00");
    desk.when(buy("EURUSD", "2").placed("o2"))
        .and(|desk| assert_eq!(desk.only_position().swap, dec("-3.00")))
        .when(sell("EURUSD", "1").placed("o3"))
        .and(|desk| {
            assert_eq!(desk.deal().swap, dec("-1.00"));
            assert_eq!(desk.only_position().swap, dec("-2.00"));
        })
        .when(sell("EURUSD", "3").placed("o4"))
        .and(|desk| {
            assert_eq!(desk.deal().swap, dec("-2.00"));
            assert_eq!(desk.only_position().swap, dec("0"), "a new position");
        });
}

#[test]
fn an_order_that_lessens_waits_through_a_halt_as_protection_does() {
    long()
        .when(sell("EURUSD", "1").limit("1.11").placed("o2"))
        .when(Act::Rules(|rules| {
            rules.trading_state = crate::rules::TradingState::Halted;
        }))
        .when(quote("EURUSD", "1.11000", "1.11010"))
        .then_nothing()
        .when(Act::Rules(|rules| {
            rules.trading_state = crate::rules::TradingState::Reducing;
        }))
        .when(quote("EURUSD", "1.11000", "1.11010"))
        .then(&["PositionClosed", "OrderNetted"]);
}

#[test]
fn positions_of_a_netting_account_do_not_close_one_another() {
    given(netter())
        .when(quote("GBPUSD", "1.30000", "1.30010"))
        .when(buy("EURUSD", "0.1").placed("o1"))
        .when(sell("GBPUSD", "0.1").placed("o2"))
        .when(close_by("o1", "o2"))
        .then_refused("wrong_mode");
}
