//! `account.updated`, `balance.updated`, `margin.call` and `liquidation`.

use serde::Serialize;

/// An account as it is now.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountData {
    /// Its owner.
    pub(crate) client_id: String,
    /// The account.
    pub(crate) account_id: String,
    /// The number people use.
    pub(crate) number: u64,
    /// `demo` or `live`.
    pub(crate) kind: String,
    /// `hedging` or `netting`.
    pub(crate) mode: String,
    /// Currency of every amount.
    pub(crate) currency: String,
    /// 1:`leverage`.
    pub(crate) leverage: u32,
    /// `active`, `reducing` (no new risk) or `halted`.
    pub(crate) state: String,
}

/// A bucket changed.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct BalanceData {
    /// The owner.
    pub(crate) client_id: String,
    /// The account.
    pub(crate) account_id: String,
    /// The bucket: `real`, `demo` or `bonus`.
    pub(crate) fund_type: String,
    /// Signed change of it.
    pub(crate) amount: String,
    /// `adjustment`, `commission`, `deal`, `negative_balance` or `correction`.
    pub(crate) reason: String,
    /// For people, where somebody said something.
    pub(crate) notes: Option<String>,
    /// Currency of every amount.
    pub(crate) currency: String,
    /// Real money after the event.
    pub(crate) real_balance: String,
    /// Demo money after the event.
    pub(crate) demo_balance: String,
    /// Bonus money after the event.
    pub(crate) bonus_balance: String,
    /// All of it.
    pub(crate) balance: String,
}

/// The margin level fell to the margin call.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct MarginCallData {
    /// The owner.
    pub(crate) client_id: String,
    /// The account.
    pub(crate) account_id: String,
    /// Percent.
    pub(crate) margin_level: String,
    /// Equity, in the account's currency.
    pub(crate) equity: String,
    /// Margin in use, in the account's currency.
    pub(crate) used_margin: String,
    /// The account's currency.
    pub(crate) currency: String,
}

/// A stop-out is over.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct LiquidationData {
    /// The owner.
    pub(crate) client_id: String,
    /// The account.
    pub(crate) account_id: String,
    /// Margin level at its start, in percent; null: fully hedged, and nothing usable was left.
    pub(crate) level_before: Option<String>,
    /// Margin level at its end, in percent; null: no margin is in use any more.
    pub(crate) level_after: Option<String>,
    /// What it closed, in order.
    pub(crate) closed: Vec<LiquidatedDeal>,
    /// The account's currency.
    pub(crate) currency: String,
}

/// One deal of a stop-out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct LiquidatedDeal {
    /// The deal.
    pub(crate) deal_id: String,
    /// The position.
    pub(crate) position_id: String,
    /// Its instrument.
    pub(crate) symbol: String,
    /// Lots closed.
    pub(crate) closed_volume: String,
    /// Lots still open.
    pub(crate) remaining_volume: String,
    /// The price.
    pub(crate) price: String,
    /// Price profit alone, in the account's currency.
    pub(crate) realised: String,
}
