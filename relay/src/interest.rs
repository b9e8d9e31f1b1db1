//! Which symbols anybody wants: somebody watches them, an account depends on them, or somebody has
//! just asked. A symbol nobody has wanted for a while need not be bought from the provider.
//!
//! What accounts are is not known here: the composition root says which symbols are held, and
//! which currencies must be convertible.

use std::{
    collections::{BTreeSet, HashMap, HashSet, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use daybook_domain::{Currency, Instrument, Symbol, instrument::AssetClass};
use tokio::time::Instant;

/// Who wants what. Cloning gives another handle to the same registry.
#[derive(Clone)]
pub struct Interest {
    inner: Arc<Inner>,
}

struct Inner {
    /// In order of preference where not all may be subscribed to.
    symbols: Vec<Symbol>,
    /// How long a symbol is kept after the last sign of interest; none: for ever.
    linger: Option<Duration>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// How many watch each symbol; none has zero.
    watched: HashMap<Symbol, usize>,
    held: HashSet<Symbol>,
    /// When each symbol was last wanted.
    seen: HashMap<Symbol, Instant>,
}

impl Interest {
    /// Interest in these symbols. Every one counts as just asked for, so that a start finds them
    /// all; without `linger` it stays so.
    #[must_use]
    pub fn new(instruments: &[Arc<Instrument>], linger: Option<Duration>) -> Self {
        let symbols: Vec<_> = instruments.iter().map(|it| it.symbol).collect();
        let now = Instant::now();
        let seen = symbols.iter().map(|symbol| (*symbol, now)).collect();
        let state = State {
            seen,
            ..State::default()
        };
        let inner = Inner {
            symbols,
            linger,
            state: Mutex::new(state),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// These symbols are watched until what is returned is dropped.
    #[must_use]
    pub fn watch(&self, symbols: &[Symbol]) -> Watch {
        let mut watch = Watch {
            interest: self.clone(),
            symbols: HashSet::new(),
        };
        watch.add(symbols);
        watch
    }

    /// Symbols that accounts depend on: positions, orders, and what converts their money.
    pub fn set_held(&self, held: HashSet<Symbol>) {
        self.lock().held = held;
    }

    /// Somebody has asked for this symbol once.
    pub fn touch(&self, symbol: Symbol) {
        if let Some(seen) = self.lock().seen.get_mut(&symbol) {
            *seen = Instant::now();
        }
    }

    /// The symbols to subscribe to, at most `max`: first what is held, then what is watched, then
    /// what was wanted most recently. Never none: one symbol is kept, so that the state of the
    /// feed stays a fact.
    #[must_use]
    pub fn wanted(&self, max: usize) -> BTreeSet<Symbol> {
        let now = Instant::now();
        let mut state = self.lock();
        let State {
            watched,
            held,
            seen,
        } = &mut *state;
        for (symbol, seen) in seen.iter_mut() {
            if held.contains(symbol) || watched.contains_key(symbol) {
                *seen = now;
            }
        }
        let lingers = |symbol: &Symbol| match self.inner.linger {
            None => true,
            Some(linger) => now.duration_since(seen[symbol]) < linger,
        };
        let mut wanted: Vec<_> = self.inner.symbols.iter().filter(|it| lingers(it)).collect();
        if wanted.is_empty() {
            wanted.extend(self.inner.symbols.first());
        }
        // Stable, so that equals keep the order of preference.
        wanted.sort_by_key(|symbol| {
            let idle = now.duration_since(seen[*symbol]);
            (
                !held.contains(*symbol),
                !watched.contains_key(*symbol),
                idle,
            )
        });
        wanted.into_iter().take(max.max(1)).copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.inner
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// One listener's symbols, watched for as long as this lives.
pub struct Watch {
    interest: Interest,
    symbols: HashSet<Symbol>,
}

impl Watch {
    /// These too; one that is watched already is watched once.
    pub fn add(&mut self, symbols: &[Symbol]) {
        let mut state = self.interest.lock();
        for symbol in symbols {
            if self.symbols.insert(*symbol) {
                *state.watched.entry(*symbol).or_default() += 1;
            }
        }
    }

    /// These no more.
    pub fn remove(&mut self, symbols: &[Symbol]) {
        let mut state = self.interest.lock();
        let gone = symbols.iter().filter(|symbol| self.symbols.remove(symbol));
        state.forget(gone);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.interest.lock().forget(&self.symbols);
    }
}

impl State {
    fn forget<'a>(&mut self, symbols: impl IntoIterator<Item = &'a Symbol>) {
        let now = Instant::now();
        for symbol in symbols {
            if let Entry::Occupied(mut watchers) = self.watched.entry(*symbol) {
                *watchers.get_mut() -= 1;
                if *watchers.get() == 0 {
                    watchers.remove();
                }
            }
            if let Some(seen) = self.seen.get_mut(symbol) {
                *seen = now;
            }
        }
    }
}

/// The symbols whose prices turn an amount of `from` into `to`: the pair itself, either way round,
/// or both legs through the US dollar. Empty when nothing links the two, or nothing needs to.
#[must_use]
pub fn conversion_symbols(
    instruments: &[Arc<Instrument>],
    from: Currency,
    to: Currency,
) -> Vec<Symbol> {
    if from == to {
        return Vec::new();
    }
    let pair = |one: Currency, other: Currency| {
        let links = |it: &&Arc<Instrument>| {
            let ends = (it.base, it.quote);
            ends == (one, other) || ends == (other, one)
        };
        // A rate between currencies is preferred to a CFD on one of them.
        let linking = || instruments.iter().filter(links);
        let found = linking()
            .find(|it| is_pair(it))
            .or_else(|| linking().next());
        found.map(|it| it.symbol)
    };
    if let Some(direct) = pair(from, to) {
        return vec![direct];
    }
    let through = |currency: Currency| match currency {
        Currency::USD => Some(None),
        other => pair(other, Currency::USD).map(Some),
    };
    match (through(from), through(to)) {
        (Some(first), Some(second)) => first.into_iter().chain(second).collect(),
        (None, _) | (_, None) => Vec::new(),
    }
}

const fn is_pair(instrument: &Instrument) -> bool {
    match instrument.class {
        AssetClass::Fx | AssetClass::Crypto => true,
        AssetClass::Metal | AssetClass::Energy | AssetClass::Index => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::instrument;

    const LINGER: Duration = Duration::from_secs(60);

    fn listed(names: &[&str]) -> Vec<Arc<Instrument>> {
        names
            .iter()
            .map(|name| Arc::new(instrument(name)))
            .collect()
    }

    fn symbol(name: &str) -> Symbol {
        Symbol::parse(name).unwrap()
    }

    fn names(symbols: &BTreeSet<Symbol>) -> Vec<String> {
        symbols.iter().map(ToString::to_string).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_wants_any_more_goes_after_a_while_and_comes_back_when_asked_for() {
        let interest = Interest::new(&listed(&["EURUSD", "GBPUSD", "XAUUSD"]), Some(LINGER));
        assert_eq!(interest.wanted(9).len(), 3);
        let mut watch = interest.watch(&[symbol("GBPUSD"), symbol("GBPUSD")]);
        let other = interest.watch(&[symbol("GBPUSD")]);
        interest.set_held(HashSet::from([symbol("XAUUSD")]));
        tokio::time::advance(LINGER).await;
        assert_eq!(names(&interest.wanted(9)), ["GBPUSD", "XAUUSD"]);
        interest.touch(symbol("EURUSD"));
        assert_eq!(interest.wanted(9).len(), 3);
        watch.remove(&[symbol("GBPUSD"), symbol("WTI")]);
        watch.add(&[symbol("WTI")]);
        drop(other);
        tokio::time::advance(LINGER / 2).await;
        assert_eq!(
            interest.wanted(9).len(),
            3,
            "a moment without listeners costs nothing"
        );
        tokio::time::advance(LINGER / 2).await;
        assert_eq!(names(&interest.wanted(9)), ["XAUUSD"]);
        interest.set_held(HashSet::new());
        tokio::time::advance(LINGER).await;
        assert_eq!(names(&interest.wanted(9)), ["EURUSD"], "one is always kept");
    }

    #[tokio::test(start_paused = true)]
    async fn where_not_all_may_be_had_money_goes_before_eyes_and_eyes_before_habit() {
        let interest = Interest::new(&listed(&["EURUSD", "GBPUSD", "XAUUSD", "WTI"]), None);
        assert_eq!(names(&interest.wanted(2)), ["EURUSD", "GBPUSD"]);
        let _watch = interest.watch(&[symbol("WTI")]);
        assert_eq!(names(&interest.wanted(2)), ["EURUSD", "WTI"]);
        interest.set_held(HashSet::from([symbol("XAUUSD"), symbol("GBPUSD")]));
        assert_eq!(names(&interest.wanted(2)), ["GBPUSD", "XAUUSD"]);
        assert_eq!(names(&interest.wanted(0)).len(), 1);
    }

    #[test]
    fn money_is_converted_by_the_pair_or_through_the_dollar() {
        let listed = listed(&["EURUSD", "USDJPY", "EURJPY", "USDCHF", "DE40", "BTCUSD"]);
        let path = |from: &str, to: &str| {
            let (from, to) = (from.parse().unwrap(), to.parse().unwrap());
            let path = conversion_symbols(&listed, from, to);
            path.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(path("USD", "USD"), [""; 0]);
        assert_eq!(path("JPY", "USD"), ["USDJPY"]);
        assert_eq!(path("JPY", "EUR"), ["EURJPY"]);
        assert_eq!(path("EUR", "CHF"), ["EURUSD", "USDCHF"]);
        assert_eq!(path("CHF", "USD"), ["USDCHF"]);
        assert_eq!(path("GBP", "USD"), [""; 0]);
    }
}
