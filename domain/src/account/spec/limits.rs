//! Limits, each with the refusal that names it.

use super::*;
use crate::instrument::LeverageTier;

const FILLED: [&str; 3] = ["OrderPlaced", "OrderFilled", "PositionOpened"];

pub(super) fn limited(change: fn(&mut Limits)) -> Desk {
    let mut desk = given(trader());
    let mut controls = Controls::default();
    change(&mut controls.limits);
    desk.account.evolve(&AccountEvent::ControlsChanged {
        controls: Box::new(controls),
        reason: None,
        by: "staff".to_owned(),
        at: desk.at,
    });
    desk
}

pub(super) fn blocked_until(desk: &mut Desk, until: &str) {
    for event in [
        AccountEvent::TradingDayStarted {
            day: "2026-07-14".parse().unwrap(),
            equity: dec("10000"),
            at: desk.at,
        },
        AccountEvent::DailyLossLimitReached {
            limit: dec("500"),
            loss: dec("500"),
            until: time(until),
            at: desk.at,
        },
    ] {
        desk.account.evolve(&event);
    }
}

#[test]
fn an_order_has_at_most_so_many_lots() {
    limited(|limits| limits.max_volume = Some(dec("0.5")))
        .when(buy("EURUSD", "0.51").placed("o1"))
        .then_rejected("volume_out_of_range")
        .then_rejection(&AccountRejection::VolumeOutOfRange {
            volume: dec("0.51"),
            min: dec("0.01"),
            max: dec("0.5"),
        })
        .when(buy("EURUSD", "0.51").limit("1.09").placed("o2"))
        .then_rejected("volume_out_of_range")
        .when(buy("EURUSD", "0.5").limit("1.09").placed("o3"))
        .then(&["OrderPlaced"])
        .when(modify("o3", |to| to.volume = Some(dec("0.6"))))
        .then_refused("volume_out_of_range");
}

#[test]
fn a_limit_that_came_later_meets_the_order_at_its_trigger() {
    given(trader())
        .when(buy("EURUSD", "1").limit("1.09").placed("o1"))
        .when(Act::Controls(|controls| {
            controls.limits.max_volume = Some(dec("0.5"))
        }))
        .when(quote("EURUSD", "1.08990", "1.09000"))
        .then_rejected("volume_out_of_range");
}

#[test]
fn the_lots_of_a_position_may_always_be_taken_off_it() {
    given(netter())
        .when(buy("EURUSD", "1").placed("o1"))
        .when(Act::Controls(|controls| {
            controls.limits.max_volume = Some(dec("0.1"))
        }))
        .when(sell("EURUSD", "1.2").placed("o2"))
        .then_rejected("volume_out_of_range")
        .when(sell("EURUSD", "0.005").placed("o3"))
        .then_rejected("volume_out_of_range")
        .when(sell("EURUSD", "0.015").placed("o4"))
        .then_rejected("volume_step")
        .when(sell("EURUSD", "1").placed("o5"))
        .then(&["OrderPlaced", "PositionClosed", "OrderNetted"]);
}

#[test]
fn an_account_has_its_own_number_of_orders_and_of_positions() {
    limited(|limits| {
        limits.max_open_orders = Some(1);
        limits.max_positions = Some(1);
    })
    .when(buy("EURUSD", "0.01").limit("1.09").placed("o1"))
    .then(&["OrderPlaced"])
    .when(buy("EURUSD", "0.01").limit("1.08").placed("o2"))
    .then_rejected("too_many_orders")
    .when(buy("EURUSD", "0.01").placed("o3"))
    .then(&FILLED)
    .when(buy("EURUSD", "0.01").placed("o4"))
    .then_rejected("max_position")
    .when(quote("EURUSD", "1.0899", "1.09"))
    .then_rejected("max_position");
    // The house's own numbers hold all the same.
    limited(|limits| {
        limits.max_open_orders = Some(10);
        limits.max_positions = Some(10);
    })
    .when(Act::Rules(|rules| {
        rules.orders_max = 0;
        rules.positions_max = 0;
    }))
    .when(buy("EURUSD", "0.01").limit("1.09").placed("o1"))
    .then_rejected("too_many_orders")
    .when(buy("EURUSD", "0.01").placed("o2"))
    .then_rejected("max_position");
}

