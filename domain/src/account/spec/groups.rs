//! Client groups: other terms for some, in every price and level.

use super::*;
use crate::instrument::{Commission, CommissionBasis, GroupTerms};

/// Ten thousand dollars of a client of the group `gold`, which pays four points of mark-up, five of
/// slippage and three dollars a lot, and has 1:50.
fn golden() -> Desk {
    given([opened(), funded("10000"), Act::Terms("EURUSD", gold)])
        .when(Act::Controls(|controls| {
            controls.group = Some("gold".into())
        }))
        .when(quote("EURUSD", "1.10000", "1.10010"))
}

fn gold(terms: &mut Instrument) {
    let own = GroupTerms {
        spread_markup: Some(dec("4")),
        slippage: Some(dec("5")),
        commission: Some(Commission {
            basis: CommissionBasis::PerLot,
            rate: dec("3"),
            minimum: dec("0"),
            currency: Some(Currency::USD),
        }),
        max_leverage: Some(50),
        ..GroupTerms::default()
    };
    terms.groups.insert("gold".into(), own);
}

#[test]
fn a_client_deals_under_the_terms_of_its_group() {
    golden()
        .when(buy("EURUSD", "1").placed("o1"))
        .then_dealt_at("1.10017")
        .then_balance("9997")
        .and(|desk| {
            let receipt = desk.receipt();
            assert_eq!(receipt.spread_markup, dec("0.00002"));
            assert_eq!(receipt.slippage, dec("0.00005"));
            assert_eq!(receipt.commission, dec("3"));
            assert_eq!(desk.figures().used_margin, dec("2200.34"), "1:50");
            // Closed at 1.10000 less two and five points.
            assert_eq!(desk.figures().unrealised, Some(dec("-24.00")));
        })
        .when(close("o1", None))
        .then_dealt_at("1.09993")
        .then_balance("9970");
}

#[test]
fn who_is_in_no_group_or_in_another_deals_as_everybody_does() {
    for group in [None, Some("silver")] {
        let mut desk = given([opened(), funded("10000"), Act::Terms("EURUSD", gold)]);
        let controls = Controls {
            group: group.map(Into::into),
            ..Controls::default()
        };
        desk.account.evolve(&AccountEvent::ControlsChanged {
            controls: Box::new(controls),
            reason: None,
            by: "staff".to_owned(),
            at: desk.at,
        });
        desk.when(quote("EURUSD", "1.10000", "1.10010"))
            .when(buy("EURUSD", "1").placed("o1"))
            .then_dealt_at("1.10010");
    }
}

#[test]
fn the_levels_in_the_book_are_those_of_the_group() {
    golden()
        .when(buy("EURUSD", "1").limit("1.09").placed("o1"))
        .when(quote("EURUSD", "1.08980", "1.08999"))
        .then_nothing()
        .when(quote("EURUSD", "1.08980", "1.08998"))
        .then(&["OrderFilled", "PositionOpened"])
        .then_dealt_at("1.09000")
        .when(protect("o1", Change::Set("1.08"), Change::Set("1.1")))
        .when(quote("EURUSD", "1.10001", "1.10011"))
        .then_nothing()
        .when(quote("EURUSD", "1.10002", "1.10012"))
        .then(&["PositionClosed"])
        .then_dealt_at("1.10000");
}

#[test]
fn a_stop_already_through_the_market_of_its_group_is_rejected() {
    golden()
        .when(buy("EURUSD", "1").stop("1.10012").placed("o1"))
        .then_rejected("invalid_stops")
        .when(buy("EURUSD", "1").stop("1.10013").placed("o2"))
        .then(&["OrderPlaced"]);
}

#[test]
fn slippage_grows_with_the_volume_at_the_market_and_never_at_a_limit() {
    given([opened(), funded("1000000")])
        .when(Act::Terms("EURUSD", |terms| {
            terms.slippage = dec("1");
            terms.slippage_per_lot = dec("0.5");
        }))
        .when(quote("EURUSD", "1.10000", "1.10010"))
        .when(buy("EURUSD", "5").placed("o1"))
        // One point and two and a half, rounded away from zero.
        .then_dealt_at("1.10014")
        .and(|desk| assert_eq!(desk.receipt().slippage, dec("0.00004")))
        .when(sell("EURUSD", "10").placed("o2"))
        .then_dealt_at("1.09994")
        .when(buy("EURUSD", "5").limit("1.10010").placed("o3"))
        .then_dealt_at("1.10010")
        .when(close("o1", Some("2")))
        .then_dealt_at("1.09998");
}

#[test]
fn protection_is_beyond_the_quote_of_the_group() {
    golden()
        .when(buy("EURUSD", "1").stop_loss("1.09998").placed("o1"))
        .then_rejected("invalid_stops")
        .when(buy("EURUSD", "1").stop_loss("1.09997").placed("o2"))
        .then(&["OrderPlaced", "OrderFilled", "PositionOpened"]);
}
