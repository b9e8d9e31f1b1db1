//! At which equity something happens to an account: one place for those who decide it and those
//! who watch for it.

use rust_decimal::Decimal;

use super::hedged::checked_used_margin;
use crate::{Account, Rules, rules::StopOutRule};

/// Equities, in the account's currency. Margin in use does not depend on quotes, so every rule
/// about a level is one about equity: `level ≤ x` is `equity ≤ held + used · x / 100`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Margin in use.
    pub used_margin: Decimal,
    /// At or below: margin call. None where there is no such rule or no margin in use.
    pub margin_call: Option<Decimal>,
    /// At or above, and above the margin call: it is cleared. Every equity where no margin is in
    /// use.
    pub cleared: Decimal,
    /// At or below: stop-out. Where nothing but hedged volume is open that needs no margin, of
    /// what is usable. None where there is no such rule or nothing open.
    pub stop_out: Option<Decimal>,
    /// At or below: the day's loss has reached its limit. None without a limit or a day.
    pub daily_loss: Option<Decimal>,
}

impl Thresholds {
    /// The thresholds of an open account. None before it is opened, or when one does not fit 28
    /// digits.
    #[must_use]
    pub fn of(account: &Account, rules: &Rules) -> Option<Self> {
        let terms = account.terms.as_ref()?;
        let used = checked_used_margin(&account.positions, account.leverage()?, terms.currency)?;
        let held = account.funds.held;
        let at_level = |percent: Decimal| {
            let usable = used
                .checked_mul(percent)?
                .checked_div(Decimal::ONE_HUNDRED)?;
            held.checked_add(usable)
        };
        let margin_call = match rules.margin_call_level {
            Some(percent) if !used.is_zero() => Some(at_level(percent)?),
            Some(_) | None => None,
        };
        let cleared = if used.is_zero() {
            Decimal::MIN
        } else {
            at_level(rules.margin_call_clear_level)?
        };
        let stop_out = if account.positions.is_empty() || rules.stop_out == StopOutRule::Off {
            None
        } else {
            Some(Self::stop_out_at(used, held, rules)?)
        };
        Some(Self {
            used_margin: used,
            margin_call,
            cleared,
            stop_out,
            daily_loss: daily_loss(account, rules)?,
        })
    }

    /// The equity at or below which positions with this margin in use are stopped out: at the
    /// level of the rules or, where no margin is in use, at what they say of usable money. None
    /// when it does not fit 28 digits.
    #[must_use]
    pub fn stop_out_at(used_margin: Decimal, held: Decimal, rules: &Rules) -> Option<Decimal> {
        let usable = if used_margin.is_zero() {
            rules.hedged_stop_out_at
        } else {
            let product = used_margin.checked_mul(rules.stop_out_level)?;
            product.checked_div(Decimal::ONE_HUNDRED)?
        };
        held.checked_add(usable)
    }

    /// Whether a margin call is due at this equity.
    #[must_use]
    pub fn calls(&self, equity: Decimal) -> bool {
        self.margin_call.is_some_and(|at| equity <= at)
    }

    /// Whether a standing margin call is over at this equity.
    #[must_use]
    pub fn clears(&self, equity: Decimal) -> bool {
        equity >= self.cleared && !self.calls(equity)
    }
}

/// `day.equity + flows − limit`. The outer option is none when it does not fit 28 digits.
#[allow(
    clippy::option_option,
    reason = "an overflow is not the absence of a limit"
)]
fn daily_loss(account: &Account, rules: &Rules) -> Option<Option<Decimal>> {
    let limit = account.daily_loss_limit(rules);
    let Some((limit, day)) = limit.zip(account.risk.day) else {
        return Some(None);
    };
    let start = day.equity.checked_add(day.flows)?;
    Some(Some(start.checked_sub(limit)?))
}
