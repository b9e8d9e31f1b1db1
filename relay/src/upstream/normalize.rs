//! From the provider's price to our quote: its name to our symbol, its digits to the instrument's.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use daybook_domain::{Decimal, Instrument, Quote, Symbol, Timestamp, quote::QuoteSource};
use rust_decimal::RoundingStrategy;

use crate::{catalogue, wire};

/// A provider's clock may run this far ahead of ours. Beyond it the time is a mistake, and taking
/// it would make every later quote "older than the last".
const CLOCK_AHEAD_MAX: TimeDelta = TimeDelta::seconds(60);

/// Why a price could not be made a quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unusable {
    #[error("unknown symbol")]
    UnknownSymbol,
    #[error("neither bid and ask nor a price that is a number")]
    NoPrice,
    #[error("a time outside the calendar or ahead of ours")]
    BadTime,
}

impl Unusable {
    /// Its name in the metrics.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownSymbol => "unknown_symbol",
            Self::NoPrice => "no_price",
            Self::BadTime => "bad_time",
        }
    }
}

/// Knows the instruments by the provider's names.
#[derive(Clone)]
pub(super) struct Normalizer {
    source: QuoteSource,
    listed: HashMap<String, Listed>,
}

#[derive(Clone, Copy)]
struct Listed {
    symbol: Symbol,
    digits: u32,
    half_spread: Decimal,
}

impl Normalizer {
    pub(super) fn new(source: QuoteSource, instruments: &[Arc<Instrument>]) -> Self {
        let listed = instruments.iter().map(|instrument| {
            let listed = Listed {
                symbol: instrument.symbol,
                digits: instrument.digits,
                half_spread: catalogue::half_spread(instrument),
            };
            (catalogue::listing(instrument).provider_symbol, listed)
        });
        Self {
            source,
            listed: listed.collect(),
        }
    }

    /// The provider's names, in order.
    pub(super) fn provider_symbols(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.listed.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// A quote from a message of the WebSocket.
    pub(super) fn quote(&self, price: &wire::Price<'_>, now: Timestamp) -> Result<Quote, Unusable> {
        let number = |raw| Option::and_then(raw, wire::decimal).filter(is_sane);
        let sides = number(price.bid).zip(number(price.ask));
        self.build(
            &price.symbol,
            sides,
            number(price.price),
            price.timestamp,
            now,
        )
    }

    /// A quote from a price alone, as REST gives it.
    pub(super) fn polled(
        &self,
        provider_symbol: &str,
        price: Decimal,
        timestamp: i64,
    ) -> Result<Quote, Unusable> {
        let price = Some(price).filter(is_sane);
        self.build(provider_symbol, None, price, timestamp, Utc::now())
    }

    fn build(
        &self,
        provider_symbol: &str,
        sides: Option<(Decimal, Decimal)>,
        price: Option<Decimal>,
        timestamp: i64,
        now: Timestamp,
    ) -> Result<Quote, Unusable> {
        let listed = self
            .listed
            .get(provider_symbol)
            .ok_or(Unusable::UnknownSymbol)?;
        let around = |price: Decimal| (price - listed.half_spread, price + listed.half_spread);
        let (bid, ask) = sides
            .or_else(|| price.map(around))
            .ok_or(Unusable::NoPrice)?;
        let at = DateTime::from_timestamp(timestamp, 0)
            .filter(|at| *at - now <= CLOCK_AHEAD_MAX)
            .ok_or(Unusable::BadTime)?;
        Ok(Quote {
            symbol: listed.symbol,
            bid: with_digits(bid, listed.digits),
            ask: with_digits(ask, listed.digits),
            at,
            source: self.source,
        })
    }
}

/// Far above any price, far below what decimal arithmetic can overflow on.
fn is_sane(price: &Decimal) -> bool {
    price.abs() < Decimal::from(1_000_000_000_000_i64)
}

/// Exactly the instrument's decimals, half away from zero: `1.0851` is `1.08510` for a currency.
fn with_digits(price: Decimal, digits: u32) -> Decimal {
    let strategy = RoundingStrategy::MidpointAwayFromZero;
    let mut price = price.round_dp_with_strategy(digits, strategy);
    price.rescale(digits);
    price
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::instrument;

    const NOW: i64 = 1_767_000_000;

    fn normalizer() -> Normalizer {
        let instruments = ["EURUSD", "WTI", "XAUUSD"].map(|name| Arc::new(instrument(name)));
        Normalizer::new(QuoteSource::TwelveData, &instruments)
    }

    fn quote(message: &str) -> Result<Quote, Unusable> {
        let now = DateTime::from_timestamp(NOW, 0).unwrap();
        match wire::parse(message).unwrap() {
            wire::Event::Price(price) => normalizer().quote(&price, now),
            other @ (wire::Event::Subscribed(_) | wire::Event::Other) => panic!("{other:?}"),
        }
    }

    fn message(symbol: &str, timestamp: i64, prices: &str) -> String {
        format!(r#"{{"event":"price","symbol":"{symbol}","timestamp":{timestamp},{prices}}}"#)
    }

    fn sides(quote: &Quote) -> (String, String) {
        (quote.bid.to_string(), quote.ask.to_string())
    }

    #[test]
    fn a_providers_name_becomes_our_symbol_and_prices_get_the_instruments_digits() {
        let quote = quote(&message("EUR/USD", NOW, r#""bid":1.0851,"ask":1.085234"#)).unwrap();
        assert_eq!(quote.symbol.as_str(), "EURUSD");
        assert_eq!(sides(&quote), ("1.08510".into(), "1.08523".into()));
        assert_eq!(quote.at.timestamp(), NOW);
        assert_eq!(quote.source, QuoteSource::TwelveData);
    }

    #[test]
    fn a_price_alone_is_spread_by_half_the_usual_distance_to_each_side() {
        let quote = quote(&message("WTI/USD", NOW, r#""price":60.00"#)).unwrap();
        assert_eq!(quote.symbol.as_str(), "WTI");
        // 3 points of 0.01: half is 0.015, rounded away from zero on both sides.
        assert_eq!(sides(&quote), ("59.99".into(), "60.02".into()));
    }

    #[test]
    fn one_side_without_the_other_falls_back_on_the_price() {
        let quote = quote(&message("EUR/USD", NOW, r#""bid":1.0,"price":2.0"#)).unwrap();
        assert_eq!(sides(&quote), ("1.99996".into(), "2.00004".into()));
    }

    #[test]
    fn what_cannot_be_a_quote_says_why() {
        let refused = |symbol, timestamp, prices| quote(&message(symbol, timestamp, prices));
        let price = r#""price":1"#;
        assert_eq!(refused("FOO", NOW, price), Err(Unusable::UnknownSymbol));
        assert_eq!(
            refused("EUR/USD", NOW, r#""price":"x""#),
            Err(Unusable::NoPrice)
        );
        assert_eq!(
            refused("EUR/USD", NOW, r#""bid":1"#),
            Err(Unusable::NoPrice)
        );
        assert_eq!(
            refused("EUR/USD", NOW, r#""price":7e27"#),
            Err(Unusable::NoPrice)
        );
        assert_eq!(refused("EUR/USD", i64::MAX, price), Err(Unusable::BadTime));
        assert_eq!(refused("EUR/USD", NOW + 61, price), Err(Unusable::BadTime));
        assert!(refused("EUR/USD", NOW + 60, price).is_ok());
    }
}
