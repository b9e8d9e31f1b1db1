//! The book's front door: connecting, migrating, and what is shared by every handle.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    error::StoreError,
    keys::{Keyring, MasterKey},
    notify::{self, Committed, WritesHere, Writing},
    recorded::{Recorded, StreamId},
    submission::StreamHandle,
    subscription::Subscription,
    upcast::Upcasters,
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
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    options: PgConnectOptions,
    pool: PgPool,
    keys: Keyring,
    upcasters: Upcasters,
    committed: Committed,
    writes_here: WritesHere,
    listener: JoinHandle<()>,
    destroyed_keys: JoinHandle<()>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.listener.abort();
        self.destroyed_keys.abort();
    }
}

/// The head row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Last position.
    pub position: i64,
    /// Fencing epoch.
    pub epoch: i64,
    /// Address of the writer.
    pub leader: Option<String>,
    /// When the last batch was recorded.
    pub recorded_at: DateTime<Utc>,
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
        Self::connect_with(config, Upcasters::current()).await
    }

    /// As [`Store::connect`], with other upcasters than Daybook's own.
    ///
    /// # Errors
    /// [`StoreError::Database`] when Postgres cannot be reached.
    pub async fn connect_with(
        config: StoreConfig,
        upcasters: Upcasters,
    ) -> Result<Self, StoreError> {
        let pool = PgPoolOptions::new()
            // One more, for the listener, which keeps its own.
            .max_connections(config.connections_max.saturating_add(1))
            .connect_with(config.options.clone())
            .await?;
        let keys = Keyring::new(pool.clone(), &config.master_key);
        let committed = Committed::default();
        let writes_here = WritesHere::default();
        let follower = notify::follow(pool.clone(), committed.clone(), writes_here.clone());
        let listener = tokio::spawn(follower);
        let destroyed_keys = tokio::spawn(keys.clone().follow_destroyed());
        let options = config.options;
        let inner = Inner {
            options,
            pool,
            keys,
            upcasters,
            committed,
            writes_here,
            listener,
            destroyed_keys,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Brings the schema up to date. Safe beside other nodes (advisory lock).
    ///
    /// # Errors
    /// [`StoreError::Migration`].
    pub async fn migrate(&self) -> Result<(), StoreError> {
        sqlx::migrate!("../migrations").run(self.pool()).await?;
        self.inner.committed.advance(self.head().await?.position);
        Ok(())
    }

    /// The reading pool, for projections and read models.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.inner.pool
    }

    /// Data keys and look-up hashes.
    #[must_use]
    pub fn keys(&self) -> &Keyring {
        &self.inner.keys
    }

    /// The head row.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn head(&self) -> Result<Head, StoreError> {
        let sql = "select position, epoch, leader_address, recorded_at from public.head";
        let (position, epoch, leader, recorded_at) =
            sqlx::query_as(sql).fetch_one(self.pool()).await?;
        Ok(Head {
            position,
            epoch,
            leader,
            recorded_at,
        })
    }

    /// Last position known to be committed, moving forward: by this node's own commits, NOTIFY and
    /// polling.
    #[must_use]
    pub fn committed(&self) -> watch::Receiver<i64> {
        self.inner.committed.subscribe()
    }

    /// Events by position, from the one after `after_position`, catching up and then live.
    #[must_use]
    pub fn subscribe(&self, after_position: i64) -> Subscription {
        Subscription::new(self.clone(), after_position)
    }

    /// How the committer and the campaign connect: each has a connection of its own.
    pub(crate) fn options(&self) -> &PgConnectOptions {
        &self.inner.options
    }

    pub(crate) fn upcasters(&self) -> &Upcasters {
        &self.inner.upcasters
    }

    /// This node is the writer until what is returned is dropped.
    pub(crate) fn begin_writing(&self) -> Writing {
        self.inner.writes_here.begin()
    }

    pub(crate) fn advance_committed(&self, position: i64) {
        self.inner.committed.advance(position);
    }
}
