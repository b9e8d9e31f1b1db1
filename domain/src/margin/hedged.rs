//! Margin of the positions of a symbol together, by MetaTrader 5's basic rule: opposite volume
//! covers itself. Computed from what the positions stored when they opened, never from the market.
//!
//! Everything here says nothing rather than panic where a sum does not fit 28 digits.

use rust_decimal::Decimal;

use super::weighted;
use crate::{
    Currency, Symbol,
    account::{Position, event::MarginBasis},
    quote::Side,
};

/// Lots about to be added to what is open.
#[derive(Clone, Copy, Debug)]
pub struct Adding<'a> {
    /// Instrument.
    pub symbol: Symbol,
    /// Side.
    pub side: Side,
    /// Lots.
    pub volume: Decimal,
    /// Units of the base in one lot.
    pub contract_size: Decimal,
    /// What their margin rests on.
    pub basis: &'a MarginBasis,
}

/// One direction of a symbol.
#[derive(Clone, Copy, Debug, Default)]
struct Leg {
    /// Lots.
    volume: Decimal,
    /// Sum of the rounded margins of its positions.
    single: Decimal,
    /// `Σ V · notional · R`, in the account's currency.
    weighted: Decimal,
    /// The same, each part divided by its own leverage.
    divided: Decimal,
    /// `Σ V · R`.
    rates: Decimal,
    /// `Σ V · notional of a hedged lot`, in the account's currency.
    hedged: Decimal,
}

/// Both directions of a symbol, in the account's currency.
#[derive(Clone, Copy, Debug)]
pub struct Legs {
    long: Leg,
    short: Leg,
    /// Smallest and largest leverage of its positions, the account's taken into account.
    leverages: Option<(u32, u32)>,
    leverage: u32,
    currency: Currency,
}

impl Legs {
    /// No positions.
    #[must_use]
    pub fn new(leverage: u32, currency: Currency) -> Self {
        Self {
            long: Leg::default(),
            short: Leg::default(),
            leverages: None,
            leverage,
            currency,
        }
    }

    /// With a position. None when a sum does not fit 28 digits.
    #[must_use]
    pub fn with(self, position: &Position) -> Option<Self> {
        self.with_lots(&Adding::of(position))
    }

    /// Without a position that is in it. The smallest leverage stays as it was.
    #[must_use]
    pub fn without(mut self, position: &Position) -> Option<Self> {
        let part = self.leg_of(&Adding::of(position))?;
        let leg = self.leg(position.side);
        *leg = Leg {
            volume: leg.volume.checked_sub(part.volume)?,
            single: leg.single.checked_sub(part.single)?,
            weighted: leg.weighted.checked_sub(part.weighted)?,
            divided: leg.divided.checked_sub(part.divided)?,
            rates: leg.rates.checked_sub(part.rates)?,
            hedged: leg.hedged.checked_sub(part.hedged)?,
        };
        Some(self)
    }

    fn with_lots(mut self, lots: &Adding<'_>) -> Option<Self> {
        let part = self.leg_of(lots)?;
        let own = self.leverage.min(lots.basis.max_leverage);
        let (least, most) = self.leverages.unwrap_or((own, own));
        self.leverages = Some((least.min(own), most.max(own)));
        let leg = self.leg(lots.side);
        *leg = Leg {
            volume: leg.volume.checked_add(part.volume)?,
            single: leg.single.checked_add(part.single)?,
            weighted: leg.weighted.checked_add(part.weighted)?,
            divided: leg.divided.checked_add(part.divided)?,
            rates: leg.rates.checked_add(part.rates)?,
            hedged: leg.hedged.checked_add(part.hedged)?,
        };
        Some(self)
    }

    const fn leg(&mut self, side: Side) -> &mut Leg {
        match side {
            Side::Buy => &mut self.long,
            Side::Sell => &mut self.short,
        }
    }

    fn leg_of(&self, lots: &Adding<'_>) -> Option<Leg> {
        let Adding { volume, basis, .. } = *lots;
        let weighted = weighted(basis, volume)?;
        let leverage = self.leverage.min(basis.max_leverage);
        let divided = weighted.checked_div(Decimal::from(leverage))?;
        Some(Leg {
            volume,
            single: self.currency.round(divided),
            weighted,
            divided,
            rates: volume.checked_mul(basis.margin_rate)?,
            hedged: hedged_notional(lots)?,
        })
    }

    /// Their margin, rounded. With one direction alone it is the sum of the positions' margins.
    /// None when it does not fit 28 digits.
    #[must_use]
    pub fn margin(&self) -> Option<Decimal> {
        if self.long.volume.is_zero() || self.short.volume.is_zero() {
            return self.long.single.checked_add(self.short.single);
        }
        let uncovered = self.uncovered()?;
        let covered = self.covered()?;
        self.currency
            .round(uncovered)
            .checked_add(self.currency.round(covered))
    }

