//! The stop-out, step by step.

use super::{house::evaluate, *};
use crate::{
    account::event::{CloseReason, StopOutAction},
    rules::{StopOutRule, TradingState},
};

fn steps(desk: &Desk) -> Vec<(StopOutAction, Option<Decimal>, Option<Decimal>)> {
    let events = desk.decision.events.iter();
    let steps = events.filter_map(|event| {
        let AccountEvent::StopOutStep {
            action,
            level_before,
            level_after,
            ..
        } = event
        else {
            return None;
        };
        Some((*action, *level_before, *level_after))
    });
    steps.collect()
}

fn closed(name: &str) -> StopOutAction {
    StopOutAction::Close {
        position_id: id(name),
    }
}

/// Three positions without a spread: 1 lot of EURUSD that loses 1,000, 2 lots of GBPUSD that lose
/// 600, and 0.5 lots of AUDUSD that win 100. Margin 1,100 + 2,600 + 350.
fn three(rule: fn(&mut Rules)) -> Desk {
    given([
        opened(),
        funded("5000"),
        Act::Rules(|rules| rules.margin_call_level = None),
        Act::Rules(rule),
        quote("EURUSD", "1.10000", "1.10000"),
        quote("GBPUSD", "1.30000", "1.30000"),
        quote("AUDUSD", "0.70000", "0.70000"),
    ])
    .when(buy("EURUSD", "1").placed("eur"))
    .when(buy("GBPUSD", "2").placed("gbp"))
    .when(buy("AUDUSD", "0.5").placed("aud"))
    .when(quote("EURUSD", "1.09000", "1.09000"))
    .when(quote("GBPUSD", "1.29700", "1.29700"))
    .when(quote("AUDUSD", "0.70200", "0.70200"))
}

#[test]
fn nothing_happens_above_the_level_and_it_starts_at_it() {
    // Equity 3,500; margin 4,050.
    three(|rules| rules.stop_out_level = dec("86.41"))
        .when(evaluate())
        .then_nothing()
        .when(Act::Rules(|rules| rules.stop_out_level = dec("86.42")))
        .when(evaluate())
        .then(&[
            "StopOutStarted",
            "PositionClosed",
            "StopOutStep",
            "StopOutFinished",
        ]);
}

#[test]
fn mt5_closes_the_largest_loss_first() {
    three(|rules| rules.stop_out_level = dec("90"))
        .when(evaluate())
        .and(|desk| {
            // Equity stays 3,500, margin falls to 2,950.
            let expected = (closed("eur"), Some(dec("86.42")), Some(dec("118.64")));
            assert_eq!(steps(desk), [expected]);
            assert_eq!(desk.deal().reason, CloseReason::StopOut);
            assert_eq!(desk.deal().realised, dec("-1000"));
            let AccountEvent::StopOutStarted {
                rule,
                level,
                usable,
                used_margin,
                ..
            } = &desk.decision.events[0]
            else {
                panic!("not started");
            };
            assert_eq!((*rule, *level), (StopOutRule::Mt5, Some(dec("86.42"))));
            assert_eq!((*usable, *used_margin), (dec("3500"), dec("4050")));
            let Some(AccountEvent::StopOutFinished { level, .. }) = desk.decision.events.last()
            else {
                panic!("not finished");
            };
            assert_eq!(*level, Some(dec("118.64")));
        })
        .when(evaluate())
        .then_nothing();
}

#[test]
fn mt5_goes_on_to_the_smallest_profit_when_none_loses() {
    three(|rules| rules.stop_out_level = dec("2000"))
        .when(evaluate())
        .and(|desk| {
            let actions: Vec<_> = steps(desk).into_iter().map(|step| step.0).collect();
            assert_eq!(actions, [closed("eur"), closed("gbp"), closed("aud")]);
            assert_eq!(desk.account.positions, []);
        })
        .then_balance("3500");
}

#[test]
fn fair_closes_the_largest_margin_first() {
    three(|rules| {
        rules.stop_out = StopOutRule::Fair;
        rules.stop_out_level = dec("90");
    })
    .when(evaluate())
    .and(|desk| {
        let expected = (closed("gbp"), Some(dec("86.42")), Some(dec("241.38")));
        assert_eq!(steps(desk), [expected]);
    });
}

#[test]
fn off_closes_nothing() {
    three(|rules| {
        rules.stop_out = StopOutRule::Off;
        rules.stop_out_level = dec("1000");
    })
    .when(evaluate())
    .then_nothing();
}

