//! The levels at which an account has to be looked at again.

use proptest::prelude::*;

use super::{
    house::{controls, evaluate},
    *,
};
use crate::{
    account::risk::TradingDay,
    margin::{Watch, watch},
    rules::StopOutRule,
    testing::{World, histories, play},
    triggers::{Direction, QuoteSide},
};

fn watches(desk: &Desk) -> Vec<Watch> {
    watch(&desk.account, &desk.market, &desk.rules)
}

fn level_of(watches: &[Watch], name: &str, direction: Direction) -> Option<Decimal> {
    let mut watches = watches.iter();
    let found =
        watches.find(|watch| watch.symbol == symbol(name) && watch.trigger.direction == direction);
    Some(found?.trigger.level)
}

#[test]
fn a_long_position_is_watched_below_its_bid_and_not_absurdly_close() {
    // 5 lots use 5,500.50; the margin call comes at a loss of 4,499.50, at a bid of 1.091101.
    let desk = given(trader()).when(buy("EURUSD", "5").placed("o1"));
    let found = watches(&desk);
    let [only] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!(only.trigger.side_of_quote, QuoteSide::Bid);
    let level = level_of(&found, "EURUSD", Direction::AtOrBelow).unwrap();
    assert!(level > dec("1.091101") && level < dec("1.09150"), "{level}");
}

#[test]
fn a_short_position_is_watched_above_its_ask() {
    let desk = given(trader()).when(sell("EURUSD", "5").placed("o1"));
    let found = watches(&desk);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].trigger.side_of_quote, QuoteSide::Ask);
    let level = level_of(&found, "EURUSD", Direction::AtOrAbove).unwrap();
    assert!(level < dec("1.109000") && level > dec("1.10850"), "{level}");
}

#[test]
fn an_account_far_from_everything_has_levels_far_away() {
    let desk = given([
        opened(),
        funded("10000000"),
        quote("EURUSD", "1.10000", "1.10010"),
    ])
    .when(quote("USDJPY", "150.000", "150.010"))
    .when(buy("EURUSD", "1").placed("o1"))
    .when(sell("USDJPY", "1").placed("o2"));
    let found = watches(&desk);
    assert_eq!(
        level_of(&found, "EURUSD", Direction::AtOrBelow),
        Some(dec("0.55"))
    );
    assert_eq!(
        level_of(&found, "USDJPY", Direction::AtOrAbove),
        Some(dec("225.015"))
    );
}

#[test]
fn the_pairs_that_convert_are_watched_too() {
    let desk = given([opened_as(AccountKind::Demo, "EUR", 100), funded("3000")])
        .when(quote("EURUSD", "1.10000", "1.10010"))
        .when(quote("XAUUSD", "2000.00", "2000.10"))
        .when(buy("XAUUSD", "1").placed("o1"));
    let found = watches(&desk);
    let symbols: std::collections::BTreeSet<_> = found.iter().map(|watch| watch.symbol).collect();
    assert!(symbols.contains(&symbol("EURUSD")), "{found:?}");
    assert!(symbols.contains(&symbol("XAUUSD")), "{found:?}");
}

#[test]
fn a_missing_quote_is_waited_for() {
    let mut desk = given([opened(), funded("10000")])
        .when(quote("EURUSD", "1.10000", "1.10010"))
        .when(quote("EURGBP", "0.85000", "0.85010"))
        .when(quote("GBPUSD", "1.30000", "1.30010"))
        .when(buy("EURGBP", "1").placed("o1"));
    desk.market = Market::new(instrument::seed().into_iter().map(Arc::new));
    let found = watches(&desk);
    assert_eq!(
        found,
        [Watch::any(symbol("EURGBP")), Watch::any(symbol("GBPUSD"))]
    );
    assert_eq!(
        watches(&desk.when(quote("EURGBP", "0.85000", "0.85010"))),
        [Watch::any(symbol("GBPUSD"))]
    );
}

