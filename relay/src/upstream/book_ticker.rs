//! An exchange's public book ticker: the best bid and ask of each pair, pushed at every change,
//! without a key. `{base}/stream?streams=btcusdt@bookTicker`, as Binance speaks it.
//!
//! It sells crypto alone, against USDT for the US dollar. The spot form of the message carries no
//! time; then the moment of arrival stands for it, so a delay on the way cannot be seen. A form
//! with a time (`E`) is believed.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use daybook_domain::{
    Currency, Instrument, Quote, Symbol, Timestamp, instrument::AssetClass, quote::QuoteSource,
};
use futures::{FutureExt as _, future::BoxFuture};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{json, value::RawValue};
use tokio_tungstenite::tungstenite::Message;

use super::{
    normalize::{Normalizer, Said},
    provider::{self, Heard, Limits, Provider},
};
use crate::{FeedStatus, RelayError, rest::PlainRest, wire};

/// More would be refused by address.
const CONNECTIONS_MAX: usize = 3;
const SYMBOLS_PER_CONNECTION: usize = 200;
/// A batch weighs little; this is far below what an address may ask.
const POLL_PACE: Duration = Duration::from_secs(1);

/// The exchange at one pair of addresses.
pub struct BookTicker {
    ws_url: String,
    rest: PlainRest,
    normalizer: Normalizer,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    data: Option<Ticker<'a>>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// The fields have one letter each: symbol, bid, ask, time of the event in milliseconds.
#[derive(Deserialize)]
struct Ticker<'a> {
    s: &'a str,
    #[serde(borrow)]
    b: &'a RawValue,
    #[serde(borrow)]
    a: &'a RawValue,
    #[serde(rename = "E")]
    at_ms: Option<i64>,
}

/// The same over REST.
#[derive(Deserialize)]
struct Polled {
    symbol: String,
    #[serde(rename = "bidPrice")]
    bid: String,
    #[serde(rename = "askPrice")]
    ask: String,
}

impl BookTicker {
    /// The exchange at `ws_url` (`wss://stream.example/stream`) and `rest_url`.
    #[must_use]
    pub fn new(
        ws_url: String,
        rest_url: &str,
        source: QuoteSource,
        instruments: &[Arc<Instrument>],
    ) -> Self {
        Self {
            ws_url,
            rest: PlainRest::new(rest_url),
            normalizer: Normalizer::new(source, instruments, exchange_name),
        }
    }

    fn streams(&self, symbols: &[Symbol]) -> Vec<String> {
        let names = self.normalizer.names(symbols);
        let stream = |name: &str| format!("{}@bookTicker", name.to_ascii_lowercase());
        names.into_iter().map(stream).collect()
    }

    fn request(&self, method: &str, symbols: &[Symbol]) -> Message {
        let request = json!({"method": method, "params": self.streams(symbols), "id": 1});
        Message::text(request.to_string())
    }
}

/// `BTCUSDT` for Bitcoin in US dollars; nothing else is sold there.
pub(crate) fn exchange_name(instrument: &Instrument) -> Option<String> {
    match instrument.class {
        AssetClass::Crypto if instrument.quote == Currency::USD => {
            Some(format!("{}USDT", instrument.base))
        }
        AssetClass::Crypto => Some(format!("{}{}", instrument.base, instrument.quote)),
        AssetClass::Fx | AssetClass::Metal | AssetClass::Energy | AssetClass::Index => None,
    }
}

