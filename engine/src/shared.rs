//! What every part of the engine knows: the book, the way into it, the settings and the clock.

use std::{hash::BuildHasher, sync::Arc, time::Duration};

use daybook_domain::{ClientId, Timestamp};
use daybook_store::{Metadata, NewEvent, Store, StreamId, Writer};
use serde::Serialize;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::{clock::Clock, config::EngineConfig, request::Origin, saver::Saver, shard::Rollovers};

/// Loads at once.
pub(crate) const LOADS_MAX: usize = 32;

/// Aggregate types, as they stand in stream names.
pub(crate) const ACCOUNT: &str = "account";
pub(crate) const CLIENT: &str = "client";
pub(crate) const INSTRUMENT: &str = "instrument";
pub(crate) const STAFF: &str = "staff";
pub(crate) const ENDPOINT: &str = "endpoint";

/// The stream that a text names, `account-{uuid}` and its like; none of a type there is not.
#[must_use]
pub fn stream_named(text: &str) -> Option<StreamId> {
    let types = [ACCOUNT, CLIENT, INSTRUMENT, STAFF, ENDPOINT];
    types.into_iter().find_map(|aggregate_type| {
        let id = text.strip_prefix(aggregate_type)?.strip_prefix('-')?;
        (!id.is_empty()).then(|| StreamId::new(aggregate_type, id))
    })
}

/// Shape of the events this build writes.
pub(crate) const EVENT_VERSION: &str = "1.0";

pub use daybook_domain::account::STATE_VERSION;

pub(crate) struct Shared {
    pub store: Store,
    pub writer: Writer,
    pub config: EngineConfig,
    pub clock: Arc<dyn Clock>,
    pub saver: Saver,
    /// Bounds the loads that run at once: after an outage every account may want one.
    pub loads: Semaphore,
    /// How far each shard has come with the rollovers.
    pub rollovers: Rollovers,
}

impl Shared {
    /// Answers recorded before this are forgotten.
    pub fn answers_since(&self) -> Timestamp {
        self.ago(self.config.idempotency_ttl)
    }

    fn ago(&self, duration: Duration) -> Timestamp {
        let now = self.clock.now();
        let duration = chrono::Duration::from_std(duration).unwrap_or(chrono::Duration::MAX);
        now.checked_sub_signed(duration)
            .unwrap_or(Timestamp::MIN_UTC)
    }
}

/// The shard that a client's accounts live in. Only this process uses it: it may change with every
/// build.
pub(crate) fn shard_of(client_id: ClientId, shards: usize) -> usize {
    // Random bits of a UUIDv7 would do; a hash does for any identifier.
    let hasher = std::hash::BuildHasherDefault::<std::hash::DefaultHasher>::default();
    let hash = hasher.hash_one(client_id);
    let shards = u64::try_from(shards.max(1)).unwrap_or(1);
    usize::try_from(hash % shards).unwrap_or(0)
}

/// The stream of an account.
pub(crate) fn account_stream(id: daybook_domain::AccountId) -> StreamId {
    StreamId::new(ACCOUNT, id)
}

/// JSON text of what cannot fail to be written.
pub(crate) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("invariant: our own types are valid JSON")
}

/// An event as the store takes it.
pub(crate) fn new_event(event_type: &'static str, payload: String) -> NewEvent {
    NewEvent {
        event_type,
        event_version: EVENT_VERSION,
        payload,
    }
}

/// Who, why, from where, and what was asked.
pub(crate) fn metadata_of(origin: &Origin, command: String) -> Arc<Metadata> {
    let mut metadata = Metadata::default()
        .with(Metadata::ACTOR, origin.actor.as_str())
        .with(Metadata::REASON, origin.reason.as_str())
        .with(Metadata::CORRELATION_ID, origin.correlation_id.as_str())
        .with(Metadata::COMMAND, command);
    if let Some(client) = &origin.on_behalf_of {
        metadata = metadata.with(Metadata::ON_BEHALF_OF, client.as_str());
    }
    if let Some(ip) = &origin.ip {
        metadata = metadata.with(Metadata::IP, ip.as_str());
    }
    if let Some(user_agent) = &origin.user_agent {
        metadata = metadata.with(Metadata::USER_AGENT, user_agent.as_str());
    }
    Arc::new(metadata)
}

/// The engine itself acts, for `reason`.
pub(crate) fn system_origin(actor: &str, reason: &str) -> Origin {
    Origin {
        actor: actor.to_owned(),
        on_behalf_of: None,
        reason: reason.to_owned(),
        correlation_id: Uuid::now_v7().to_string(),
        ip: None,
        user_agent: None,
    }
}
