//! The house rules a decision is made under: what DOMAIN calls *settings*, apart from the terms of
//! an instrument. Read once at start (or from a scenario file) and handed in with every command.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// Which price fills a limit order that the market has passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitFill {
    /// The quote, when it is better than the limit.
    #[default]
    Improve,
    /// Always the limit.
    AtLimit,
}

/// Whether instruments keep their trading hours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionRule {
    /// As each instrument's terms say.
    #[default]
    Terms,
    /// Open at all times: simulated feeds, so that a first run at the weekend can trade.
    Always,
}

/// Which side of a conversion rate a realised amount is converted at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConversionRule {
    /// The side that is worse for the client.
    #[default]
    Worse,
    /// The side of the deal: ask for buys, bid for sells.
    ByDeal,
}

/// In which order a stop-out closes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopOutRule {
    /// The position with the largest loss, one by one.
    #[default]
    Mt5,
    /// The position with the largest margin.
    Fair,
    /// As little as brings the level above the threshold.
    Smart,
    /// None.
    Off,
}

/// What may be traded at all.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum TradingState {
    /// Everything.
    #[default]
    Active,
    /// What lessens risk.
    Reducing,
    /// Nothing, closing included. Stop-out goes on.
    Halted,
}

/// The settings in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// Price of a limit fill.
    pub limit_fill: LimitFill,
    /// Trading hours.
    pub sessions: SessionRule,
    /// Conversion of realised amounts.
    pub conversion: ConversionRule,
    /// Oldest quote that may be traded on, in milliseconds of the provider's time; none: any age.
    pub max_quote_age_ms: Option<u64>,
    /// Working orders an account may have.
    pub orders_max: usize,
    /// Positions an account may have open.
    pub positions_max: usize,
    /// Deposits and withdrawals an account may have requested or approved at once.
    pub funding_max: usize,
    /// State of the whole house.
    pub trading_state: TradingState,
    /// Orders that an account may place in a minute; none: any number.
    pub orders_per_minute: Option<u32>,
    /// Margin level at or below which a margin call is raised, in percent; none: never.
    pub margin_call_level: Option<Decimal>,
    /// Margin level at or above which it is cleared, in percent.
    pub margin_call_clear_level: Decimal,
    /// In which order a stop-out closes.
    pub stop_out: StopOutRule,
    /// Margin level at or below which the stop-out starts, in percent.
    pub stop_out_level: Decimal,
    /// Usable money (equity less holds) at or below which it starts where positions are open that
    /// use no margin, in the account's currency.
    pub hedged_stop_out_at: Decimal,
    /// Whether a negative balance without positions is compensated.
    pub negative_balance_protection: bool,
    /// Whether rollovers charge swap.
    pub swap: bool,
    /// Loss of a trading day that blocks new risk, in the account's currency; none: no limit. A
    /// client's own limit goes before it.
    pub daily_loss_limit: Option<Decimal>,
    /// Whether reaching it also closes all positions.
    pub daily_loss_closes_all: bool,
    /// Whether a level has to be touched by two quotes in a row before it triggers.
    pub confirm_triggers: bool,
    /// Version of the rules, written into every execution receipt.
    pub rule_version: u32,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            limit_fill: LimitFill::default(),
            sessions: SessionRule::default(),
            conversion: ConversionRule::default(),
            max_quote_age_ms: Some(10_000),
            orders_max: 500,
            positions_max: 500,
            funding_max: 100,
            trading_state: TradingState::default(),
            orders_per_minute: None,
            margin_call_level: Some(Decimal::ONE_HUNDRED),
            margin_call_clear_level: Decimal::from_parts(110, 0, 0, false, 0),
            stop_out: StopOutRule::default(),
            stop_out_level: Decimal::from_parts(50, 0, 0, false, 0),
            hedged_stop_out_at: Decimal::ZERO,
            negative_balance_protection: true,
            swap: true,
            daily_loss_limit: None,
            daily_loss_closes_all: false,
            confirm_triggers: false,
            rule_version: 1,
        }
    }
}
