//! Double entry: what each event means to the general ledger. Pure, from the event alone.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::{
    Currency,
    account::{
        AccountEvent, AccountKind, Bucket,
        event::{ClosingDeal, FundsChange},
    },
};

/// An account of the general ledger. Amounts are signed: debit positive, credit negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LedgerAccount {
    /// What we owe the client, by bucket (liability).
    ClientFundsReal,
    /// Demo money (memo liability).
    ClientFundsDemo,
    /// Bonus money (liability).
    ClientFundsBonus,
    /// Money at the bank on its way (asset).
    BankClearing,
    /// The other side of demo money (memo asset).
    DemoFunding,
    /// Bonuses granted (expense).
    BonusExpense,
    /// The house's side of the clients' results.
    TradingResult,
    /// Commission (income).
    CommissionIncome,
    /// Swap (income).
    SwapIncome,
    /// The house's side of demo trading, commission and swap included (memo): play money is
    /// nobody's income.
    DemoResult,
}

impl LedgerAccount {
    /// Stable name, as it is stored and exported.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientFundsReal => "client_funds_real",
            Self::ClientFundsDemo => "client_funds_demo",
            Self::ClientFundsBonus => "client_funds_bonus",
            Self::BankClearing => "bank_clearing",
            Self::DemoFunding => "demo_funding",
            Self::BonusExpense => "bonus_expense",
            Self::TradingResult => "trading_result",
            Self::CommissionIncome => "commission_income",
            Self::SwapIncome => "swap_income",
            Self::DemoResult => "demo_result",
        }
    }

    /// The ledger account of a client's bucket.
    #[must_use]
    pub const fn of_bucket(bucket: Bucket) -> Self {
        match bucket {
            Bucket::Real => Self::ClientFundsReal,
            Bucket::Demo => Self::ClientFundsDemo,
            Bucket::Bonus => Self::ClientFundsBonus,
        }
    }
}

/// One line of a journal entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posting {
    /// Ledger account.
    pub account: LedgerAccount,
    /// Debit positive, credit negative.
    pub amount: Decimal,
    /// Currency.
    pub currency: Currency,
}

/// The postings of an event; they sum to zero per currency. Empty when no money moved.
///
/// # Panics
/// When they do not sum to zero: the event contradicts itself.
#[must_use]
pub fn post(event: &AccountEvent) -> Vec<Posting> {
    match event {
        AccountEvent::FundsAdjusted { bucket, funds, .. } => {
            let other_side = match bucket {
                Bucket::Real => LedgerAccount::BankClearing,
                Bucket::Demo => LedgerAccount::DemoFunding,
                Bucket::Bonus => LedgerAccount::BonusExpense,
            };
            entry(funds, &[(other_side, funds.total())])
        }
        AccountEvent::OrderFilled {
            funds, execution, ..
        } => {
            let income = if funds.demo.is_zero() {
                LedgerAccount::CommissionIncome
            } else {
                LedgerAccount::DemoResult
            };
            entry(funds, &[(income, -execution.commission)])
        }
        AccountEvent::PositionReduced { deal, .. } | AccountEvent::PositionClosed { deal, .. } => {
            closing(deal)
        }
        // What follows moves no money.
        AccountEvent::AccountOpened { .. }
        | AccountEvent::OrderPlaced { .. }
        | AccountEvent::OrderRejected { .. }
        | AccountEvent::OrderModified { .. }
        | AccountEvent::OrderCancelled { .. }
        | AccountEvent::OrderExpired { .. }
        | AccountEvent::OrderTriggered { .. }
        | AccountEvent::PositionOpened { .. }
        | AccountEvent::ProtectionChanged { .. } => Vec::new(),
    }
}

fn closing(deal: &ClosingDeal) -> Vec<Posting> {
    let commission = -deal.execution.commission;
    match deal.kind {
        AccountKind::Demo => {
            let result = deal.realised + deal.swap + commission;
            entry(&deal.funds, &[(LedgerAccount::DemoResult, result)])
        }
        AccountKind::Live => entry(
            &deal.funds,
            &[
                (LedgerAccount::TradingResult, deal.realised),
                (LedgerAccount::SwapIncome, deal.swap),
                (LedgerAccount::CommissionIncome, commission),
            ],
        ),
    }
}

/// A journal entry: the client's buckets (what we owe grows by a credit) and the other sides.
fn entry(funds: &FundsChange, others: &[(LedgerAccount, Decimal)]) -> Vec<Posting> {
    let buckets = [
        (LedgerAccount::ClientFundsReal, -funds.real),
        (LedgerAccount::ClientFundsDemo, -funds.demo),
        (LedgerAccount::ClientFundsBonus, -funds.bonus),
    ];
    let lines = buckets.iter().chain(others);
    let postings: Vec<_> = lines
        .filter(|(_, amount)| !amount.is_zero())
        .map(|&(account, amount)| Posting {
            account,
            amount,
            currency: funds.currency,
        })
        .collect();
    let sum: Decimal = postings.iter().map(|posting| posting.amount).sum();
    assert!(
        sum.is_zero(),
        "invariant: every entry balances, this one by {sum}"
    );
    postings
}