/// 200,000 and 50,000 USDJPY at 1:500: a margin of 400 and of 100 dollars.
fn yen(equity: &'static str) -> Desk {
    given([
        opened_as(AccountKind::Demo, "USD", 500),
        funded("1000"),
        Act::Rules(|rules| {
            rules.stop_out = StopOutRule::Smart;
            rules.margin_call_level = None;
        }),
        quote("USDJPY", "150.000", "150.000"),
    ])
    .when(buy("USDJPY", "2").placed("big"))
    .when(buy("USDJPY", "0.5").placed("small"))
    .when(adjusted(Bucket::Demo, equity))
}

fn reduced(name: &str, volume: &str) -> StopOutAction {
    StopOutAction::Reduce {
        position_id: id(name),
        volume: dec(volume),
    }
}

#[test]
fn smart_closes_as_little_as_brings_the_level_strictly_above() {
    yen("-751")
        .and(|desk| assert_eq!(desk.figures().margin_level, Some(dec("49.80"))))
        .when(evaluate())
        .then(&[
            "StopOutStarted",
            "PositionReduced",
            "StopOutStep",
            "StopOutFinished",
        ])
        .and(|desk| {
            // 1,000 units would leave exactly 50 %.
            let expected = (
                reduced("big", "0.02"),
                Some(dec("49.80")),
                Some(dec("50.20")),
            );
            assert_eq!(steps(desk), [expected]);
            assert_eq!(desk.used_margin(), dec("496"));
        })
        .when(evaluate())
        .then_nothing();
}

#[test]
fn smart_counts_the_commission_of_its_own_deal() {
    // Each lot costs 100 dollars: 0.01 lots free 1 dollar of threshold and cost 1 dollar.
    yen("-751")
        .when(Act::Terms("USDJPY", |terms| {
            terms.commission.basis = instrument::CommissionBasis::PerLot;
            terms.commission.rate = dec("50");
        }))
        .when(evaluate())
        .and(|desk| {
            // 249 − 0.5 k > (500 − 2 k) / 2 from k = 3 on: 0.5 k > 1.
            assert_eq!(steps(desk)[0].0, reduced("big", "0.03"));
        });
}

#[test]
fn smart_closes_whole_what_would_be_less_than_the_least_volume() {
    // Down to 1 of 500: nearly everything has to go.
    yen("-999")
        .when(Act::Terms("USDJPY", |terms| terms.min_volume = dec("0.3")))
        .when(evaluate())
        .and(|desk| {
            let actions: Vec<_> = steps(desk).into_iter().map(|step| step.0).collect();
            assert_eq!(actions, [closed("big"), closed("small")]);
        })
        .then_balance("1");
}

#[test]
fn smart_reduces_the_one_that_frees_margin_and_not_the_one_that_covers() {
    given([
        opened_as(AccountKind::Demo, "USD", 500),
        funded("10000"),
        Act::Rules(|rules| {
            rules.stop_out = StopOutRule::Smart;
            rules.margin_call_level = None;
        }),
        quote("USDJPY", "150.000", "150.000"),
    ])
    .when(buy("USDJPY", "3").placed("a"))
    .when(buy("USDJPY", "2").placed("b"))
    // The largest by itself, and it covers: closing it would need more margin than there is.
    .when(sell("USDJPY", "4").placed("c"))
    .when(adjusted(Bucket::Demo, "-9901"))
    .and(|desk| assert_eq!(desk.used_margin(), dec("200")))
    .when(evaluate())
    .and(|desk| {
        // 99 > (200 − 2 k) / 2 from k = 2 on.
        assert_eq!(
            steps(desk),
            [(reduced("b", "0.02"), Some(dec("49.50")), Some(dec("50.51")))]
        );
    });
}

#[test]
fn closing_a_leg_that_raises_margin_ends_all_the_same() {
    for rule in [StopOutRule::Mt5, StopOutRule::Fair, StopOutRule::Smart] {
        let mut desk = given([
            opened_as(AccountKind::Demo, "USD", 100),
            funded("20000"),
            quote("EURUSD", "1.10000", "1.10000"),
        ])
        .when(buy("EURUSD", "5").placed("a"))
        .when(sell("EURUSD", "4").placed("b"))
        .when(sell("EURUSD", "4").placed("c"))
        .when(buy("EURUSD", "1").placed("d"))
        .when(adjusted(Bucket::Demo, "-18950"));
        desk.rules.stop_out = rule;
        desk.when(evaluate()).and(|desk| {
            assert!(!steps(desk).is_empty());
            let last = steps(desk).last().unwrap().2;
            assert!(
                last.is_none_or(|level| level > dec("50")),
                "{rule:?}: {last:?}"
            );
        });
    }
}

