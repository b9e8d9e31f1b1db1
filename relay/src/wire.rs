//! Twelve Data's messages, as the client reads them.
//!
//! Prices stay text until they are decimals: none ever passes through a double.

use std::{borrow::Cow, str::FromStr as _};

use daybook_domain::Decimal;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A message of the WebSocket.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    /// A new price.
    Price(Price<'a>),
    /// The answer to a subscription.
    Subscribed(SubscribeStatus<'a>),
    /// Anything else: a heartbeat's answer, a status that asks for nothing.
    Other,
}

/// A new price. Bid and ask come "where available".
#[derive(Debug)]
pub(crate) struct Price<'a> {
    pub symbol: Cow<'a, str>,
    pub timestamp: i64,
    pub price: Option<&'a RawValue>,
    pub bid: Option<&'a RawValue>,
    pub ask: Option<&'a RawValue>,
}

/// The answer to a subscription.
#[derive(Debug)]
pub(crate) struct SubscribeStatus<'a> {
    pub status: Cow<'a, str>,
    /// The provider's list of what it would not give, as text; none when it is empty.
    pub fails: Option<&'a str>,
    /// Its words, where it has any.
    pub message: Option<Cow<'a, str>>,
}

/// The message is not JSON, or a price event without symbol or time.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    #[error("not the provider's JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("a price without symbol or timestamp")]
    IncompletePrice,
}

/// The union of all fields: the provider tells the kinds apart by a string of its own.
#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow, default)]
    event: Cow<'a, str>,
    #[serde(borrow, default)]
    symbol: Cow<'a, str>,
    timestamp: Option<i64>,
    #[serde(borrow)]
    price: Option<&'a RawValue>,
    #[serde(borrow)]
    bid: Option<&'a RawValue>,
    #[serde(borrow)]
    ask: Option<&'a RawValue>,
    #[serde(borrow, default)]
    status: Cow<'a, str>,
    #[serde(borrow)]
    fails: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<Cow<'a, str>>,
}

/// Reads one message.
pub(crate) fn parse(text: &str) -> Result<Event<'_>, WireError> {
    let raw: Raw<'_> = serde_json::from_str(text)?;
    match raw.event.as_ref() {
        "price" => match (raw.symbol.is_empty(), raw.timestamp) {
            (false, Some(timestamp)) => Ok(Event::Price(Price {
                symbol: raw.symbol,
                timestamp,
                price: raw.price,
                bid: raw.bid,
                ask: raw.ask,
            })),
            (true, _) | (false, None) => Err(WireError::IncompletePrice),
        },
        "subscribe-status" => Ok(Event::Subscribed(SubscribeStatus {
            status: raw.status,
            fails: raw
                .fails
                .map(RawValue::get)
                .filter(|text| !is_empty_list(text)),
            message: raw.message,
        })),
        _ => Ok(Event::Other),
    }
}

fn is_empty_list(text: &str) -> bool {
    text == "null"
        || text
            .chars()
            .filter(|char| !char.is_whitespace())
            .eq("[]".chars())
}

/// The names in a list of refused symbols, whichever of the provider's forms it has.
pub(crate) fn symbols_of(fails: &str) -> Vec<String> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Refused {
        Name(String),
        Object { symbol: String },
    }
    let refused: Vec<Refused> = serde_json::from_str(fails).unwrap_or_default();
    let name = |refused| match refused {
        Refused::Name(symbol) | Refused::Object { symbol } => symbol,
    };
    refused.into_iter().map(name).collect()
}

/// A decimal from the text of a JSON number, or of a number in a JSON string.
pub(crate) fn decimal(raw: &RawValue) -> Option<Decimal> {
    decimal_text(raw.get().trim_matches('"'))
}

/// A decimal from its digits, with or without an exponent.
pub(crate) fn decimal_text(text: &str) -> Option<Decimal> {
    if text.contains(['e', 'E']) {
        return Decimal::from_scientific(text).ok();
    }
    Decimal::from_str(text).ok()
}

/// An error of the provider, REST or in place of the WebSocket's upgrade.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct ErrorBody {
    #[serde(default)]
    pub code: u16,
    #[serde(default)]
    pub message: String,
    #[serde(default)]
    pub status: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(text: &str) -> Price<'_> {
        match parse(text).unwrap() {
            Event::Price(price) => price,
            other @ (Event::Subscribed(_) | Event::Other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_price_is_read_to_its_last_digit() {
        // A double holds none of these: 17 digits, a trailing zero, an exponent.
        let read = price(
            r#"{"event":"price","symbol":"EUR\/USD","timestamp":1647950462,
                "price":1.12345678901234567,"bid":1.10,"ask":11e-1,"currency":"USD"}"#,
        );
        assert_eq!(
            (read.symbol.as_ref(), read.timestamp),
            ("EUR/USD", 1_647_950_462)
        );
        let text = |raw: Option<&RawValue>| raw.and_then(decimal).unwrap().to_string();
        assert_eq!(text(read.price), "1.12345678901234567");
        assert_eq!(text(read.bid), "1.10");
        assert_eq!(text(read.ask), "1.1");
    }

    #[test]
    fn bid_and_ask_may_be_missing_or_null() {
        let read = price(r#"{"event":"price","symbol":"SPX","timestamp":1,"price":1,"bid":null}"#);
        assert!(read.bid.is_none() && read.ask.is_none());
    }

    #[test]
    fn a_subscription_answers_with_what_it_refused() {
        let refused = |text: &str| match parse(text).unwrap() {
            Event::Subscribed(status) => status.fails.map(str::to_owned),
            other @ (Event::Price(_) | Event::Other) => panic!("{other:?}"),
        };
        let with = |fails: &str| format!(r#"{{"event":"subscribe-status","fails":{fails}}}"#);
        assert_eq!(refused(&with("null")), None);
        assert_eq!(refused(&with("[ ]")), None);
        let one = r#"[{"symbol":"FOO"}]"#;
        assert_eq!(refused(&with(one)).as_deref(), Some(one));
        assert_eq!(refused(r#"{"event":"subscribe-status"}"#), None);
        assert_eq!(symbols_of(one), ["FOO"]);
        assert_eq!(
            symbols_of(r#"["FOO",{"symbol":"BAR","why":1}]"#),
            ["FOO", "BAR"]
        );
        assert_eq!(symbols_of(r#"{"FOO":1}"#), [""; 0]);
    }

    #[test]
    fn what_is_not_the_protocol_is_an_error_and_what_is_new_is_not() {
        for bad in [
            "",
            "nonsense",
            "[]",
            r#"{"event":"price"}"#,
            r#"{"event":"price","symbol":1}"#,
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        for unknown in [
            r#"{"event":"heartbeat","status":"ok"}"#,
            r#"{"event":"news"}"#,
            "{}",
        ] {
            assert!(matches!(parse(unknown), Ok(Event::Other)), "{unknown}");
        }
    }

    #[test]
    fn what_is_no_number_is_no_price() {
        let read = price(
            r#"{"event":"price","symbol":"X","timestamp":1,"price":"abc","bid":true,"ask":[1]}"#,
        );
        for raw in [read.price, read.bid, read.ask] {
            assert_eq!(raw.and_then(decimal), None);
        }
    }
}
