//! Changing working orders.

use super::*;

fn resting() -> Desk {
    given(trader()).when(
        buy("EURUSD", "1")
            .limit("1.09")
            .stop_loss("1.08")
            .placed("o1"),
    )
}

#[test]
fn a_working_order_changes_its_levels_and_the_event_says_from_what_to_what() {
    resting()
        .when(modify("o1", |to| {
            to.limit_price = Some(dec("1.085"));
            to.volume = Some(dec("2"));
            to.take_profit = Change::Set(dec("1.1"));
            to.stop_loss = Change::Remove;
        }))
        .then(&["OrderModified"])
        .and(|desk| {
            let ticket = &desk.only_order().ticket;
            assert_eq!(ticket.limit_price, Some(dec("1.085")));
            assert_eq!(ticket.volume, dec("2"));
            assert_eq!(
                (ticket.stop_loss, ticket.take_profit),
                (None, Some(dec("1.1")))
            );
            let AccountEvent::OrderModified { from, to, .. } = &desk.decision.events[0] else {
                panic!("a modification");
            };
            assert_eq!(from.limit_price, Some(dec("1.09")));
            assert_eq!(**to, ticket.levels());
        });
}

#[test]
fn asking_for_what_is_so_changes_nothing() {
    resting()
        .when(modify("o1", |to| to.limit_price = Some(dec("1.0900"))))
        .then_nothing()
        .when(modify("o1", |_| ()))
        .then_nothing();
}

#[test]
fn a_limit_made_marketable_fills_when_it_is_nominated() {
    resting()
        .when(modify("o1", |to| to.limit_price = Some(dec("1.2"))))
        .then(&["OrderModified"])
        .when(ask(trigger_of(id("o1"))))
        .then(&["OrderFilled", "PositionOpened"])
        .then_dealt_at("1.10010");
}

#[test]
fn a_limit_moved_into_the_market_deals_at_the_quote_even_where_limits_fill_at_their_level() {
    let mut desk = resting();
    desk.rules.limit_fill = crate::rules::LimitFill::AtLimit;
    desk.when(modify("o1", |to| to.limit_price = Some(dec("1.2"))))
        .and(|desk| assert!(desk.only_order().marketable))
        .when(ask(trigger_of(id("o1"))))
        .then(&["OrderFilled", "PositionOpened"])
        .then_dealt_at("1.10010");
}

#[test]
fn only_what_works_can_be_changed() {
    given(trader())
        .when(modify("o1", |to| to.volume = Some(dec("2"))))
        .then_refused("order_not_working");
}

#[test]
fn a_change_keeps_the_rules_of_placement() {
    type Ask = fn(&mut super::super::OrderChanges);
    let refused = |change: Ask, code: &str| {
        resting().when(modify("o1", change)).then_refused(code);
    };
    refused(|to| to.volume = Some(dec("0")), "invalid_order");
    refused(|to| to.volume = Some(dec("101")), "volume_out_of_range");
    refused(|to| to.volume = Some(dec("1.005")), "volume_step");
    refused(|to| to.limit_price = Some(dec("-1")), "invalid_order");
    refused(|to| to.limit_price = Some(dec("1.090001")), "invalid_order");
    refused(|to| to.limit_price = Some(dec("1.07")), "invalid_stops");
    refused(|to| to.stop_price = Some(dec("1.07")), "invalid_order");
    refused(
        |to| to.stop_loss = Change::Set(dec("1.09")),
        "invalid_stops",
    );
    refused(
        |to| to.take_profit = Change::Set(dec("1.09")),
        "invalid_stops",
    );
    refused(
        |to| to.expires_at = Change::Set(time(NOON)),
        "invalid_order",
    );
}

#[test]
fn a_stop_is_not_moved_through_the_market() {
    given(trader())
        .when(buy("EURUSD", "1").stop("1.11").placed("o1"))
        .when(modify("o1", |to| to.stop_price = Some(dec("1.1001"))))
        .then_refused("invalid_stops")
        .when(modify("o1", |to| to.stop_price = Some(dec("1.10011"))))
        .then(&["OrderModified"]);
}

#[test]
fn a_stop_that_was_touched_stays_where_it_was() {
    given(trader())
        .when(buy("EURUSD", "1").stop("1.11").limit("1.105").placed("o1"))
        .when(quote("EURUSD", "1.1099", "1.11"))
        .then(&["OrderTriggered"])
        .when(modify("o1", |to| to.stop_price = Some(dec("1.12"))))
        .then_refused("invalid_order")
        .when(modify("o1", |to| to.limit_price = Some(dec("1.106"))))
        .then(&["OrderModified"])
        .and(|desk| assert!(desk.only_order().triggered));
}

#[test]
fn an_expiry_makes_an_order_good_till_date_and_its_removal_good_till_cancelled() {
    let later = "2026-07-15T12:00:00Z";
    resting()
        .when(modify("o1", |to| to.expires_at = Change::Set(time(later))))
        .then(&["OrderModified"])
        .and(|desk| {
            let ticket = &desk.only_order().ticket;
            assert_eq!(ticket.time_in_force, TimeInForce::Gtd);
            assert_eq!(ticket.expires_at, Some(time(later)));
        })
        .when(modify("o1", |to| to.expires_at = Change::Remove))
        .then(&["OrderModified"])
        .and(|desk| assert_eq!(desk.only_order().ticket.time_in_force, TimeInForce::Gtc));
}

#[test]
fn a_day_order_stays_one_while_only_its_price_moves() {
    given(trader())
        .when(
            buy("EURUSD", "1")
                .limit("1.09")
                .for_time(TimeInForce::Day)
                .placed("o1"),
        )
        .when(modify("o1", |to| to.limit_price = Some(dec("1.08"))))
        .then(&["OrderModified"])
        .and(|desk| assert_eq!(desk.only_order().ticket.time_in_force, TimeInForce::Day));
}

#[test]
fn orders_in_a_disabled_instrument_may_only_be_cancelled() {
    resting()
        .when(Act::Terms("EURUSD", |terms| {
            terms.availability = crate::instrument::Availability::Disabled;
        }))
        .when(modify("o1", |to| to.limit_price = Some(dec("1.085"))))
        .then_refused("instrument_disabled")
        .when(cancel("o1"))
        .then(&["OrderCancelled"]);
}
