//! Profit and loss, realised and unrealised. One function values a close, whoever asks.

use rust_decimal::Decimal;

use crate::{
    AccountRejection, Currency, Instrument, Market,
    account::Position,
    margin,
    market::Rate,
    price,
    quote::Side,
    rules::{ConversionRule, Rules},
};

/// What a close is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Realised {
    /// Price profit alone, rounded, in the account's currency.
    pub amount: Decimal,
    /// The rate it was converted at.
    pub rate: Rate,
}

/// Values the close of `volume` of a position at `price`: the profit in quote currency, converted
/// once, rounded once.
///
/// # Errors
/// `NoRate` when no quotes link the currencies, `Overflow` beyond 28 digits.
pub fn realise(
    position: &Position,
    volume: Decimal,
    price: Decimal,
    instrument: &Instrument,
    currency: Currency,
    (market, rules): (&Market, &Rules),
) -> Result<Realised, AccountRejection> {
    let profit = price_profit(position, volume, price).ok_or(AccountRejection::Overflow)?;
    let side = conversion_side(profit, position.side.opposite(), rules);
    let rate = margin::rate(market, instrument.quote, currency, side)?;
    let amount = rate.convert(profit).ok_or(AccountRejection::Overflow)?;
    Ok(Realised {
        amount: currency.round(amount),
        rate,
    })
}

/// Price profit of `volume` of a position closed at `price`, in quote currency, unrounded. A netting
/// position made of several deals is measured from its share of their cost, not from an average.
pub(crate) fn price_profit(
    position: &Position,
    volume: Decimal,
    price: Decimal,
) -> Option<Decimal> {
    let worth = price.checked_mul(volume)?;
    let paid = match position.cost {
        None => position.open_price.checked_mul(volume)?,
        Some(cost) if volume == position.volume => cost,
        Some(cost) => cost.checked_mul(volume)?.checked_div(position.volume)?,
    };
    let moved = match position.side {
        Side::Buy => worth.checked_sub(paid)?,
        Side::Sell => paid.checked_sub(worth)?,
    };
    moved.checked_mul(position.contract_size)
}

/// Side of the rate for an amount that the client receives (positive) or pays (negative).
///
/// Worse for the client: what it receives is sold at the bid, what it pays is bought at the ask.
#[must_use]
pub fn conversion_side(amount: Decimal, deal: Side, rules: &Rules) -> Side {
    match rules.conversion {
        ConversionRule::ByDeal => deal,
        ConversionRule::Worse if amount < Decimal::ZERO => Side::Buy,
        ConversionRule::Worse => Side::Sell,
    }
}

/// Unrealised profit of a position on the newest quotes, converted exactly as a close at this
/// moment would be, plus its accrued swap; rounded to the minor unit. None without quotes.
#[must_use]
pub fn unrealised(
    position: &Position,
    currency: Currency,
    group: Option<&str>,
    market: &Market,
    rules: &Rules,
) -> Option<Decimal> {
    value(position, currency, group, market, rules).ok()
}

/// The same as [`unrealised`], with the reason why it cannot be said.
///
/// # Errors
/// `UnknownSymbol`, `NoQuote`, `NoRate` or `Overflow`.
pub fn value(
    position: &Position,
    currency: Currency,
    group: Option<&str>,
    market: &Market,
    rules: &Rules,
) -> Result<Decimal, AccountRejection> {
    let symbol = position.symbol;
    let instrument = market.terms(symbol, group);
    let instrument = instrument.ok_or(AccountRejection::UnknownSymbol(symbol))?;
    let quote = market
        .quote(symbol)
        .ok_or(AccountRejection::NoQuote(symbol))?;
    let price =
        price::at_market(quote, instrument, position.side.opposite(), position.volume).price;
    let volume = position.volume;
    let realised = realise(
        position,
        volume,
        price,
        instrument,
        currency,
        (market, rules),
    )?;
    let swap = currency.round(position.swap);
    realised
        .amount
        .checked_add(swap)
        .ok_or(AccountRejection::Overflow)
}

/// The price at which a close at this moment would deal, mark-up and slippage within it.
/// None without a quote.
#[must_use]
pub fn closing_price(position: &Position, group: Option<&str>, market: &Market) -> Option<Decimal> {
    let instrument = market.terms(position.symbol, group)?;
    let quote = market.quote(position.symbol)?;
    Some(price::at_market(quote, instrument, position.side.opposite(), position.volume).price)
}

/// Unrealised profit of an account: the sum of its rounded positions. None when one has no quote.
#[must_use]
pub fn unrealised_of_all(
    positions: &[Position],
    currency: Currency,
    group: Option<&str>,
    market: &Market,
    rules: &Rules,
) -> Option<Decimal> {
    positions.iter().try_fold(Decimal::ZERO, |sum, position| {
        sum.checked_add(unrealised(position, currency, group, market, rules)?)
    })
}
