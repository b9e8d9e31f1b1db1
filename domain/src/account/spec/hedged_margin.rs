//! Opposite lots of a symbol cover one another.

use proptest::prelude::*;

use super::{
    house::{change_leverage, evaluate},
    *,
};
use crate::{
    account::event::MarginBasis,
    margin::{Adding, increase, position_margin, used_margin},
};

/// Dollars, 1:500, margin rates 2 for buying and 4 for selling.
fn hedger(hedged: fn(&mut Instrument)) -> Desk {
    given([
        opened_as(AccountKind::Demo, "USD", 500),
        funded("10000"),
        quote("EURUSD", "1.11943", "1.11953"),
        Act::Terms("EURUSD", |terms| {
            terms.margin_rate = dec("2");
            terms.margin_rate_sell = Some(dec("4"));
        }),
        Act::Terms("EURUSD", hedged),
    ])
}

fn whole(terms: &mut Instrument) {
    terms.hedged_contract_size = terms.contract_size;
}

#[test]
fn margin_of_one_lot_is_notional_times_rate_over_leverage() {
    given([
        opened(),
        funded("10000"),
        quote("EURUSD", "1.27890", "1.27900"),
        Act::Terms("EURUSD", |terms| terms.margin_rate = dec("1.15")),
    ])
    .when(buy("EURUSD", "1").placed("o1"))
    .and(|desk| assert_eq!(desk.used_margin(), dec("1470.85")));
}

#[test]
fn three_sold_and_two_bought_need_the_margin_that_the_platform_shows() {
    hedger(whole)
        .when(sell("EURUSD", "3").placed("o1"))
        .and(|desk| assert_eq!(desk.used_margin(), dec("2686.63")))
        .when(buy("EURUSD", "2").placed("o2"))
        .and(|desk| assert_eq!(desk.used_margin(), dec("2238.90"), "895.54 + 1,343.36"));
}

#[test]
fn covered_lots_need_no_margin_where_the_hedged_size_is_zero() {
    hedger(|_| ())
        .when(sell("EURUSD", "3").placed("o1"))
        .when(buy("EURUSD", "2").placed("o2"))
        .and(|desk| assert_eq!(desk.used_margin(), dec("895.54")))
        .when(buy("EURUSD", "1").placed("o3"))
        .and(|desk| {
            assert_eq!(desk.used_margin(), dec("0"));
            assert_eq!(desk.figures().margin_level, None);
        });
}

#[test]
fn half_the_contract_size_needs_half_the_margin() {
    hedger(|terms| terms.hedged_contract_size = dec("50000"))
        .when(sell("EURUSD", "3").placed("o1"))
        .when(buy("EURUSD", "2").placed("o2"))
        .and(|desk| assert_eq!(desk.used_margin(), dec("1567.22"), "895.54 + 671.68"));
}

#[test]
fn who_has_no_free_margin_may_still_cover_what_is_open() {
    given(trader())
        .when(buy("EURUSD", "9").placed("o1"))
        .when(buy("EURUSD", "1").placed("o2"))
        .then_rejected("insufficient_margin")
        .when(sell("EURUSD", "9").placed("o3"))
        .then(&["OrderPlaced", "OrderFilled", "PositionOpened"])
        .and(|desk| assert_eq!(desk.used_margin(), dec("0")));
}

#[test]
fn lots_beyond_those_that_cover_need_their_margin() {
    given(trader())
        .when(buy("EURUSD", "5").placed("o1"))
        .when(sell("EURUSD", "20").placed("o2"))
        .then_rejected("insufficient_margin")
        .and(|desk| {
            // 15 lots uncovered at 1.10000, less the 5,500.50 in use.
            let refusal = desk.decision.refusal.as_ref().unwrap().to_string();
            assert!(refusal.contains("10999.50 USD"), "{refusal}");
        });
}

#[test]
fn closing_a_covering_leg_needs_more_margin_and_is_never_refused() {
    given(trader())
        .when(buy("EURUSD", "9").placed("o1"))
        .when(sell("EURUSD", "9").placed("o2"))
        .when(quote("EURUSD", "1.09000", "1.09010"))
        .when(close("o2", None))
        .then(&["PositionClosed"])
        .and(|desk| {
            assert_eq!(desk.used_margin(), dec("9900.90"));
            assert!(desk.figures().free_margin.unwrap() < dec("0"));
        });
}

