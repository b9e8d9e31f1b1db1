//! Closing a position by an opposite one.

use super::*;
use crate::{
    account::event::CloseReason,
    instrument::{Commission, CommissionBasis},
};

/// One lot bought at 1.10010, then two sold at 1.10500.
fn hedged() -> Desk {
    given(trader())
        .when(buy("EURUSD", "1").placed("long"))
        .when(quote("EURUSD", "1.10500", "1.10510"))
        .when(sell("EURUSD", "2").placed("short"))
}

fn deals(desk: &Desk) -> Vec<&ClosingDeal> {
    desk.decision
        .events
        .iter()
        .filter_map(closing_deal)
        .collect()
}

#[test]
fn opposite_positions_close_one_another_without_the_spread() {
    for (one, other, names) in [
        ("long", "short", ["one", "other"]),
        ("short", "long", ["other", "one"]),
    ] {
        hedged()
            .when(quote("EURUSD", "1.20000", "1.21000"))
            .when(close_by(one, other))
            .then(&["PositionClosed", "PositionReduced"])
            // 490 points between the two opening prices, whatever the market and its spread.
            .then_balance("10490")
            .and(|desk| {
                let [older, younger] = deals(desk)[..] else {
                    panic!("two deals");
                };
                assert_eq!([older.deal_id, younger.deal_id], names.map(id));
                assert_eq!(
                    (older.position_id, older.realised),
                    (id("long"), dec("0.00"))
                );
                assert_eq!(
                    (younger.position_id, younger.realised),
                    (id("short"), dec("490.00"))
                );
                for deal in [older, younger] {
                    assert_eq!(deal.execution.price, dec("1.10010"), "the older's price");
                    assert_eq!(deal.reason, CloseReason::CloseBy);
                    assert_eq!((deal.volume, deal.order_id), (dec("1"), None));
                    assert_eq!(deal.execution.quote_bid, dec("1.2"), "the receipt of now");
                    assert_eq!(deal.execution.spread_markup, dec("0"));
                }
                assert_eq!(desk.only_position().volume, dec("1"));
            });
    }
}

#[test]
fn equal_volumes_leave_nothing() {
    hedged()
        .when(close("short", Some("1")))
        .when(close_by("long", "short"))
        .then(&["PositionClosed", "PositionClosed"])
        .and(|desk| assert_eq!(desk.account.positions, []));
}

#[test]
fn each_of_the_two_deals_pays_its_commission_and_posts_its_swap() {
    let mut desk = hedged().when(Act::Terms("EURUSD", |terms| {
        terms.commission = Commission {
            basis: CommissionBasis::PerLot,
            rate: dec("3"),
            minimum: dec("0"),
            currency: Some(Currency::USD),
        };
    }));
    desk.account.positions[0].swap = dec("-5.00");
    desk.account.positions[1].swap = dec("1.00");
    desk.when(close_by("long", "short"))
        .and(|desk| {
            let swaps: Vec<_> = deals(desk).iter().map(|deal| deal.swap).collect();
            assert_eq!(swaps, [dec("-5.00"), dec("0.50")]);
        })
        .then_balance("10479.50");
}

#[test]
fn only_opposite_positions_of_one_symbol_offset_each_other() {
    hedged()
        .when(buy("EURUSD", "1").placed("more"))
        .when(quote("GBPUSD", "1.30000", "1.30010"))
        .when(sell("GBPUSD", "0.1").placed("pound"))
        .when(close_by("long", "more"))
        .then_refused("not_opposite")
        .when(close_by("long", "pound"))
        .then_refused("not_opposite")
        .when(close_by("long", "long"))
        .then_refused("not_opposite")
        .when(close_by("long", "none"))
        .then_refused("position_not_open")
        .when(close_by("none", "long"))
        .then_refused("position_not_open");
}

#[test]
fn close_by_needs_an_open_market_a_fresh_quote_and_nobody_to_have_halted_it() {
    hedged()
        .when(Act::At("2026-07-14T12:00:11Z"))
        .when(close_by("long", "short"))
        .then_refused("stale_quote")
        .when(Act::At("2026-07-18T12:00:00Z"))
        .when(close_by("long", "short"))
        .then_refused("market_closed")
        .when(Act::At("2026-07-14T12:00:10Z"))
        .when(Act::Controls(|controls| controls.read_only = true))
        .when(close_by("long", "short"))
        .then_refused("trading_disabled")
        .when(Act::Controls(|controls| {
            controls.read_only = false;
            controls.close_only = true;
        }))
        .when(close_by("long", "short"))
        .then(&["PositionClosed", "PositionReduced"]);
}

#[test]
fn the_second_deal_settles_on_what_the_first_left() {
    given([
        opened_as(AccountKind::Live, "USD", 500),
        adjusted(Bucket::Real, "1000"),
        adjusted(Bucket::Bonus, "1000"),
        quote("EURUSD", "1.10000", "1.10000"),
    ])
    .when(buy("EURUSD", "1").placed("long"))
    .when(quote("EURUSD", "1.08500", "1.08500"))
    .when(sell("EURUSD", "1").placed("short"))
    .when(close_by("long", "short"))
    .and(|desk| {
        // The loss of 1,500 is the younger's: all real money and half of the bonus.
        assert_eq!(desk.account.funds.real, dec("0"));
        assert_eq!(desk.account.funds.bonus, dec("500"));
    });
}
