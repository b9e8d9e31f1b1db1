//! From the provider's price to our quote: its name to our symbol, its digits to the instrument's.

use std::{collections::HashMap, sync::Arc};

use chrono::TimeDelta;
use daybook_domain::{Decimal, Instrument, Quote, Symbol, Timestamp, quote::QuoteSource};
use rust_decimal::RoundingStrategy;

use crate::catalogue;

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
    names: HashMap<Symbol, String>,
}

#[derive(Clone, Copy)]
struct Listed {
    symbol: Symbol,
    digits: u32,
    half_spread: Decimal,
}

/// What a provider says of a price: both sides, or one number between them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Said {
    pub(super) bid: Option<Decimal>,
    pub(super) ask: Option<Decimal>,
    pub(super) price: Option<Decimal>,
}

impl Normalizer {
    /// Instruments under the names that `name` gives them; those without one are not sold.
    pub(super) fn new(
        source: QuoteSource,
        instruments: &[Arc<Instrument>],
        name: impl Fn(&Instrument) -> Option<String>,
    ) -> Self {
        let named = instruments
            .iter()
            .filter_map(|instrument| Some((name(instrument)?, instrument)));
        let (mut listed, mut names) = (HashMap::new(), HashMap::new());
        for (name, instrument) in named {
            names.insert(instrument.symbol, name.clone());
            let entry = Listed {
                symbol: instrument.symbol,
                digits: instrument.digits,
                half_spread: catalogue::half_spread(instrument),
            };
            listed.insert(name, entry);
        }
        Self {
            source,
            listed,
            names,
        }
    }

    /// The provider's name of a symbol.
    pub(super) fn name(&self, symbol: Symbol) -> Option<&str> {
        self.names.get(&symbol).map(String::as_str)
    }

    /// The provider's names of these symbols, in their order.
    pub(super) fn names(&self, symbols: &[Symbol]) -> Vec<&str> {
        let names = symbols.iter().filter_map(|symbol| self.name(*symbol));
        names.collect()
    }

    /// Our symbol by the provider's name.
    pub(super) fn symbol(&self, name: &str) -> Option<Symbol> {
        self.listed.get(name).map(|listed| listed.symbol)
    }

    /// The source that quotes are marked with.
    pub(super) const fn source(&self) -> QuoteSource {
        self.source
    }

    /// A quote of what was said at `at`, the provider's own time.
    pub(super) fn quote(
        &self,
        name: &str,
        said: Said,
        at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Quote, Unusable> {
        let listed = self.listed.get(name).ok_or(Unusable::UnknownSymbol)?;
        let sane = |price: Option<Decimal>| price.filter(is_sane);
        let around = |price: Decimal| (price - listed.half_spread, price + listed.half_spread);
        let (bid, ask) = sane(said.bid)
            .zip(sane(said.ask))
            .or_else(|| sane(said.price).map(around))
            .ok_or(Unusable::NoPrice)?;
        let at = at
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
    use chrono::DateTime;

    use super::*;
    use crate::testing::instrument;

    const NOW: i64 = 1_767_000_000;

    fn at(timestamp: i64) -> Option<Timestamp> {
        DateTime::from_timestamp(timestamp, 0)
    }

    fn quote(name: &str, timestamp: i64, said: Said) -> Result<Quote, Unusable> {
        let instruments = ["EURUSD", "WTI", "XAUUSD"].map(|name| Arc::new(instrument(name)));
        let name_of = |it: &Instrument| Some(catalogue::listing(it).provider_symbol);
        let normalizer = Normalizer::new(QuoteSource::TwelveData, &instruments, name_of);
        normalizer.quote(name, said, at(timestamp), at(NOW).unwrap())
    }

    fn price(text: &str) -> Said {
        Said {
            price: text.parse().ok(),
            ..Said::default()
        }
    }

    fn sides(bid: &str, ask: &str) -> Said {
        Said {
            bid: bid.parse().ok(),
            ask: ask.parse().ok(),
            price: None,
        }
    }

    fn texts(quote: &Quote) -> (String, String) {
        (quote.bid.to_string(), quote.ask.to_string())
    }

    #[test]
    fn a_providers_name_becomes_our_symbol_and_prices_get_the_instruments_digits() {
        let quote = quote("EUR/USD", NOW, sides("1.0851", "1.085234")).unwrap();
        assert_eq!(quote.symbol.as_str(), "EURUSD");
        assert_eq!(texts(&quote), ("1.08510".into(), "1.08523".into()));
        assert_eq!(quote.at.timestamp(), NOW);
        assert_eq!(quote.source, QuoteSource::TwelveData);
    }

    #[test]
    fn a_price_alone_is_spread_by_half_the_usual_distance_to_each_side() {
        let quote = quote("WTI/USD", NOW, price("60.00")).unwrap();
        assert_eq!(quote.symbol.as_str(), "WTI");
        // 3 points of 0.01: half is 0.015, rounded away from zero on both sides.
        assert_eq!(texts(&quote), ("59.99".into(), "60.02".into()));
    }

    #[test]
    fn one_side_without_the_other_falls_back_on_the_price() {
        let said = Said {
            bid: Some(Decimal::ONE),
            ..price("2.0")
        };
        let quote = quote("EUR/USD", NOW, said).unwrap();
        assert_eq!(texts(&quote), ("1.99996".into(), "2.00004".into()));
    }

    #[test]
    fn what_cannot_be_a_quote_says_why() {
        let one = price("1");
        assert_eq!(quote("FOO", NOW, one), Err(Unusable::UnknownSymbol));
        assert_eq!(
            quote("EUR/USD", NOW, Said::default()),
            Err(Unusable::NoPrice)
        );
        let huge = price("7000000000000000000000000000");
        assert_eq!(quote("EUR/USD", NOW, huge), Err(Unusable::NoPrice));
        assert_eq!(quote("EUR/USD", i64::MAX, one), Err(Unusable::BadTime));
        assert_eq!(quote("EUR/USD", NOW + 61, one), Err(Unusable::BadTime));
        assert!(quote("EUR/USD", NOW + 60, one).is_ok());
    }
}
