//! What holds for a client and for all their accounts: tier, flags and limits. Beside it the name
//! that the CRM has for the person, and notes about them.
//!
//! An account keeps what holds for it by itself, see `account::Controls`; what changes here is
//! carried over to each account in the same append.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{ClientEvent, ClientRejection, field};
use crate::{
    Timestamp,
    account::{Change, Controls, LEVERAGE_MAX, Limits},
};

/// The tier of whoever was put into none.
pub const TIER_DEFAULT: &str = "standard";

const TIER_MAX: usize = 32;
const EXTERNAL_ID_MAX: usize = 128;
const REASON_MAX: usize = 500;
const COMMENT_MAX: usize = 4_000;

type Decided = Result<Vec<ClientEvent>, ClientRejection>;

/// Flags of a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Flags {
    /// New risk is refused with `close_only`.
    pub close_only: bool,
    /// Nothing may be done, closing included.
    pub read_only: bool,
    /// No swap is charged.
    pub swap_free: bool,
}

/// Changes to flags; what is left out stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FlagsChange {
    /// New risk is refused.
    pub close_only: Option<bool>,
    /// Nothing may be done.
    pub read_only: Option<bool>,
    /// No swap is charged.
    pub swap_free: Option<bool>,
}

/// Changes to limits; what is left out stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LimitsChange {
    /// Largest leverage.
    pub max_leverage: Change<u32>,
    /// Most lots of one order.
    pub max_volume: Change<Decimal>,
    /// Largest notional of all positions of an account, in its currency.
    pub max_notional: Change<Decimal>,
    /// Most working orders of an account.
    pub max_open_orders: Change<u32>,
    /// Most open positions of an account.
    pub max_positions: Change<u32>,
    /// Loss of a trading day that blocks new risk on an account, in its currency.
    pub daily_loss: Change<Decimal>,
    /// Orders that may be placed on an account in a minute.
    pub orders_per_minute: Change<u32>,
}

/// Tier, flags, limits, and the CRM's name for the person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// A slug.
    pub tier: String,
    /// New risk is refused with `trading_disabled`.
    pub trading_disabled: bool,
    /// Flags.
    pub flags: Flags,
    /// Limits of each account.
    pub limits: Limits,
    /// What the CRM calls the person.
    pub external_id: Option<String>,
}

impl Default for Standing {
    fn default() -> Self {
        Self {
            tier: TIER_DEFAULT.to_owned(),
            trading_disabled: false,
            flags: Flags::default(),
            limits: Limits::default(),
            external_id: None,
        }
    }
}

impl Flags {
    fn after(self, change: FlagsChange) -> Self {
        Self {
            close_only: change.close_only.unwrap_or(self.close_only),
            read_only: change.read_only.unwrap_or(self.read_only),
            swap_free: change.swap_free.unwrap_or(self.swap_free),
        }
    }
}

impl LimitsChange {
    fn apply(self, limits: &Limits) -> Limits {
        Limits {
            max_leverage: self.max_leverage.apply(limits.max_leverage),
            max_volume: self.max_volume.apply(limits.max_volume),
            max_notional: self.max_notional.apply(limits.max_notional),
            max_open_orders: self.max_open_orders.apply(limits.max_open_orders),
            max_positions: self.max_positions.apply(limits.max_positions),
            daily_loss: self.daily_loss.apply(limits.daily_loss),
            orders_per_minute: self.orders_per_minute.apply(limits.orders_per_minute),
        }
    }
}

impl Standing {
    /// What an account is allowed once its client's standing has become this. What changed since
    /// `before` is taken over; what was set for the account alone stays.
    #[must_use]
    pub fn carried_over(&self, before: &Self, own: &Controls) -> Controls {
        let (flags, limits) = (&self.flags, &self.limits);
        let (was, had, has) = (&before.flags, &before.limits, &own.limits);
        Controls {
            trading_disabled: taken_over(
                before.trading_disabled,
                self.trading_disabled,
                own.trading_disabled,
            ),
            close_only: taken_over(was.close_only, flags.close_only, own.close_only),
            read_only: taken_over(was.read_only, flags.read_only, own.read_only),
            swap_free: taken_over(was.swap_free, flags.swap_free, own.swap_free),
            limits: Limits {
                max_leverage: taken_over(had.max_leverage, limits.max_leverage, has.max_leverage),
                max_volume: taken_over(had.max_volume, limits.max_volume, has.max_volume),
                max_notional: taken_over(had.max_notional, limits.max_notional, has.max_notional),
                max_open_orders: taken_over(
                    had.max_open_orders,
                    limits.max_open_orders,
                    has.max_open_orders,
                ),
                max_positions: taken_over(
                    had.max_positions,
                    limits.max_positions,
                    has.max_positions,
                ),
                daily_loss: taken_over(had.daily_loss, limits.daily_loss, has.daily_loss),
                orders_per_minute: taken_over(
                    had.orders_per_minute,
                    limits.orders_per_minute,
                    has.orders_per_minute,
                ),
            },
            ..own.clone()
        }
    }

