//! Leverage and controls.

use rust_decimal::Decimal;

use super::{Book, Found};
use crate::{
    AccountEvent, AccountRejection, Money,
    account::{Controls, LEVERAGE_MAX},
    margin, profit,
};

impl Book<'_> {
    /// The leverage in force, the account's limit taken into account.
    pub(super) fn leverage(&self) -> u32 {
        self.account.leverage().unwrap_or(self.terms.leverage)
    }

    /// Changes the leverage and re-margins what is open. Refused if free margin would become
    /// negative by it; more leverage never needs more margin.
    pub(super) fn change_leverage(&self, leverage: u32, by: &str) -> Found {
        let limit = self.account.controls().limits.max_leverage;
        let max = limit.map_or(LEVERAGE_MAX, |limit| limit.min(LEVERAGE_MAX));
        if leverage == 0 || leverage > max {
            return Err(AccountRejection::LeverageOutOfRange {
                asked: leverage,
                max,
            });
        }
        if leverage == self.terms.leverage {
            return Ok(Vec::new());
        }
        self.check_remargined(leverage)?;
        Ok(vec![AccountEvent::LeverageChanged {
            from: self.terms.leverage,
            to: leverage,
            by: by.to_owned(),
            at: self.context.at,
        }])
    }

    /// Sets flags, limits and group. Only a limit on leverage that free margin does not cover is
    /// refused: it re-margins what is open, as a change of leverage does.
    pub(super) fn set_controls(
        &self,
        controls: &Controls,
        reason: Option<&str>,
        by: &str,
    ) -> Found {
        if controls == self.account.controls() {
            return Ok(Vec::new());
        }
        check_limits(controls)?;
        let limit = controls.limits.max_leverage;
        let leverage = limit.map_or(self.terms.leverage, |limit| limit.min(self.terms.leverage));
        self.check_remargined(leverage)?;
        Ok(vec![AccountEvent::ControlsChanged {
            controls: Box::new(controls.clone()),
            reason: reason.map(str::to_owned),
            by: by.to_owned(),
            at: self.context.at,
        }])
    }

    /// Checks that equity less holds covers the margin in use under another leverage, where that
    /// is more than it is now.
    fn check_remargined(&self, leverage: u32) -> Result<(), AccountRejection> {
        let positions = &self.account.positions;
        let (currency, group) = (self.terms.currency, self.account.group());
        let used = |leverage| margin::checked_used_margin(positions, leverage, currency);
        let after = used(leverage).ok_or(AccountRejection::Overflow)?;
        if used(self.leverage()).is_some_and(|before| after <= before) {
            return Ok(());
        }
        let (market, rules) = (self.context.market, self.context.rules);
        let tradable = self.account.funds.tradable(self.terms.kind);
        let mut usable = tradable.checked_sub(self.account.funds.held);
        for position in positions {
            let value = profit::value(position, currency, group, market, rules)?;
            usable = usable.and_then(|usable| usable.checked_add(value));
        }
        let usable = usable.ok_or(AccountRejection::Overflow)?;
        if after > usable {
            return Err(AccountRejection::InsufficientMargin {
                required: Money::rounded(after, currency),
                free: Money::rounded(usable, currency),
            });
        }
        Ok(())
    }
}

/// No limit is negative, and there is no leverage of zero.
fn check_limits(controls: &Controls) -> Result<(), AccountRejection> {
    let limits = &controls.limits;
    if limits.max_leverage == Some(0) {
        let message = "maxLeverage must be at least 1".to_owned();
        return Err(AccountRejection::InvalidTerms(message));
    }
    let amounts = [
        ("maxVolume", limits.max_volume),
        ("maxNotional", limits.max_notional),
        ("dailyLoss", limits.daily_loss),
    ];
    for (name, amount) in amounts {
        if amount.is_some_and(|amount| amount <= Decimal::ZERO) {
            let message = format!("{name} must be positive");
            return Err(AccountRejection::InvalidTerms(message));
        }
    }
    Ok(())
}
