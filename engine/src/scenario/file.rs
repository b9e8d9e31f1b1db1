//! The shape of a scenario file. Every field of the contract is known here, also those of features
//! that this version does not have: those are refused by name, where they matter.

use std::{collections::BTreeMap, path::PathBuf};

use chrono::{DateTime, Utc};
use daybook_domain::{
    Currency, Symbol,
    account::{Bucket, PositionMode, TimeInForce},
    instrument::{AssetClass, Availability},
    quote::Side,
    rules::{ConversionRule, LimitFill, SessionRule},
    session::SessionPlan,
};
use serde::Deserialize;

use super::number::{Field, Number};

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct File {
    pub account: AccountIn,
    #[serde(default)]
    pub instruments: BTreeMap<Symbol, InstrumentIn>,
    #[serde(default)]
    pub settings: Settings,
    #[serde(default)]
    pub ticks: Vec<PathBuf>,
    #[serde(default)]
    pub commands: Vec<CommandIn>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AccountIn {
    #[serde(default)]
    pub currency: Currency,
    pub balance: Number,
    pub leverage: Option<u32>,
    #[serde(default)]
    pub mode: PositionMode,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct InstrumentIn {
    pub name: Option<String>,
    pub class: AssetClass,
    pub base: Option<Currency>,
    pub quote: Option<Currency>,
    pub digits: Option<u32>,
    pub contract_size: Option<Number>,
    pub min_volume: Option<Number>,
    pub max_volume: Option<Number>,
    pub volume_step: Option<Number>,
    pub max_leverage: Option<u32>,
    pub margin_rate: Option<Number>,
    pub hedged_contract_size: Option<Number>,
    pub spread_markup: Option<Number>,
    pub slippage: Option<Number>,
    pub commission_rate: Option<Number>,
    pub swap_long: Option<Number>,
    pub swap_short: Option<Number>,
    pub session: Option<SessionPlan>,
    pub availability: Availability,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Switch {
    On,
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StopOut {
    Mt5,
    Fair,
    Smart,
    Off,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Settings {
    pub limit_fill: LimitFill,
    pub sessions: SessionRule,
    pub conversion: ConversionRule,
    pub max_quote_age_ms: Field<u64>,
    pub orders_max: Option<usize>,
    pub positions_max: Option<usize>,
    pub feed_filter: Option<Switch>,
    pub stop_out: Option<StopOut>,
    pub margin_call_level: Option<Number>,
    pub stop_out_level: Option<Number>,
    pub swap: Option<Switch>,
    pub negative_balance_protection: Option<Switch>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Op {
    Market,
    Limit,
    Stop,
    StopLimit,
    Modify,
    Cancel,
    Protect,
    Close,
    CloseBy,
    CloseAll,
    Adjust,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CommandIn {
    pub at_ms: i64,
    pub op: Op,
    #[serde(default)]
    pub id: Option<String>,
    #[serde(default)]
    pub of: Option<String>,
    #[serde(default)]
    pub with: Option<String>,
    #[serde(default)]
    pub symbol: Option<Symbol>,
    #[serde(default)]
    pub side: Option<Side>,
    #[serde(default)]
    pub volume: Option<Number>,
    #[serde(default)]
    pub limit_price: Option<Number>,
    #[serde(default)]
    pub stop_price: Option<Number>,
    #[serde(default)]
    pub stop_loss: Field<Number>,
    #[serde(default)]
    pub take_profit: Field<Number>,
    #[serde(default)]
    pub trailing_distance: Option<Number>,
    #[serde(default)]
    pub time_in_force: TimeInForce,
    #[serde(default)]
    pub expires_at: Field<DateTime<Utc>>,
    #[serde(default)]
    pub expires_at_ms: Option<i64>,
    #[serde(default)]
    pub oco_group: Option<Box<str>>,
    #[serde(default)]
    pub client_order_id: Option<Box<str>>,
    #[serde(default)]
    pub amount: Option<Number>,
    #[serde(default)]
    pub fund_type: Option<Bucket>,
    #[serde(default)]
    pub notes: Option<String>,
    #[serde(default)]
    pub only: Option<String>,
}
