//! Instruments: their dealing terms, and the stream `instrument-{symbol}` that dates every change.

mod event;
mod seed;

pub use event::InstrumentEvent;
use rust_decimal::Decimal;
pub use seed::seed;
use serde::{Deserialize, Serialize};

use crate::{Currency, Symbol, session::SessionPlan};

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
    /// Factor R of the required margin.
    pub margin_rate: Decimal,
    /// Contract size of hedged volume (0: hedged volume needs no margin).
    pub hedged_contract_size: Decimal,
    /// Added to the ask and taken from the bid, in points in all.
    pub spread_markup: Decimal,
    /// Fixed slippage against the client, in points.
    pub slippage: Decimal,
    /// Commission per side.
    pub commission: Commission,
    /// Swap of a long position, in points a night (signed: negative is a charge).
    pub swap_long: Decimal,
    /// Swap of a short position, in points a night.
    pub swap_short: Decimal,
    /// Trading hours.
    pub session: SessionPlan,
    /// Whether it may be traded.
    pub availability: Availability,
}

impl Instrument {
    /// The smallest price step, `10^-digits`.
    #[must_use]
    pub fn point(&self) -> Decimal {
        Decimal::new(1, self.digits)
    }
}
