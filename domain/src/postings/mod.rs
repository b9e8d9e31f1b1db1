//! Double entry: what each event means to the general ledger. Pure, from the event alone.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::{
    Currency,
    account::{AccountEvent, Bucket},
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
}

impl LedgerAccount {
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
#[must_use]
pub fn post(event: &AccountEvent) -> Vec<Posting> {
    let _ = event;
    todo!("domain")
}
