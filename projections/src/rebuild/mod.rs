//! Builds a new generation beside the live one, and swaps it in.
//!
//! Nothing here disturbs readers or the runner but the swap, which holds the live checkpoint for
//! the few events still missing. A builder that dies leaves a schema that the next one sweeps away.

mod bulk;
pub(crate) mod compare;

use std::{sync::Arc, time::Duration};

use daybook_store::Store;
use sqlx::{Connection, Executor, PgConnection};
use tokio::time::{Instant, sleep};
use tracing::{debug, info};

use crate::{
    admin::{Differences, OnProgress},
    error::{AdminError, ProjectionError, is_lock_conflict},
    generation::{self, Columns, Live},
    projection::Projection,
    rebuild::bulk::{Bulk, Counter},
    runner::apply_caught,
};

const PAGE: i64 = 4096;
/// Fewer missing events than this are left to the transaction of the swap.
const NEAR: i64 = 512;
const SWAP_LOCK_TIMEOUT: &str = "300ms";
const SWAP_PATIENCE: Duration = Duration::from_secs(60);
const SWAP_PAUSE_FIRST: Duration = Duration::from_millis(20);
const SWAP_PAUSE_LONGEST: Duration = Duration::from_secs(1);

/// A generation in the making. One per projection at a time, which a lock held by `connection`
/// sees to.
pub(crate) struct Build {
    store: Store,
    projection: Arc<dyn Projection>,
    connection: PgConnection,
    counter: Arc<Counter>,
    generation: i64,
    built: i64,
}

impl Build {
    /// Takes the builder's lock, sweeps away what others left, and makes an empty generation.
    pub(crate) async fn start(
        store: &Store,
        projection: Arc<dyn Projection>,
        progress: OnProgress,
    ) -> Result<Self, AdminError> {
        let name = projection.name();
        let live = generation::ensure_live(store, &*projection).await?;
        let mut connection = generation::connect(store, name, live.generation).await?;
        let lock = "select pg_try_advisory_lock(hashtextextended('daybook build ' || $1, 0))";
        let locked: bool = sqlx::query_scalar(lock)
            .bind(name)
            .fetch_one(&mut connection)
            .await?;
        if !locked {
            return Err(AdminError::Busy(name.to_owned()));
        }
        generation::sweep(&mut connection, &*projection).await?;
        let generation = generation::create(&mut connection, &*projection).await?;
        let schema = generation::schema_name(name, generation);
        connection
            .execute(format!("set search_path = {schema}").as_str())
            .await?;
        info!(projection = name, generation, "building a generation");
        Ok(Self {
            store: store.clone(),
            projection,
            connection,
            counter: Arc::new(Counter::new(progress)),
            generation,
            built: 0,
        })
    }

    /// Loads the book up to where the live generation stands, then makes the indexes and follows
    /// until little is missing.
    pub(crate) async fn load(&mut self, workers: usize) -> Result<(), AdminError> {
        let target = self.live().await?.position;
        self.counter.aim(target);
        let bulk = Bulk {
            store: &self.store,
            projection: &self.projection,
            generation: self.generation,
            counter: &self.counter,
        };
        bulk.load(target, workers).await?;
        self.built = target;
        self.connection.execute(self.projection.indexes()).await?;
        // Readers get good plans from the first query on.
        let tables = self.projection.tables().join(", ");
        self.connection
            .execute(format!("analyze {tables}").as_str())
            .await?;
        self.follow().await?;
        Ok(())
    }

    /// Applies what the live generation is ahead, until it is little.
    async fn follow(&mut self) -> Result<Live, AdminError> {
        loop {
            let live = self.live().await?;
            if live.position - self.built <= NEAR {
                return Ok(live);
            }
            self.counter.aim(live.position);
            let to = live.position.min(self.built + PAGE);
            let mut transaction = self.connection.begin().await?;
            let (store, projection) = (&self.store, &*self.projection);
            apply_range(store, projection, &mut transaction, self.built, to).await?;
            transaction.commit().await?;
            self.counter.add(to - self.built);
            self.built = to;
        }
    }

    async fn live(&self) -> Result<Live, AdminError> {
        let name = self.projection.name();
        let live = generation::live(self.store.pool(), name).await?;
        live.ok_or_else(|| AdminError::Replaced(name.to_owned()))
    }

