//! Instrument terms and the newest quotes, as one decision sees them.

use std::{collections::HashMap, sync::Arc};

use rust_decimal::Decimal;

use crate::{
    Currency, Instrument, Quote, Rules, Symbol, Timestamp, execution::Conversion, hashing::NameMap,
    instrument::AssetClass, quote::Side, rules::SessionRule,
};

/// Terms and newest quotes. Each shard, scenario and reader owns one and feeds it.
#[derive(Clone, Debug, Default)]
pub struct Market {
    instruments: NameMap<Symbol, Arc<Instrument>>,
    /// Terms of groups that differ from everybody's.
    groups: HashMap<Box<str>, NameMap<Symbol, Arc<Instrument>>>,
    quotes: NameMap<Symbol, Quote>,
    pairs: NameMap<(Currency, Currency), Symbol>,
}

/// A conversion rate as a fraction, so that an amount is multiplied first and divided once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Currency converted from.
    pub from: Currency,
    /// Currency converted to.
    pub to: Currency,
    /// Side of the market it was taken from.
    pub side: Side,
    numerator: Decimal,
    denominator: Decimal,
    path: [Option<Symbol>; 2],
}

impl Rate {
    /// The rate of a currency in itself.
    #[must_use]
    pub const fn identity(currency: Currency, side: Side) -> Self {
        Self {
            from: currency,
            to: currency,
            side,
            numerator: Decimal::ONE,
            denominator: Decimal::ONE,
            path: [None, None],
        }
    }

    /// The rate that a deal in a currency pair fixes itself: its own price.
    #[must_use]
    pub const fn of_deal(instrument: &Instrument, price: Decimal, side: Side) -> Self {
        Self {
            from: instrument.base,
            to: instrument.quote,
            side,
            numerator: price,
            denominator: Decimal::ONE,
            path: [Some(instrument.symbol), None],
        }
    }

    /// Converts an amount, unrounded but to 28 digits. None when the result does not fit.
    #[must_use]
    pub fn convert(&self, amount: Decimal) -> Option<Decimal> {
        if self.from == self.to {
            return Some(amount);
        }
        let product = amount.checked_mul(self.numerator)?;
        if self.denominator == Decimal::ONE {
            return Some(product);
        }
        product.checked_div(self.denominator)
    }

    /// The receipt of this rate. None when the rate does not fit 28 digits.
    #[must_use]
    pub fn conversion(&self) -> Option<Conversion> {
        Some(Conversion {
            from: self.from,
            to: self.to,
            rate: self.numerator.checked_div(self.denominator)?,
            side: self.side,
            path: self.path.into_iter().flatten().collect(),
        })
    }