#[test]
fn a_rate_that_only_a_close_needs_is_waited_for_once_one_is_due() {
    let mut desk = given([
        opened_as(AccountKind::Demo, "JPY", 500),
        funded("50000"),
        quote("EURJPY", "160.000", "160.010"),
        quote("GBPJPY", "190.000", "190.010"),
        quote("EURGBP", "0.85000", "0.85010"),
    ])
    .when(buy("EURGBP", "0.1").placed("o1"));
    // After a start the quotes come one by one; what the notional is worth is not known yet.
    desk.market = Market::new(instrument::seed().into_iter().map(Arc::new));
    let desk = desk
        .when(quote("GBPJPY", "190.000", "190.010"))
        .when(quote("EURGBP", "0.82000", "0.82010"))
        .when(evaluate());
    assert_eq!(
        desk.account.positions.len(),
        1,
        "it is due and cannot be done"
    );
    assert!(watches(&desk).contains(&Watch::any(symbol("EURJPY"))));
    let desk = desk
        .when(quote("EURJPY", "160.000", "160.010"))
        .when(evaluate());
    assert_eq!(desk.account.positions, []);
}

#[test]
fn what_is_due_and_cannot_be_done_yet_makes_every_quote_count() {
    let desk = given(trader())
        .when(buy("EURUSD", "9").placed("o1"))
        .when(quote("EURUSD", "1.09400", "1.09410"))
        .when(Act::At("2026-07-14T12:00:10.001Z"))
        .when(evaluate())
        .then(&["MarginCallRaised"]);
    assert_eq!(watches(&desk), [Watch::any(symbol("EURUSD"))]);
}

#[test]
fn a_standing_margin_call_is_watched_upwards_too() {
    let desk = given(trader())
        .when(buy("EURUSD", "9").placed("o1"))
        .when(quote("EURUSD", "1.09900", "1.09910"))
        .when(evaluate())
        .then(&["MarginCallRaised"]);
    let found = watches(&desk);
    // Cleared at 1.101100, stopped out at 1.0944.
    let above = level_of(&found, "EURUSD", Direction::AtOrAbove).unwrap();
    let below = level_of(&found, "EURUSD", Direction::AtOrBelow).unwrap();
    assert!(above > dec("1.1005") && above < dec("1.1011"), "{above}");
    assert!(below < dec("1.0985") && below > dec("1.0944"), "{below}");
}

#[test]
fn without_rules_or_positions_nothing_is_watched() {
    assert_eq!(watches(&given(trader())), []);
    let desk = given(trader())
        .when(Act::Rules(|rules| {
            rules.margin_call_level = None;
            rules.stop_out = StopOutRule::Off;
        }))
        .when(buy("EURUSD", "9").placed("o1"));
    assert_eq!(watches(&desk), []);
}

#[test]
fn five_hundred_positions_are_watched_by_their_symbols_alone() {
    let mut desk = given(trader()).when(buy("EURUSD", "0.01").placed("p"));
    let first = desk.account.positions.remove(0);
    desk.account.positions = (0..500)
        .map(|number| Position {
            position_id: Uuid::from_u128(number).into(),
            ..first.clone()
        })
        .collect();
    assert_eq!(watches(&desk).len(), 1);
}

/// A quote within all levels of its symbol, somewhere between them as `at` says; none where there
/// is no room.
fn within(quote: &Quote, watches: &[Watch], at: [u16; 2]) -> Option<Quote> {
    let tick = Decimal::new(1, 8);
    let between = |half: QuoteSide, at: u16| {
        let (mut low, mut high) = (tick, half.of(quote) * Decimal::TWO);
        for watch in watches {
            let trigger = watch.trigger;
            if watch.symbol != quote.symbol || trigger.side_of_quote != half {
                continue;
            }
            match trigger.direction {
                Direction::AtOrBelow => low = low.max(trigger.level + tick),
                Direction::AtOrAbove => high = high.min(trigger.level - tick),
            }
        }
        let span = high - low;
        let price = low + span * Decimal::from(at) / Decimal::from(u16::MAX);
        (span >= Decimal::ZERO).then(|| price.round_dp(8).clamp(low, high))
    };
    let bid = between(QuoteSide::Bid, at[0])?;
    let ask = between(QuoteSide::Ask, at[1])?;
    (bid <= ask).then_some(Quote { bid, ask, ..*quote })
}

