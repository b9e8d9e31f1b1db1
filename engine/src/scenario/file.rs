//! The shape of a scenario file, field by field as the contract names them.

use std::{collections::BTreeMap, path::PathBuf};

use chrono::{DateTime, NaiveDate, Utc};
use daybook_domain::{
    Currency, Symbol,
    account::{Bucket, CloseFilter, PositionMode, TimeInForce},
    instrument::{AssetClass, Availability, SwapMode},
    quote::Side,
    rules::{ConversionRule, LimitFill, SessionRule, StopOutRule, TradingState},
    session::SessionPlan,
};
use serde::Deserialize;
use serde_json::Value;

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
    /// What a test expects of the report; running does not look at it.
    #[serde(default)]
    pub expect: Option<Value>,
    /// For people.
    #[serde(default)]
    pub about: Option<String>,
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
    #[serde(default)]
    pub controls: Option<ControlsIn>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct ControlsIn {
    pub state: TradingState,
    pub trading_disabled: bool,
    pub close_only: bool,
    pub read_only: bool,
    pub swap_free: bool,
    pub group: Option<Box<str>>,
    pub limits: LimitsIn,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct LimitsIn {
    pub max_leverage: Option<u32>,
    pub max_volume: Option<Number>,
    pub max_notional: Option<Number>,
    pub max_open_orders: Option<u32>,
    pub max_positions: Option<u32>,
    pub daily_loss: Option<Number>,
    pub orders_per_minute: Option<u32>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TierIn {
    pub from_notional: Number,
    pub max_leverage: u32,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct GroupIn {
    pub spread_markup: Option<Number>,
    pub slippage: Option<Number>,
    pub commission_rate: Option<Number>,
    pub swap_long: Option<Number>,
    pub swap_short: Option<Number>,
    pub max_leverage: Option<u32>,
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
    pub leverage_tiers: Vec<TierIn>,
    pub margin_rate: Option<Number>,
    pub margin_rate_sell: Option<Number>,
    pub max_exposure: Option<Number>,
    pub hedged_contract_size: Option<Number>,
    pub spread_markup: Option<Number>,
    pub slippage: Option<Number>,
    pub slippage_per_lot: Option<Number>,
    pub commission_rate: Option<Number>,
    pub swap_long: Option<Number>,
    pub swap_short: Option<Number>,
    pub swap_mode: SwapMode,
    pub swap_currency: Option<Currency>,
    /// Monday first.
    pub swap_weights: Option<[u32; 7]>,
    pub trailing_step: Option<Number>,
    pub session: Option<SessionPlan>,
    pub holidays: Vec<NaiveDate>,
    pub groups: BTreeMap<Box<str>, GroupIn>,
    pub availability: Availability,
}

/// `on` and `off`, or `true` and `false`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "SwitchIn")]
pub(super) struct Switch(pub bool);

#[derive(Deserialize)]
#[serde(untagged)]
enum SwitchIn {
    Plain(bool),
    Named(OnOff),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum OnOff {
    On,
    Off,
}

impl From<SwitchIn> for Switch {
    fn from(switch: SwitchIn) -> Self {
        Self(match switch {
            SwitchIn::Plain(is_on) => is_on,
            SwitchIn::Named(OnOff::On) => true,
            SwitchIn::Named(OnOff::Off) => false,
        })
    }
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
    pub trading_state: TradingState,
    pub orders_per_minute: Option<u32>,
    pub confirm_triggers: Option<Switch>,
    pub stop_out: StopOutRule,
    pub stop_out_level: Option<Number>,
    pub margin_call_level: Field<Number>,
    pub margin_call_clear_level: Option<Number>,
    pub hedged_stop_out_at: Option<Number>,
    pub swap: Option<Switch>,
    pub negative_balance_protection: Option<Switch>,
    pub daily_loss_limit: Option<Number>,
    pub daily_loss_closes_all: Option<Switch>,
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
    Leverage,
    Controls,
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
    pub trailing_distance: Field<Number>,
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
    pub only: Option<CloseFilter>,
    #[serde(default)]
    pub leverage: Option<u32>,
    #[serde(default)]
    pub controls: Option<ControlsIn>,
}
