//! Generations of a read model: each in a schema of its own, one of them live.
//!
//! The row in `public.projections` names the live one and carries its checkpoint. Whoever changes
//! either does so in a transaction that holds that row.

use std::time::Duration;

use daybook_store::Store;
use sqlx::{Connection, Executor, PgConnection, Row, postgres::PgRow};
use tracing::{info, warn};

use crate::{error::is_lock_conflict, projection::Projection};

const DROP_ATTEMPTS: u32 = 20;
const DROP_PAUSE: Duration = Duration::from_millis(250);

/// The live generation and its checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Live {
    pub(crate) version: i32,
    pub(crate) generation: i64,
    pub(crate) position: i64,
}

impl Live {
    fn of(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            version: row.try_get("version")?,
            generation: row.try_get("generation")?,
            position: row.try_get("position")?,
        })
    }
}

/// A generation's schema.
pub(crate) fn schema_name(name: &str, generation: i64) -> String {
    format!("p_{name}_{generation}")
}

/// A connection of its own: when its owner dies, Postgres ends the transaction with it. Commits do
/// not wait for the disk: what a crash takes is taken with its checkpoint, and applied again.
pub(crate) async fn connect(
    store: &Store,
    name: &str,
    generation: i64,
) -> Result<PgConnection, sqlx::Error> {
    let options = store.pool().connect_options();
    let options = (*options)
        .clone()
        .application_name(&format!("daybook projection {name}"));
    let mut connection = PgConnection::connect_with(&options).await?;
    let schema = schema_name(name, generation);
    let settings = format!("set search_path = {schema}; set synchronous_commit = off");
    connection.execute(settings.as_str()).await?;
    Ok(connection)
}

/// The live generation; none before the projection was first started.
pub(crate) async fn live<'e>(
    executor: impl Executor<'e, Database = sqlx::Postgres>,
    name: &str,
) -> Result<Option<Live>, sqlx::Error> {
    let query = "select version, generation, position from public.projections where name = $1";
    let row = sqlx::query(query)
        .bind(name)
        .fetch_optional(executor)
        .await?;
    row.as_ref().map(Live::of).transpose()
}

/// The live generation, locked until the transaction ends.
pub(crate) async fn lock_live(
    connection: &mut PgConnection,
    name: &str,
) -> Result<Option<Live>, sqlx::Error> {
    let query = "select version, generation, position from public.projections \
                 where name = $1 for update";
    let row = sqlx::query(query)
        .bind(name)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(Live::of).transpose()
}

/// The live generation, made empty at position 0 if there is none yet.
pub(crate) async fn ensure_live(
    store: &Store,
    projection: &dyn Projection,
) -> Result<Live, sqlx::Error> {
    let name = projection.name();
    if let Some(live) = live(store.pool(), name).await? {
        return Ok(live);
    }
    let mut transaction = store.pool().begin().await?;
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('daybook first ' || $1, 0))")
        .bind(name)
        .execute(&mut *transaction)
        .await?;
    if let Some(live) = live(&mut *transaction, name).await? {
        return Ok(live);
    }
    let generation = create(&mut transaction, projection).await?;
    let schema = schema_name(name, generation);
    let indexes = projection.indexes();
    let statement = format!("set local search_path = {schema}; {indexes}");
    transaction.execute(statement.as_str()).await?;
    point_views(&mut transaction, projection, generation, Columns::Unknown).await?;
    let insert = "insert into public.projections (name, version, generation, position, status) \
                  values ($1, $2, $3, 0, 'running')";
    sqlx::query(insert)
        .bind(name)
        .bind(projection.version())
        .bind(generation)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    info!(projection = name, generation, "first generation made");
    Ok(Live {
        version: projection.version(),
        generation,
        position: 0,
    })
}

/// Makes a new generation's schema and tables, without indexes; returns its number.
pub(crate) async fn create(
    connection: &mut PgConnection,
    projection: &dyn Projection,
) -> Result<i64, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    let generation: i64 = sqlx::query_scalar("select nextval('public.projection_generations')")
        .fetch_one(&mut *transaction)
        .await?;
    let schema = schema_name(projection.name(), generation);
    let tables = projection.schema();
    let statement = format!("create schema {schema}; set local search_path = {schema}; {tables}");
    transaction.execute(statement.as_str()).await?;
    transaction.commit().await?;
    Ok(generation)
}

