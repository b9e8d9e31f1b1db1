//! What an account remembers of its risk: the margin call, the trading day and the rate of orders.

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// A trading day: from rollover to rollover.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TradingDay {
    /// Named by the date on which it ends in New York.
    pub day: NaiveDate,
    /// Equity at its start.
    pub equity: Decimal,
    /// Deposits, withdrawals, adjustments and corrections since: they are neither loss nor profit.
    #[serde(default, skip_serializing_if = "Decimal::is_zero")]
    pub flows: Decimal,
    /// Until when new risk is refused, once the day's loss has reached its limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_until: Option<Timestamp>,
}

/// Orders placed within the minute that began with the first of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderWindow {
    /// When it began.
    pub since: Timestamp,
    /// Orders placed or rejected in it.
    pub count: u32,
}

/// What an account remembers of its risk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Risk {
    /// Whether a margin call stands.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub margin_called: bool,
    /// The trading day; none where no loss limit asked for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day: Option<TradingDay>,
    /// The rate of orders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orders: Option<OrderWindow>,
}
