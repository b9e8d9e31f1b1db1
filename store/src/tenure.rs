//! The head row as seat of the one writer: taking it, keeping it, giving it back, and asking it
//! what became of an append whose answer was lost.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{
    Connection, Executor, PgConnection, Row,
    postgres::{PgConnectOptions, PgRow},
};
use uuid::Uuid;

/// Statements other than the commit itself give up after this time. Postgres stops the clock once
/// it commits.
const STATEMENT_TIMEOUT: &str = "5s";

/// What the head row says to the one who holds it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seat {
    pub epoch: i64,
    pub position: i64,
    pub recorded_at: DateTime<Utc>,
    /// The last append that is in the book.
    pub batch_id: Option<Uuid>,
}

/// Who holds the seat, as others see it.
#[derive(Clone, Debug)]
pub(crate) struct Holder {
    pub epoch: i64,
    pub address: Option<String>,
    /// By the database's clock.
    pub expired: bool,
}

/// One node's candidacy: a new name for each time it takes the seat.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub leader_id: Uuid,
    pub address: String,
    pub lease: Duration,
}

impl Candidate {
    pub(crate) fn lease_ms(&self) -> i64 {
        i64::try_from(self.lease.as_millis()).unwrap_or(i64::MAX)
    }
}

/// Who holds the seat now.
pub(crate) async fn holder(pool: &sqlx::PgPool) -> Result<Holder, sqlx::Error> {
    let sql = "select epoch, leader_address, \
           lease_until is null or lease_until < clock_timestamp() from public.head";
    let (epoch, address, expired) = sqlx::query_as(sql).fetch_one(pool).await?;
    Ok(Holder {
        epoch,
        address,
        expired,
    })
}

/// A connection for the writer alone.
pub(crate) async fn open(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    let options = options.clone().application_name("daybook writer");
    let mut connection = PgConnection::connect_with(&options).await?;
    // Generic plans: the statement never changes, and planning for a megabyte of arrays costs more
    // than it finds. Acknowledged means durable, whatever the server's default is.
    let sql = format!(
        "set plan_cache_mode = force_generic_plan; set jit = off; \
         set statement_timeout = '{STATEMENT_TIMEOUT}'; \
         select set_config('synchronous_commit', 'on', false) \
           where current_setting('synchronous_commit') = 'off'"
    );
    connection.execute(sqlx::raw_sql(&sql)).await?;
    Ok(connection)
}

/// Ends the backend that the head row names, as long as the seat is `whose`, and unless it is gone
/// already and its number is another's. What it had in flight is then either committed or never
/// will be. A backend of somebody who has taken the seat meanwhile is left alone.
async fn end_former_backend(
    connection: &mut PgConnection,
    whose: Former<'_>,
) -> Result<(), sqlx::Error> {
    let (leader_id, epoch) = match whose {
        Former::Ours(candidate) => (Some(candidate.leader_id), None),
        Former::Expired(holder) => (None, Some(holder.epoch)),
    };
    let sql = "select pg_terminate_backend(a.pid) from public.head h join pg_stat_activity a \
         on a.pid = h.backend_pid and a.backend_start = h.backend_start \
         where a.pid <> pg_backend_pid() and (h.leader_id = $1 or (h.epoch = $2 \
           and (h.lease_until is null or h.lease_until < clock_timestamp())))";
    sqlx::query(sql)
        .bind(leader_id)
        .bind(epoch)
        .execute(connection)
        .await?;
    Ok(())
}

