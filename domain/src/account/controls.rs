//! What a client or account may do: flags, limits and the group whose terms it deals under. Set by
//! the CRM or staff for a client, and kept by each of its accounts, so that a decision needs nothing
//! but the account.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::rules::TradingState;

/// Limits of one account. None: the house's or the instrument's alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Largest leverage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_leverage: Option<u32>,
    /// Most lots of one order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_volume: Option<Decimal>,
    /// Largest notional of all positions, in the account's currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_notional: Option<Decimal>,
    /// Most working orders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_open_orders: Option<u32>,
    /// Most open positions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_positions: Option<u32>,
    /// Loss of a trading day that blocks new risk, in the account's currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daily_loss: Option<Decimal>,
    /// Orders that may be placed in a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orders_per_minute: Option<u32>,
}

/// Flags, limits and group of one account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Controls {
    /// State of the account.
    pub state: TradingState,
    /// New risk is refused with `trading_disabled`.
    pub trading_disabled: bool,
    /// New risk is refused with `close_only`.
    pub close_only: bool,
    /// Nothing may be done, closing included.
    pub read_only: bool,
    /// No swap is charged.
    pub swap_free: bool,
    /// Whose special terms it deals under; none: everybody's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<Box<str>>,
    /// Limits.
    pub limits: Limits,
}

impl Controls {
    /// What holds where nothing was set.
    pub const NONE: Self = Self {
        state: TradingState::Active,
        trading_disabled: false,
        close_only: false,
        read_only: false,
        swap_free: false,
        group: None,
        limits: Limits {
            max_leverage: None,
            max_volume: None,
            max_notional: None,
            max_open_orders: None,
            max_positions: None,
            daily_loss: None,
            orders_per_minute: None,
        },
    };

    /// The state of the account under a house in `house`: the stricter of all that is said.
    #[must_use]
    pub fn state_under(&self, house: TradingState) -> TradingState {
        let by_flags = if self.read_only {
            TradingState::Halted
        } else if self.close_only || self.trading_disabled {
            TradingState::Reducing
        } else {
            TradingState::Active
        };
        self.state.max(by_flags).max(house)
    }
}
