//! What holds over every history.

use proptest::prelude::*;

use super::closing_deal;
use crate::{
    Account, AccountCommand, AccountEvent, Decimal,
    account::{AccountKind, Context, FundingKind, PositionMode},
    postings::{LedgerAccount, post},
    quote::Side,
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
    // What is held is owed too, beside the bucket that it is a part of.
    prop_assert_eq!(
        owed(LedgerAccount::ClientFundsReal),
        moved.real - moved.held
    );
    prop_assert_eq!(owed(LedgerAccount::WithdrawalsHeld), moved.held);
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
    let events = &moment.decision.events;
    let fills = |event: &AccountEvent| matches!(event, AccountEvent::OrderFilled { .. });
    if !events.iter().any(fills) {
        return Ok(());
    }
    let before = moment.before.figures(moment.market, moment.rules).unwrap();
    let after = moment.after.figures(moment.market, moment.rules).unwrap();
    let increase = after.used_margin - before.used_margin;
    let commission: Decimal = events.iter().filter_map(commission).sum();
    prop_assert!(commission >= Decimal::ZERO);
    if increase > Decimal::ZERO {
        prop_assert!(increase + commission <= before.free_margin.unwrap());
    }
    Ok(())
}

fn commission(event: &AccountEvent) -> Option<Decimal> {
    if let AccountEvent::OrderFilled { execution, .. } = event {
        return Some(execution.commission);
    }
    Some(closing_deal(event)?.execution.commission)
}

/// What is held is what open withdrawals ask for, was withdrawable when it was asked for, and is
/// paid from real money alone.
fn holds_are_covered(moment: &Moment<'_>) -> Result<(), TestCaseError> {
    let open = moment.after.funding.iter();
    let withdrawals = open.filter(|request| request.kind == FundingKind::Withdrawal);
    let asked: Decimal = withdrawals.map(|request| request.amount).sum();
    prop_assert_eq!(moment.after.funds.held, asked);
    for event in &moment.decision.events {
        if let AccountEvent::WithdrawalRequested { amount, .. } = event {
            let figures = moment.before.figures(moment.market, moment.rules).unwrap();
            prop_assert!(*amount <= figures.withdrawable.unwrap());
        }
        if let AccountEvent::WithdrawalCompleted { .. } = event {
            prop_assert!(moment.after.funds.real >= Decimal::ZERO);
            let free = |account: &Account| {
                account
                    .figures(moment.market, moment.rules)
                    .unwrap()
                    .free_margin
            };
            prop_assert_eq!(free(moment.before), free(moment.after), "it was held");
        }
    }
    Ok(())
}

/// A netting account has one position per symbol, and what trails has a stop loss.
fn positions_are_as_they_have_to_be(moment: &Moment<'_>) -> Result<(), TestCaseError> {
    let Some(terms) = moment.after.terms else {
        return Ok(());
    };
    let positions = &moment.after.positions;
    for (index, position) in positions.iter().enumerate() {
        let earlier = &positions[..index];
        let twice = earlier.iter().any(|other| other.symbol == position.symbol);
        prop_assert!(terms.mode == PositionMode::Hedging || !twice);
        prop_assert!(position.trailing_distance.is_none() || position.stop_loss.is_some());
        prop_assert!(position.cost.is_none() || terms.mode == PositionMode::Netting);
    }
    Ok(())
}

/// A stop loss that trails never gives ground.
fn trailing_gains(moment: &Moment<'_>) -> Result<(), TestCaseError> {
    let AccountCommand::TrailStop { position_id } = moment.command else {
        return Ok(());
    };
    let level = |account: &Account| account.position(*position_id)?.stop_loss;
    let Some((before, after)) = level(moment.before).zip(level(moment.after)) else {
        return Ok(());
    };
    prop_assert!(!moment.decision.events.is_empty() || before == after);
    match moment.after.position(*position_id).unwrap().side {
        Side::Buy => prop_assert!(after >= before),
        Side::Sell => prop_assert!(after <= before),
    }
    Ok(())
}

/// Every position that a command about several closed is among its outcomes, and no other.
fn outcomes_are_the_deals(moment: &Moment<'_>) -> Result<(), TestCaseError> {
    let AccountCommand::CloseAll { .. } = moment.command else {
        return Ok(());
    };
    let deals = moment.decision.events.iter().filter_map(closing_deal);
    let closed: Vec<_> = deals
        .map(|deal| (deal.position_id, deal.realised))
        .collect();
    let outcomes = moment.decision.outcomes.iter();
    let said: Vec<_> = outcomes
        .filter_map(|outcome| Some((outcome.position_id, *outcome.result.as_ref().ok()?)))
        .collect();
    prop_assert_eq!(closed, said);
    Ok(())
}

/// What is shown before an order is placed is what happens when it is. Tried on some: to search
/// for the price of liquidation is the most expensive thing there is.
fn previews_come_true(moment: &Moment<'_>) -> Result<(), TestCaseError> {
    let AccountCommand::PlaceOrder { ticket, .. } = moment.command else {
        return Ok(());
    };
    if !moment.at.timestamp_subsec_millis().is_multiple_of(4) {
        return Ok(());
    }
    let context = Context {
        at: moment.at,
        market: moment.market,
        rules: moment.rules,
    };
    let preview = moment.before.preview(ticket, &context);
    prop_assert_eq!(&preview.refusal, &moment.decision.refusal);
    prop_assert_eq!(preview.accepted, preview.refusal.is_none());
    let deals = |event: &AccountEvent| commission(event).is_some();
    if moment.decision.events.iter().any(deals) {
        let before = moment.before.figures(moment.market, moment.rules).unwrap();
        let after = moment.after.figures(moment.market, moment.rules).unwrap();
        prop_assert_eq!(preview.margin, Some(after.used_margin - before.used_margin));
        prop_assert_eq!(preview.free_margin_after, after.free_margin);
        prop_assert_eq!(preview.margin_level_after, after.margin_level);
    }
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
            let checks = [
                figures_hold,
                holds_are_covered,
                fills_are_covered,
                positions_are_as_they_have_to_be,
                trailing_gains,
                outcomes_are_the_deals,
                previews_come_true,
                refusals_change_nothing_else,
            ];
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
    for event_type in [
        "AccountOpened",
        "FundsAdjusted",
        "DepositRequested",
        "DepositApproved",
        "DepositCompleted",
        "DepositRejected",
        "DepositCancelled",
        "WithdrawalRequested",
        "WithdrawalApproved",
        "WithdrawalCompleted",
        "WithdrawalRejected",
        "WithdrawalCancelled",
        "OrderPlaced",
        "OrderRejected",
        "OrderModified",
        "OrderCancelled",
        "OrderExpired",
        "OrderTriggered",
        "OrderFilled",
        "OrderNetted",
        "PositionOpened",
        "PositionIncreased",
        "PositionReduced",
        "PositionClosed",
        "ProtectionChanged",
    ] {
        assert!(reached.contains(event_type), "{event_type}: {reached:?}");
    }
    assert!(reasons.len() >= 4, "{reasons:?}");
    assert!(
        meaningful >= 72,
        "{meaningful} of 80 histories are mostly accepted"
    );
}
