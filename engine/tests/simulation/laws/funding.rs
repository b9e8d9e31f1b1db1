//! Deposits and withdrawals.

use daybook_domain::{
    Account, AccountEvent, Decimal, FundingId,
    account::{
        AccountKind, FundingKind, FundingStatus,
        event::{FundingCancelReason, FundingStep},
    },
};

use super::{Scene, law};
use crate::sums;

/// A step is taken from where it may be taken, and moves what it says.
pub fn judge(scene: &Scene<'_>, index: usize) {
    let (before, after) = (&scene.states[index], &scene.states[index + 1]);
    let kind = before.terms.as_ref().unwrap().kind;
    law("funding", kind == AccountKind::Live, || {
        "play money came or went".to_owned()
    });
    let event = &scene.decision.events[index];
    match event {
        AccountEvent::DepositRequested {
            request_id, amount, ..
        } => {
            law(
                "funding",
                before.funding_request(*request_id).is_none(),
                || format!("{request_id} twice"),
            );
            moved((before, after), Decimal::ZERO, Decimal::ZERO);
            law("funding", *amount > Decimal::ZERO, || format!("{amount}"));
        }
        AccountEvent::WithdrawalRequested { amount, .. } => {
            moved((before, after), Decimal::ZERO, *amount);
            covered(scene, before, *amount);
        }
        AccountEvent::DepositApproved { request_id, .. }
        | AccountEvent::WithdrawalApproved { request_id, .. } => {
            is(before, *request_id, &[FundingStatus::Requested]);
            moved((before, after), Decimal::ZERO, Decimal::ZERO);
        }
        AccountEvent::DepositCompleted {
            request_id, amount, ..
        } => {
            let asked = open(before, *request_id);
            law("funding", asked == (FundingKind::Deposit, *amount), || {
                format!("{asked:?} became {amount}")
            });
            moved((before, after), *amount, Decimal::ZERO);
        }
        AccountEvent::WithdrawalCompleted {
            request_id, amount, ..
        } => {
            let asked = open(before, *request_id);
            law(
                "funding",
                asked == (FundingKind::Withdrawal, *amount),
                || format!("{asked:?} became {amount}"),
            );
            moved((before, after), -*amount, -*amount);
            law("funding", after.funds.real >= Decimal::ZERO, || {
                format!("paid {amount} of {}", before.funds.real)
            });
        }
        AccountEvent::DepositRejected { .. }
        | AccountEvent::WithdrawalRejected { .. }
        | AccountEvent::DepositCancelled { .. }
        | AccountEvent::WithdrawalCancelled { .. } => ended(event, before, after),
        _ => panic!("law broken: funding: {event:?} is no step"),
    }
}

/// Ended without money: what was held is there again.
fn ended(event: &AccountEvent, before: &Account, after: &Account) {
    let (request_id, step) = event.funding().unwrap();
    let (kind, amount) = open(before, request_id);
    let released = match kind {
        FundingKind::Deposit => Decimal::ZERO,
        FundingKind::Withdrawal => amount,
    };
    moved((before, after), Decimal::ZERO, -released);
    match step {
        FundingStep::Cancelled(FundingCancelReason::Client) => {
            is(before, request_id, &[FundingStatus::Requested]);
        }
        FundingStep::Cancelled(FundingCancelReason::NegativeBalance) => gone(before),
        FundingStep::Decided(..) | FundingStep::Requested { .. } => {}
    }
}

/// What is held is what the open withdrawals ask for.
pub fn held(account: &Account) {
    let open = account.funding.iter();
    let withdrawals = open.filter(|request| request.kind == FundingKind::Withdrawal);
    let asked: Decimal = withdrawals.map(|request| request.amount).sum();
    law("held", account.funds.held == asked, || {
        format!("{} held for {asked}", account.funds.held)
    });
}

fn open(before: &Account, id: FundingId) -> (FundingKind, Decimal) {
    is(
        before,
        id,
        &[FundingStatus::Requested, FundingStatus::Approved],
    );
    let request = before.funding_request(id).unwrap();
    (request.kind, request.amount)
}

fn is(before: &Account, id: FundingId, allowed: &[FundingStatus]) {
    let status = before.funding_request(id).map(|request| request.status);
    let holds = status.is_some_and(|status| allowed.contains(&status));
    law("funding", holds, || format!("{id} was {status:?}"));
}

/// Nothing moves but real money and what is held of it.
fn moved((before, after): (&Account, &Account), real: Decimal, held: Decimal) {
    let mut expected = before.funds;
    expected.real += real;
    expected.held += held;
    law("funding", after.funds == expected, || {
        format!("{:?} and not {expected:?}", after.funds)
    });
}

/// No more is held than was withdrawable: free real money, and no margin of anything open.
fn covered(scene: &Scene<'_>, before: &Account, amount: Decimal) {
    let equity = sums::equity(before, scene.market, scene.rules);
    let equity = equity.expect("law broken: withdrawable: from an account of no known worth");
    let funds = &before.funds;
    let free = equity - funds.held - sums::used_margin(before);
    let most = (funds.real - funds.held).min(free - funds.bonus);
    law("withdrawable", amount <= most, || {
        format!("{amount} of {most}")
    });
}

/// Nothing is open, and nothing is left that could be held.
fn gone(before: &Account) {
    let tradable = before.funds.tradable(AccountKind::Live);
    let holds = before.positions.is_empty() && tradable < Decimal::ZERO;
    law("funding", holds, || format!("{:?}", before.funds));
}