    /// Whether all of it but tier and name is the same: accounts need not be told then.
    #[must_use]
    pub fn allows_the_same(&self, other: &Self) -> bool {
        self.trading_disabled == other.trading_disabled
            && self.flags == other.flags
            && self.limits == other.limits
    }

    pub(super) fn change_tier(&self, to: &str, by: &str, at: Timestamp) -> Decided {
        check_tier(to)?;
        if self.tier == to {
            return Ok(Vec::new());
        }
        Ok(vec![ClientEvent::TierChanged {
            from: self.tier.clone(),
            to: to.to_owned(),
            by: by.to_owned(),
            at,
        }])
    }

    pub(super) fn disable(&self, reason: Option<&str>, by: &str, at: Timestamp) -> Decided {
        if let Some(reason) = reason {
            field::check_text("reason", reason, REASON_MAX)?;
        }
        if self.trading_disabled {
            return Ok(Vec::new());
        }
        Ok(vec![ClientEvent::TradingDisabled {
            reason: reason.map(str::to_owned),
            by: by.to_owned(),
            at,
        }])
    }

    pub(super) fn enable(&self, by: &str, at: Timestamp) -> Vec<ClientEvent> {
        let by = by.to_owned();
        let enabled = ClientEvent::TradingEnabled { by, at };
        let is_new = self.trading_disabled;
        is_new.then_some(enabled).into_iter().collect()
    }

    pub(super) fn change_limits(
        &self,
        flags: FlagsChange,
        limits: LimitsChange,
        by: &str,
        at: Timestamp,
    ) -> Decided {
        let flags = self.flags.after(flags);
        let limits = limits.apply(&self.limits);
        check_limits(&limits)?;
        if flags == self.flags && limits == self.limits {
            return Ok(Vec::new());
        }
        Ok(vec![ClientEvent::LimitsChanged {
            flags,
            limits: Box::new(limits),
            by: by.to_owned(),
            at,
        }])
    }

    pub(super) fn link(&self, external_id: &str, by: &str, at: Timestamp) -> Decided {
        field::check_text("externalId", external_id, EXTERNAL_ID_MAX)?;
        match &self.external_id {
            Some(known) if known == external_id => Ok(Vec::new()),
            Some(_) => Err(ClientRejection::LinkedOtherwise),
            None => Ok(vec![ClientEvent::ExternalIdLinked {
                external_id: external_id.to_owned(),
                by: by.to_owned(),
                at,
            }]),
        }
    }
}

/// What holds for an account after its client's value went from `was` to `now`.
fn taken_over<T: PartialEq>(was: T, now: T, own: T) -> T {
    if was == now { own } else { now }
}

fn check_tier(tier: &str) -> Result<(), ClientRejection> {
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    if (1..=TIER_MAX).contains(&tier.len()) && tier.bytes().all(plain) {
        return Ok(());
    }
    let message = format!("must have 1 to {TIER_MAX} of the characters a-z, 0-9, _ and -");
    Err(invalid("tier", message))
}

fn check_limits(limits: &Limits) -> Result<(), ClientRejection> {
    let leverage = limits.max_leverage;
    if leverage.is_some_and(|most| !(1..=LEVERAGE_MAX).contains(&most)) {
        let message = format!("must be 1 to {LEVERAGE_MAX}");
        return Err(invalid("limits.maxLeverage", message));
    }
    for (name, amount) in [
        ("limits.maxVolume", limits.max_volume),
        ("limits.maxNotional", limits.max_notional),
        ("limits.dailyLoss", limits.daily_loss),
    ] {
        if amount.is_some_and(|amount| amount <= Decimal::ZERO) {
            return Err(invalid(name, "must be greater than zero".to_owned()));
        }
    }
    Ok(())
}

/// A comment may have several lines.
pub(super) fn add_note(comment: &str, by: &str, at: Timestamp) -> Decided {
    if comment.trim().is_empty() {
        return Err(invalid("comment", "is empty".to_owned()));
    }
    if comment.chars().count() > COMMENT_MAX {
        let message = format!("has more than {COMMENT_MAX} characters");
        return Err(invalid("comment", message));
    }
    let odd = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    if comment.chars().any(odd) {
        let message = "holds a control character".to_owned();
        return Err(invalid("comment", message));
    }
    Ok(vec![ClientEvent::NoteAdded {
        comment: comment.to_owned(),
        by: by.to_owned(),
        at,
    }])
}

fn invalid(field: &'static str, message: String) -> ClientRejection {
    ClientRejection::InvalidField { field, message }
}
