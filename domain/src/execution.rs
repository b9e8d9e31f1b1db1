//! The execution receipt: everything a fill rested on, kept in its event.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::{
    Currency, Symbol, Timestamp,
    quote::{QuoteSource, Side},
};

/// A conversion between currencies as it was used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversion {
    /// Currency converted from.
    pub from: Currency,
    /// Currency converted to: the account's.
    pub to: Currency,
    /// Units of `to` for one unit of `from`.
    pub rate: Decimal,
    /// Side of the market that the rate was taken from: bid for `sell`, ask for `buy`.
    pub side: Side,
    /// Instruments used, in order; empty when the currencies are equal.
    pub path: Vec<Symbol>,
}

/// What a fill rested on. Replaying needs nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execution {
    /// Bid of the quote.
    pub quote_bid: Decimal,
    /// Ask of the quote.
    pub quote_ask: Decimal,
    /// The provider's time of the quote.
    pub quote_at: Timestamp,
    /// Where the quote came from.
    pub source: QuoteSource,
    /// Mark-up within the price, in price units against the client.
    pub spread_markup: Decimal,
    /// Slippage within the price, in price units; positive is against the client.
    pub slippage: Decimal,
    /// The price dealt at.
    pub price: Decimal,
    /// Commission charged, in the account's currency; never negative.
    pub commission: Decimal,
    /// Conversion of the realised amount (closing) or of the margin (opening).
    pub conversion: Conversion,
    /// Version of the rules that decided.
    pub rule_version: u32,
}
