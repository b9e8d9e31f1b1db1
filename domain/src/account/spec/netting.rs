//! Netting: one position per symbol, and what it cost, to the last digit.

use super::*;
use crate::{
    instrument::{Availability, Commission, CommissionBasis},
    rules::LimitFill,
};

const OPENED: [&str; 3] = ["OrderPlaced", "OrderFilled", "PositionOpened"];
const INCREASED: [&str; 3] = ["OrderPlaced", "OrderFilled", "PositionIncreased"];
const REDUCED: [&str; 3] = ["OrderPlaced", "PositionReduced", "OrderNetted"];
const CLOSED: [&str; 3] = ["OrderPlaced", "PositionClosed", "OrderNetted"];
const REVERSED: [&str; 4] = [
    "OrderPlaced",
    "PositionClosed",
    "OrderFilled",
    "PositionOpened",
];

fn long() -> Desk {
    given(netter()).when(buy("EURUSD", "1").placed("o1"))
}

#[test]
fn an_order_on_the_positions_side_increases_it() {
    long()
        .then(&OPENED)
        .when(quote("EURUSD", "1.10200", "1.10210"))
        .when(buy("EURUSD", "2").placed("o2"))
        .then(&INCREASED)
        .and(|desk| {
            let position = desk.only_position();
            assert_eq!(position.position_id, id("o1"), "the same position");
            assert_eq!(position.volume, dec("3"));
            // 1 · 1.10010 + 2 · 1.10210
            assert_eq!(position.cost, Some(dec("3.30430")));
            assert_eq!(desk.receipt().price, dec("1.10210"));
            assert_eq!(desk.figures().used_margin, dec("3304.30"));
            // (3 · 1.10200 − 3.30430) · 100,000
            assert_eq!(desk.figures().unrealised, Some(dec("170.00")));
        });
}

#[test]
fn an_increase_says_what_was_added_and_what_there_is() {
    long()
        .when(quote("EURUSD", "1.10200", "1.10210"))
        .when(buy("EURUSD", "0.5").placed("o2"))
        .and(|desk| {
            let [_, filled, increased] = &desk.decision.events[..] else {
                panic!("three facts");
            };
            let AccountEvent::OrderFilled {
                position_id,
                deal_id,
                volume,
                ..
            } = filled
            else {
                panic!("a fill");
            };
            assert_eq!((*position_id, *deal_id), (id("o1"), id("o2")));
            assert_eq!(*volume, dec("0.5"));
            let AccountEvent::PositionIncreased { increase, .. } = increased else {
                panic!("an increase");
            };
            assert_eq!(
                (increase.volume, increase.total_volume),
                (dec("0.5"), dec("1.5"))
            );
            assert_eq!((increase.order_id, increase.deal_id), (id("o2"), id("o2")));
            assert_eq!(increase.price, dec("1.10210"));
        });
}

#[test]
fn a_smaller_opposite_order_reduces_the_position_at_its_own_price() {
    long()
        .when(quote("EURUSD", "1.10510", "1.10520"))
        .when(sell("EURUSD", "0.4").placed("o2"))
        .then(&REDUCED)
        .then_dealt_at("1.10510")
        .then_balance("10200")
        .and(|desk| {
            let deal = desk.deal();
            assert_eq!((deal.order_id, deal.deal_id), (Some(id("o2")), id("o2")));
            assert_eq!((deal.side, deal.remaining), (Side::Sell, dec("0.6")));
            assert_eq!(desk.only_position().volume, dec("0.6"));
            assert_eq!(desk.account.orders, []);
        });
}

#[test]
fn an_equal_opposite_order_closes_the_position() {
    long()
        .when(quote("EURUSD", "1.10510", "1.10520"))
        .when(sell("EURUSD", "1.00").placed("o2"))
        .then(&CLOSED)
        .then_balance("10500")
        .and(|desk| assert_eq!(desk.account.positions, []));
}

#[test]
fn a_larger_opposite_order_closes_and_opens_with_the_rest() {
    long()
        .when(quote("EURUSD", "1.10510", "1.10520"))
        .when(sell("EURUSD", "1.5").stop_loss("1.12").placed("o2"))
        .then(&REVERSED)
        .then_balance("10500")
        .and(|desk| {
            let position = desk.only_position();
            assert_eq!((position.side, position.volume), (Side::Sell, dec("0.5")));
            assert_eq!(position.open_price, dec("1.10510"));
            assert_eq!(position.cost, None, "made of one deal");
            assert_eq!(position.stop_loss, Some(dec("1.12")));
            let deal = desk.deal();
            assert_eq!((deal.volume, deal.order_id), (dec("1"), Some(id("o2"))));
            assert_ne!(deal.deal_id, id("o2"), "two deals have two names");
            let AccountEvent::OrderFilled {
                deal_id, volume, ..
            } = &desk.decision.events[2]
            else {
                panic!("a fill");
            };
            assert_eq!((*deal_id, *volume), (id("o2"), dec("0.5")));
        });
}