#[test]
fn a_netting_account_increases_and_turns_its_one_position() {
    given(netter())
        .when(Act::Controls(|controls| {
            controls.limits.max_positions = Some(1)
        }))
        .when(quote("GBPUSD", "1.30000", "1.30010"))
        .when(buy("EURUSD", "0.1").placed("o1"))
        .when(buy("EURUSD", "0.1").placed("o2"))
        .then(&["OrderPlaced", "OrderFilled", "PositionIncreased"])
        .when(sell("EURUSD", "0.3").placed("o3"))
        .then(&[
            "OrderPlaced",
            "PositionClosed",
            "OrderFilled",
            "PositionOpened",
        ])
        .when(buy("GBPUSD", "0.1").placed("o4"))
        .then_rejected("max_position");
}

#[test]
fn an_instrument_takes_so_many_lots_in_one_direction() {
    let capped = Act::Terms("EURUSD", |terms| terms.max_exposure = Some(dec("1.5")));
    given(trader())
        .when(capped)
        .when(buy("EURUSD", "1").placed("o1"))
        .when(buy("EURUSD", "0.51").placed("o2"))
        .then_rejected("max_position")
        .then_rejection(&AccountRejection::MaxExposure {
            volume: dec("1.51"),
            max: dec("1.5"),
        })
        .when(sell("EURUSD", "1.5").placed("o3"))
        .then(&FILLED)
        .when(buy("EURUSD", "0.5").placed("o4"))
        .then(&FILLED);
    let capped = Act::Terms("EURUSD", |terms| terms.max_exposure = Some(dec("1.5")));
    given(netter())
        .when(capped)
        .when(buy("EURUSD", "1").placed("o1"))
        .when(buy("EURUSD", "0.51").placed("o2"))
        .then_rejected("max_position")
        .when(sell("EURUSD", "2.51").placed("o3"))
        .then_rejected("max_position")
        .when(sell("EURUSD", "2.5").placed("o4"))
        .then(&[
            "OrderPlaced",
            "PositionClosed",
            "OrderFilled",
            "PositionOpened",
        ]);
}

#[test]
fn an_account_holds_so_much_notional_over_all_symbols() {
    let usd = |amount| crate::Money::rounded(dec(amount), Currency::USD);
    limited(|limits| limits.max_notional = Some(dec("200000")))
        .when(quote("GBPUSD", "1.30000", "1.30000"))
        .when(buy("EURUSD", "1").placed("o1"))
        .when(sell("GBPUSD", "0.7").placed("o2"))
        .then_rejected("max_position")
        .then_rejection(&AccountRejection::MaxNotional {
            notional: usd("201010"),
            max: usd("200000"),
        })
        .when(sell("GBPUSD", "0.69").placed("o3"))
        .then(&FILLED);
    given(netter())
        .when(Act::Controls(|controls| {
            controls.limits.max_notional = Some(dec("200000"));
        }))
        .when(buy("EURUSD", "1.5").placed("o1"))
        .when(buy("EURUSD", "0.5").placed("o2"))
        .then_rejected("max_position")
        .when(sell("EURUSD", "3").placed("o3"))
        .then(&[
            "OrderPlaced",
            "PositionClosed",
            "OrderFilled",
            "PositionOpened",
        ]);
}

#[test]
fn leverage_shrinks_with_the_tier_that_the_notional_reaches() {
    let tiered = Act::Terms("EURUSD", |terms| {
        let tier = |from: &str, max_leverage| LeverageTier {
            from_notional: dec(from),
            max_leverage,
        };
        terms.leverage_tiers = vec![tier("0", 100), tier("150000", 50), tier("300000", 20)];
    });
    given([opened(), funded("100000"), tiered])
        .when(quote("EURUSD", "1.10000", "1.10000"))
        .when(buy("EURUSD", "1").placed("o1"))
        .and(|desk| assert_eq!(desk.figures().used_margin, dec("1100.00")))
        // 220,000 with it: the deal has 1:50, what was dealt before keeps its own.
        .when(buy("EURUSD", "1").placed("o2"))
        .and(|desk| {
            assert_eq!(desk.account.positions[0].margin.max_leverage, 100);
            assert_eq!(desk.account.positions[1].margin.max_leverage, 50);
            assert_eq!(desk.figures().used_margin, dec("3300.00"));
        })
        .when(buy("EURUSD", "1").placed("o3"))
        .and(|desk| assert_eq!(desk.account.positions[2].margin.max_leverage, 20));
}

