//! Trailing stops.

use super::*;
use crate::account::event::CloseReason;

/// One lot long at 1.10010, its stop 0.00150 behind the bid.
fn trailing() -> Desk {
    given(trader()).when(buy("EURUSD", "1").trailing("0.00150").placed("o1"))
}

fn stop_loss(desk: &Desk) -> Decimal {
    desk.only_position().stop_loss.unwrap()
}

#[test]
fn a_distance_puts_the_stop_behind_the_closing_quote_at_once() {
    trailing()
        .then(&["OrderPlaced", "OrderFilled", "PositionOpened"])
        .and(|desk| {
            assert_eq!(stop_loss(desk), dec("1.09850"));
            assert_eq!(desk.only_position().trailing_distance, Some(dec("0.00150")));
        });
    given(trader())
        .when(sell("EURUSD", "1").trailing("0.00150").placed("o1"))
        .and(|desk| assert_eq!(stop_loss(desk), dec("1.10160"), "above the ask"));
}

#[test]
fn it_moves_in_steps_and_only_in_the_clients_favour() {
    trailing()
        .when(quote("EURUSD", "1.10009", "1.10019"))
        .then_nothing()
        .when(quote("EURUSD", "1.10010", "1.10020"))
        .then(&["ProtectionChanged"])
        .and(|desk| assert_eq!(stop_loss(desk), dec("1.09860")))
        .when(quote("EURUSD", "1.10500", "1.10510"))
        .then(&["ProtectionChanged"])
        .and(|desk| assert_eq!(stop_loss(desk), dec("1.10350")))
        .when(quote("EURUSD", "1.10400", "1.10410"))
        .then_nothing()
        .when(quote("EURUSD", "1.10350", "1.10360"))
        .then(&["PositionClosed"])
        .then_dealt_at("1.10350")
        .and(|desk| assert_eq!(desk.deal().reason, CloseReason::StopLoss));
}

#[test]
fn a_short_position_is_trailed_from_above() {
    given(trader())
        .when(sell("EURUSD", "1").trailing("0.00100").placed("o1"))
        .when(quote("EURUSD", "1.09990", "1.10001"))
        .then_nothing()
        .when(quote("EURUSD", "1.09990", "1.10000"))
        .then(&["ProtectionChanged"])
        .and(|desk| assert_eq!(stop_loss(desk), dec("1.10100")))
        .when(quote("EURUSD", "1.10095", "1.10105"))
        .then(&["PositionClosed"]);
}

#[test]
fn the_step_is_the_instruments() {
    given(trader())
        .when(Act::Terms("EURUSD", |terms| {
            terms.trailing_step = Some(dec("50"))
        }))
        .when(buy("EURUSD", "1").trailing("0.00150").placed("o1"))
        .when(quote("EURUSD", "1.10049", "1.10059"))
        .then_nothing()
        .when(quote("EURUSD", "1.10050", "1.10060"))
        .then(&["ProtectionChanged"]);
    // Without a step every point counts, and the same quote moves nothing twice.
    given(trader())
        .when(Act::Terms("EURUSD", |terms| {
            terms.trailing_step = Some(dec("0"))
        }))
        .when(buy("EURUSD", "1").trailing("0.00150").placed("o1"))
        .when(quote("EURUSD", "1.10001", "1.10011"))
        .then(&["ProtectionChanged"])
        .when(ask(trail_of(id("o1"))))
        .then_nothing();
}

#[test]
fn a_stop_loss_given_with_the_distance_stands_until_the_market_has_gained_on_it() {
    given(trader())
        .when(
            buy("EURUSD", "1")
                .stop_loss("1.09")
                .trailing("0.005")
                .placed("o1"),
        )
        .and(|desk| assert_eq!(stop_loss(desk), dec("1.09")))
        .when(quote("EURUSD", "1.09510", "1.09520"))
        .then(&["ProtectionChanged"])
        .and(|desk| assert_eq!(stop_loss(desk), dec("1.0901")));
}

#[test]
fn a_pending_order_trails_from_the_quote_it_fills_on() {
    given(trader())
        .when(
            buy("EURUSD", "1")
                .stop("1.105")
                .trailing("0.002")
                .placed("o1"),
        )
        .then(&["OrderPlaced"])
        .when(quote("EURUSD", "1.10700", "1.10710"))
        .then(&["OrderTriggered", "OrderFilled", "PositionOpened"])
        .and(|desk| assert_eq!(stop_loss(desk), dec("1.105")));
}

