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
    /// What we owe the client and hold for withdrawals (liability).
    WithdrawalsHeld,
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
    /// Negative balances made good (expense).
    NegativeBalanceExpense,
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
            Self::WithdrawalsHeld => "withdrawals_held",
            Self::BankClearing => "bank_clearing",
            Self::DemoFunding => "demo_funding",
            Self::BonusExpense => "bonus_expense",
            Self::TradingResult => "trading_result",
            Self::CommissionIncome => "commission_income",
            Self::SwapIncome => "swap_income",
            Self::NegativeBalanceExpense => "negative_balance_expense",
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
        AccountEvent::DepositCompleted { funds, .. }
        | AccountEvent::WithdrawalCompleted { funds, .. } => {
            entry(funds, &[(LedgerAccount::BankClearing, funds.total())])
        }
        AccountEvent::WithdrawalRequested { funds, .. }
        | AccountEvent::WithdrawalRejected { funds, .. }
        | AccountEvent::WithdrawalCancelled { funds, .. } => entry(funds, &[]),
        AccountEvent::OrderFilled {
            funds, execution, ..
        } => {
            let income = by_money(funds, LedgerAccount::CommissionIncome);
            entry(funds, &[(income, -execution.commission)])
        }
        AccountEvent::PositionReduced { deal, .. } | AccountEvent::PositionClosed { deal, .. } => {
            closing(deal)
        }
        AccountEvent::NegativeBalanceCompensated { funds, .. } => {
            let expense = by_money(funds, LedgerAccount::NegativeBalanceExpense);
            entry(funds, &[(expense, funds.total())])
        }
        AccountEvent::DealBusted { bust, .. } => result(
            bust.kind,
            &bust.funds,
            [bust.realised, bust.swap, bust.commission],
        ),
        AccountEvent::DealRepriced { reprice, .. } => result(
            reprice.kind,
            &reprice.funds,
            [reprice.realised, Decimal::ZERO, Decimal::ZERO],
        ),
        // What follows moves no money. Swap moves it with the deal that posts it.
        AccountEvent::AccountOpened { .. }
        | AccountEvent::DepositRequested { .. }
        | AccountEvent::DepositApproved { .. }
        | AccountEvent::DepositRejected { .. }
        | AccountEvent::DepositCancelled { .. }
        | AccountEvent::WithdrawalApproved { .. }
        | AccountEvent::OrderPlaced { .. }
        | AccountEvent::OrderRejected { .. }
        | AccountEvent::OrderModified { .. }
        | AccountEvent::OrderCancelled { .. }
        | AccountEvent::OrderExpired { .. }
        | AccountEvent::OrderTriggered { .. }
        | AccountEvent::PositionOpened { .. }
        | AccountEvent::PositionIncreased { .. }
        | AccountEvent::OrderNetted { .. }
        | AccountEvent::ProtectionChanged { .. }
        | AccountEvent::LeverageChanged { .. }
        | AccountEvent::ControlsChanged { .. }
        | AccountEvent::SwapCharged { .. }
        | AccountEvent::MarginCallRaised { .. }
        | AccountEvent::MarginCallCleared { .. }
        | AccountEvent::StopOutStarted { .. }
        | AccountEvent::StopOutStep { .. }
        | AccountEvent::StopOutFinished { .. }
        | AccountEvent::TradingDayStarted { .. }
        | AccountEvent::DailyLossLimitReached { .. } => Vec::new(),
    }
}

/// The other side, or that of play money.
fn by_money(funds: &FundsChange, real: LedgerAccount) -> LedgerAccount {
    if funds.demo.is_zero() {
        real
    } else {
        LedgerAccount::DemoResult
    }
}

fn closing(deal: &ClosingDeal) -> Vec<Posting> {
    let parts = [deal.realised, deal.swap, -deal.execution.commission];
    result(deal.kind, &deal.funds, parts)
}

/// The other sides of what trading moved: price profit, swap and commission, signed for the client.
fn result(kind: AccountKind, funds: &FundsChange, parts: [Decimal; 3]) -> Vec<Posting> {
    let [realised, swap, commission] = parts;
    match kind {
        AccountKind::Demo => {
            let result = realised + swap + commission;
            entry(funds, &[(LedgerAccount::DemoResult, result)])
        }
        AccountKind::Live => entry(
            funds,
            &[
                (LedgerAccount::TradingResult, realised),
                (LedgerAccount::SwapIncome, swap),
                (LedgerAccount::CommissionIncome, commission),
            ],
        ),
    }
}

/// A journal entry: the client's buckets (what we owe grows by a credit), what is held of real
/// money, and the other sides.
fn entry(funds: &FundsChange, others: &[(LedgerAccount, Decimal)]) -> Vec<Posting> {
    let buckets = [
        (LedgerAccount::ClientFundsReal, funds.held - funds.real),
        (LedgerAccount::ClientFundsDemo, -funds.demo),
        (LedgerAccount::ClientFundsBonus, -funds.bonus),
        (LedgerAccount::WithdrawalsHeld, -funds.held),
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