/// Whose backend may be ended.
#[derive(Clone, Copy)]
enum Former<'a> {
    /// One's own, lost.
    Ours(&'a Candidate),
    /// That of somebody whose lease ran out and was not renewed since.
    Expired(&'a Holder),
}

/// Takes the seat that `seen` left to expire. None: somebody else was faster, or it was renewed.
pub(crate) async fn take_over(
    options: &PgConnectOptions,
    candidate: &Candidate,
    seen: &Holder,
) -> Result<Option<(PgConnection, Seat)>, sqlx::Error> {
    let mut connection = open(options).await?;
    end_former_backend(&mut connection, Former::Expired(seen)).await?;
    let sql = "with h as (update public.head set epoch = epoch + 1, leader_id = $1, \
           leader_address = $2, backend_pid = pg_backend_pid(), \
           backend_start = (select backend_start from pg_stat_activity \
             where pid = pg_backend_pid()), \
           lease_until = clock_timestamp() + $3 * interval '1 millisecond' \
           where epoch = $4 and (lease_until is null or lease_until < clock_timestamp()) \
           returning epoch, position, recorded_at, batch_id), \
         t as (insert into public.tenures \
             (epoch, leader_id, leader_address, position_before, batch_before) \
           select epoch, $1, $2, position, batch_id from h) \
         select epoch, position, recorded_at, batch_id from h";
    let row = sqlx::query(sql)
        .bind(candidate.leader_id)
        .bind(&candidate.address)
        .bind(candidate.lease_ms())
        .bind(seen.epoch)
        .try_map(|row| seat(&row))
        .fetch_optional(&mut connection)
        .await?;
    Ok(row.map(|seat| (connection, seat)))
}

/// Takes one's own seat again on a new connection, under a new epoch: whatever the lost connection
/// still carries appends nothing. None: the seat is somebody else's.
pub(crate) async fn reclaim(
    connection: &mut PgConnection,
    candidate: &Candidate,
) -> Result<Option<Seat>, sqlx::Error> {
    end_former_backend(connection, Former::Ours(candidate)).await?;
    let sql = "update public.head set epoch = epoch + 1, backend_pid = pg_backend_pid(), \
           backend_start = (select backend_start from pg_stat_activity \
             where pid = pg_backend_pid()), \
           lease_until = clock_timestamp() + $2 * interval '1 millisecond' \
         where leader_id = $1 returning epoch, position, recorded_at, batch_id";
    sqlx::query(sql)
        .bind(candidate.leader_id)
        .bind(candidate.lease_ms())
        .try_map(|row| seat(&row))
        .fetch_optional(connection)
        .await
}

/// Whether `batch` was the last append before somebody else took the seat from the holder of
/// `epoch`; then the position it ended at.
pub(crate) async fn fate_before_takeover(
    connection: &mut PgConnection,
    epoch: i64,
    batch: Uuid,
) -> Result<Option<i64>, sqlx::Error> {
    let sql = "select position_before, batch_before from public.tenures where epoch > $1 \
         order by epoch limit 1";
    let row: Option<(i64, Option<Uuid>)> = sqlx::query_as(sql)
        .bind(epoch)
        .fetch_optional(connection)
        .await?;
    Ok(row.and_then(|(position, last)| (last == Some(batch)).then_some(position)))
}

/// Prolongs the lease. False: fenced off.
pub(crate) async fn renew(
    connection: &mut PgConnection,
    epoch: i64,
    lease_ms: i64,
) -> Result<bool, sqlx::Error> {
    let sql = "update public.head \
         set lease_until = clock_timestamp() + $2 * interval '1 millisecond' where epoch = $1";
    let done = sqlx::query(sql)
        .bind(epoch)
        .bind(lease_ms)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Gives the seat back, so that a standby takes it at once.
pub(crate) async fn release(connection: &mut PgConnection, epoch: i64) -> Result<(), sqlx::Error> {
    let sql = "update public.head set lease_until = null, leader_address = null, \
           backend_pid = null, backend_start = null where epoch = $1";
    sqlx::query(sql).bind(epoch).execute(connection).await?;
    Ok(())
}

fn seat(row: &PgRow) -> Result<Seat, sqlx::Error> {
    Ok(Seat {
        epoch: row.try_get(0)?,
        position: row.try_get(1)?,
        recorded_at: row.try_get(2)?,
        batch_id: row.try_get(3)?,
    })
}
