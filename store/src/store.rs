//! The book's front door: connecting, reading, snapshots, idempotency look-ups.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::{PgPool, postgres::PgConnectOptions};
use tokio::sync::watch;
use uuid::Uuid;

use crate::{
    error::StoreError,
    keys::{Keyring, MasterKey},
    recorded::{Recorded, StreamId},
    submission::{IdempotencyRow, StreamHandle},
    subscription::Subscription,
};

/// How to connect.
pub struct StoreConfig {
    /// Where Postgres is.
    pub options: PgConnectOptions,
    /// Connections of the reading pool.
    pub connections_max: u32,
    /// Wraps data keys.
    pub master_key: MasterKey,
}

/// A handle on the book. Cheap to clone.
#[derive(Clone)]
pub struct Store;

/// The head row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Last position.
    pub position: i64,
    /// Fencing epoch.
    pub epoch: i64,
    /// Address of the writer.
    pub leader: Option<String>,
}

/// A cache of committed state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Whose.
    pub stream: StreamId,
    /// Sequence of the last event in it.
    pub sequence: i64,
    /// Chain hash at that sequence; when it does not match the book, replay wins.
    pub hash: [u8; 32],
    /// Version of the state's shape; another version is not loaded.
    pub state_version: i32,
    /// JSON text of the state.
    pub state: String,
}

/// A stream ready to be folded.
pub struct Loaded {
    /// The newest usable snapshot.
    pub snapshot: Option<Snapshot>,
    /// Events after it, upcast to the newest types.
    pub tail: Vec<Recorded>,
    /// For submissions; stands at the stream's committed end.
    pub handle: Arc<StreamHandle>,
}

impl Store {
    /// Connects the reading pool. Does not migrate.
    ///
    /// # Errors
    /// [`StoreError::Database`] when Postgres cannot be reached.
    pub async fn connect(config: StoreConfig) -> Result<Self, StoreError> {
        let _ = config;
        todo!("store")
    }

    /// Brings the schema up to date. Safe beside other nodes (advisory lock).
    ///
    /// # Errors
    /// [`StoreError::Migration`].
    pub async fn migrate(&self) -> Result<(), StoreError> {
        todo!("store")
    }

    /// The reading pool, for projections and read models.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        todo!("store")
    }

    /// Data keys and look-up hashes.
    #[must_use]
    pub fn keys(&self) -> &Keyring {
        todo!("store")
    }

    /// The head row.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn head(&self) -> Result<Head, StoreError> {
        todo!("store")
    }

    /// Last position known to be committed, moving forward: by this node's own commits, NOTIFY and
    /// polling.
    #[must_use]
    pub fn committed(&self) -> watch::Receiver<i64> {
        todo!("store")
    }

    /// Snapshot and tail of a stream.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn load(&self, stream: &StreamId, state_version: i32) -> Result<Loaded, StoreError> {
        let _ = (stream, state_version);
        todo!("store")
    }

    /// A stream's events after `after_sequence`, upcast.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn read_stream(
        &self,
        stream: &StreamId,
        after_sequence: i64,
        limit: i64,
    ) -> Result<Vec<Recorded>, StoreError> {
        let _ = (stream, after_sequence, limit);
        todo!("store")
    }

    /// Events after `after_position`, contiguous, upcast.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] on a gap.
    pub async fn read_all(
        &self,
        after_position: i64,
        limit: i64,
    ) -> Result<Vec<Recorded>, StoreError> {
        let _ = (after_position, limit);
        todo!("store")
    }

    /// Events by position, from the one after `after_position`, catching up and then live.
    #[must_use]
    pub fn subscribe(&self, after_position: i64) -> Subscription {
        let _ = after_position;
        todo!("store")
    }

    /// Keeps snapshots, each replacing an older one of its stream.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn save_snapshots(&self, snapshots: &[Snapshot]) -> Result<(), StoreError> {
        let _ = snapshots;
        todo!("store")
    }

    /// All snapshots of one aggregate type and state version, for recovery at start, in pages by
    /// `aggregate_id`.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn snapshots_page(
        &self,
        aggregate_type: &'static str,
        state_version: i32,
        after_aggregate_id: &str,
        limit: i64,
    ) -> Result<Vec<Snapshot>, StoreError> {
        let _ = (aggregate_type, state_version, after_aggregate_id, limit);
        todo!("store")
    }

    /// The position up to which every stream's events are covered by its snapshot (0: none).
    /// Recovery folds what comes after it.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn snapshot_floor(&self, aggregate_type: &'static str) -> Result<i64, StoreError> {
        let _ = aggregate_type;
        todo!("store")
    }

    /// Moves that position forward.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn set_snapshot_floor(
        &self,
        aggregate_type: &'static str,
        position: i64,
    ) -> Result<(), StoreError> {
        let _ = (aggregate_type, position);
        todo!("store")
    }

    /// Unexpired answers that a hot aggregate carries.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn idempotency_of(
        &self,
        aggregate_id: &str,
        since: DateTime<Utc>,
    ) -> Result<Vec<IdempotencyRow>, StoreError> {
        let _ = (aggregate_id, since);
        todo!("store")
    }

    /// One stored answer.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn idempotency(
        &self,
        scope: &str,
        key: &str,
    ) -> Result<Option<IdempotencyRow>, StoreError> {
        let _ = (scope, key);
        todo!("store")
    }

    /// Deletes answers recorded before `before`; returns how many.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn expire_idempotency(&self, before: DateTime<Utc>) -> Result<u64, StoreError> {
        let _ = before;
        todo!("store")
    }

    /// Who owns a unique value.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn unique_owner(&self, kind: &str, value: &str) -> Result<Option<Uuid>, StoreError> {
        let _ = (kind, value);
        todo!("store")
    }

    /// A subject's secret.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn secret(&self, subject: Uuid, name: &str) -> Result<Option<String>, StoreError> {
        let _ = (subject, name);
        todo!("store")
    }

    /// The next account numbers, from a sequence (100001…).
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn next_account_numbers(&self, count: i64) -> Result<Vec<u64>, StoreError> {
        let _ = count;
        todo!("store")
    }
}
