//! What holds over every history.

use proptest::prelude::*;

use crate::{
    Account, AccountEvent, Decimal,
    account::AccountKind,
    postings::{LedgerAccount, post},
    testing::{Moment, Tally, histories, play},
};

/// Plays a history through JSON: what is applied is what would be read back.
fn replayed(tally: &Tally) -> Account {
    let mut account = Account::default();
    for event in &tally.events {
        let text = serde_json::to_string(event).unwrap();
        account.evolve(&serde_json::from_str(&text).unwrap());
    }
    account
}

/// The same to the last digit: numbers that are equal but written otherwise differ here.
fn text(account: &Account) -> String {
    serde_json::to_string(account).unwrap()
}

fn books_balance(event: &AccountEvent) -> Result<(), TestCaseError> {
    let sum: Decimal = post(event).iter().map(|posting| posting.amount).sum();
    prop_assert!(sum.is_zero(), "{event:?}");
    let owed = |account| {
        let of_account = post(event)
            .into_iter()
            .filter(|posting| posting.account == account);
        -of_account.map(|posting| posting.amount).sum::<Decimal>()
    };
    let moved = event.funds().copied().unwrap_or_default();
    prop_assert_eq!(owed(LedgerAccount::ClientFundsReal), moved.real);
    prop_assert_eq!(owed(LedgerAccount::ClientFundsDemo), moved.demo);
    prop_assert_eq!(owed(LedgerAccount::ClientFundsBonus), moved.bonus);
    Ok(())
}

/// The account equations of DOMAIN, after every decision.
fn figures_hold(moment: &Moment<'_>) -> Result<(), TestCaseError> {
    let account = moment.after;
    let Some(terms) = account.terms else {
        return Ok(());
    };
    let figures = account.figures(moment.market, moment.rules).unwrap();
    let funds = account.funds;
    prop_assert_eq!(figures.balance, funds.real + funds.demo + funds.bonus);
    let tradable = match terms.kind {
        AccountKind::Live => funds.real + funds.bonus,
        AccountKind::Demo => funds.demo,
    };
    prop_assert_eq!(figures.tradable, tradable);
    let unrealised = figures.unrealised.expect("every symbol has a quote");
    let free = figures.free_margin.unwrap();
    let withdrawable = figures.withdrawable.unwrap();
    prop_assert_eq!(figures.equity, Some(tradable + unrealised));
    prop_assert_eq!(
        free,
        tradable + unrealised - funds.held - figures.used_margin
    );
    // What is fully hedged may use no margin; without positions none is used.
    prop_assert_eq!(
        figures.margin_level.is_none(),
        figures.used_margin.is_zero()
    );
    prop_assert!(figures.used_margin.is_zero() || !account.positions.is_empty());
    prop_assert!(withdrawable >= Decimal::ZERO);
    prop_assert!(withdrawable <= (funds.real - funds.held).max(Decimal::ZERO));
    prop_assert!(withdrawable <= (free - funds.bonus).max(Decimal::ZERO));
    for amount in [
        figures.balance,
        unrealised,
        free,
        withdrawable,
        figures.used_margin,
    ] {
        prop_assert_eq!(amount.scale(), terms.currency.minor_digits());
    }
    Ok(())
}

/// No fill takes more margin than was free at its moment.
fn fills_are_covered(moment: &Moment<'_>) -> Result<(), TestCaseError> {
    let opens = |event: &AccountEvent| matches!(event, AccountEvent::PositionOpened { .. });
    if !moment.decision.events.iter().any(opens) {
        return Ok(());
    }
    let before = moment.before.figures(moment.market, moment.rules).unwrap();
    let after = moment.after.figures(moment.market, moment.rules).unwrap();
    let commission = before.balance - after.balance;
    let increase = after.used_margin - before.used_margin;
    prop_assert!(commission >= Decimal::ZERO);
    // Lots that cover what is open need no more margin: no increase, no refusal.
    let covered = increase + commission <= before.free_margin.unwrap();
    prop_assert!(covered || increase <= Decimal::ZERO);
    Ok(())
}

/// A refusal leaves at most its own trace, and no money moves without a fact.
fn refusals_change_nothing_else(moment: &Moment<'_>) -> Result<(), TestCaseError> {
    if moment.decision.events.is_empty() {
        prop_assert_eq!(moment.before, moment.after);
    }
    if let Some(refusal) = &moment.decision.refusal {
        prop_assert_eq!(moment.before.funds, moment.after.funds);
        prop_assert_eq!(&moment.before.positions, &moment.after.positions);
        let recorded = !moment.decision.events.is_empty();
        prop_assert!(!recorded || refusal.is_rule());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    #[test]
    fn the_laws_hold_at_every_moment_of_every_history(history in histories(20..90)) {
        let mut outcome = Ok(());
        let mut folded = Account::default();
        let tally = play(&history, |moment| {
            for event in &moment.decision.events {
                folded.evolve(event);
                outcome = outcome.clone().and_then(|()| books_balance(event));
            }
            let checks = [figures_hold, fills_are_covered, refusals_change_nothing_else];
            for check in checks {
                outcome = outcome.clone().and_then(|()| check(moment));
            }
            assert_eq!(folded, *moment.after, "the fold of the events is the state");
        });
        outcome?;
        prop_assume!(tally.is_meaningful());

        // Replay equals live, from events and from a snapshot with a tail, to the last digit.
        let live = text(&folded);
        prop_assert_eq!(&text(&replayed(&tally)), &live);
        let middle = tally.events.len() / 2;
        let mut restored = Account::default();
        tally.events[..middle].iter().for_each(|event| restored.evolve(event));
        let mut restored: Account = serde_json::from_str(&text(&restored)).unwrap();
        tally.events[middle..].iter().for_each(|event| restored.evolve(event));
        prop_assert_eq!(&text(&restored), &live);
    }

    #[test]
    fn the_same_history_always_leads_to_the_same_events(history in histories(5..40)) {
        prop_assert_eq!(play(&history, |_| ()), play(&history, |_| ()));
    }
}

#[test]
fn random_histories_reach_every_kind_of_event_and_are_mostly_accepted() {
    use std::collections::BTreeSet;

    use proptest::{
        strategy::{Strategy, ValueTree},
        test_runner::TestRunner,
    };

    let mut runner = TestRunner::deterministic();
    let mut reached = BTreeSet::new();
    let mut reasons = BTreeSet::new();
    let mut meaningful = 0;
    for _ in 0..80 {
        let history = histories(40..90).new_tree(&mut runner).unwrap().current();
        let tally = play(&history, |_| ());
        meaningful += usize::from(tally.is_meaningful());
        for event in &tally.events {
            reached.insert(event.event_type());
            if let AccountEvent::OrderRejected { reason, .. } = event {
                reasons.insert(reason.clone());
            }
        }
    }
    assert_eq!(reached.len(), 13, "{reached:?}");
    assert!(reasons.len() >= 4, "{reasons:?}");
    assert!(
        meaningful >= 72,
        "{meaningful} of 80 histories are mostly accepted"
    );
}
