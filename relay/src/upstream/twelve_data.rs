//! Twelve Data: one subscription per symbol over its WebSocket, prices over REST.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use daybook_domain::{Instrument, Quote, Symbol, Timestamp, quote::QuoteSource};
use futures::{FutureExt as _, future::BoxFuture};
use secrecy::{ExposeSecret as _, SecretString};
use tokio_tungstenite::tungstenite::Message;

use super::{
    normalize::{Normalizer, Said},
    provider::{self, Heard, Limits, Provider},
};
use crate::{
    FeedStatus, RelayError, catalogue,
    rest::RestClient,
    wire::{self, Event, Price, SubscribeStatus},
};

/// The provider closes the oldest of more connections with one key.
const CONNECTIONS_MAX: usize = 3;

/// The provider, as it is reached with one key.
pub struct TwelveData {
    ws_url: String,
    api_key: SecretString,
    rest: RestClient,
    normalizer: Normalizer,
    symbols_per_connection: Option<usize>,
    /// How many symbols were ever polled: where the next round begins.
    polled: AtomicUsize,
}

impl TwelveData {
    /// The provider at these addresses, or the simulator of it.
    #[must_use]
    pub fn new(
        ws_url: String,
        rest: RestClient,
        source: QuoteSource,
        instruments: &[Arc<Instrument>],
        symbols_per_connection: Option<usize>,
    ) -> Self {
        let name = |it: &Instrument| Some(catalogue::listing(it).provider_symbol);
        Self {
            ws_url,
            api_key: rest.key().clone(),
            normalizer: Normalizer::new(source, instruments, name),
            rest,
            symbols_per_connection,
            polled: AtomicUsize::new(0),
        }
    }

    /// As many of the symbols as this minute's credits buy, beginning where the last round ended.
    fn affordable(&self, symbols: &[Symbol]) -> Result<Vec<Symbol>, RelayError> {
        let count = self.rest.credits().affordable(symbols.len());
        if count == 0 {
            self.rest.credits().spend(1)?;
        }
        let from = self.polled.fetch_add(count, Ordering::Relaxed);
        let round = symbols.iter().cycle().skip(from % symbols.len().max(1));
        Ok(round.take(count).copied().collect())
    }

    fn message(&self, action: &str, symbols: &[Symbol]) -> Message {
        let symbols = self.normalizer.names(symbols).join(",");
        let text = format!(r#"{{"action":"{action}","params":{{"symbols":"{symbols}"}}}}"#);
        Message::text(text)
    }

    fn price(&self, price: &Price<'_>, now: Timestamp) -> Heard {
        let number = |raw| Option::and_then(raw, wire::decimal);
        let said = Said {
            bid: number(price.bid),
            ask: number(price.ask),
            price: number(price.price),
        };
        let at = DateTime::from_timestamp(price.timestamp, 0);
        match self.normalizer.quote(&price.symbol, said, at, now) {
            Ok(quote) => Heard::Quote(quote),
            Err(unusable) => Heard::Unusable(unusable.as_str()),
        }
    }

    fn subscribed(&self, status: &SubscribeStatus<'_>) -> Heard {
        let all = status.status == "error";
        let problem = match (status.fails, all) {
            (Some(fails), _) => format!("the provider refuses symbols: {fails}"),
            (None, true) => {
                let message = status.message.as_deref().unwrap_or("no reason given");
                format!("the provider refuses the subscription: {message}")
            }
            (None, false) => return Heard::Subscribed,
        };
        let symbols = status.fails.map(wire::symbols_of).unwrap_or_default();
        let known = symbols
            .iter()
            .filter_map(|name| self.normalizer.symbol(name));
        Heard::Refused {
            symbols: known.collect(),
            all,
            problem,
        }
    }
}

impl Provider for TwelveData {
    fn name(&self) -> &'static str {
        "twelve_data"
    }

    fn delivering(&self) -> FeedStatus {
        provider::delivering(self.normalizer.source())
    }

    fn limits(&self) -> Limits {
        Limits {
            connections_max: CONNECTIONS_MAX,
            symbols_per_connection: self.symbols_per_connection,
        }
    }