    fn then(self, next: Self) -> Option<Self> {
        Some(Self {
            from: self.from,
            to: next.to,
            side: self.side,
            numerator: self.numerator.checked_mul(next.numerator)?,
            denominator: self.denominator.checked_mul(next.denominator)?,
            path: [self.path[0], next.path[0]],
        })
    }
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
        let symbol = instrument.symbol;
        self.pairs.retain(|_, listed| *listed != symbol);
        let pair = (instrument.base, instrument.quote);
        let better_known = self
            .pairs
            .get(&pair)
            .is_some_and(|listed| self.instruments[listed].is_pair() && !instrument.is_pair());
        if !better_known {
            self.pairs.insert(pair, symbol);
        }
        for terms in self.groups.values_mut() {
            terms.remove(&symbol);
        }
        for name in instrument.groups.keys() {
            let terms = instrument.of_group(name).map(Arc::new);
            let of_group = self.groups.entry(name.clone()).or_default();
            of_group.extend(terms.map(|terms| (symbol, terms)));
        }
        self.instruments.insert(symbol, instrument);
    }

    /// Takes in a quote that passed the feed filter, whatever the hour.
    pub fn set_quote(&mut self, quote: Quote) {
        self.quotes.insert(quote.symbol, quote);
    }

    /// Takes in a quote of a known instrument that lies within its session; nothing is valued,
    /// triggered or filled on any other. Says whether the quote was taken in.
    pub fn take_in(&mut self, quote: Quote, rules: &Rules) -> bool {
        let open = self
            .instruments
            .get(&quote.symbol)
            .is_some_and(|instrument| in_session(instrument, quote.at, rules));
        if open {
            self.set_quote(quote);
        }
        open
    }

    /// Terms in force.
    #[must_use]
    pub fn instrument(&self, symbol: Symbol) -> Option<&Arc<Instrument>> {
        self.instruments.get(&symbol)
    }

    /// Terms in force for the clients of a group, which may be everybody's.
    #[must_use]
    pub fn terms(&self, symbol: Symbol, group: Option<&str>) -> Option<&Arc<Instrument>> {
        let own = group.and_then(|group| self.groups.get(group)?.get(&symbol));
        own.or_else(|| self.instrument(symbol))
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
        self.rate(from, to, side)?.conversion()
    }

    /// The same as [`Market::conversion`], as a fraction to convert amounts with.
    #[must_use]
    pub fn rate(&self, from: Currency, to: Currency, side: Side) -> Option<Rate> {
        self.rate_at(from, to, side, &mut |link| link.quote.price(link.side))
    }

    /// The rate where every quote on the way has another price than it has now.
    pub(crate) fn rate_at(
        &self,
        from: Currency,
        to: Currency,
        side: Side,
        price: &mut impl FnMut(&Link<'_>) -> Decimal,
    ) -> Option<Rate> {
        if from == to {
            return Some(Rate::identity(from, side));
        }
        self.quoted(from, to, side, price).or_else(|| {
            let into_usd = self.quoted(from, Currency::USD, side, price)?;
            into_usd.then(self.quoted(Currency::USD, to, side, price)?)
        })
    }

    /// Listed pairs without a quote whose first quote would change the way from one currency to
    /// another, or make one.
    pub(crate) fn awaited(&self, from: Currency, to: Currency) -> Vec<Symbol> {
        let mut awaited = Vec::new();
        let usd = Currency::USD;
        if from == to || self.link(from, to, &mut awaited) || from == usd || to == usd {
            return awaited;
        }
        self.link(from, usd, &mut awaited);
        self.link(usd, to, &mut awaited);
        awaited
    }

    /// Whether a pair links the two now; those that are asked before it wait for their quotes.
    fn link(&self, from: Currency, to: Currency, awaited: &mut Vec<Symbol>) -> bool {
        let listed = [(from, to), (to, from)].map(|pair| self.pairs.get(&pair).copied());
        for symbol in listed.into_iter().flatten() {
            if self.quote(symbol).is_some() {
                return true;
            }
            awaited.push(symbol);
        }
        false
    }

    /// A rate quoted by one pair, as it is or upside down.
    fn quoted(
        &self,
        from: Currency,
        to: Currency,
        side: Side,
        price: &mut impl FnMut(&Link<'_>) -> Decimal,
    ) -> Option<Rate> {
        let direct = self
            .pairs
            .get(&(from, to))
            .and_then(|pair| self.quote(*pair));
        if let Some(quote) = direct {
            let upside_down = false;
            let link = Link {
                quote,
                side,
                upside_down,
            };
            return Some(Rate {
                from,
                to,
                side,
                numerator: positive(price(&link))?,
                denominator: Decimal::ONE,
                path: [Some(quote.symbol), None],
            });
        }
        // Who sells `from` for `to` buys TO/FROM, and pays its ask.
        let quote = self.quote(*self.pairs.get(&(to, from))?)?;
        let link = Link {
            quote,
            side: side.opposite(),
            upside_down: true,
        };
        Some(Rate {
            from,
            to,
            side,
            numerator: Decimal::ONE,
            denominator: positive(price(&link))?,
            path: [Some(quote.symbol), None],
        })
    }
}

/// One quote on the way from one currency to another.
pub(crate) struct Link<'a> {
    /// The quote.
    pub(crate) quote: &'a Quote,
    /// Side of the quote that counts: its ask for `buy`.
    pub(crate) side: Side,
    /// Whether the rate falls when the price rises.
    pub(crate) upside_down: bool,
}

/// Whether an instrument trades at an instant, under the rule for sessions.
#[must_use]
pub fn in_session(instrument: &Instrument, at: Timestamp, rules: &Rules) -> bool {
    match rules.sessions {
        SessionRule::Always => true,
        SessionRule::Terms => instrument.is_open(at),
    }
}

impl Instrument {
    /// Whether its price is a rate between currencies.
    const fn is_pair(&self) -> bool {
        match self.class {
            AssetClass::Fx | AssetClass::Crypto => true,
            AssetClass::Metal | AssetClass::Energy | AssetClass::Index => false,
        }
    }
}

fn positive(price: Decimal) -> Option<Decimal> {
    (price > Decimal::ZERO).then_some(price)
}