    /// Compares with the live generation, both at exactly one position: a snapshot shows where the
    /// live one stands, and within the same transaction this one is brought there. The live one is
    /// not held up at all. None: another version made it, so that there is nothing to compare.
    pub(crate) async fn compare(&mut self) -> Result<Option<Differences>, AdminError> {
        self.follow().await?;
        let name = self.projection.name();
        let begin = "begin isolation level repeatable read";
        let mut transaction = self.connection.begin_with(begin).await?;
        let live = generation::live(&mut *transaction, name).await?;
        let live = live.ok_or_else(|| AdminError::Replaced(name.to_owned()))?;
        if live.version != self.projection.version() {
            return Ok(None);
        }
        let (store, projection) = (&self.store, &*self.projection);
        apply_range(
            store,
            projection,
            &mut transaction,
            self.built,
            live.position,
        )
        .await?;
        self.counter.add(live.position - self.built);
        let schemas = compare::Schemas {
            live: generation::schema_name(name, live.generation),
            built: generation::schema_name(name, self.generation),
        };
        let tables = compare::tables(&mut transaction, &schemas).await?;
        transaction.commit().await?;
        self.built = live.position;
        Ok(Some(Differences {
            name: name.to_owned(),
            position: live.position,
            tables,
        }))
    }

    /// Makes this generation the live one: at exactly the live checkpoint, in one transaction.
    /// Returns the position.
    pub(crate) async fn swap(&mut self) -> Result<i64, AdminError> {
        let name = self.projection.name();
        let deadline = Instant::now() + SWAP_PATIENCE;
        let mut pause = SWAP_PAUSE_FIRST;
        loop {
            self.follow().await?;
            match self.try_swap().await {
                Ok(position) => {
                    self.built = position;
                    break;
                }
                Err(AdminError::Database(error)) if is_lock_conflict(&error) => {
                    debug!(
                        projection = name,
                        "the live generation is in use: trying again"
                    );
                }
                Err(error) => return Err(error),
            }
            if Instant::now() >= deadline {
                return Err(AdminError::SwapTimedOut(name.to_owned()));
            }
            sleep(pause).await;
            pause = SWAP_PAUSE_LONGEST.min(pause * 2);
        }
        info!(
            projection = name,
            generation = self.generation,
            self.built,
            "swapped in"
        );
        Ok(self.built)
    }

    async fn try_swap(&mut self) -> Result<i64, AdminError> {
        let name = self.projection.name();
        let (store, projection) = (&self.store, &*self.projection);
        let mut transaction = self.connection.begin().await?;
        let settings = format!(
            "set local lock_timeout = '{SWAP_LOCK_TIMEOUT}'; set local synchronous_commit = on"
        );
        transaction.execute(settings.as_str()).await?;
        let live = generation::lock_live(&mut transaction, name).await?;
        let live = live.ok_or_else(|| AdminError::Replaced(name.to_owned()))?;
        apply_range(
            store,
            projection,
            &mut transaction,
            self.built,
            live.position,
        )
        .await?;
        let columns = if live.version == projection.version() {
            Columns::Same
        } else {
            Columns::Unknown
        };
        generation::point_views(&mut transaction, projection, self.generation, columns).await?;
        let switch = "update public.projections \
                      set version = $2, generation = $3, status = 'running', error = null, \
                          error_position = null, updated_at = clock_timestamp() \
                      where name = $1";
        sqlx::query(switch)
            .bind(name)
            .bind(projection.version())
            .bind(self.generation)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(live.position)
    }

    /// The number of this generation.
    pub(crate) const fn generation(&self) -> i64 {
        self.generation
    }

    /// Drops every generation that is not live: after a swap the replaced one, otherwise this one.
    pub(crate) async fn sweep(mut self) -> Result<(), AdminError> {
        generation::sweep(&mut self.connection, &*self.projection).await?;
        // The lock goes with the connection.
        self.connection.close().await?;
        Ok(())
    }
}

/// Applies the events after `from` up to and including `to`, within the caller's transaction.
async fn apply_range(
    store: &Store,
    projection: &dyn Projection,
    transaction: &mut PgConnection,
    from: i64,
    to: i64,
) -> Result<(), AdminError> {
    let mut at = from;
    while at < to {
        let events = store.read_all(at, PAGE.min(to - at)).await?;
        let Some(last) = events.last() else {
            let detail = "the book ends before a checkpoint";
            return Err(ProjectionError::event(at, detail).into());
        };
        at = last.position;
        apply_caught(projection, transaction, &events)
            .await
            .map_err(locked_or_failed)?;
    }
    Ok(())
}

/// A lock time-out within `apply` is the swap's to retry, not the projection's failure.
fn locked_or_failed(error: ProjectionError) -> AdminError {
    match error {
        ProjectionError::Database(error) => AdminError::Database(error),
        other @ (ProjectionError::Event { .. } | ProjectionError::Panicked(_)) => other.into(),
    }
}
