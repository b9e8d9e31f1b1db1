//! Deposits and withdrawals, from their asking to their end.

use super::{
    super::{
        FundingKind, FundingStatus,
        FundingVerdict::{Approve, Complete, Reject},
        event::{FundingCancelReason, FundingStep},
    },
    *,
};
use crate::{
    Money,
    postings::{LedgerAccount, post},
};

/// A live account in dollars, 1:100, with real money.
pub(super) fn funded_live(real: &str) -> Desk {
    given([
        opened_as(AccountKind::Live, "USD", 100),
        adjusted(Bucket::Real, real),
        quote("EURUSD", "1.10000", "1.10000"),
    ])
}

pub(super) fn insufficient(required: &str, available: &str) -> AccountRejection {
    AccountRejection::InsufficientFunds {
        required: Money::rounded(dec(required), Currency::USD),
        available: Money::rounded(dec(available), Currency::USD),
    }
}

impl Desk {
    #[track_caller]
    pub(super) fn then_funds(self, real: &str, held: &str) -> Self {
        let funds = self.account.funds;
        assert_eq!((funds.real, funds.held), (dec(real), dec(held)));
        self
    }

    #[track_caller]
    pub(super) fn then_withdrawable(self, amount: &str) -> Self {
        assert_eq!(self.figures().withdrawable, Some(dec(amount)));
        self
    }

    /// The ledger's lines of the last event.
    fn lines(&self) -> Vec<(LedgerAccount, Decimal)> {
        let postings = post(self.decision.events.last().unwrap());
        let lines = postings.iter().map(|line| (line.account, line.amount));
        lines.collect()
    }
}

#[test]
fn a_deposit_brings_money_when_it_is_completed_and_not_before() {
    funded_live("100")
        .when(deposit("d", "250.5"))
        .then(&["DepositRequested"])
        .then_funds("100", "0")
        .and(|desk| {
            assert_eq!(desk.lines(), []);
            let request = desk.account.funding_request(id("d")).unwrap();
            assert_eq!(request.kind, FundingKind::Deposit);
            assert_eq!(request.amount.to_string(), "250.50");
        })
        .when(decided("d", Approve))
        .then(&["DepositApproved"])
        .then_funds("100", "0")
        .when(decided("d", Complete))
        .then(&["DepositCompleted"])
        .then_funds("350.50", "0")
        .then_withdrawable("350.50")
        .and(|desk| {
            let expected = [
                (LedgerAccount::ClientFundsReal, dec("-250.50")),
                (LedgerAccount::BankClearing, dec("250.50")),
            ];
            assert_eq!(desk.lines(), expected);
            assert_eq!(desk.account.funding, []);
            assert_eq!(desk.account.funding.capacity(), 0);
        });
}

#[test]
fn a_withdrawal_holds_its_amount_at_once_and_pays_it_when_completed() {
    funded_live("1000")
        .when(withdrawal("w", "400"))
        .then(&["WithdrawalRequested"])
        .then_funds("1000", "400")
        .then_withdrawable("600")
        .then_balance("1000")
        .and(|desk| {
            assert_eq!(desk.figures().free_margin, Some(dec("600")));
            let expected = [
                (LedgerAccount::ClientFundsReal, dec("400")),
                (LedgerAccount::WithdrawalsHeld, dec("-400")),
            ];
            assert_eq!(desk.lines(), expected);
        })
        .when(decided("w", Approve))
        .then(&["WithdrawalApproved"])
        .then_funds("1000", "400")
        .when(decided("w", Complete))
        .then(&["WithdrawalCompleted"])
        .then_funds("600", "0")
        .then_withdrawable("600")
        .and(|desk| {
            let expected = [
                (LedgerAccount::WithdrawalsHeld, dec("400")),
                (LedgerAccount::BankClearing, dec("-400")),
            ];
            assert_eq!(desk.lines(), expected);
        });
}

