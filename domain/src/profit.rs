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
    let moved = match position.side {
        Side::Buy => price.checked_sub(position.open_price),
        Side::Sell => position.open_price.checked_sub(price),
    };
    let profit = moved
        .and_then(|moved| {
            moved
                .checked_mul(volume)?
                .checked_mul(position.contract_size)
        })
        .ok_or(AccountRejection::Overflow)?;
    let side = conversion_side(profit, position.side.opposite(), rules);
    let rate = margin::rate(market, instrument.quote, currency, side)?;
    let amount = rate.convert(profit).ok_or(AccountRejection::Overflow)?;
    Ok(Realised {
        amount: currency.round(amount),
        rate,
    })
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
    market: &Market,
    rules: &Rules,
) -> Option<Decimal> {
    value(position, currency, market, rules).ok()
}

/// The same as [`unrealised`], with the reason why it cannot be said.
///
/// # Errors
/// `UnknownSymbol`, `NoQuote`, `NoRate` or `Overflow`.
pub fn value(
    position: &Position,
    currency: Currency,
    market: &Market,
    rules: &Rules,
) -> Result<Decimal, AccountRejection> {
    let symbol = position.symbol;
    let instrument = market.instrument(symbol);
    let instrument = instrument.ok_or(AccountRejection::UnknownSymbol(symbol))?;
    let quote = market
        .quote(symbol)
        .ok_or(AccountRejection::NoQuote(symbol))?;
    let price = price::at_market(quote, instrument, position.side.opposite()).price;
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
pub fn closing_price(position: &Position, market: &Market) -> Option<Decimal> {
    let instrument = market.instrument(position.symbol)?;
    let quote = market.quote(position.symbol)?;
    Some(price::at_market(quote, instrument, position.side.opposite()).price)
}

/// Unrealised profit of an account: the sum of its rounded positions. None when one has no quote.
#[must_use]
pub fn unrealised_of_all(
    positions: &[Position],
    currency: Currency,
    market: &Market,
    rules: &Rules,
) -> Option<Decimal> {
    positions.iter().try_fold(Decimal::ZERO, |sum, position| {
        sum.checked_add(unrealised(position, currency, market, rules)?)
    })
}
