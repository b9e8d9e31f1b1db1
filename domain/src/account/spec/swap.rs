//! Swap at the rollover.

use proptest::prelude::*;

use super::{
    house::{controls, roll_over},
    *,
};
use crate::{account::event::SwapCharge, instrument::SwapMode};

const TUESDAY: &str = "2026-07-14";
const AFTER_TUESDAY: &str = "2026-07-14T21:00:00Z";

fn charges(desk: &Desk) -> Vec<&SwapCharge> {
    let events = desk.decision.events.iter();
    let charges = events.filter_map(|event| {
        let AccountEvent::SwapCharged { charge, .. } = event else {
            return None;
        };
        Some(charge.as_ref())
    });
    charges.collect()
}

fn amounts(desk: &Desk) -> Vec<(u32, Decimal)> {
    let charges = charges(desk).into_iter();
    charges.map(|charge| (charge.days, charge.amount)).collect()
}

/// One lot of EURUSD from Tuesday noon on: −10 points long, 4 points short.
fn holder() -> Desk {
    given(trader())
        .when(Act::Terms("EURUSD", |terms| {
            terms.swap_long = dec("-10");
            terms.swap_short = dec("4");
        }))
        .when(buy("EURUSD", "1").placed("o1"))
}

fn through(mut desk: Desk, days: &[&'static str]) -> Vec<(u32, Decimal)> {
    let mut found = Vec::new();
    for day in days {
        desk.at = crate::session::rollover_of(day.parse().unwrap());
        desk = desk.when(roll_over(day));
        assert_eq!(desk.decision.refusal, None);
        found.extend(amounts(&desk));
    }
    found
}

#[test]
fn five_lots_of_lira_cost_twelve_dollars_ninety_one() {
    let lira = Currency::parse("TRY").unwrap();
    let mut desk = given([opened(), funded("10000")])
        .listing("EURUSD", "USDTRY", ["4.39640", "4.39640"], |terms| {
            (terms.base, terms.quote) = (Currency::USD, lira);
            terms.swap_long = dec("-11.35");
        })
        .listing("EURUSD", "TRYUSD", ["0.2274587", "0.2274587"], |terms| {
            (terms.base, terms.quote) = (lira, Currency::USD);
        })
        .when(buy("USDTRY", "5").placed("o1"));
    desk.at = time(AFTER_TUESDAY);
    desk.when(roll_over(TUESDAY))
        .then(&["SwapCharged"])
        .and(|desk| {
            let [charge] = charges(desk)[..] else {
                panic!("one charge");
            };
            assert_eq!(charge.amount, dec("-12.91"));
            assert_eq!((charge.days, charge.rate), (1, dec("-11.35")));
            assert_eq!(charge.conversion.rate, dec("0.2274587"));
            assert_eq!(charge.mode, SwapMode::Points);
            assert_eq!(desk.only_position().swap, dec("-12.91"));
        })
        .then_balance("10000");
}

#[test]
fn long_and_short_have_figures_of_their_own() {
    holder()
        .when(sell("EURUSD", "2").placed("o2"))
        .when(Act::At(AFTER_TUESDAY))
        .when(roll_over(TUESDAY))
        .and(|desk| assert_eq!(amounts(desk), [(1, dec("-10.00")), (1, dec("8.00"))]));
}

#[test]
fn it_accrues_until_the_closing_deal_posts_it() {
    holder()
        .when(Act::At(AFTER_TUESDAY))
        .when(quote("EURUSD", "1.10010", "1.10020"))
        .when(roll_over(TUESDAY))
        .then_balance("10000")
        .and(|desk| assert_eq!(desk.figures().equity, Some(dec("9990.00"))))
        .when(close("o1", Some("0.25")))
        .then_balance("9997.50")
        .and(|desk| assert_eq!(desk.figures().equity, Some(dec("9990.00"))))
        .when(close("o1", None))
        .then_balance("9990.00");
}

#[test]
fn a_day_is_charged_once() {
    holder()
        .when(Act::At(AFTER_TUESDAY))
        .when(roll_over(TUESDAY))
        .then(&["SwapCharged"])
        .when(roll_over(TUESDAY))
        .then_nothing()
        .when(roll_over("2026-07-13"))
        .then_nothing();
}

#[test]
fn nothing_is_charged_before_the_day_is_over() {
    holder()
        .when(Act::At("2026-07-14T20:59:59.999Z"))
        .when(roll_over(TUESDAY))
        .then_nothing();
}

#[test]
fn only_what_was_opened_before_the_rollover_is_charged() {
    given(trader())
        .when(Act::At("2026-07-14T20:59:59Z"))
        .when(quote("EURUSD", "1.10000", "1.10010"))
        .when(buy("EURUSD", "1").placed("o1"))
        .when(Act::At(AFTER_TUESDAY))
        .when(quote("EURUSD", "1.10000", "1.10010"))
        .when(buy("EURUSD", "1").placed("o2"))
        .when(roll_over(TUESDAY))
        .then(&["SwapCharged"])
        .and(|desk| assert_eq!(charges(desk)[0].position_id, id("o1")));
}

#[test]
fn a_week_charges_seven_nights_and_wednesday_three_of_them() {
    let week = [
        "2026-07-14",
        "2026-07-15",
        "2026-07-16",
        "2026-07-17",
        "2026-07-18",
        "2026-07-19",
        "2026-07-20",
    ];
    let nights: Vec<_> = through(holder(), &week)
        .into_iter()
        .map(|found| found.0)
        .collect();
    assert_eq!(nights, [1, 3, 1, 1, 1]);
}

#[test]
fn a_holiday_passes_its_weight_to_the_day_before() {
    let desk = holder().when(Act::Terms("EURUSD", |terms| {
        terms.holidays = vec!["2026-07-15".parse().unwrap()];
    }));
    let found = through(desk, &["2026-07-14", "2026-07-15", "2026-07-16"]);
    assert_eq!(found, [(4, dec("-40.00")), (1, dec("-10.00"))]);
}

#[test]
fn days_missed_are_charged_one_by_one_and_later() {
    let mut desk = holder();
    desk.at = time("2026-07-17T02:00:00Z");
    let days: Vec<_> = crate::session::days_ended(time(NOON), desk.at)
        .map(|day| day.to_string())
        .collect();
    assert_eq!(days, ["2026-07-14", "2026-07-15", "2026-07-16"]);
    for day in &days {
        desk = desk.when(roll_over(day));
    }
    assert_eq!(desk.only_position().swap, dec("-50.00"));
}

#[test]
fn the_rollover_follows_new_york_through_the_change_of_the_clock() {
    // Friday, 6 March 2026, ends at 22:00 UTC; Monday, 9 March, at 21:00 UTC.
    let opened_on = |text: &'static str| {
        given([opened(), funded("10000"), Act::At(text)])
            .when(quote("EURUSD", "1.10000", "1.10010"))
            .when(buy("EURUSD", "1").placed("o1"))
    };
    opened_on("2026-03-06T21:59:00Z")
        .when(Act::At("2026-03-06T21:59:59Z"))
        .when(roll_over("2026-03-06"))
        .then_nothing()
        .when(Act::At("2026-03-06T22:00:00Z"))
        .when(roll_over("2026-03-06"))
        .then(&["SwapCharged"]);
    opened_on("2026-03-09T20:59:59Z")
        .when(Act::At("2026-03-09T21:00:00Z"))
        .when(roll_over("2026-03-09"))
        .then(&["SwapCharged"]);
}

