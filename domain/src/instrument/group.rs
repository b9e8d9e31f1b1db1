//! What is different for the clients of a group.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{Commission, Instrument};

/// Terms that replace the instrument's own. None: as for everybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GroupTerms {
    /// Added to the ask and taken from the bid, in points in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spread_markup: Option<Decimal>,
    /// Fixed slippage, in points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slippage: Option<Decimal>,
    /// Commission per side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commission: Option<Commission>,
    /// Swap of a long position.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap_long: Option<Decimal>,
    /// Swap of a short position.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap_short: Option<Decimal>,
    /// Largest leverage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_leverage: Option<u32>,
}

impl Instrument {
    /// The terms that the clients of a group deal under; none where they are everybody's.
    #[must_use]
    pub fn of_group(&self, group: &str) -> Option<Self> {
        let own = self.groups.get(group)?;
        Some(Self {
            spread_markup: own.spread_markup.unwrap_or(self.spread_markup),
            slippage: own.slippage.unwrap_or(self.slippage),
            commission: own.commission.unwrap_or(self.commission),
            swap_long: own.swap_long.unwrap_or(self.swap_long),
            swap_short: own.swap_short.unwrap_or(self.swap_short),
            max_leverage: own.max_leverage.unwrap_or(self.max_leverage),
            ..self.clone()
        })
    }
}
