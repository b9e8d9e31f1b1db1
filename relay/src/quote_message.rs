//! One quote as it is sent: encoded once, framed once, shared by everybody who gets it.
//!
//! The WebSocket frame stands in one piece, header first, so that a writer can put any number of
//! them into one write; the JSON text is the same bytes behind that header.

use std::fmt::Write as _;

use bytes::Bytes;
use chrono::SecondsFormat;
use daybook_domain::Quote;

/// RFC 6455: the last frame of a message, text, not compressed.
const FINAL_TEXT: u8 = 0x81;
/// A length from here on takes two bytes of its own, which this marker announces.
const LENGTH_OF_TWO_BYTES: u8 = 126;
const HEADER_MAX: usize = 4;

/// A quote's message. Cloning shares the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuoteMessage {
    sequence: u64,
    frame: Bytes,
    text_at: u8,
}

impl QuoteMessage {
    /// `{"type":"quote","symbol","bid","ask","time","seq"}`.
    ///
    /// Symbols and decimals need no JSON escaping, so the text is written directly.
    pub(crate) fn encode(quote: &Quote, sequence: u64) -> Self {
        let mut text = String::with_capacity(176);
        // Room for the longest header, so that the text does not move afterwards.
        text.push_str("\0\0\0\0");
        let written = write!(
            text,
            concat!(
                r#"{{"type":"quote","symbol":"{symbol}","bid":"{bid}","ask":"{ask}","#,
                r#""time":"{time}","seq":{sequence}}}"#
            ),
            symbol = quote.symbol,
            bid = quote.bid,
            ask = quote.ask,
            time = quote.at.to_rfc3339_opts(SecondsFormat::Millis, true),
            sequence = sequence,
        );
        written.expect("invariant: writing to a String cannot fail");
        let mut bytes = text.into_bytes();
        let length = u16::try_from(bytes.len() - HEADER_MAX)
            .expect("invariant: a symbol, two prices and two numbers are short");
        let (start, text_at) = match u8::try_from(length) {
            Ok(short) if short < LENGTH_OF_TWO_BYTES => {
                bytes[2..HEADER_MAX].copy_from_slice(&[FINAL_TEXT, short]);
                (2, 2)
            }
            Ok(_) | Err(_) => {
                let [high, low] = length.to_be_bytes();
                let header = [FINAL_TEXT, LENGTH_OF_TWO_BYTES, high, low];
                bytes[..HEADER_MAX].copy_from_slice(&header);
                (0, 4)
            }
        };
        Self {
            sequence,
            frame: Bytes::from(bytes).slice(start..),
            text_at,
        }
    }

    /// Rises with each quote of this process.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// A whole WebSocket text frame, as a server sends it.
    #[must_use]
    pub const fn frame(&self) -> &Bytes {
        &self.frame
    }

    /// The JSON text.
    #[must_use]
    pub fn text(&self) -> Bytes {
        self.frame.slice(usize::from(self.text_at)..)
    }
}

#[cfg(test)]
mod tests {
    use chrono::{TimeZone as _, Utc};
    use daybook_domain::{Symbol, quote::QuoteSource};

    use super::*;

    fn message(bid: &str) -> QuoteMessage {
        let quote = Quote {
            symbol: Symbol::parse("EURUSD").unwrap(),
            bid: bid.parse().unwrap(),
            ask: "1.38400".parse().unwrap(),
            at: Utc.timestamp_millis_opt(1_399_033_801_535).unwrap(),
            source: QuoteSource::Recorded,
        };
        QuoteMessage::encode(&quote, 1)
    }

    #[test]
    fn a_message_carries_money_as_text_and_time_in_milliseconds() {
        let expected = concat!(
            r#"{"type":"quote","symbol":"EURUSD","bid":"1.38250","ask":"1.38400","#,
            r#""time":"2014-05-02T12:30:01.535Z","seq":1}"#
        );
        assert_eq!(message("1.38250").text(), expected);
    }

    #[test]
    fn the_frame_is_a_header_of_the_right_length_and_the_text() {
        let short = message("1.38250");
        let length = u8::try_from(short.text().len()).unwrap();
        assert_eq!(short.frame()[..2], [0x81, length]);
        assert_eq!(short.frame()[2..], short.text());
        let long = message("1234567890123456789012345.67");
        let length = u8::try_from(long.text().len()).unwrap();
        assert!(length >= 126);
        assert_eq!(long.frame()[..4], [0x81, 126, 0, length]);
        assert_eq!(long.frame()[4..], long.text());
    }
}
