//! The house rules a decision is made under: what DOMAIN calls *settings*, apart from the terms of
//! an instrument. Read once at start (or from a scenario file) and handed in with every command.

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
            rule_version: 1,
        }
    }
}