/// What a moment of a history is made of: rules that bite, and a day that counts.
fn judged(moment: &crate::testing::Moment<'_>, odd: u16) -> (Account, Rules) {
    let mut account = moment.after.clone();
    let mut rules = moment.rules.clone();
    rules.stop_out = [StopOutRule::Mt5, StopOutRule::Smart][usize::from(odd % 2)];
    rules.margin_call_level = Some(Decimal::from(80 + odd % 200));
    rules.margin_call_clear_level = Decimal::from(120 + odd % 300);
    if odd.is_multiple_of(3) {
        rules.daily_loss_limit = Some(Decimal::from(odd % 5_000 + 1));
        let equity = account.figures(moment.market, &rules).unwrap().equity;
        account.risk.day = Some(TradingDay {
            day: crate::session::trading_day(moment.at),
            equity: equity.unwrap(),
            flows: Decimal::ZERO,
            blocked_until: None,
        });
    }
    let context = Context {
        at: moment.at,
        market: moment.market,
        rules: &rules,
    };
    let decision = account.decide(&AccountCommand::Evaluate { seed: id("now") }, &context);
    decision
        .events
        .iter()
        .for_each(|event| account.evolve(event));
    (account, rules)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn no_quote_within_the_levels_leads_to_anything(
        history in histories(20..60),
        odds in proptest::collection::vec(any::<[u16; 3]>(), 64),
        extreme: bool,
    ) {
        let mut odds = odds.into_iter().cycle().map(|odd| {
            let end = |at: u16| if extreme { (at % 2) * u16::MAX } else { at };
            [end(odd[0]), end(odd[1]), odd[2]]
        });
        let mut outcome = Ok(());
        play(&history, |moment| {
            if outcome.is_err() || moment.after.positions.is_empty() {
                return;
            }
            let [_, _, odd] = odds.next().unwrap();
            let (account, rules) = judged(moment, odd);
            let found = watch(&account, moment.market, &rules);
            let mut market = moment.market.clone();
            for symbol in World::symbols() {
                let [low, high, _] = odds.next().unwrap();
                let quote = *market.quote(symbol).unwrap();
                if let Some(quote) = within(&quote, &found, [low, high]) {
                    market.set_quote(quote);
                }
            }
            let context = Context { at: moment.at, market: &market, rules: &rules };
            let seed = id("then");
            let decision = account.decide(&AccountCommand::Evaluate { seed }, &context);
            // What is due and cannot be done has no quote that is within its levels; the other
            // symbols of such an account are watched as well.
            if !decision.events.is_empty() {
                outcome = Err(TestCaseError::fail(format!("{:?} {found:?}", decision.events)));
            }
        });
        outcome?;
    }

    #[test]
    fn levels_use_most_of_the_room_there_is(lots in 1_u32..80, funds in 9_000_i64..200_000) {
        let desk = given([opened(), quote("EURUSD", "1.10000", "1.10000")]).when(ask(
            AccountCommand::AdjustFunds {
                bucket: Bucket::Demo,
                amount: Decimal::from(funds),
                notes: None,
                by: "test".to_owned(),
            },
        ));
        let mut ticket = buy("EURUSD", "1");
        ticket.volume = Decimal::new(lots.into(), 1);
        let desk = desk.when(ticket.placed("o1"));
        prop_assume!(!desk.account.positions.is_empty());
        let volume = desk.only_position().volume;
        let room = Decimal::from(funds) - desk.used_margin();
        let distance = room / volume / Decimal::from(100_000);
        let found = watches(&desk);
        let level = level_of(&found, "EURUSD", Direction::AtOrBelow).unwrap();
        let reached = dec("1.1") - level;
        prop_assert!(reached <= distance);
        prop_assert!(reached >= distance.min(dec("0.55")) * dec("0.9"), "{reached} of {distance}");
    }
}

#[test]
fn a_limit_of_the_day_is_watched() {
    let mut desk = given(trader())
        .when(controls(|controls| {
            controls.limits.daily_loss = Some(dec("100"))
        }))
        .when(buy("EURUSD", "1").placed("o1"));
    desk.account.risk.day = Some(TradingDay {
        day: "2026-07-14".parse().unwrap(),
        equity: dec("10000"),
        flows: dec("0"),
        blocked_until: None,
    });
    // 10 dollars are lost to the spread: 90 more.
    let level = level_of(&watches(&desk), "EURUSD", Direction::AtOrBelow).unwrap();
    assert!(level > dec("1.0991") && level < dec("1.0992"), "{level}");
}