    fn sells(&self, symbol: Symbol) -> bool {
        self.normalizer.name(symbol).is_some()
    }

    fn address(&self, _symbols: &[Symbol]) -> SecretString {
        let key = self.api_key.expose_secret();
        format!("{}?apikey={key}", self.ws_url).into()
    }

    fn subscribe(&self, symbols: &[Symbol]) -> Message {
        self.message("subscribe", symbols)
    }

    fn unsubscribe(&self, symbols: &[Symbol]) -> Message {
        self.message("unsubscribe", symbols)
    }

    fn heartbeat(&self) -> Message {
        Message::text(r#"{"action":"heartbeat"}"#)
    }

    fn read(&self, text: &str, now: Timestamp) -> Heard {
        match wire::parse(text) {
            Ok(Event::Price(price)) => self.price(&price, now),
            Ok(Event::Subscribed(status)) => self.subscribed(&status),
            Ok(Event::Other) => Heard::Nothing,
            Err(error) => {
                tracing::debug!(%error, "unreadable message skipped");
                Heard::Unusable("malformed")
            }
        }
    }

    fn poll_pace(&self, symbols: usize) -> Duration {
        self.rest.credits().pace(symbols)
    }

    fn poll<'a>(&'a self, symbols: &'a [Symbol]) -> BoxFuture<'a, Result<Vec<Quote>, RelayError>> {
        async move {
            let asked = self.affordable(symbols)?;
            let prices = self.rest.prices(&self.normalizer.names(&asked)).await?;
            let now = Utc::now();
            let quotes = prices.into_iter().filter_map(|polled| {
                let said = Said {
                    price: Some(polled.price),
                    ..Said::default()
                };
                // The provider's own time of the price: an old one stays old.
                let at = DateTime::from_timestamp(polled.timestamp, 0);
                let name = &polled.provider_symbol;
                self.normalizer.quote(name, said, at, now).ok()
            });
            Ok(quotes.collect())
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::instrument;

    fn provider() -> TwelveData {
        let instruments = ["EURUSD", "WTI"].map(|name| Arc::new(instrument(name)));
        let rest = RestClient::new("http://127.0.0.1:1", "secret".to_owned().into());
        let source = QuoteSource::TwelveData;
        TwelveData::new(
            "ws://127.0.0.1:1/ws".into(),
            rest,
            source,
            &instruments,
            None,
        )
    }

    fn symbols(names: &[&str]) -> Vec<Symbol> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn it_is_asked_in_its_own_words() {
        let provider = provider();
        let both = symbols(&["EURUSD", "WTI", "XAUUSD"]);
        assert_eq!(
            provider.subscribe(&both).to_text().unwrap(),
            r#"{"action":"subscribe","params":{"symbols":"EUR/USD,WTI/USD"}}"#
        );
        assert_eq!(
            provider.unsubscribe(&both[..1]).to_text().unwrap(),
            r#"{"action":"unsubscribe","params":{"symbols":"EUR/USD"}}"#
        );
        assert!(!provider.sells(both[2]));
        assert_eq!(
            provider.address(&both).expose_secret(),
            "ws://127.0.0.1:1/ws?apikey=secret"
        );
    }

    #[test]
    fn a_refusal_names_the_symbols_and_says_whether_any_are_left() {
        let provider = provider();
        let now = Utc::now();
        let answer = r#"{"event":"subscribe-status","status":"warning","fails":[{"symbol":"WTI/USD"},{"symbol":"FOO"}]}"#;
        let Heard::Refused {
            symbols: refused,
            all,
            problem,
        } = provider.read(answer, now)
        else {
            panic!("{answer}");
        };
        assert_eq!((refused, all), (symbols(&["WTI"]), false));
        assert!(problem.contains("FOO"));
        let none = r#"{"event":"subscribe-status","status":"error","fails":null,"message":"no"}"#;
        assert!(matches!(
            provider.read(none, now),
            Heard::Refused { all: true, .. }
        ));
        let granted = r#"{"event":"subscribe-status","status":"ok","fails":[]}"#;
        assert_eq!(provider.read(granted, now), Heard::Subscribed);
    }
}
