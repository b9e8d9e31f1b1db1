//! Stop loss and take profit.

use super::*;
use crate::{account::event::CloseReason, rules::LimitFill};

fn long() -> Desk {
    given(trader()).when(buy("EURUSD", "1").placed("o1"))
}

#[test]
fn levels_are_set_changed_and_removed() {
    long()
        .when(protect("o1", Change::Set("1.09"), Change::Set("1.12")))
        .then(&["ProtectionChanged"])
        .when(protect("o1", Change::Keep, Change::Remove))
        .then(&["ProtectionChanged"])
        .and(|desk| {
            let position = desk.only_position();
            assert_eq!(
                (position.stop_loss, position.take_profit),
                (Some(dec("1.09")), None)
            );
        })
        .when(protect("o1", Change::Set("1.090"), Change::Remove))
        .then_nothing();
}

#[test]
fn levels_are_beyond_the_quote_that_closes() {
    long()
        .when(protect("o1", Change::Set("1.1"), Change::Keep))
        .then_refused("invalid_stops")
        .when(protect("o1", Change::Keep, Change::Set("1.1")))
        .then_refused("invalid_stops")
        .when(protect("o1", Change::Set("1.090001"), Change::Keep))
        .then_refused("invalid_order")
        .when(protect("o2", Change::Set("1.09"), Change::Keep))
        .then_refused("position_not_open");
    given(trader())
        .when(sell("EURUSD", "1").placed("o1"))
        .when(protect("o1", Change::Set("1.1001"), Change::Keep))
        .then_refused("invalid_stops")
        .when(protect(
            "o1",
            Change::Set("1.10011"),
            Change::Set("1.10009"),
        ))
        .then(&["ProtectionChanged"]);
}

#[test]
fn protection_is_refused_while_the_market_is_closed_or_the_quote_is_stale() {
    long()
        .when(Act::At("2026-07-14T12:00:11Z"))
        .when(protect("o1", Change::Set("1.09"), Change::Keep))
        .then_refused("stale_quote")
        .when(Act::At("2026-07-18T12:00:00Z"))
        .when(protect("o1", Change::Set("1.09"), Change::Keep))
        .then_refused("market_closed");
}

#[test]
fn a_stop_loss_is_a_stop_it_closes_at_the_quote_after_a_gap() {
    long()
        .when(protect("o1", Change::Set("1.09"), Change::Set("1.12")))
        .when(quote("EURUSD", "1.09001", "1.09010"))
        .then_nothing()
        .when(quote("EURUSD", "1.08500", "1.08510"))
        .then(&["PositionClosed"])
        .then_dealt_at("1.08500")
        .and(|desk| {
            assert_eq!(desk.deal().reason, CloseReason::StopLoss);
            assert_eq!(desk.deal().realised, dec("-1510.00"));
            assert_eq!(desk.account.positions, []);
        })
        .then_balance("8490");
}

#[test]
fn a_take_profit_is_a_limit_on_the_closing_side() {
    for (rule, price) in [
        (LimitFill::Improve, "1.12500"),
        (LimitFill::AtLimit, "1.12000"),
    ] {
        let mut desk = long();
        desk.rules.limit_fill = rule;
        desk.when(protect("o1", Change::Keep, Change::Set("1.12")))
            .when(quote("EURUSD", "1.11999", "1.12020"))
            .then_nothing()
            .when(quote("EURUSD", "1.12500", "1.12510"))
            .then(&["PositionClosed"])
            .then_dealt_at(price)
            .and(|desk| assert_eq!(desk.deal().reason, CloseReason::TakeProfit));
    }
}

#[test]
fn a_take_profit_that_the_opening_gap_passed_is_marketable_and_deals_at_the_quote() {
    for rule in [LimitFill::Improve, LimitFill::AtLimit] {
        let mut desk = given(trader());
        desk.rules.limit_fill = rule;
        desk.when(
            sell("EURUSD", "1")
                .stop("1.09")
                .take_profit("1.085")
                .placed("o1"),
        )
        .when(quote("EURUSD", "1.08000", "1.08010"))
        .then(&[
            "OrderTriggered",
            "OrderFilled",
            "PositionOpened",
            "PositionClosed",
        ])
        .then_dealt_at("1.08010");
    }
}

#[test]
fn a_short_position_is_protected_on_the_ask() {
    let short = || {
        given(trader()).when(
            sell("EURUSD", "1")
                .stop_loss("1.11")
                .take_profit("1.09")
                .placed("o1"),
        )
    };
    short()
        .when(quote("EURUSD", "1.10980", "1.10999"))
        .then_nothing()
        .when(quote("EURUSD", "1.10980", "1.11000"))
        .then(&["PositionClosed"])
        .then_dealt_at("1.11000");
    short()
        .when(quote("EURUSD", "1.08980", "1.09001"))
        .then_nothing()
        .when(quote("EURUSD", "1.08980", "1.09000"))
        .then(&["PositionClosed"])
        .then_dealt_at("1.09000");
}

#[test]
fn a_position_opened_on_a_quote_is_protected_on_that_quote() {
    given(trader())
        .when(
            buy("EURUSD", "1")
                .limit("1.09")
                .stop_loss("1.088")
                .placed("o1"),
        )
        .when(quote("EURUSD", "1.08500", "1.08510"))
        .then(&["OrderFilled", "PositionOpened", "PositionClosed"])
        .and(|desk| assert_eq!(desk.deal().reason, CloseReason::StopLoss));
}

#[test]
fn protection_that_cannot_close_now_stays() {
    let usd = given([opened(), funded("1000000")]);
    usd.when(quote("EURUSD", "1.10000", "1.10010"))
        .when(quote("GBPUSD", "1.30000", "1.30010"))
        .when(quote("EURGBP", "0.85000", "0.85010"))
        .when(buy("EURGBP", "1").stop_loss("0.84").placed("o1"))
        .then(&["OrderPlaced", "OrderFilled", "PositionOpened"])
        .and(|desk| {
            // After a restart: a quote of the instrument, none to convert the loss with.
            let mut market = Market::new(desk.market.instruments().cloned());
            market.set_quote(Quote {
                bid: dec("0.83"),
                ask: dec("0.8301"),
                ..*desk.market.quote(symbol("EURGBP")).unwrap()
            });
            let context = Context {
                at: desk.at,
                market: &market,
                rules: &desk.rules,
            };
            let decision = desk.account.decide(&protection_of(id("o1")), &context);
            assert_eq!(decision.events, []);
            assert_eq!(decision.refusal.unwrap().code(), "no_quote");
        });
}

#[test]
fn nothing_is_protected_on_a_quote_outside_the_session() {
    long()
        .when(protect("o1", Change::Set("1.09"), Change::Keep))
        .when(Act::At("2026-07-18T12:00:00Z"))
        .when(quote("EURUSD", "1.05", "1.06"))
        .then_nothing()
        .and(|desk| assert_eq!(desk.account.positions.len(), 1));
}