#[test]
fn a_reversal_always_has_the_same_names() {
    let reversed = || {
        let desk = long().when(sell("EURUSD", "2").placed("o2"));
        desk.deal().deal_id
    };
    assert_eq!(reversed(), reversed());
}

#[test]
fn what_is_open_is_measured_from_its_exact_cost_and_not_from_an_average() {
    // A third of a pip cannot be written down: the average is for show.
    given(netter())
        .when(buy("EURUSD", "1").placed("o1"))
        .when(quote("EURUSD", "1.10000", "1.10020"))
        .when(buy("EURUSD", "2").placed("o2"))
        .and(|desk| {
            let position = desk.only_position();
            assert_eq!(position.cost, Some(dec("3.30050")));
            assert_eq!(
                position.open_price.to_string(),
                "1.1001666666666666666666666667"
            );
        })
        .when(quote("EURUSD", "1.10100", "1.10110"))
        // (3 · 1.10100 − 3.30050) · 100,000 = 250.00, by thirds.
        .when(sell("EURUSD", "1").placed("o3"))
        .then_balance("10083.33")
        .when(sell("EURUSD", "1").placed("o4"))
        .then_balance("10166.66")
        .when(close("o1", None))
        .then_balance("10249.99");
}

#[test]
fn after_a_partial_close_the_rest_keeps_its_share_of_the_cost() {
    given(netter())
        .when(buy("EURUSD", "1").placed("o1"))
        .when(quote("EURUSD", "1.10200", "1.10210"))
        .when(buy("EURUSD", "1").placed("o2"))
        .when(close("o1", Some("0.5")))
        .then(&["PositionReduced"])
        .and(|desk| {
            let position = desk.only_position();
            assert_eq!(position.cost, Some(dec("1.651650")));
            assert_eq!(position.open_price, dec("1.1011"));
            assert_eq!(desk.deal().realised, dec("45.00"));
        });
}

#[test]
fn a_short_position_increases_reduces_and_turns_like_a_long_one() {
    given(netter())
        .when(sell("EURUSD", "1").placed("o1"))
        .when(quote("EURUSD", "1.09900", "1.09910"))
        .when(sell("EURUSD", "1").placed("o2"))
        .then(&INCREASED)
        .and(|desk| assert_eq!(desk.only_position().cost, Some(dec("2.199"))))
        .when(buy("EURUSD", "0.5").placed("o3"))
        .then(&REDUCED)
        .then_dealt_at("1.09910")
        .and(|desk| assert_eq!(desk.deal().realised, dec("20.00")))
        .when(buy("EURUSD", "2").placed("o4"))
        .then(&REVERSED)
        .and(|desk| assert_eq!(desk.only_position().side, Side::Buy));
}

#[test]
fn each_symbol_has_its_own_position() {
    given(netter())
        .when(quote("GBPUSD", "1.30000", "1.30010"))
        .when(buy("EURUSD", "0.1").placed("o1"))
        .when(sell("GBPUSD", "0.1").placed("o2"))
        .then(&OPENED)
        .and(|desk| assert_eq!(desk.account.positions.len(), 2));
}

#[test]
fn an_orders_protection_replaces_the_positions_when_it_is_given() {
    given(netter())
        .when(
            buy("EURUSD", "1")
                .stop_loss("1.09")
                .take_profit("1.12")
                .placed("o1"),
        )
        .when(buy("EURUSD", "1").stop_loss("1.095").placed("o2"))
        .then(&INCREASED)
        .and(|desk| {
            let position = desk.only_position();
            assert_eq!(position.stop_loss, Some(dec("1.095")));
            assert_eq!(position.take_profit, Some(dec("1.12")), "kept");
        })
        .when(buy("EURUSD", "1").placed("o3"))
        .and(|desk| assert_eq!(desk.only_position().stop_loss, Some(dec("1.095"))))
        .when(buy("EURUSD", "1").trailing("0.002").placed("o4"))
        .and(|desk| {
            let position = desk.only_position();
            assert_eq!(position.stop_loss, Some(dec("1.098")), "the bid less 0.002");
            assert_eq!(position.trailing_distance, Some(dec("0.002")));
        });
}

#[test]
fn what_reduces_leaves_the_levels_alone() {
    given(netter())
        .when(buy("EURUSD", "1").stop_loss("1.09").placed("o1"))
        .when(sell("EURUSD", "0.5").stop_loss("1.12").placed("o2"))
        .then(&REDUCED)
        .and(|desk| assert_eq!(desk.only_position().stop_loss, Some(dec("1.09"))));
}

