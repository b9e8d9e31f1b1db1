//! Instruments: their dealing terms, and the stream `instrument-{symbol}` that dates every change.

mod change;
mod event;
mod group;
mod seed;
mod swap_terms;

pub use change::{InstrumentChange, InstrumentRejection};
pub use event::InstrumentEvent;
pub use group::GroupTerms;
use std::collections::BTreeMap;

use chrono::NaiveDate;
use rust_decimal::Decimal;
pub use seed::seed;
use serde::{Deserialize, Serialize};
pub use swap_terms::{SwapMode, SwapWeights};

use crate::{Currency, Symbol, quote::Side, session::SessionPlan};

/// What kind of thing is traded; decides how notional is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssetClass {
    /// Currency pair: notional is volume × contract size of the base currency.
    #[default]
    Fx,
    /// Metal CFD.
    Metal,
    /// Energy CFD.
    Energy,
    /// Index CFD.
    Index,
    /// Crypto CFD.
    Crypto,
}

/// Whether and how an instrument may be traded now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Availability {
    /// Everything.
    #[default]
    Enabled,
    /// Positions may be closed and reduced, nothing may be opened.
    CloseOnly,
    /// Nothing.
    Disabled,
}

/// How commission is computed, per side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommissionBasis {
    /// None.
    #[default]
    None,
    /// `rate` per lot.
    PerLot,
    /// `rate` per million of notional.
    PerMillion,
    /// `rate` per thousand of notional.
    PerMille,
}

/// Commission of each deal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Commission {
    /// What the rate is multiplied with.
    pub basis: CommissionBasis,
    /// Amount per unit of the basis, in `currency` for `per_lot`, else a share of notional.
    pub rate: Decimal,
    /// The least that a deal pays, in `currency`.
    pub minimum: Decimal,
    /// Currency of the rate and minimum; none: the notional's own.
    pub currency: Option<Currency>,
}

/// From a notional on, no more leverage than this. The whole deal has the leverage of the tier that
/// the symbol's notional reaches with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeverageTier {
    /// Notional of the account's positions in the symbol from which this tier counts, in the
    /// account's currency.
    pub from_notional: Decimal,
    /// Largest leverage in it.
    pub max_leverage: u32,
}

/// Dealing terms of one instrument.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instrument {
    /// Our name, `EURUSD`.
    pub symbol: Symbol,
    /// The name for people, `Euro / US Dollar`.
    pub name: String,
    /// Decides the notional.
    pub class: AssetClass,
    /// Base currency, or the thing itself (`XAU`, `US500`).
    pub base: Currency,
    /// Currency of the price.
    pub quote: Currency,
    /// Decimals of a price.
    pub digits: u32,
    /// Units of the base in one lot.
    pub contract_size: Decimal,
    /// Smallest volume, in lots.
    pub min_volume: Decimal,
    /// Largest volume of one order, in lots.
    pub max_volume: Decimal,
    /// Volumes are multiples of this, in lots.
    pub volume_step: Decimal,
    /// Largest leverage, whatever the account has.
    pub max_leverage: u32,
    /// Leverage that shrinks as the notional grows, by ascending notional; empty: none does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leverage_tiers: Vec<LeverageTier>,
    /// Factor R of the required margin.
    pub margin_rate: Decimal,
    /// Factor R of short positions; none: the same as of long ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin_rate_sell: Option<Decimal>,
    /// Contract size of hedged volume (0: hedged volume needs no margin).
    pub hedged_contract_size: Decimal,
    /// Most lots that an account may hold in one direction; none: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_exposure: Option<Decimal>,
    /// Added to the ask and taken from the bid, in points in all.
    pub spread_markup: Decimal,
    /// Fixed slippage against the client, in points.
    pub slippage: Decimal,
    /// Slippage that grows with the deal, in points per lot, beside the fixed one.
    #[serde(default, skip_serializing_if = "Decimal::is_zero")]
    pub slippage_per_lot: Decimal,
    /// Commission per side.
    pub commission: Commission,
    /// Swap of a long position for one night, in the unit of `swap_mode` (negative: a charge).
    pub swap_long: Decimal,
    /// Swap of a short position for one night.
    pub swap_short: Decimal,
    /// What the two are.
    #[serde(default)]
    pub swap_mode: SwapMode,
    /// Currency of a swap in money; none: the quote currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swap_currency: Option<Currency>,
    /// Nights that each weekday's rollover charges; none: as is usual for the class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swap_weights: Option<SwapWeights>,
    /// How far a trailing stop has to gain before it moves, in points; none: 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trailing_step: Option<Decimal>,
    /// Trading hours.
    pub session: SessionPlan,
    /// Trading days (in the session's time zone, named by the day on which they end) on which the
    /// market stays closed and no swap is charged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holidays: Vec<NaiveDate>,
    /// What is different for the clients of a group.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<Box<str>, GroupTerms>,
    /// Whether it may be traded.
    pub availability: Availability,
}

impl Instrument {
    /// The smallest price step, `10^-digits`.
    #[must_use]
    pub fn point(&self) -> Decimal {
        Decimal::new(1, self.digits)
    }

    /// Factor R of a position of `side`.
    #[must_use]
    pub fn margin_rate_of(&self, side: Side) -> Decimal {
        match side {
            Side::Buy => self.margin_rate,
            Side::Sell => self.margin_rate_sell.unwrap_or(self.margin_rate),
        }
    }

    /// Swap of a position of `side` for one night, in the unit of `swap_mode`.
    #[must_use]
    pub const fn swap_of(&self, side: Side) -> Decimal {
        match side {
            Side::Buy => self.swap_long,
            Side::Sell => self.swap_short,
        }
    }

    /// How far a trailing stop has to gain before it moves, in price units.
    #[must_use]
    pub fn trailing_step(&self) -> Decimal {
        let points = self.trailing_step.unwrap_or(Decimal::TEN);
        points.saturating_mul(self.point())
    }

    /// Nights that the rollover at the end of `day` charges, holidays apart.
    #[must_use]
    pub fn swap_weights(&self) -> SwapWeights {
        self.swap_weights.unwrap_or(match self.class {
            AssetClass::Crypto => SwapWeights::EVERY_DAY,
            AssetClass::Fx | AssetClass::Metal | AssetClass::Energy | AssetClass::Index => {
                SwapWeights::WEDNESDAY_THREE
            }
        })
    }
}
