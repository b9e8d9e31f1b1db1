//! Times and identifiers as text: what the contract writes, and what it reads.

use chrono::{DateTime, Datelike, SecondsFormat, Utc};
use daybook_domain::Timestamp;
use serde::{Deserialize, Deserializer, de};

/// RFC 3339, UTC, milliseconds.
pub(crate) fn time(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Why a text is no instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an RFC 3339 time such as \"2026-01-31T09:30:00.000Z\"")]
pub(crate) struct TimeError;

/// Reads RFC 3339 with any offset, of years that four digits can write.
pub(crate) fn parse_time(text: &str) -> Result<Timestamp, TimeError> {
    let at = DateTime::parse_from_rfc3339(text).map_err(|_| TimeError)?;
    let at = at.with_timezone(&Utc);
    if (1970..=9999).contains(&at.year()) {
        Ok(at)
    } else {
        Err(TimeError)
    }
}

/// An instant in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Time(pub(crate) Timestamp);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_time(&text).map(Self).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_any_offset_and_written_in_utc_with_milliseconds() {
        let at = parse_time("2026-01-31T10:30:00.123987+01:00").unwrap();
        assert_eq!(time(at), "2026-01-31T09:30:00.123Z");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "now",
            "2026-01-31",
            "2026-02-30T00:00:00Z",
            "1969-12-31T23:59:59Z",
        ] {
            assert_eq!(parse_time(text), Err(TimeError), "{text}");
        }
    }
}