#[test]
fn only_the_increase_of_margin_has_to_be_covered() {
    // Nine lots use 9,900.90 of the ten thousand.
    let full = || given(netter()).when(buy("EURUSD", "9").placed("o1"));
    full()
        .when(buy("EURUSD", "1").placed("o2"))
        .then_rejected("insufficient_margin")
        .when(sell("EURUSD", "5").placed("o3"))
        .then(&REDUCED);
    // Turned round it needs no more than before.
    full()
        .when(sell("EURUSD", "18").placed("o2"))
        .then(&REVERSED)
        .and(|desk| assert_eq!(desk.figures().used_margin, dec("9900.00")));
    full()
        .when(sell("EURUSD", "18.1").placed("o2"))
        .then_facts(&["OrderRejected"])
        .then_rejected("insufficient_margin")
        .and(|desk| assert_eq!(desk.only_position().side, Side::Buy));
}

#[test]
fn commission_is_paid_by_every_deal_of_a_reversal() {
    given([
        netting(),
        funded("10000"),
        Act::Terms("EURUSD", |terms| {
            terms.commission = Commission {
                basis: CommissionBasis::PerLot,
                rate: dec("2"),
                minimum: dec("0"),
                currency: Some(Currency::USD),
            };
        }),
        quote("EURUSD", "1.10000", "1.10000"),
    ])
    .when(buy("EURUSD", "1").placed("o1"))
    .then_balance("9998")
    .when(buy("EURUSD", "1").placed("o2"))
    .then_balance("9996")
    .and(|desk| assert_eq!(desk.only_position().commission, dec("4")))
    .when(sell("EURUSD", "3").placed("o3"))
    .then(&REVERSED)
    // Two lots closed, one opened.
    .then_balance("9990")
    .and(|desk| assert_eq!(desk.only_position().commission, dec("2")));
}

#[test]
fn a_reversal_of_a_loss_settles_the_loss_before_the_commission() {
    let bonus = given([
        ask(AccountCommand::Open {
            client_id: ClientId::default(),
            number: 1,
            kind: AccountKind::Live,
            mode: PositionMode::Netting,
            currency: Currency::USD,
            leverage: 100,
        }),
        adjusted(Bucket::Real, "2000"),
        adjusted(Bucket::Bonus, "1000"),
        Act::Terms("EURUSD", |terms| {
            terms.commission = Commission {
                basis: CommissionBasis::PerLot,
                rate: dec("5"),
                minimum: dec("0"),
                currency: Some(Currency::USD),
            };
        }),
        quote("EURUSD", "1.10000", "1.10000"),
    ]);
    bonus
        .when(buy("EURUSD", "1").placed("o1"))
        .when(quote("EURUSD", "1.08000", "1.08000"))
        .when(sell("EURUSD", "1.1").placed("o2"))
        .then(&REVERSED)
        .and(|desk| {
            // 1,995 real: 2,005 of loss and commission take it all and 10 of the bonus, the
            // commission of the new position another 0.50 of the bonus.
            assert_eq!(desk.account.funds.real, dec("0"));
            assert_eq!(desk.account.funds.bonus, dec("989.50"));
        });
}

#[test]
fn the_lots_of_a_symbol_never_change_their_size_under_a_position() {
    long()
        .when(Act::Terms("EURUSD", |terms| {
            terms.contract_size = dec("10000")
        }))
        .when(buy("EURUSD", "1").placed("o2"))
        .then_rejected("wrong_mode")
        .when(sell("EURUSD", "1").placed("o3"))
        .then(&CLOSED);
}

#[test]
fn what_only_lessens_is_dealt_where_nothing_may_be_opened() {
    for (change, code) in [
        (
            (|terms| terms.availability = Availability::CloseOnly) as fn(&mut Instrument),
            "close_only",
        ),
        (
            |terms| terms.availability = Availability::Disabled,
            "instrument_disabled",
        ),
    ] {
        long()
            .when(Act::Terms("EURUSD", change))
            .when(buy("EURUSD", "0.1").placed("o2"))
            .then_rejected(code)
            .when(sell("EURUSD", "1.1").placed("o3"))
            .then_rejected(code)
            .when(sell("EURUSD", "0.4").placed("o4"))
            .then(&REDUCED)
            .when(sell("EURUSD", "0.6").placed("o5"))
            .then(&CLOSED);
    }
}

#[test]
fn a_position_of_many_orders_may_be_closed_whole_by_one() {
    let mut desk = given([netting(), funded("1000000")])
        .when(quote("EURUSD", "1.10000", "1.10010"))
        .when(Act::Terms("EURUSD", |terms| terms.max_volume = dec("10")));
    for order in ["o1", "o2"] {
        desk = desk.when(buy("EURUSD", "10").placed(order));
    }
    desk.when(sell("EURUSD", "20").placed("o3")).then(&CLOSED);
}

#[test]
fn a_position_is_dealt_at_the_limit_that_its_order_names() {
    let mut desk = long();
    desk.rules.limit_fill = LimitFill::AtLimit;
    desk.when(sell("EURUSD", "0.5").limit("1.11").placed("o2"))
        .then(&["OrderPlaced"])
        .when(quote("EURUSD", "1.11500", "1.11510"))
        .then(&["PositionReduced", "OrderNetted"])
        .then_dealt_at("1.11000");
}
