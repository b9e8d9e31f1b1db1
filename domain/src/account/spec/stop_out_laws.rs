//! What holds for every stop-out.

use proptest::{prelude::*, sample::select};

use super::{house::evaluate, *};
use crate::{
    account::event::StopOutAction,
    instrument::{Commission, CommissionBasis},
    postings::post,
    rules::StopOutRule,
    testing::{Moment, histories, play},
};

/// Rules under which a history's account is in need of a stop-out, and its evaluation.
fn evaluated(
    moment: &Moment<'_>,
    rule: StopOutRule,
    above: i64,
) -> Option<(Account, Rules, Decision)> {
    let figures = moment.after.figures(moment.market, moment.rules)?;
    let level = figures.margin_level?;
    let rules = Rules {
        stop_out: rule,
        stop_out_level: level + Decimal::from(above),
        hedged_stop_out_at: Decimal::from(above),
        ..moment.rules.clone()
    };
    let context = Context {
        at: moment.at,
        market: moment.market,
        rules: &rules,
    };
    let seed = id("seed");
    let decision = moment
        .after
        .decide(&AccountCommand::Evaluate { seed }, &context);
    let mut account = moment.after.clone();
    for event in &decision.events {
        account.evolve(event);
    }
    Some((account, rules, decision))
}

fn ends_well(
    moment: &Moment<'_>,
    account: &Account,
    rules: &Rules,
    decision: &Decision,
) -> Result<(), TestCaseError> {
    prop_assert_eq!(&decision.refusal, &None);
    for event in &decision.events {
        let sum: Decimal = post(event).iter().map(|line| line.amount).sum();
        prop_assert!(sum.is_zero(), "{event:?}");
    }
    let context = Context {
        at: moment.at,
        market: moment.market,
        rules,
    };
    // Right after it there is nothing to say: the level is above, or nothing can be closed.
    let again = account.decide(&AccountCommand::Evaluate { seed: id("again") }, &context);
    prop_assert_eq!(&again.events, &[]);
    let count = |name: &str| {
        let events = decision.events.iter();
        events.filter(|event| event.event_type() == name).count()
    };
    prop_assert_eq!(count("StopOutStarted"), count("StopOutFinished"));
    prop_assert!(count("StopOutStarted") == 0 || count("StopOutStep") > 0);
    prop_assert_eq!(
        count("StopOutStep"),
        count("PositionClosed") + count("PositionReduced")
    );
    let figures = account.figures(moment.market, rules).unwrap();
    let is_out = match figures.margin_level {
        Some(_) => {
            let threshold = figures.used_margin * rules.stop_out_level / Decimal::ONE_HUNDRED;
            figures.equity.unwrap() <= threshold
        }
        None => {
            let usable = figures.equity.unwrap();
            !account.positions.is_empty() && usable <= rules.hedged_stop_out_at
        }
    };
    let closable = |position: &Position| {
        let quote = moment.market.quote(position.symbol).unwrap();
        let terms = moment.market.instrument(position.symbol).unwrap();
        let age_ms = (moment.at - quote.at).num_milliseconds();
        let fresh = age_ms <= 10_000;
        fresh && terms.is_open(moment.at) && terms.is_open(quote.at)
    };
    prop_assert!(!is_out || !account.positions.iter().any(closable));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn it_leaves_the_level_above_or_nothing_that_can_be_closed(
        history in histories(20..60),
        rule in select(vec![StopOutRule::Mt5, StopOutRule::Fair, StopOutRule::Smart]),
        above in 0_i64..400,
    ) {
        let mut outcome = Ok(());
        play(&history, |moment| {
            if outcome.is_ok()
                && let Some((account, rules, decision)) = evaluated(moment, rule, above)
            {
                outcome = ends_well(moment, &account, &rules, &decision);
            }
        });
        outcome?;
    }
}

/// An account with lots on both sides of a symbol and some of another one, whose funds are cut
/// until it has to be stopped out.
fn cornered(lots: [u32; 3], cents: i64, commission: i64, minimum: u32) -> Desk {
    let mut desk = given([
        opened_as(AccountKind::Demo, "USD", 500),
        funded("100000"),
        quote("EURUSD", "1.10000", "1.10003"),
        quote("GBPUSD", "1.30000", "1.30002"),
        Act::Rules(|rules| {
            rules.stop_out = StopOutRule::Smart;
            rules.margin_call_level = None;
        }),
    ]);
    for name in ["EURUSD", "GBPUSD"] {
        let mut terms = Instrument::clone(desk.market.instrument(symbol(name)).unwrap());
        terms.commission = Commission {
            basis: CommissionBasis::PerLot,
            rate: Decimal::from(commission),
            minimum: Decimal::ZERO,
            currency: Some(Currency::USD),
        };
        terms.min_volume = Decimal::new(minimum.into(), 2);
        terms.hedged_contract_size = dec("20000");
        desk.market.set_instrument(terms.into());
    }
    let volume = |hundredths: u32| Decimal::new((hundredths + minimum).into(), 2);
    let mut tickets = [buy("EURUSD", "1"), sell("EURUSD", "1"), buy("GBPUSD", "1")];
    for (ticket, hundredths) in tickets.iter_mut().zip(lots) {
        ticket.volume = volume(hundredths);
    }
    let [long, short, other] = tickets;
    desk = desk
        .when(long.placed("a"))
        .when(short.placed("b"))
        .when(other.placed("c"));
    let figures = desk.figures();
    let threshold = figures.used_margin / Decimal::TWO;
    let cut = threshold - Decimal::new(cents, 2) - figures.equity.unwrap();
    desk.account.funds.demo += cut.round_dp(2);
    desk
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn smart_closes_the_smallest_multiple_that_a_scan_of_all_would_find(
        lots in proptest::array::uniform3(0_u32..120),
        cents in 0_i64..20_000,
        commission in 0_i64..40,
        minimum in 1_u32..20,
    ) {
        let desk = cornered(lots, cents, commission, minimum);
        let before = desk.account.clone();
        let (market, rules, at) = (desk.market.clone(), desk.rules.clone(), desk.at);
        let desk = desk.when(evaluate());
        let first = desk.decision.events.iter().find_map(|event| {
            let AccountEvent::StopOutStep { action, .. } = event else {
                return None;
            };
            Some(*action)
        });
        let (position_id, found) = match first.expect("it is below the level") {
            StopOutAction::Reduce { position_id, volume } => (position_id, Some(volume)),
            StopOutAction::Close { position_id } => (position_id, None),
        };
        let position = before.position(position_id).unwrap();
        let context = Context { at, market: &market, rules: &rules };
        let above = |volume: &Decimal| {
            let close = AccountCommand::ClosePosition {
                position_id,
                deal_id: id("scan"),
                volume: Some(*volume),
            };
            // A client may not close less than the minimum: the stop-out may.
            let free = {
                let mut market = market.clone();
                let mut terms = Instrument::clone(market.instrument(position.symbol).unwrap());
                terms.min_volume = dec("0.01");
                market.set_instrument(terms.into());
                market
            };
            let context = Context { market: &free, ..context };
            let mut account = before.clone();
            let decision = account.decide(&close, &context);
            decision.events.iter().for_each(|event| account.evolve(event));
            let figures = account.figures(&market, &rules).unwrap();
            figures.equity.unwrap() > figures.used_margin / Decimal::TWO
        };
        let least = Decimal::new(minimum.into(), 2);
        let scanned = (1_i64..)
            .map(|steps| Decimal::new(steps, 2))
            .take_while(|volume| position.volume - volume >= least)
            .find(above);
        prop_assert_eq!(found, scanned);
    }
}