#[test]
fn what_is_fully_hedged_is_stopped_out_when_nothing_usable_is_left() {
    let hedged = |funds: &'static str| {
        given([
            opened(),
            funded("10000"),
            quote("EURUSD", "1.10000", "1.10010"),
        ])
        .when(buy("EURUSD", "5").placed("a"))
        .when(sell("EURUSD", "5").placed("b"))
        .when(adjusted(Bucket::Demo, funds))
        .when(evaluate())
    };
    // The spread costs 100.
    hedged("-9899.99").then_nothing();
    hedged("-9900").and(|desk| {
        let AccountEvent::StopOutStarted { level, usable, .. } = &desk.decision.events[0] else {
            panic!("not started");
        };
        assert_eq!((*level, *usable), (None, dec("0")));
        assert_eq!(desk.account.positions, []);
    });
}

#[test]
fn a_market_that_is_closed_or_stale_is_skipped() {
    three(|rules| rules.stop_out_level = dec("1000"))
        .when(Act::At("2026-07-14T12:00:10.001Z"))
        .when(evaluate())
        .then_nothing()
        .when(quote("GBPUSD", "1.29700", "1.29700"))
        .when(evaluate())
        .and(|desk| {
            let actions: Vec<_> = steps(desk).into_iter().map(|step| step.0).collect();
            assert_eq!(actions, [closed("gbp")]);
        })
        .when(evaluate())
        .then_nothing()
        .when(Act::At("2026-07-18T12:00:00Z"))
        .when(quote("EURUSD", "1.09000", "1.09000"))
        .when(evaluate())
        .then_nothing();
}

#[test]
fn no_state_of_trading_stops_it() {
    for state in [TradingState::Reducing, TradingState::Halted] {
        let mut desk = three(|rules| rules.stop_out_level = dec("90"));
        desk.rules.trading_state = state;
        desk.when(evaluate())
            .and(|desk| assert_eq!(steps(desk).len(), 1));
    }
}

#[test]
fn every_deal_has_its_own_name_and_the_same_decision_the_same_names() {
    let names = || {
        let desk = three(|rules| rules.stop_out_level = dec("2000")).when(evaluate());
        let deals = desk.decision.events.iter().filter_map(closing_deal);
        deals.map(|deal| deal.deal_id).collect::<Vec<_>>()
    };
    let mut found = names();
    assert_eq!(found, names());
    found.sort_unstable();
    found.dedup();
    assert_eq!(found.len(), 3);
}

#[test]
fn a_margin_call_comes_before_it_and_ends_with_it() {
    given(trader())
        .when(buy("EURUSD", "9").placed("a"))
        .when(quote("EURUSD", "1.09400", "1.09410"))
        .when(evaluate())
        .then(&[
            "MarginCallRaised",
            "StopOutStarted",
            "PositionClosed",
            "StopOutStep",
            "StopOutFinished",
            "MarginCallCleared",
        ]);
}

#[test]
fn five_hundred_positions_are_stopped_out_in_one_decision() {
    for rule in [StopOutRule::Mt5, StopOutRule::Fair, StopOutRule::Smart] {
        let mut desk = given([opened_as(AccountKind::Demo, "USD", 500), funded("100000")])
            .when(quote("EURUSD", "1.10000", "1.10000"))
            .when(buy("EURUSD", "0.1").placed("p"));
        let first = desk.account.positions.remove(0);
        desk.account.positions = (0..500)
            .map(|number| Position {
                position_id: Uuid::from_u128(number).into(),
                side: if number % 3 == 0 {
                    Side::Sell
                } else {
                    Side::Buy
                },
                ..first.clone()
            })
            .collect();
        desk.account.funds.demo = dec("100");
        desk.rules.stop_out = rule;
        desk.when(evaluate()).and(|desk| {
            assert!(!steps(desk).is_empty());
            let level = desk.figures().margin_level;
            assert!(
                level.is_none_or(|level| level > dec("50")),
                "{rule:?}: {level:?}"
            );
        });
    }
}