/// Whether the views that stand may have other columns than the new generation's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Columns {
    /// The same version made both: the views are replaced in place and keep their privileges.
    Same,
    /// Another version may have made them.
    Unknown,
}

/// Points the views that readers see at a generation. Needs no reader to be in them.
pub(crate) async fn point_views(
    connection: &mut PgConnection,
    projection: &dyn Projection,
    generation: i64,
    columns: Columns,
) -> Result<(), sqlx::Error> {
    let schema = schema_name(projection.name(), generation);
    for table in projection.tables() {
        let drop = match columns {
            Columns::Same => String::new(),
            Columns::Unknown => format!("drop view if exists read.{table};"),
        };
        let statement =
            format!("{drop} create or replace view read.{table} as select * from {schema}.{table}");
        connection.execute(statement.as_str()).await?;
    }
    Ok(())
}

/// Drops every schema of the projection but the live one: what was replaced, and what a builder
/// that died has left. Call it only with the builder's lock held. A reader still at an old one is
/// waited for, within limits: what stays is dropped next time.
pub(crate) async fn sweep(
    connection: &mut PgConnection,
    projection: &dyn Projection,
) -> Result<(), sqlx::Error> {
    for attempt in 1..=DROP_ATTEMPTS {
        match try_sweep(connection, projection).await {
            Err(error) if is_lock_conflict(&error) => {
                warn!(
                    projection = projection.name(),
                    attempt, "an old generation is in use"
                );
                tokio::time::sleep(DROP_PAUSE).await;
            }
            result => return result,
        }
    }
    Ok(())
}

async fn try_sweep(
    connection: &mut PgConnection,
    projection: &dyn Projection,
) -> Result<(), sqlx::Error> {
    let name = projection.name();
    let pattern = format!("^p_{name}_[0-9]+$");
    let mut transaction = connection.begin().await?;
    transaction.execute("set local lock_timeout = '1s'").await?;
    // No lock on the row: only a holder of the builder's lock makes another generation live.
    let live = live(&mut *transaction, name).await?;
    let live = live.map(|live| schema_name(name, live.generation));
    let schemas: Vec<String> =
        sqlx::query_scalar("select nspname::text from pg_namespace where nspname ~ $1")
            .bind(&pattern)
            .fetch_all(&mut *transaction)
            .await?;
    for schema in schemas
        .iter()
        .filter(|schema| Some(*schema) != live.as_ref())
    {
        let statement = format!("drop schema {schema} cascade");
        transaction.execute(statement.as_str()).await?;
    }
    transaction.commit().await
}

/// Moves the live checkpoint from `from` to `to`, if it still is this generation's and still stands
/// there. False: it does not; nothing may be written then.
pub(crate) async fn move_checkpoint(
    connection: &mut PgConnection,
    name: &str,
    generation: i64,
    from: i64,
    to: i64,
) -> Result<bool, sqlx::Error> {
    assert!(from < to, "invariant: a checkpoint moves forward only");
    let query = "update public.projections \
                 set position = $4, status = 'running', error = null, error_position = null, \
                     updated_at = clock_timestamp() \
                 where name = $1 and generation = $2 and position = $3";
    let moved = sqlx::query(query)
        .bind(name)
        .bind(generation)
        .bind(from)
        .bind(to)
        .execute(connection)
        .await?;
    Ok(moved.rows_affected() == 1)
}

/// Writes down where and why a projection stopped.
pub(crate) async fn mark_stopped(
    store: &Store,
    name: &str,
    generation: i64,
    error_position: i64,
    error: &str,
) -> Result<(), sqlx::Error> {
    let query = "update public.projections \
                 set status = 'stopped', error = $4, error_position = $3, \
                     updated_at = clock_timestamp() \
                 where name = $1 and generation = $2";
    sqlx::query(query)
        .bind(name)
        .bind(generation)
        .bind(error_position)
        .bind(error)
        .execute(store.pool())
        .await?;
    Ok(())
}
