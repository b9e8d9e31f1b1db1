//! Orders: what was asked (`Ticket`) and what is working (`Order`).

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::{OrderId, Symbol, Timestamp, quote::Side};

/// How an order finds its price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderType {
    /// At the quote, at once.
    Market,
    /// At `limit_price` or better.
    Limit,
    /// A market order once `stop_price` is touched.
    Stop,
    /// A limit order once `stop_price` is touched.
    StopLimit,
}

/// How long an order works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeInForce {
    /// Until cancelled.
    #[default]
    Gtc,
    /// Until the rollover (17:00 New York).
    Day,
    /// Until `expires_at`.
    Gtd,
    /// At once or not at all (we fill whole orders, so the same as `fok`).
    Ioc,
    /// Wholly at once or not at all.
    Fok,
}

/// A client's order, as asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Instrument.
    pub symbol: Symbol,
    /// Buy or sell.
    pub side: Side,
    /// Type.
    pub order_type: OrderType,
    /// Lots.
    pub volume: Decimal,
    /// For `limit` and `stop_limit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_price: Option<Decimal>,
    /// For `stop` and `stop_limit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_price: Option<Decimal>,
    /// Protection of the position to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_loss: Option<Decimal>,
    /// Protection of the position to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub take_profit: Option<Decimal>,
    /// How far behind the market the stop loss of the position to be trails, in price units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trailing_distance: Option<Decimal>,
    /// How long it works.
    pub time_in_force: TimeInForce,
    /// For `gtd`; filled in by the decision for `day`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Orders of one group cancel each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oco_group: Option<Box<str>>,
    /// The client's own name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_order_id: Option<Box<str>>,
}

impl Ticket {
    /// What a modification may change, as it is.
    #[must_use]
    pub const fn levels(&self) -> OrderLevels {
        OrderLevels {
            volume: self.volume,
            limit_price: self.limit_price,
            stop_price: self.stop_price,
            stop_loss: self.stop_loss,
            take_profit: self.take_profit,
            expires_at: self.expires_at,
        }
    }

    /// The price that protection is measured from: the order's own. A stop-limit order deals at
    /// its limit price. None for a market order, which has none.
    #[must_use]
    pub const fn own_price(&self) -> Option<Decimal> {
        match self.order_type {
            OrderType::Market => None,
            OrderType::Limit | OrderType::StopLimit => self.limit_price,
            OrderType::Stop => self.stop_price,
        }
    }

    /// Applies a modification. An expiry that changed decides the time in force.
    pub fn modify(&mut self, from: &OrderLevels, to: &OrderLevels) {
        if from.expires_at != to.expires_at {
            self.time_in_force = match to.expires_at {
                Some(_) => TimeInForce::Gtd,
                None => TimeInForce::Gtc,
            };
        }
        self.set_levels(to);
    }

    pub(super) fn set_levels(&mut self, levels: &OrderLevels) {
        self.volume = levels.volume;
        self.limit_price = levels.limit_price;
        self.stop_price = levels.stop_price;
        self.stop_loss = levels.stop_loss;
        self.take_profit = levels.take_profit;
        self.expires_at = levels.expires_at;
    }
}

/// What a modification may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderLevels {
    /// Lots.
    pub volume: Decimal,
    /// Limit price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_price: Option<Decimal>,
    /// Stop price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_price: Option<Decimal>,
    /// Stop loss.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_loss: Option<Decimal>,
    /// Take profit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub take_profit: Option<Decimal>,
    /// Expiry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// A working order in memory and in snapshots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Its identifier.
    pub order_id: OrderId,
    /// What was asked, as modified since.
    pub ticket: Ticket,
    /// A stop-limit order whose stop was touched: it now rests as a limit order.
    pub triggered: bool,
    /// A limit that a modification moved into the market: it deals at the quote.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub marketable: bool,
    /// When it was placed; ties between triggers go to the older.
    pub placed_at: Timestamp,
}

impl Order {
    /// Whether its time has come.
    #[must_use]
    pub fn is_due(&self, at: Timestamp) -> bool {
        self.ticket
            .expires_at
            .is_some_and(|expires_at| expires_at <= at)
    }
}
