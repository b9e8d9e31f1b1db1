//! What every benchmark stands on: a throw-away cluster with durable settings, and our store,
//! writer and engine on a database of their own.

use std::{path::PathBuf, time::Duration};

use anyhow::Context as _;
use chrono::Utc;
use daybook_domain::{Decimal, Quote, Symbol, quote::QuoteSource};
use daybook_engine::{Engine, EngineConfig};
use daybook_store::{
    Leadership, MasterKey, Role, Store, StoreConfig, Writer,
    cluster::{Cluster, ClusterConfig},
};
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use uuid::Uuid;

/// 16 MiB each: 1 GiB, what the cluster's settings keep.
const WAL_SEGMENTS: usize = 64;

/// A cluster in a temporary directory, removed at the end.
pub struct Arena {
    cluster: Option<Cluster>,
    dir: PathBuf,
}

impl Arena {
    /// Starts the cluster: fsync and synchronous_commit on, as in production, and as after some
    /// days of use: with WAL segments to use again.
    ///
    /// # Errors
    /// When there is no Postgres, or it does not start.
    pub async fn start() -> anyhow::Result<Self> {
        let arena = Self::bare().await?;
        let options = arena.database("postgres").await?;
        let mut connection = PgConnection::connect_with(&options).await?;
        for _ in 0..WAL_SEGMENTS {
            sqlx::query("select pg_logical_emit_message(false, '', ''), pg_switch_wal()")
                .execute(&mut connection)
                .await?;
        }
        sqlx::query("checkpoint").execute(&mut connection).await?;
        connection.close().await?;
        Ok(arena)
    }

    /// Starts the cluster as it is on its first day: for what is not measured in milliseconds.
    ///
    /// # Errors
    /// When there is no Postgres, or it does not start.
    pub async fn bare() -> anyhow::Result<Self> {
        let dir = std::env::temp_dir().join(format!("daybook-bench-{}", Uuid::now_v7()));
        tokio::fs::create_dir_all(&dir).await?;
        let cluster = Cluster::start(&ClusterConfig::new(dir.join("postgres")))?;
        Ok(Self {
            cluster: Some(cluster),
            dir,
        })
    }

    /// A new, empty database.
    ///
    /// # Errors
    /// When Postgres refuses.
    pub async fn database(&self, name: &str) -> anyhow::Result<PgConnectOptions> {
        let cluster = self.cluster.as_ref().context("the arena has been closed")?;
        cluster.ensure_database(name).await?;
        Ok(cluster.options(name))
    }

    /// Checkpoints, so that each measurement starts with WAL segments to use again and pays for no
    /// other's dirty pages.
    ///
    /// # Errors
    /// When Postgres refuses.
    pub async fn settle(&self) -> anyhow::Result<()> {
        let cluster = self.cluster.as_ref().context("the arena has been closed")?;
        let mut connection = PgConnection::connect_with(&cluster.options("postgres")).await?;
        sqlx::query("checkpoint").execute(&mut connection).await?;
        connection.close().await?;
        Ok(())
    }

    /// Our store on a new database, migrated, with this process as its writer.
    ///
    /// # Errors
    /// When Postgres refuses or the lease is not granted.
    pub async fn book(&self, name: &str) -> anyhow::Result<Book> {
        let store = Store::connect(StoreConfig {
            options: self.database(name).await?,
            connections_max: 8,
            master_key: MasterKey::parse("a benchmark keeps no secrets")?,
        })
        .await?;
        store.migrate().await?;
        let mut leadership = Leadership::start(store.clone(), "bench".to_owned());
        let writer = loop {
            if let Role::Leader { writer, .. } = &*leadership.role.borrow_and_update() {
                break writer.clone();
            }
            leadership.role.changed().await?;
        };
        Ok(Book {
            store,
            writer,
            leadership,
        })
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        if let Some(cluster) = self.cluster.take() {
            cluster.stop();
        }
        if let Err(error) = std::fs::remove_dir_all(&self.dir) {
            tracing::warn!(%error, dir = %self.dir.display(), "benchmark directory left behind");
        }
    }
}

/// A book and the way into it.
pub struct Book {
    /// Reads.
    pub store: Store,
    /// Writes.
    pub writer: Writer,
    leadership: Leadership,
}

impl Book {
    /// Starts the engine on what the book holds, with quotes that stay fresh.
    ///
    /// # Errors
    /// When recovery fails.
    pub async fn engine(&self) -> anyhow::Result<Engine> {
        let config = EngineConfig {
            hot_accounts_max: 1_000_000,
            ..EngineConfig::default()
        };
        let engine = Engine::start(self.store.clone(), self.writer.clone(), config).await?;
        let feed = engine.clone();
        feed.quote(quote()?).await;
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
                if let Ok(quote) = quote() {
                    feed.quote(quote).await;
                }
            }
        });
        Ok(engine)
    }

    /// Since when this process writes.
    ///
    /// # Errors
    /// When it does not.
    pub fn epoch(&self) -> anyhow::Result<i64> {
        match &*self.leadership.role.borrow() {
            Role::Leader { epoch, .. } => Ok(*epoch),
            Role::Standby { .. } | Role::Ended => anyhow::bail!("this process does not lead"),
        }
    }

    /// Gives the lease back.
    pub async fn close(self) {
        self.leadership.resign().await;
    }
}

/// EURUSD, now.
fn quote() -> anyhow::Result<Quote> {
    Ok(Quote {
        symbol: Symbol::parse("EURUSD")?,
        bid: Decimal::new(108_720, 5),
        ask: Decimal::new(108_725, 5),
        at: Utc::now(),
        source: QuoteSource::Simulator,
    })
}

/// Resident memory of this process, in bytes.
///
/// # Errors
/// Where there is no `/proc`.
pub fn resident_bytes() -> anyhow::Result<u64> {
    resident_bytes_of("self")
}

/// Resident memory of a process, in bytes.
///
/// # Errors
/// Where there is no `/proc`, or no such process.
pub fn resident_bytes_of(process: &str) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .context("no VmRSS")?;
    let kib: u64 = line
        .split_whitespace()
        .nth(1)
        .context("no figure in VmRSS")?
        .parse()?;
    Ok(kib * 1024)
}