#[test]
fn opposite_positions_of_different_symbols_cover_nothing() {
    given(trader())
        .when(quote("GBPUSD", "1.30000", "1.30010"))
        .when(buy("EURUSD", "1").placed("o1"))
        .when(sell("GBPUSD", "1").placed("o2"))
        .and(|desk| assert_eq!(desk.used_margin(), dec("2400.10")));
}

#[test]
fn covered_lots_have_the_lower_leverage_of_both_legs() {
    hedger(whole)
        .when(sell("EURUSD", "1").placed("o1"))
        .when(Act::Terms("EURUSD", |terms| terms.max_leverage = 100))
        .when(buy("EURUSD", "1").placed("o2"))
        .and(|desk| {
            // 1 lot · 111,948 · mean rate 3 / 100
            assert_eq!(desk.used_margin(), dec("3358.44"));
        });
}

#[test]
fn other_leverage_re_margins_both_legs() {
    hedger(whole)
        .when(sell("EURUSD", "3").placed("o1"))
        .when(buy("EURUSD", "2").placed("o2"))
        .when(change_leverage(250))
        .and(|desk| assert_eq!(desk.used_margin(), dec("4477.82"), "1,791.09 + 2,686.73"))
        .when(evaluate())
        .then_nothing();
}

fn lots(number: u128, side: Side, hundredths: u32, points: i64, hedged: bool) -> Position {
    let mut desk = given(trader()).when(buy("EURUSD", "1").placed("o1"));
    let mut position = desk.account.positions.remove(0);
    position.position_id = Uuid::from_u128(number).into();
    position.side = side;
    position.volume = Decimal::new(hundredths.into(), 2);
    position.margin = MarginBasis {
        notional_per_lot: Decimal::new(110_000_000 + points, 3),
        margin_rate: if side == Side::Buy {
            dec("1")
        } else {
            dec("1.5")
        },
        max_leverage: 500,
        hedged_contract_size: if hedged {
            position.contract_size
        } else {
            dec("0")
        },
    };
    position
}

fn legs() -> impl Strategy<Value = Vec<Position>> {
    let lot = (
        any::<bool>(),
        1_u32..900,
        -2_000_000_i64..2_000_000,
        any::<bool>(),
    );
    proptest::collection::vec(lot, 1..12).prop_map(|lots_of| {
        let numbered = lots_of.into_iter().enumerate();
        let made = numbered.map(|(number, (buys, hundredths, points, hedged))| {
            let side = if buys { Side::Buy } else { Side::Sell };
            lots(number as u128, side, hundredths, points, hedged)
        });
        made.collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn covering_never_needs_more_than_the_positions_by_themselves(
        positions in legs(), leverage in 1_u32..600,
    ) {
        let currency = Currency::USD;
        let together = used_margin(&positions, leverage, currency);
        let alone: Decimal = positions
            .iter()
            .map(|position| position_margin(position, leverage, currency))
            .sum();
        // Each is rounded by itself: half a cent each at most.
        let rounding = Decimal::new(5, 3) * Decimal::from(positions.len() + 2);
        prop_assert!(together <= alone + rounding, "{together} > {alone}");
        let one_way = positions.iter().all(|position| position.side == positions[0].side);
        prop_assert!(!one_way || together == alone);
    }

    #[test]
    fn margin_in_use_does_not_depend_on_the_order_of_positions(
        positions in legs(), seed: u64,
    ) {
        let mut shuffled = positions.clone();
        let turn = usize::try_from(seed % shuffled.len() as u64).unwrap();
        shuffled.rotate_left(turn);
        shuffled.reverse();
        let of = |positions: &[Position]| used_margin(positions, 300, Currency::USD);
        prop_assert_eq!(of(&positions), of(&shuffled));
    }

    #[test]
    fn the_increase_is_what_margin_in_use_grows_by(positions in legs()) {
        let (added, before) = positions.split_last().unwrap();
        let adding = Adding {
            symbol: added.symbol,
            side: added.side,
            volume: added.volume,
            contract_size: added.contract_size,
            basis: &added.margin,
        };
        let grows = increase(before, &adding, 100, Currency::USD).unwrap();
        let of = |positions: &[Position]| used_margin(positions, 100, Currency::USD);
        prop_assert_eq!(grows, of(&positions) - of(before));
    }
}

#[test]
fn a_margin_that_does_not_fit_is_the_largest_number_and_no_panic() {
    let mut huge = lots(1, Side::Buy, 100, 0, true);
    huge.margin.notional_per_lot = Decimal::MAX;
    huge.volume = dec("1000");
    let other = lots(2, Side::Sell, 100, 0, true);
    assert_eq!(used_margin(&[huge, other], 1, Currency::USD), Decimal::MAX);
}