    /// Lots of the larger leg beyond the smaller, at that leg's volume-weighted price and rate.
    fn uncovered(&self) -> Option<Decimal> {
        let [larger, smaller] = if self.long.volume >= self.short.volume {
            [&self.long, &self.short]
        } else {
            [&self.short, &self.long]
        };
        let volume = larger.volume.checked_sub(smaller.volume)?;
        // One leverage, as almost always: multiplied first, divided once.
        let (sum, divisor) = match self.leverages {
            Some((least, most)) if least == most => (larger.weighted, Decimal::from(least)),
            Some(_) | None => (larger.divided, Decimal::ONE),
        };
        let product = volume.checked_mul(sum)?;
        product.checked_div(larger.volume.checked_mul(divisor)?)
    }

    /// Lots that stand in both legs, once, at the hedged contract size, the price volume-weighted
    /// over both legs and the mean of both legs' rates.
    fn covered(&self) -> Option<Decimal> {
        let notional = self.long.hedged.checked_add(self.short.hedged)?;
        if notional.is_zero() {
            return Some(Decimal::ZERO);
        }
        let (least, _) = self.leverages?;
        let volume = self.long.volume.min(self.short.volume);
        let both = self.long.volume.checked_add(self.short.volume)?;
        let long_rate = self.long.rates.checked_div(self.long.volume)?;
        let short_rate = self.short.rates.checked_div(self.short.volume)?;
        let rates = long_rate.checked_add(short_rate)?;
        let product = volume.checked_mul(notional)?.checked_mul(rates)?;
        let divisor = both.checked_mul(Decimal::from(least))?;
        product.checked_div(divisor.checked_mul(Decimal::TWO)?)
    }
}

impl<'a> Adding<'a> {
    const fn of(position: &'a Position) -> Self {
        Self {
            symbol: position.symbol,
            side: position.side,
            volume: position.volume,
            contract_size: position.contract_size,
            basis: &position.margin,
        }
    }
}

/// What hedged lots are worth: their notional at the hedged contract size.
fn hedged_notional(lots: &Adding<'_>) -> Option<Decimal> {
    let hedged = lots.basis.hedged_contract_size;
    if hedged.is_zero() {
        return Some(Decimal::ZERO);
    }
    let notional = lots.volume.checked_mul(lots.basis.notional_per_lot)?;
    if hedged == lots.contract_size {
        return Some(notional);
    }
    notional
        .checked_mul(hedged)?
        .checked_div(lots.contract_size)
}

/// Margin in use, over all symbols. Whatever the order of the positions, it is the same. A sum
/// that does not fit 28 digits is the largest number.
#[must_use]
pub fn used_margin(positions: &[Position], leverage: u32, currency: Currency) -> Decimal {
    checked_used_margin(positions, leverage, currency).unwrap_or(Decimal::MAX)
}

/// The same; none where it does not fit 28 digits.
#[must_use]
pub fn checked_used_margin(
    positions: &[Position],
    leverage: u32,
    currency: Currency,
) -> Option<Decimal> {
    if let [] | [_] = positions {
        return legs_of(positions, leverage, currency)?.margin();
    }
    let mut sorted: Vec<&Position> = positions.iter().collect();
    sorted.sort_unstable_by_key(|position| (position.symbol, position.position_id));
    let symbols = sorted.chunk_by(|one, next| one.symbol == next.symbol);
    symbols
        .map(|of_symbol| legs_of(of_symbol.iter().copied(), leverage, currency)?.margin())
        .try_fold(Decimal::ZERO, |sum, margin| sum.checked_add(margin?))
}

/// Margin in use by the positions of one symbol, both directions. Every rule that sets one
/// position off against another belongs here, because margin never crosses symbols.
/// A sum that does not fit 28 digits is the largest number.
#[must_use]
pub fn symbol_margin(
    positions: &[Position],
    symbol: Symbol,
    leverage: u32,
    currency: Currency,
) -> Decimal {
    let legs = legs_of_symbol(positions, symbol, leverage, currency);
    legs.and_then(|legs| legs.margin()).unwrap_or(Decimal::MAX)
}

/// What margin in use changes by when lots are added as a position of their own: the symbol's
/// margin after less that before. Negative where they cover more than they need.
/// None when it does not fit 28 digits.
#[must_use]
pub fn increase(
    positions: &[Position],
    adding: &Adding<'_>,
    leverage: u32,
    currency: Currency,
) -> Option<Decimal> {
    let before = legs_of_symbol(positions, adding.symbol, leverage, currency)?;
    let after = before.with_lots(adding)?.margin()?;
    after.checked_sub(before.margin()?)
}

fn legs_of_symbol(
    positions: &[Position],
    symbol: Symbol,
    leverage: u32,
    currency: Currency,
) -> Option<Legs> {
    let of_symbol = positions
        .iter()
        .filter(|position| position.symbol == symbol);
    let mut of_symbol: Vec<&Position> = of_symbol.collect();
    of_symbol.sort_unstable_by_key(|position| position.position_id);
    legs_of(of_symbol, leverage, currency)
}

fn legs_of<'a>(
    positions: impl IntoIterator<Item = &'a Position>,
    leverage: u32,
    currency: Currency,
) -> Option<Legs> {
    let mut positions = positions.into_iter();
    positions.try_fold(Legs::new(leverage, currency), Legs::with)
}
