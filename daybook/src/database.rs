//! The database of a run: external, embedded and ours, or embedded and another process's.

use std::time::Duration;

use anyhow::Context as _;
use daybook_store::{Store, StoreConfig, StoreError};
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use tokio::sync::watch;

use crate::{
    config::Config,
    embedded::{self, Embedded, Reached},
};

/// Oldest Postgres that will do, as `server_version_num`.
const VERSION_MIN: i32 = 150_000;
/// Pauses between tries to reach a database that is away.
const RETRY_FIRST: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(10);

/// How to connect, and the server behind it where that is ours.
#[derive(Debug)]
pub struct Database {
    options: PgConnectOptions,
    embedded: Option<Box<Embedded>>,
}

impl Database {
    /// For `daybook serve`.
    pub async fn serve(config: &Config) -> anyhow::Result<Self> {
        if let Some(options) = config.database.url.clone() {
            return Ok(Self {
                options,
                embedded: None,
            });
        }
        let embedded = Box::new(Embedded::serve(&config.data_dir).await?);
        Ok(Self {
            options: embedded.options(),
            embedded: Some(embedded),
        })
    }

    /// For any other command.
    pub async fn command(config: &Config) -> anyhow::Result<Self> {
        if let Some(options) = config.database.url.clone() {
            return Ok(Self {
                options,
                embedded: None,
            });
        }
        Ok(match embedded::reach(&config.data_dir).await? {
            Reached::Beside(options) => Self {
                options: *options,
                embedded: None,
            },
            Reached::Ours(embedded) => Self {
                options: embedded.options(),
                embedded: Some(embedded),
            },
        })
    }

    /// Whether the server is this process's child.
    #[must_use]
    pub const fn is_ours(&self) -> bool {
        self.embedded.is_some()
    }

    /// Tells when our own server ended by itself; never for somebody else's.
    #[must_use]
    pub fn ended(&self) -> Option<watch::Receiver<Option<String>>> {
        Some(self.embedded.as_ref()?.cluster.ended())
    }

    /// Connects the book. Does not migrate.
    pub async fn connect(&self, config: &Config) -> Result<Store, StoreError> {
        self.check().await?;
        Store::connect(StoreConfig {
            options: self.options.clone().application_name("daybook"),
            connections_max: config.database.connections_max,
            master_key: config.secrets.master_key.clone(),
        })
        .await
    }

    /// Connects and migrates, and waits for a database that is away for as long as it takes.
    pub async fn prepare(&self, config: &Config) -> anyhow::Result<Store> {
        let mut pause = RETRY_FIRST;
        loop {
            match self.try_prepare(config).await {
                Ok(store) => return Ok(store),
                Err(StoreError::Database(error)) if is_away(&error) => {
                    tracing::warn!(
                        "the database is away ({error}); trying again in {} ms",
                        pause.as_millis()
                    );
                }
                Err(error) => return Err(error).context("preparing the database"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RETRY_MAX);
        }
    }

    async fn try_prepare(&self, config: &Config) -> Result<Store, StoreError> {
        let store = self.connect(config).await?;
        store.migrate().await?;
        Ok(store)
    }

    /// One plain connection first: it answers at once where a pool waits for its time-out.
    async fn check(&self) -> Result<(), StoreError> {
        let mut connection = PgConnection::connect_with(&self.options).await?;
        let version: i32 = sqlx::query_scalar("select current_setting('server_version_num')::int")
            .fetch_one(&mut connection)
            .await?;
        connection.close().await?;
        if version < VERSION_MIN {
            let message = format!("PostgreSQL 15 or newer is needed, this one is {version}");
            return Err(sqlx::Error::Configuration(message.into()).into());
        }
        Ok(())
    }

    /// Stops the server, where it is ours.
    pub async fn close(self) {
        let Some(embedded) = self.embedded else {
            return;
        };
        // Dropping stops and waits; that is not for a thread of the runtime.
        if tokio::task::spawn_blocking(move || drop(embedded))
            .await
            .is_err()
        {
            tracing::error!("stopping the embedded database failed");
        }
    }
}

/// Whether waiting can help: not when the server answers that it will never let us in.
fn is_away(error: &sqlx::Error) -> bool {
    if let sqlx::Error::Database(answer) = error {
        // Cannot connect now, shutting down, too many connections; and connection lost.
        return answer.code().is_some_and(|code| {
            code.starts_with("57P") || code.starts_with("53") || code.starts_with("08")
        });
    }
    matches!(
        error,
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::Protocol(_)
    )
}