#[test]
fn swap_free_accounts_and_houses_without_swap_are_not_charged() {
    holder()
        .when(controls(|controls| controls.swap_free = true))
        .when(Act::At(AFTER_TUESDAY))
        .when(roll_over(TUESDAY))
        .then_nothing();
    holder()
        .when(Act::Rules(|rules| rules.swap = false))
        .when(Act::At(AFTER_TUESDAY))
        .when(roll_over(TUESDAY))
        .then_nothing();
}

#[test]
fn swap_in_money_is_converted_at_the_side_that_is_worse_for_the_client() {
    let charged = |change: fn(&mut Instrument)| {
        holder()
            .when(Act::Terms("EURUSD", |terms| {
                terms.swap_mode = SwapMode::Money;
                terms.swap_currency = Some(Currency::EUR);
            }))
            .when(Act::Terms("EURUSD", change))
            .when(Act::At(AFTER_TUESDAY))
            .when(quote("EURUSD", "1.10000", "1.20000"))
            .when(roll_over(TUESDAY))
    };
    charged(|terms| terms.swap_long = dec("-2"))
        .and(|desk| assert_eq!(amounts(desk), [(1, dec("-2.40"))]));
    charged(|terms| terms.swap_long = dec("2"))
        .and(|desk| assert_eq!(amounts(desk), [(1, dec("2.20"))]));
    charged(|terms| terms.swap_currency = None)
        .and(|desk| assert_eq!(amounts(desk), [(1, dec("-10.00"))], "of the quote currency"));
}

