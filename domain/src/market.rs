//! Instrument terms and the newest quotes, as one decision sees them.

use std::{collections::HashMap, sync::Arc};

use rust_decimal::Decimal;

use crate::{Currency, Instrument, Quote, Symbol, execution::Conversion, quote::Side};

/// Terms and newest quotes. Each shard, scenario and reader owns one and feeds it.
#[derive(Clone, Debug, Default)]
pub struct Market {
    instruments: HashMap<Symbol, Arc<Instrument>>,
    quotes: HashMap<Symbol, Quote>,
    pairs: HashMap<(Currency, Currency), Symbol>,
}

impl Market {
    /// A market with these instruments and no quotes yet.
    #[must_use]
    pub fn new(instruments: impl IntoIterator<Item = Arc<Instrument>>) -> Self {
        let mut market = Self::default();
        for instrument in instruments {
            market.set_instrument(instrument);
        }
        market
    }

    /// Lists an instrument, or puts new terms in force.
    pub fn set_instrument(&mut self, instrument: Arc<Instrument>) {
        self.pairs
            .insert((instrument.base, instrument.quote), instrument.symbol);
        self.instruments.insert(instrument.symbol, instrument);
    }

    /// Takes in a quote that passed the feed filter.
    pub fn set_quote(&mut self, quote: Quote) {
        self.quotes.insert(quote.symbol, quote);
    }

    /// Terms in force.
    #[must_use]
    pub fn instrument(&self, symbol: Symbol) -> Option<&Arc<Instrument>> {
        self.instruments.get(&symbol)
    }

    /// The newest quote, however old.
    #[must_use]
    pub fn quote(&self, symbol: Symbol) -> Option<&Quote> {
        self.quotes.get(&symbol)
    }

    /// All instruments, in no order.
    pub fn instruments(&self) -> impl Iterator<Item = &Arc<Instrument>> {
        self.instruments.values()
    }

    /// Units of `to` for one unit of `from` when `from` is bought (`ask`) or sold (`bid`), through
    /// USD where no direct pair is quoted. Exact: nothing is rounded here but to 28 digits.
    #[must_use]
    pub fn conversion(&self, from: Currency, to: Currency, side: Side) -> Option<Conversion> {
        let _ = (&self.pairs, Decimal::ONE, from, to, side);
        todo!("domain: direct, inverse, then through USD")
    }
}
