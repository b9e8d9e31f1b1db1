//! What keeps an account's owner from being forgotten: money and obligations that are still theirs.

use super::Account;
use crate::Money;

/// What is still open. Ordered by precedence: the first that holds is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsettled {
    /// Positions are open.
    #[error("{0} positions are open")]
    Positions(usize),
    /// Orders are working.
    #[error("{0} orders are working")]
    Orders(usize),
    /// Money is held for requested withdrawals.
    #[error("{0} is held for requested withdrawals")]
    Held(Money),
    /// Deposits or withdrawals are neither paid nor refused.
    #[error("{0} deposits or withdrawals are open")]
    Funding(usize),
    /// Real money is left, or owed.
    #[error("the real balance is {0}")]
    RealMoney(Money),
}

impl Account {
    /// What is still open; none where nothing is. Demo and bonus money is nobody's.
    #[must_use]
    pub fn unsettled(&self) -> Option<Unsettled> {
        let currency = self.terms.as_ref()?.currency;
        let money = |amount| Money { amount, currency };
        if !self.positions.is_empty() {
            Some(Unsettled::Positions(self.positions.len()))
        } else if !self.orders.is_empty() {
            Some(Unsettled::Orders(self.orders.len()))
        } else if !self.funds.held.is_zero() {
            Some(Unsettled::Held(money(self.funds.held)))
        } else if !self.funding.is_empty() {
            Some(Unsettled::Funding(self.funding.len()))
        } else if !self.funds.real.is_zero() {
            Some(Unsettled::RealMoney(money(self.funds.real)))
        } else {
            None
        }
    }
}
