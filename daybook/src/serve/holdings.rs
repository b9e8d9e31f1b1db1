//! What accounts hold, told to the feed: it knows symbols, and nothing of accounts.

use std::{collections::HashSet, convert::Infallible, sync::Arc, time::Duration};

use daybook_domain::{Currency, Instrument, Symbol, instrument::AssetClass};
use daybook_relay::{Interest, conversion_symbols};
use daybook_store::Store;

use crate::book;

/// A symbol lingers far longer after its last sign of interest than it takes to look here.
const LOOK_EVERY: Duration = Duration::from_secs(15);

/// Looks now and then, for ever. Without an answer what was known stays.
pub async fn follow(
    store: &Store,
    instruments: &[Arc<Instrument>],
    interest: &Interest,
) -> Infallible {
    loop {
        match book::holdings(store).await {
            Ok(held) => interest.set_held(needed(instruments, &held)),
            // Read models that are being built, or a database that is away, tell elsewhere.
            Err(error) => tracing::debug!("holdings are not known: {error:#}"),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The symbols held, and those that convert their money into the account's.
fn needed(instruments: &[Arc<Instrument>], held: &[(String, String)]) -> HashSet<Symbol> {
    let mut needed = HashSet::new();
    for (symbol, currency) in held {
        let (Ok(symbol), Ok(currency)) = (Symbol::parse(symbol), currency.parse::<Currency>())
        else {
            continue;
        };
        let Some(terms) = instruments.iter().find(|it| it.symbol == symbol) else {
            continue;
        };
        needed.insert(symbol);
        needed.extend(conversion_symbols(instruments, terms.quote, currency));
        if terms.class == AssetClass::Fx {
            // Margin is counted in the base currency.
            needed.extend(conversion_symbols(instruments, terms.base, currency));
        }
    }
    needed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_brings_the_pairs_that_convert_it() {
        let instruments: Vec<_> = daybook_domain::instrument::seed()
            .into_iter()
            .map(Arc::new)
            .collect();
        let held = |pairs: &[(&str, &str)]| {
            let owned =
                |(symbol, currency): &(&str, &str)| ((*symbol).to_owned(), (*currency).to_owned());
            let pairs: Vec<_> = pairs.iter().map(owned).collect();
            let mut names: Vec<_> = needed(&instruments, &pairs)
                .iter()
                .map(ToString::to_string)
                .collect();
            names.sort_unstable();
            names
        };
        assert_eq!(held(&[("EURUSD", "USD")]), ["EURUSD"]);
        assert_eq!(held(&[("GBPJPY", "USD")]), ["GBPJPY", "GBPUSD", "USDJPY"]);
        assert_eq!(held(&[("DE40", "USD")]), ["DE40", "EURUSD"]);
        assert_eq!(held(&[("XAUUSD", "EUR")]), ["EURUSD", "XAUUSD"]);
        assert_eq!(held(&[("NOSUCH", "USD"), ("EURUSD", "???")]), [""; 0]);
    }
}