#[test]
fn an_open_position_starts_and_stops_trailing() {
    given(trader())
        .when(buy("EURUSD", "1").take_profit("1.2").placed("o1"))
        .when(trail("o1", Change::Set("0.001")))
        .then(&["ProtectionChanged"])
        .and(|desk| {
            assert_eq!(stop_loss(desk), dec("1.099"));
            assert_eq!(desk.only_position().take_profit, Some(dec("1.2")));
        })
        .when(trail("o1", Change::Set("0.0010")))
        .then_nothing()
        .when(trail("o1", Change::Remove))
        .then(&["ProtectionChanged"])
        .and(|desk| {
            assert_eq!(stop_loss(desk), dec("1.099"), "where it was");
            assert_eq!(desk.only_position().trailing_distance, None);
        })
        .when(quote("EURUSD", "1.105", "1.1051"))
        .then_nothing();
}

#[test]
fn a_tighter_stop_loss_is_not_loosened_by_a_wider_distance() {
    given(trader())
        .when(buy("EURUSD", "1").stop_loss("1.0995").placed("o1"))
        .when(trail("o1", Change::Set("0.005")))
        .then(&["ProtectionChanged"])
        .and(|desk| assert_eq!(stop_loss(desk), dec("1.0995")))
        .when(trail("o1", Change::Set("0.0002")))
        .and(|desk| assert_eq!(stop_loss(desk), dec("1.0998")));
}

#[test]
fn who_removes_the_stop_loss_has_nothing_left_to_trail() {
    trailing()
        .when(protect("o1", Change::Remove, Change::Keep))
        .then(&["ProtectionChanged"])
        .and(|desk| {
            let position = desk.only_position();
            assert_eq!(
                (position.stop_loss, position.trailing_distance),
                (None, None)
            );
        });
    trailing()
        .when(ask(AccountCommand::ProtectPosition {
            position_id: id("o1"),
            stop_loss: Change::Remove,
            take_profit: Change::Keep,
            trailing_distance: Change::Set(dec("0.00150")),
        }))
        .then_nothing();
}

#[test]
fn a_stop_loss_and_a_distance_may_be_set_together() {
    given(trader())
        .when(buy("EURUSD", "1").placed("o1"))
        .when(ask(AccountCommand::ProtectPosition {
            position_id: id("o1"),
            stop_loss: Change::Set(dec("1.09")),
            take_profit: Change::Keep,
            trailing_distance: Change::Set(dec("0.005")),
        }))
        .then(&["ProtectionChanged"])
        .and(|desk| {
            assert_eq!(stop_loss(desk), dec("1.09"));
            assert_eq!(desk.only_position().trailing_distance, Some(dec("0.005")));
        });
}

#[test]
fn a_distance_is_positive_and_has_the_digits_of_the_instrument() {
    for (distance, code) in [
        ("0", "invalid_order"),
        ("-0.001", "invalid_order"),
        ("0.000001", "invalid_order"),
        ("1000000001", "invalid_order"),
        ("1.1", "invalid_stops"),
    ] {
        let placed = given(trader()).when(buy("EURUSD", "1").trailing(distance).placed("o1"));
        assert_eq!(placed.decision.refusal.unwrap().code(), code, "{distance}");
        given(trader())
            .when(buy("EURUSD", "1").placed("o1"))
            .when(trail("o1", Change::Set(distance)))
            .then_refused(code);
    }
    // A pending order is measured from its own price.
    given(trader())
        .when(buy("EURUSD", "1").limit("0.5").trailing("0.5").placed("o1"))
        .then_rejected("invalid_stops")
        .when(sell("EURUSD", "1").limit("2").trailing("5").placed("o2"))
        .then(&["OrderPlaced"]);
}

#[test]
fn nothing_trails_on_a_stale_quote_outside_the_session_or_under_a_halt() {
    trailing()
        .when(quote("EURUSD", "1.10500", "1.10510"))
        .and(|desk| assert_eq!(stop_loss(desk), dec("1.10350")))
        .when(Act::At("2026-07-18T12:00:00Z"))
        .when(quote("EURUSD", "1.2", "1.2001"))
        .then_nothing()
        .when(Act::At("2026-07-14T12:00:10Z"))
        .when(Act::Rules(|rules| {
            rules.trading_state = crate::rules::TradingState::Halted;
        }))
        .when(quote("EURUSD", "1.11", "1.1101"))
        .then_nothing()
        .when(ask(trail_of(id("o9"))))
        .then_nothing();
}

#[test]
fn mark_up_belongs_to_the_quote_that_is_trailed() {
    given([opened(), funded("10000")])
        .when(Act::Terms("EURUSD", |terms| terms.spread_markup = dec("4")))
        .when(quote("EURUSD", "1.10000", "1.10010"))
        .when(buy("EURUSD", "1").trailing("0.001").placed("o1"))
        .and(|desk| assert_eq!(stop_loss(desk), dec("1.09898"), "the bid less two points"))
        .when(quote("EURUSD", "1.10009", "1.10019"))
        .then_nothing()
        .when(quote("EURUSD", "1.10010", "1.10020"))
        .then(&["ProtectionChanged"]);
}
