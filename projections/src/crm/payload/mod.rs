//! What stands in `data`, by kind. Field order is the order of the text; names are the REST items'.
//!
//! A field whose value is personal holds the ciphertext of the book here; `body` opens it when a
//! delivery is sent. Each type's JSON Schema is `docs/webhooks/<name>.v<version>.json`.

mod account;
mod client;
mod client_rules;
mod funding;
#[cfg(test)]
mod schema;
mod trading;

pub(crate) use account::{
    AccountData, BalanceData, LiquidatedDeal, LiquidationData, MarginCallData,
};
pub(crate) use client::{
    ControlsData, EmailVerifiedData, KycData, ProfileChangedData, StandingData, UserCreatedData,
};
pub(crate) use client_rules::{ClientLimitsData, ExternalIdData, TierData, TradingData};
pub(crate) use funding::{DepositData, FundingData, WithdrawalData};
use serde::Serialize;
pub(crate) use trading::{ClosedData, Fate, Owner, Write, order_data, position_data};

/// JSON text of a payload.
pub(crate) fn text(data: &impl Serialize) -> String {
    serde_json::to_string(data).expect("invariant: payloads are plain text and numbers")
}
