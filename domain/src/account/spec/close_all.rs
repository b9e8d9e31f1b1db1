//! Closing many positions at once.

use super::*;
use crate::account::event::CloseReason;

/// A winner and a loser in euros, a loser in gold.
fn three() -> Desk {
    given([opened(), funded("100000")])
        .when(quote("EURUSD", "1.10000", "1.10010"))
        .when(quote("XAUUSD", "2350.00", "2350.50"))
        .when(buy("EURUSD", "1").placed("winner"))
        .when(buy("XAUUSD", "1").placed("gold"))
        .when(quote("EURUSD", "1.10510", "1.10520"))
        .when(buy("EURUSD", "1").placed("loser"))
        .when(quote("EURUSD", "1.10500", "1.10510"))
        .when(quote("XAUUSD", "2349.00", "2349.50"))
}

fn outcomes(desk: &Desk) -> Vec<(crate::PositionId, Result<Decimal, &'static str>)> {
    let outcomes = desk.decision.outcomes.iter();
    outcomes
        .map(|outcome| {
            let result = outcome.result.as_ref().map_err(AccountRejection::code);
            (outcome.position_id, result.copied())
        })
        .collect()
}

#[test]
fn everything_is_closed_oldest_first_each_with_its_own_outcome() {
    three()
        .when(close_all(None, None))
        .then(&["PositionClosed"; 3])
        .then_balance("100320")
        .and(|desk| {
            assert_eq!(
                outcomes(desk),
                [
                    (id("winner"), Ok(dec("490.00"))),
                    (id("gold"), Ok(dec("-150.00"))),
                    (id("loser"), Ok(dec("-20.00"))),
                ]
            );
            assert_eq!(desk.deal().reason, CloseReason::CloseAll);
            assert_eq!(desk.account.positions, []);
        })
        .when(close_all(None, None))
        .then_nothing()
        .and(|desk| assert_eq!(desk.decision.outcomes, []));
}

#[test]
fn one_symbol_alone_is_closed() {
    three()
        .when(close_all(Some("EURUSD"), None))
        .then(&["PositionClosed"; 2])
        .and(|desk| assert_eq!(desk.only_position().position_id, id("gold")))
        .when(close_all(Some("NOPE"), None))
        .then_refused("unknown_symbol");
}

#[test]
fn winners_or_losers_alone_are_closed() {
    three()
        .when(close_all(None, Some(CloseFilter::Winners)))
        .and(|desk| assert_eq!(outcomes(desk), [(id("winner"), Ok(dec("490.00")))]));
    three()
        .when(close_all(None, Some(CloseFilter::Losers)))
        .then(&["PositionClosed"; 2])
        .and(|desk| assert_eq!(desk.only_position().position_id, id("winner")));
    three()
        .when(close_all(Some("EURUSD"), Some(CloseFilter::Losers)))
        .and(|desk| assert_eq!(outcomes(desk), [(id("loser"), Ok(dec("-20.00")))]));
}

#[test]
fn what_breaks_even_neither_wins_nor_loses_and_swap_counts() {
    let mut even = given(trader())
        .when(buy("EURUSD", "1").placed("o1"))
        .when(quote("EURUSD", "1.10010", "1.10020"));
    for only in [CloseFilter::Winners, CloseFilter::Losers] {
        even = even.when(close_all(None, Some(only))).then_nothing();
    }
    even.account.positions[0].swap = dec("-0.01");
    even.when(close_all(None, Some(CloseFilter::Losers)))
        .then(&["PositionClosed"]);
}

#[test]
fn what_cannot_be_closed_now_stays_and_the_others_go_all_the_same() {
    // 21:30 UTC: gold rests for an hour, euros are dealt.
    three()
        .when(Act::At("2026-07-14T21:30:00Z"))
        .when(quote("EURUSD", "1.10500", "1.10510"))
        .when(close_all(None, None))
        .then(&["PositionClosed"; 2])
        .and(|desk| {
            assert_eq!(
                outcomes(desk),
                [
                    (id("winner"), Ok(dec("490.00"))),
                    (id("gold"), Err("market_closed")),
                    (id("loser"), Ok(dec("-20.00"))),
                ]
            );
            assert_eq!(desk.only_position().position_id, id("gold"));
        });
}

#[test]
fn the_deals_are_named_after_the_command_and_the_position() {
    let names = || {
        let desk = three().when(close_all(None, None));
        let deals = desk.decision.events.iter().filter_map(closing_deal);
        deals.map(|deal| deal.deal_id).collect::<Vec<_>>()
    };
    assert_eq!(names(), names());
    let mut unique = names();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), 3);
}

#[test]
fn a_later_close_settles_on_what_the_earlier_ones_left() {
    given([
        opened_as(AccountKind::Live, "USD", 500),
        adjusted(Bucket::Real, "1000"),
        adjusted(Bucket::Bonus, "1000"),
        quote("EURUSD", "1.10000", "1.10000"),
    ])
    .when(buy("EURUSD", "1").placed("o1"))
    .when(buy("EURUSD", "1").placed("o2"))
    .when(quote("EURUSD", "1.09200", "1.09200"))
    .when(close_all(None, None))
    .and(|desk| {
        // 800 and 800: the second finds 200 of real money and takes 600 of the bonus.
        assert_eq!(desk.account.funds.real, dec("0"));
        assert_eq!(desk.account.funds.bonus, dec("400"));
    });
}

#[test]
fn nothing_is_closed_under_a_halt() {
    three()
        .when(Act::Controls(|controls| controls.read_only = true))
        .when(close_all(None, None))
        .then_refused("trading_disabled");
}
