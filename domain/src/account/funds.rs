//! The three buckets: what each kind of account trades on, and who bears a loss first.

use rust_decimal::Decimal;

use super::{AccountKind, Bucket, Funds, event::FundsChange};
use crate::{AccountRejection, Currency};

/// No balance grows beyond this, so that sums keep every cent within 28 digits.
pub const AMOUNT_MAX: Decimal = Decimal::from_parts(0xA764_0000, 0x0DE0_B6B3, 0, false, 0);

impl Funds {
    /// `real + demo + bonus`: what the CRM shows.
    #[must_use]
    pub fn balance(&self) -> Decimal {
        self.real + self.demo + self.bonus
    }

    /// What an account of `kind` trades on.
    #[must_use]
    pub fn tradable(&self, kind: AccountKind) -> Decimal {
        match kind {
            AccountKind::Live => self.real + self.bonus,
            AccountKind::Demo => self.demo,
        }
    }

    /// One bucket.
    #[must_use]
    pub const fn bucket(&self, bucket: Bucket) -> Decimal {
        match bucket {
            Bucket::Real => self.real,
            Bucket::Demo => self.demo,
            Bucket::Bonus => self.bonus,
        }
    }

    /// Where the net result of a deal goes. Profit goes to real (demo on a demo account); a loss
    /// takes real, then bonus, then makes real negative.
    ///
    /// # Errors
    /// `Overflow` when a bucket would grow beyond [`AMOUNT_MAX`].
    pub fn settle(
        &self,
        kind: AccountKind,
        currency: Currency,
        net: Decimal,
    ) -> Result<FundsChange, AccountRejection> {
        let change = match kind {
            AccountKind::Demo => FundsChange::of_bucket(currency, Bucket::Demo, net),
            AccountKind::Live if net >= Decimal::ZERO => {
                FundsChange::of_bucket(currency, Bucket::Real, net)
            }
            AccountKind::Live => {
                let loss = -net;
                let beyond_real = loss - loss.min(self.real.max(Decimal::ZERO));
                let from_bonus = beyond_real.min(self.bonus.max(Decimal::ZERO));
                FundsChange::new(currency, -(loss - from_bonus), Decimal::ZERO, -from_bonus)
            }
        };
        self.checked(change)
    }

    /// The change, once it is known that every bucket can take it.
    ///
    /// # Errors
    /// `Overflow` when a bucket would grow beyond [`AMOUNT_MAX`].
    pub fn checked(&self, change: FundsChange) -> Result<FundsChange, AccountRejection> {
        let fits = |amount: Decimal, by: Decimal| {
            amount
                .checked_add(by)
                .is_some_and(|after| after.abs() <= AMOUNT_MAX)
        };
        let all_fit = fits(self.real, change.real)
            && fits(self.demo, change.demo)
            && fits(self.bonus, change.bonus);
        all_fit.then_some(change).ok_or(AccountRejection::Overflow)
    }

    /// Moves the buckets, and what is held.
    pub fn apply(&mut self, change: &FundsChange) {
        self.real += change.real;
        self.demo += change.demo;
        self.bonus += change.bonus;
        self.held += change.held;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dec(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn live(real: &str, bonus: &str) -> Funds {
        Funds {
            real: dec(real),
            bonus: dec(bonus),
            ..Funds::default()
        }
    }

    fn settled(funds: Funds, net: &str) -> (Decimal, Decimal) {
        let change = funds
            .settle(AccountKind::Live, Currency::USD, dec(net))
            .unwrap();
        assert_eq!(change.total(), dec(net));
        (change.real, change.bonus)
    }

    #[test]
    fn the_largest_amount_is_a_million_million_millions() {
        assert_eq!(AMOUNT_MAX, dec("1000000000000000000"));
    }

    #[test]
    fn profit_goes_to_real_money() {
        assert_eq!(
            settled(live("10.00", "5.00"), "3.00"),
            (dec("3.00"), Decimal::ZERO)
        );
        assert_eq!(
            settled(live("-10.00", "5.00"), "3.00"),
            (dec("3.00"), Decimal::ZERO)
        );
    }

    #[test]
    fn a_loss_takes_real_then_bonus_then_makes_real_negative() {
        let funds = live("10.00", "5.00");
        assert_eq!(settled(funds, "-4.00"), (dec("-4.00"), Decimal::ZERO));
        assert_eq!(settled(funds, "-12.00"), (dec("-10.00"), dec("-2.00")));
        assert_eq!(settled(funds, "-20.00"), (dec("-15.00"), dec("-5.00")));
        assert_eq!(
            settled(live("-1.00", "5.00"), "-7.00"),
            (dec("-2.00"), dec("-5.00"))
        );
    }

    #[test]
    fn a_demo_account_wins_and_loses_demo_money_alone() {
        let funds = live("10.00", "5.00");
        let change = funds
            .settle(AccountKind::Demo, Currency::USD, dec("-20.00"))
            .unwrap();
        assert_eq!(
            change,
            FundsChange::of_bucket(Currency::USD, Bucket::Demo, dec("-20.00"))
        );
    }

    #[test]
    fn no_bucket_outgrows_its_digits() {
        let funds = live("999999999999999999.00", "0");
        let settled = funds.settle(AccountKind::Live, Currency::USD, dec("2.00"));
        assert_eq!(settled, Err(AccountRejection::Overflow));
    }
}