#[test]
fn a_netted_position_has_the_leverage_of_all_of_it() {
    let tiered = Act::Terms("EURUSD", |terms| {
        terms.leverage_tiers = vec![LeverageTier {
            from_notional: dec("150000"),
            max_leverage: 50,
        }];
    });
    given([netting(), funded("100000"), tiered])
        .when(quote("EURUSD", "1.10000", "1.10000"))
        .when(buy("EURUSD", "1").placed("o1"))
        .when(buy("EURUSD", "1").placed("o2"))
        .and(|desk| assert_eq!(desk.figures().used_margin, dec("4400.00")))
        // Turned round, the closed lots do not count.
        .when(sell("EURUSD", "3").placed("o3"))
        .and(|desk| assert_eq!(desk.figures().used_margin, dec("1100.00")));
}

#[test]
fn an_account_may_have_less_leverage_than_it_was_opened_with() {
    limited(|limits| limits.max_leverage = Some(20))
        .when(buy("EURUSD", "1").placed("o1"))
        .and(|desk| assert_eq!(desk.figures().used_margin, dec("5500.50")))
        .when(buy("EURUSD", "1").placed("o2"))
        .then_rejected("insufficient_margin");
    limited(|limits| limits.max_leverage = Some(500))
        .when(buy("EURUSD", "1").placed("o1"))
        .and(|desk| assert_eq!(desk.figures().used_margin, dec("1100.10")));
}

#[test]
fn the_first_limit_that_is_broken_is_reported() {
    let until = "2026-07-14T21:00:00Z";
    let mut desk = limited(|limits| {
        limits.max_volume = Some(dec("0.1"));
        limits.orders_per_minute = Some(0);
        limits.max_open_orders = Some(0);
        limits.max_positions = Some(0);
        limits.max_notional = Some(dec("1"));
    })
    .when(Act::Terms("EURUSD", |terms| {
        terms.max_exposure = Some(dec("0.01"))
    }));
    blocked_until(&mut desk, until);
    // A market order and one that rests, in the order in which rules are reported.
    let market = || buy("EURUSD", "60").stop_loss("2");
    let lots = |desk: Desk| {
        desk.when(market().placed("o"))
            .then_rejected("volume_out_of_range")
            .when(Act::Controls(|controls| controls.limits.max_volume = None))
    };
    lots(desk)
        .when(market().placed("o"))
        .then_rejected("invalid_stops")
        .when(buy("EURUSD", "60").placed("o"))
        .then_refused("order_rate")
        .when(Act::Controls(|controls| {
            controls.limits.orders_per_minute = None
        }))
        .when(buy("EURUSD", "60").limit("1.09").placed("o"))
        .then_rejected("too_many_orders")
        .when(buy("EURUSD", "60").placed("o"))
        .then_rejected("daily_loss_limit")
        .when(Act::At(until))
        .when(quote("EURUSD", "1.10000", "1.10010"))
        .when(buy("EURUSD", "60").placed("o"))
        .then_rejection(&AccountRejection::MaxPosition(0))
        .when(Act::Controls(|controls| {
            controls.limits.max_positions = None
        }))
        .when(buy("EURUSD", "60").placed("o"))
        .and(|desk| {
            let refusal = desk.decision.refusal.as_ref();
            assert!(matches!(
                refusal,
                Some(AccountRejection::MaxExposure { .. })
            ));
        })
        .when(Act::Terms("EURUSD", |terms| terms.max_exposure = None))
        .when(buy("EURUSD", "60").placed("o"))
        .and(|desk| {
            let refusal = desk.decision.refusal.as_ref();
            assert!(matches!(
                refusal,
                Some(AccountRejection::MaxNotional { .. })
            ));
        })
        .when(Act::Controls(|controls| {
            controls.limits.max_notional = None
        }))
        .when(buy("EURUSD", "60").placed("o"))
        .then_rejected("insufficient_margin");
}