impl Provider for BookTicker {
    fn name(&self) -> &'static str {
        "book_ticker"
    }

    fn delivering(&self) -> FeedStatus {
        provider::delivering(self.normalizer.source())
    }

    fn limits(&self) -> Limits {
        Limits {
            connections_max: CONNECTIONS_MAX,
            symbols_per_connection: Some(SYMBOLS_PER_CONNECTION),
        }
    }

    fn sells(&self, symbol: Symbol) -> bool {
        self.normalizer.name(symbol).is_some()
    }

    fn address(&self, symbols: &[Symbol]) -> SecretString {
        let streams = self.streams(symbols).join("/");
        format!("{}?streams={streams}", self.ws_url).into()
    }

    fn subscribe(&self, symbols: &[Symbol]) -> Message {
        self.request("SUBSCRIBE", symbols)
    }

    fn unsubscribe(&self, symbols: &[Symbol]) -> Message {
        self.request("UNSUBSCRIBE", symbols)
    }

    fn heartbeat(&self) -> Message {
        // It has no message of its own for that; the protocol's ping is answered by a pong.
        Message::Ping(bytes::Bytes::new())
    }

    fn read(&self, text: &str, now: Timestamp) -> Heard {
        let Ok(envelope) = serde_json::from_str::<Envelope<'_>>(text) else {
            return Heard::Unusable("malformed");
        };
        if let Some(error) = envelope.error {
            return Heard::Refused {
                symbols: Vec::new(),
                all: true,
                problem: format!("the exchange refuses the subscription: {error}"),
            };
        }
        let Some(ticker) = envelope.data else {
            return Heard::Subscribed; // `{"result":null,"id":1}`
        };
        let said = Said {
            bid: wire::decimal(ticker.b),
            ask: wire::decimal(ticker.a),
            price: None,
        };
        let at = ticker
            .at_ms
            .map_or(Some(now), DateTime::from_timestamp_millis);
        match self.normalizer.quote(ticker.s, said, at, now) {
            Ok(quote) => Heard::Quote(quote),
            Err(unusable) => Heard::Unusable(unusable.as_str()),
        }
    }

    fn poll_pace(&self, _symbols: usize) -> Duration {
        POLL_PACE
    }

    fn poll<'a>(&'a self, symbols: &'a [Symbol]) -> BoxFuture<'a, Result<Vec<Quote>, RelayError>> {
        async move {
            let names = json!(self.normalizer.names(symbols)).to_string();
            let query = [("symbols", names.as_str())];
            let polled: Vec<Polled> = self.rest.get("api/v3/ticker/bookTicker", &query).await?;
            let now = Utc::now();
            let quotes = polled.iter().filter_map(|polled| {
                let said = Said {
                    bid: wire::decimal_text(&polled.bid),
                    ask: wire::decimal_text(&polled.ask),
                    price: None,
                };
                // The book as it stands at this moment: its time is now.
                self.normalizer
                    .quote(&polled.symbol, said, Some(now), now)
                    .ok()
            });
            Ok(quotes.collect())
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::testing::instrument;

    fn provider() -> BookTicker {
        let instruments = ["BTCUSD", "ETHUSD", "EURUSD"].map(|name| Arc::new(instrument(name)));
        let source = QuoteSource::Simulator;
        BookTicker::new(
            "ws://127.0.0.1:1/stream".into(),
            "http://127.0.0.1:1",
            source,
            &instruments,
        )
    }

    fn symbols(names: &[&str]) -> Vec<Symbol> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn it_sells_crypto_alone_and_is_asked_in_its_own_words() {
        let provider = provider();
        let both = symbols(&["BTCUSD", "ETHUSD"]);
        assert!(provider.sells(both[0]) && !provider.sells("EURUSD".parse().unwrap()));
        let address = provider.address(&both);
        let expected = "ws://127.0.0.1:1/stream?streams=btcusdt@bookTicker/ethusdt@bookTicker";
        assert_eq!(address.expose_secret(), expected);
        let request: serde_json::Value =
            serde_json::from_str(provider.subscribe(&both[..1]).to_text().unwrap()).unwrap();
        assert_eq!(
            request,
            json!({"method": "SUBSCRIBE", "params": ["btcusdt@bookTicker"], "id": 1})
        );
    }

    #[test]
    fn a_ticker_is_a_quote_to_the_last_digit_with_or_without_a_time() {
        let provider = provider();
        let now = DateTime::from_timestamp_millis(1_767_000_000_123).unwrap();
        let message = r#"{"stream":"btcusdt@bookTicker","data":{"u":400900217,"s":"BTCUSDT","b":"88500.01000000","B":"31.21","a":"88516.00000000","A":"40.66"}}"#;
        let Heard::Quote(quote) = provider.read(message, now) else {
            panic!("{message}");
        };
        assert_eq!(quote.symbol.as_str(), "BTCUSD");
        assert_eq!(
            (quote.bid.to_string(), quote.ask.to_string()),
            ("88500.01".into(), "88516.00".into())
        );
        assert_eq!(quote.at, now);
        let timed = message.replace(r#""u":"#, r#""E":1767000000000,"u":"#);
        assert!(matches!(provider.read(&timed, now), Heard::Quote(quote)
                if quote.at.timestamp_millis() == 1_767_000_000_000));
    }

    #[test]
    fn answers_refusals_and_nonsense_are_told_apart() {
        let provider = provider();
        let read = |text| provider.read(text, Utc::now());
        assert_eq!(read(r#"{"result":null,"id":1}"#), Heard::Subscribed);
        assert!(matches!(
            read(r#"{"error":{"code":2,"msg":"bad"},"id":1}"#),
            Heard::Refused { all: true, .. }
        ));
        assert_eq!(read("nonsense"), Heard::Unusable("malformed"));
        let unknown = r#"{"stream":"x","data":{"s":"DOGEUSDT","b":"1","a":"2"}}"#;
        assert_eq!(read(unknown), Heard::Unusable("unknown_symbol"));
        let priceless = r#"{"stream":"x","data":{"s":"BTCUSDT","b":"one","a":"2"}}"#;
        assert_eq!(read(priceless), Heard::Unusable("no_price"));
    }
}
