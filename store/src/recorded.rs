//! Events as they stand in the book.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::error::StoreError;

/// Names a stream: `aggregate_type` and `aggregate_id`, written `account-{uuid}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId {
    /// `account`, `client`, `instrument`.
    pub aggregate_type: &'static str,
    /// The uuid's or symbol's text.
    pub aggregate_id: Box<str>,
}

impl StreamId {
    /// Names a stream.
    #[must_use]
    pub fn new(aggregate_type: &'static str, aggregate_id: impl fmt::Display) -> Self {
        Self {
            aggregate_type,
            aggregate_id: aggregate_id.to_string().into(),
        }
    }

    /// Reads what `Display` writes. Types hold no dash, ids may.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (aggregate_type, aggregate_id) = text.split_once('-')?;
        let named = !aggregate_type.is_empty() && !aggregate_id.is_empty();
        named.then(|| Self::new(intern(aggregate_type), aggregate_id))
    }
}

/// The one lasting copy of a name. For names of types alone: there are few, and they stay.
pub(crate) fn intern(name: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name) {
        return known;
    }
    let lasting: &'static str = Box::leak(Box::from(name));
    names.insert(lasting);
    lasting
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.aggregate_type, self.aggregate_id)
    }
}

/// Who, why, from where: a flat map of strings. Well-known keys are constants here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Metadata(pub BTreeMap<String, String>);

impl Metadata {
    /// Who acted: `client:{id}`, `system:trigger`, `crm:{operator}`, `cli`.
    pub const ACTOR: &'static str = "actor";
    /// In whose place the actor acted: `client:{id}`.
    pub const ON_BEHALF_OF: &'static str = "on_behalf_of";
    /// Why, in the field's terms: `place_order`, `stop_loss`.
    pub const REASON: &'static str = "reason";
    /// Address, sealed.
    pub const IP: &'static str = "ip";
    /// User agent, sealed.
    pub const USER_AGENT: &'static str = "user_agent";
    /// The request that caused it.
    pub const CORRELATION_ID: &'static str = "correlation_id";
    /// The event or command that caused it.
    pub const CAUSATION_ID: &'static str = "causation_id";
    /// The full command as JSON (personal data never stands in it).
    pub const COMMAND: &'static str = "command";

    /// Adds an entry.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    /// The JSON text that is stored and hashed.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("invariant: a map of strings is JSON")
    }
}

/// One event of the book: the bytes as stored (ciphertext included), before upcasting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Place in the one global order, from 1, without gaps.
    pub position: i64,
    /// `account`, `client`, `instrument`.
    pub aggregate_type: Box<str>,
    /// The uuid's or symbol's text.
    pub aggregate_id: Box<str>,
    /// Place in the stream, from 1, without gaps.
    pub sequence: i64,
    /// Stable name.
    pub event_type: Box<str>,
    /// Version of the payload's shape.
    pub event_version: Box<str>,
    /// JSON text, externally tagged: `{"OrderPlaced": {…}}`.
    pub payload: Box<str>,
    /// JSON text of [`Metadata`].
    pub metadata: Box<str>,
    /// When it was recorded; never decreases with position.
    pub recorded_at: DateTime<Utc>,
    /// Link of the stream's hash chain.
    pub hash: [u8; 32],
}

impl Recorded {
    /// The payload as its type. Upcasting has to be done before, by the store.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the text does not decode.
    pub fn decode<E: DeserializeOwned>(&self) -> Result<E, StoreError> {
        serde_json::from_str(&self.payload).map_err(|error| StoreError::Corrupt {
            place: format!("position {}", self.position),
            detail: error.to_string(),
        })
    }

    /// The metadata as a map.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the text does not decode.
    pub fn metadata(&self) -> Result<Metadata, StoreError> {
        serde_json::from_str(&self.metadata).map_err(|error| StoreError::Corrupt {
            place: format!("position {}", self.position),
            detail: error.to_string(),
        })
    }
}
