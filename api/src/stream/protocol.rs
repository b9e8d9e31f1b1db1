//! Messages, as text.

use daybook_relay::FeedStatus;
use serde::{Deserialize, Serialize};

/// Answers and announcements that are no quote.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Said<'a> {
    /// The feed's state.
    Status { feed: &'a str },
    /// Answer to a ping.
    Pong,
    /// Authenticated; subscriptions are taken.
    Ready,
    /// Subscribed, and from which position on pushes come by themselves.
    Subscribed {
        channels: &'a [String],
        position: i64,
    },
    /// Something was not done.
    Error {
        code: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        symbol: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        channel: Option<&'a str>,
    },
}

impl Said<'_> {
    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).expect("invariant: messages are plain text and numbers")
    }
}

pub(super) fn status(feed: FeedStatus) -> String {
    Said::Status {
        feed: feed.as_str(),
    }
    .text()
}

pub(super) fn error(code: &str) -> String {
    Said::Error {
        code,
        symbol: None,
        channel: None,
    }
    .text()
}

pub(super) fn unknown_symbol(symbol: &str) -> String {
    Said::Error {
        code: "unknown_symbol",
        symbol: Some(symbol),
        channel: None,
    }
    .text()
}

pub(super) fn channel_error(code: &str, channel: &str) -> String {
    Said::Error {
        code,
        symbol: None,
        channel: Some(channel),
    }
    .text()
}

/// What a listener to quotes may ask.
#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum QuotesOp {
    Subscribe { symbols: Vec<String> },
    Unsubscribe { symbols: Vec<String> },
    Ping {},
}

/// What a client may ask on the private channel.
#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum PrivateOp {
    Auth {
        token: String,
    },
    Subscribe {
        channels: Vec<String>,
        since: Option<i64>,
    },
    Unsubscribe {
        channels: Vec<String>,
    },
    Ping {},
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_written_as_the_contract_says() {
        assert_eq!(
            status(FeedStatus::Live),
            r#"{"type":"status","feed":"live"}"#
        );
        assert_eq!(Said::Pong.text(), r#"{"type":"pong"}"#);
        assert_eq!(Said::Ready.text(), r#"{"type":"ready"}"#);
        assert_eq!(
            unknown_symbol("X"),
            r#"{"type":"error","code":"unknown_symbol","symbol":"X"}"#
        );
    }

    #[test]
    fn requests_are_read_and_nonsense_is_not() {
        let read = |text| serde_json::from_str::<PrivateOp>(text);
        assert!(matches!(read(r#"{"op":"ping"}"#), Ok(PrivateOp::Ping {})));
        assert!(matches!(
            read(r#"{"op":"subscribe","channels":["notifications"],"since":7}"#),
            Ok(PrivateOp::Subscribe { since: Some(7), .. })
        ));
        for text in [
            r#"{"op":"shout"}"#,
            r#"{"op":"auth"}"#,
            "[]",
            r#"{"op":"ping","x":1}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