#[test]
fn swap_in_percent_is_taken_of_the_closing_price_over_360_days() {
    holder()
        .when(Act::Terms("EURUSD", |terms| {
            terms.swap_mode = SwapMode::Percent;
            terms.swap_long = dec("-3.6");
        }))
        .when(Act::At(AFTER_TUESDAY))
        .when(quote("EURUSD", "1.20000", "1.30000"))
        .when(roll_over(TUESDAY))
        .and(|desk| {
            // 120,000 · 3.6 % / 360
            assert_eq!(amounts(desk), [(1, dec("-12.00"))]);
            assert_eq!(charges(desk)[0].price, Some(dec("1.20000")));
        });
}

#[test]
fn a_night_that_cannot_be_converted_yet_is_refused_and_charged_later() {
    let mut desk = given([opened(), funded("10000")])
        .when(quote("USDJPY", "150.000", "150.000"))
        .when(buy("USDJPY", "1").placed("o1"));
    let quoted = desk.market.clone();
    desk.market = Market::new(instrument::seed().into_iter().map(Arc::new));
    desk.at = time(AFTER_TUESDAY);
    let mut desk = desk.when(roll_over(TUESDAY)).then_refused("no_quote");
    desk.market = quoted;
    desk.when(roll_over(TUESDAY)).then(&["SwapCharged"]);
}

#[test]
fn the_groups_own_figures_count() {
    holder()
        .when(Act::Terms("EURUSD", |terms| {
            let special = instrument::GroupTerms {
                swap_long: Some(dec("-1")),
                ..instrument::GroupTerms::default()
            };
            terms.groups.insert("vip".into(), special);
        }))
        .when(controls(|controls| controls.group = Some("vip".into())))
        .when(Act::At(AFTER_TUESDAY))
        .when(roll_over(TUESDAY))
        .and(|desk| assert_eq!(amounts(desk), [(1, dec("-1.00"))]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn partial_closes_post_all_of_the_swap_and_nothing_more(
        points in -5_000_i64..5_000, parts in proptest::collection::vec(1_u32..40, 1..8),
    ) {
        let mut desk = holder();
        desk.market.set_instrument({
            let mut terms = Instrument::clone(desk.market.instrument(symbol("EURUSD")).unwrap());
            terms.swap_long = Decimal::new(points, 2);
            terms.into()
        });
        desk.at = time(AFTER_TUESDAY);
        desk = desk
            .when(quote("EURUSD", "1.10010", "1.10020"))
            .when(roll_over(TUESDAY));
        let charged = desk.only_position().swap;
        let equity = desk.figures().equity;
        let mut posted = Decimal::ZERO;
        for hundredths in parts {
            let Some(position) = desk.account.positions.first() else {
                break;
            };
            let volume = Decimal::new(hundredths.into(), 2).min(position.volume);
            desk = desk.when(ask(AccountCommand::ClosePosition {
                position_id: id("o1"),
                deal_id: id("closing"),
                volume: Some(volume),
            }));
            posted += desk.deal().swap;
            // Accrued or posted, it is in equity all the time.
            prop_assert_eq!(desk.figures().equity, equity);
        }
        let left: Decimal = desk.account.positions.iter().map(|position| position.swap).sum();
        prop_assert_eq!(posted + left, charged);
    }
}