#[test]
fn a_withdrawal_that_is_refused_or_taken_back_is_there_again() {
    funded_live("1000")
        .when(withdrawal("a", "300"))
        .when(withdrawal("b", "200"))
        .when(withdrawal("c", "100"))
        .then_funds("1000", "600")
        .when(decided("a", Reject))
        .then(&["WithdrawalRejected"])
        .then_funds("1000", "300")
        .when(decided("b", Approve))
        .when(decided("b", Reject))
        .then(&["WithdrawalRejected"])
        .when(taken_back("c"))
        .then(&["WithdrawalCancelled"])
        .then_funds("1000", "0")
        .and(|desk| {
            let expected = [
                (LedgerAccount::ClientFundsReal, dec("-100")),
                (LedgerAccount::WithdrawalsHeld, dec("100")),
            ];
            assert_eq!(desk.lines(), expected);
            let (_, step) = desk.decision.events[0].funding().unwrap();
            assert_eq!(step, FundingStep::Cancelled(FundingCancelReason::Client));
        })
        .when(deposit("d", "1"))
        .when(taken_back("d"))
        .then(&["DepositCancelled"])
        .when(deposit("e", "1"))
        .when(decided("e", Reject))
        .then(&["DepositRejected"])
        .then_balance("1000");
}

#[test]
fn every_step_follows_the_table_and_nothing_else() {
    use FundingStatus as Status;
    let path = |steps: &[super::super::FundingVerdict]| {
        let mut desk = funded_live("1000").when(withdrawal("w", "10"));
        for step in steps {
            desk = desk.when(decided("w", *step));
            assert_eq!(desk.decision.refusal, None);
        }
        desk
    };
    for ended in [[].as_slice(), &[Approve]] {
        for verdict in [Complete, Reject] {
            let mut desk = path(&[ended, &[verdict]].concat());
            for step in [Approve, Complete, Reject] {
                desk = desk
                    .when(decided("w", step))
                    .then_refused("funding_not_open");
            }
            desk.when(taken_back("w")).then_refused("funding_not_open");
        }
    }
    path(&[Approve])
        .when(decided("w", Approve))
        .then_refused("funding_not_open")
        .when(taken_back("w"))
        .then_refused("funding_not_open");
    path(&[])
        .when(taken_back("w"))
        .then(&["WithdrawalCancelled"])
        .when(decided("w", Complete))
        .then_refused("funding_not_open");
    funded_live("1")
        .when(decided("nobody", Approve))
        .then_refused("funding_not_open");
    assert_eq!(Status::Requested.after(Approve), Some(Status::Approved));
    assert_eq!(Status::Approved.after(Complete), Some(Status::Completed));
    assert_eq!(Status::Cancelled.after(Reject), None);
}

#[test]
fn no_more_is_held_than_is_withdrawable() {
    funded_live("500")
        .when(withdrawal("a", "500.01"))
        .then_refused("insufficient_funds")
        .then_rejection(&insufficient("500.01", "500"))
        .when(withdrawal("a", "300"))
        .then(&["WithdrawalRequested"])
        .when(withdrawal("b", "300"))
        .then_rejection(&insufficient("300", "200"))
        .when(withdrawal("b", "200"))
        .then(&["WithdrawalRequested"])
        .when(withdrawal("c", "0.01"))
        .then_rejection(&insufficient("0.01", "0"))
        .then_funds("500", "500");
}

#[test]
fn money_at_work_and_bonus_money_are_not_withdrawable() {
    funded_live("2000")
        .when(adjusted(Bucket::Bonus, "300"))
        .when(buy("EURUSD", "1").placed("a"))
        .then(&["OrderPlaced", "OrderFilled", "PositionOpened"])
        .then_withdrawable("900")
        .when(withdrawal("w", "900.01"))
        .then_rejection(&insufficient("900.01", "900"))
        .when(withdrawal("w", "900"))
        .then(&["WithdrawalRequested"])
        // What is held is no margin for anything else.
        .when(buy("EURUSD", "0.5").placed("b"))
        .then_rejected("insufficient_margin");
}

#[test]
fn a_withdrawal_waits_for_the_price_that_says_what_is_withdrawable() {
    let mut desk = funded_live("2000").when(buy("EURUSD", "1").placed("a"));
    desk.market = Market::new(instrument::seed().into_iter().map(Arc::new));
    desk.when(withdrawal("w", "1"))
        .then_refused("no_quote")
        .when(deposit("d", "1"))
        .then(&["DepositRequested"]);
}

#[test]
fn completion_checks_again_that_the_money_is_there() {
    funded_live("1000")
        .when(withdrawal("w", "900"))
        .when(adjusted(Bucket::Real, "-200"))
        .then(&["FundsAdjusted"])
        .when(decided("w", Complete))
        .then_refused("insufficient_funds")
        .then_rejection(&insufficient("900", "800"))
        .then_funds("800", "900")
        .then_withdrawable("0")
        .when(adjusted(Bucket::Real, "100"))
        .when(decided("w", Complete))
        .then(&["WithdrawalCompleted"])
        .then_funds("0", "0");
}
