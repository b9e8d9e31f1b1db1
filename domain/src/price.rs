//! The prices the house deals at: the quote, its mark-up, and slippage.
//!
//! Prices are decided here alone, so that placing, triggering, valuing and closing agree.

use rust_decimal::{Decimal, RoundingStrategy};

use crate::{Instrument, Quote, quote::Side};

/// No price above this is accepted: it leaves every product within 28 digits.
pub const PRICE_MAX: Decimal = Decimal::from_parts(1_000_000_000, 0, 0, false, 0);

/// A price to deal at, with what is within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DealPrice {
    /// The price, with the instrument's digits.
    pub price: Decimal,
    /// Mark-up within it, in price units against the client.
    pub spread_markup: Decimal,
    /// Slippage within it, in price units; positive is against the client.
    pub slippage: Decimal,
}

/// The part of the spread mark-up that a deal of `side` pays, in price units. The two parts add
/// up to the whole; of an odd number of points the ask carries the odd one.
#[must_use]
pub fn markup(instrument: &Instrument, side: Side) -> Decimal {
    if instrument.spread_markup.is_zero() {
        return Decimal::ZERO;
    }
    let bid_points = (instrument.spread_markup / Decimal::TWO).trunc();
    let points = match side {
        Side::Sell => bid_points,
        Side::Buy => instrument.spread_markup - bid_points,
    };
    points.saturating_mul(instrument.point())
}

/// The quote as the house deals on it: ask plus, bid less its part of the mark-up.
#[must_use]
pub fn dealing(quote: &Quote, instrument: &Instrument, side: Side) -> Decimal {
    against_client(quote.price(side), markup(instrument, side), side)
}

/// The price of a deal at the market: the dealing quote with slippage.
#[must_use]
pub fn at_market(quote: &Quote, instrument: &Instrument, side: Side, volume: Decimal) -> DealPrice {
    let slippage = slippage(instrument, volume);
    let price = against_client(dealing(quote, instrument, side), slippage, side);
    DealPrice {
        price: round(price, instrument.digits),
        spread_markup: markup(instrument, side),
        slippage,
    }
}

/// Slippage of a deal of `volume` lots at the market, in price units, whole points: the fixed part and the
/// one that grows with the volume.
fn slippage(instrument: &Instrument, volume: Decimal) -> Decimal {
    if instrument.slippage.is_zero() && instrument.slippage_per_lot.is_zero() {
        return Decimal::ZERO;
    }
    let grown = instrument.slippage_per_lot.saturating_mul(volume);
    let points = instrument.slippage.saturating_add(grown);
    let points = points.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero);
    points.saturating_mul(instrument.point())
}

/// The price of a limit that the market has passed: the dealing quote. A limit never slips.
#[must_use]
pub fn at_quote(quote: &Quote, instrument: &Instrument, side: Side) -> DealPrice {
    DealPrice {
        price: round(dealing(quote, instrument, side), instrument.digits),
        spread_markup: markup(instrument, side),
        slippage: Decimal::ZERO,
    }
}

/// A deal at exactly the limit, whatever the quote.
#[must_use]
pub const fn at_limit(limit: Decimal) -> DealPrice {
    DealPrice {
        price: limit,
        spread_markup: Decimal::ZERO,
        slippage: Decimal::ZERO,
    }
}

/// Whether a limit of `side` can be dealt on this quote. Touching is enough.
#[must_use]
pub fn within_limit(quote: &Quote, instrument: &Instrument, side: Side, limit: Decimal) -> bool {
    let price = dealing(quote, instrument, side);
    match side {
        Side::Buy => price <= limit,
        Side::Sell => price >= limit,
    }
}

/// Whether the market has reached a stop of `side`. Touching is enough.
#[must_use]
pub fn reaches_stop(quote: &Quote, instrument: &Instrument, side: Side, stop: Decimal) -> bool {
    let price = dealing(quote, instrument, side);
    match side {
        Side::Buy => price >= stop,
        Side::Sell => price <= stop,
    }
}

fn against_client(price: Decimal, by: Decimal, side: Side) -> Decimal {
    match side {
        Side::Buy => price.saturating_add(by),
        Side::Sell => price.saturating_sub(by),
    }
}

fn round(price: Decimal, digits: u32) -> Decimal {
    if price.scale() <= digits {
        return price;
    }
    price.round_dp_with_strategy(digits, RoundingStrategy::MidpointAwayFromZero)
}
