//! The hash chain of a stream: each event's hash covers the one before and the event as stored.
//!
//! This definition must never change: every book ever written depends on it.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use crate::recorded::Recorded;

/// The hash before a stream's first event.
pub const GENESIS: [u8; 32] = [0; 32];

/// What an event's hash covers, beside the previous hash.
#[derive(Clone, Copy, Debug)]
pub struct Link<'a> {
    /// `account`, `client`, `instrument`.
    pub aggregate_type: &'a str,
    /// The uuid's or symbol's text.
    pub aggregate_id: &'a str,
    /// Place in the stream.
    pub sequence: i64,
    /// Stable name.
    pub event_type: &'a str,
    /// Version of the payload's shape.
    pub event_version: &'a str,
    /// When it was recorded; microseconds count.
    pub recorded_at: DateTime<Utc>,
    /// The payload's text as stored.
    pub payload: &'a str,
    /// The metadata's text as stored.
    pub metadata: &'a str,
}

impl<'a> Link<'a> {
    /// The link of an event as it stands in the book (not upcast).
    #[must_use]
    pub fn of(event: &'a Recorded) -> Self {
        Self {
            aggregate_type: &event.aggregate_type,
            aggregate_id: &event.aggregate_id,
            sequence: event.sequence,
            event_type: &event.event_type,
            event_version: &event.event_version,
            recorded_at: event.recorded_at,
            payload: &event.payload,
            metadata: &event.metadata,
        }
    }

    /// SHA-256 over `previous` and then, each after its length as 8 big-endian bytes: type, id,
    /// sequence (8 big-endian bytes), event type, event version, `recorded_at` in microseconds
    /// since 1970 (8 big-endian bytes), payload, metadata.
    #[must_use]
    pub fn hash(&self, previous: &[u8; 32]) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(previous);
        let mut field = |bytes: &[u8]| {
            digest.update((bytes.len() as u64).to_be_bytes());
            digest.update(bytes);
        };
        field(self.aggregate_type.as_bytes());
        field(self.aggregate_id.as_bytes());
        field(&self.sequence.to_be_bytes());
        field(self.event_type.as_bytes());
        field(self.event_version.as_bytes());
        field(&self.recorded_at.timestamp_micros().to_be_bytes());
        field(self.payload.as_bytes());
        field(self.metadata.as_bytes());
        digest.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> Link<'static> {
        Link {
            aggregate_type: "account",
            aggregate_id: "0190a0b0-0000-7000-8000-000000000001",
            sequence: 1,
            event_type: "AccountOpened",
            event_version: "1.0",
            recorded_at: DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap(),
            payload: r#"{"AccountOpened":{"number":100001}}"#,
            metadata: r#"{"actor":"cli"}"#,
        }
    }

    #[test]
    fn the_hash_of_a_known_event_is_the_one_written_down_here() {
        assert_eq!(
            hex::encode(link().hash(&GENESIS)),
            "bf86a9ea686113228f3e7efe66a5255386f61d85259336c95ee28c5649ff9edb"
        );
    }

    #[test]
    fn every_field_and_the_previous_hash_change_the_hash() {
        let known = link().hash(&GENESIS);
        let later = link().recorded_at + chrono::TimeDelta::microseconds(1);
        let changed = [
            Link {
                aggregate_type: "client",
                ..link()
            },
            Link {
                aggregate_id: "x",
                ..link()
            },
            Link {
                sequence: 2,
                ..link()
            },
            Link {
                event_type: "AccountClosed",
                ..link()
            },
            Link {
                event_version: "1.1",
                ..link()
            },
            Link {
                recorded_at: later,
                ..link()
            },
            Link {
                payload: "{}",
                ..link()
            },
            Link {
                metadata: "{}",
                ..link()
            },
        ];
        for other in changed {
            assert_ne!(other.hash(&GENESIS), known, "{other:?}");
        }
        assert_ne!(link().hash(&[1; 32]), known);
    }

    #[test]
    fn moving_a_byte_from_one_field_to_the_next_changes_the_hash() {
        let split = Link {
            event_type: "Account",
            event_version: "Opened1.0",
            ..link()
        };
        assert_ne!(split.hash(&GENESIS), link().hash(&GENESIS));
    }
}
