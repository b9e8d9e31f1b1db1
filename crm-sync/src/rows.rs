//! The table of calls: what is due, what was claimed, what became of it.
//!
//! Every clock here is the database's own. Calls about one client are claimed one after another, in
//! the order of their events.

use std::time::Duration;

use daybook_domain::{ClientId, Timestamp};
use sqlx::{FromRow, PgConnection, PgPool, Row, postgres::PgRow};
use uuid::Uuid;

use crate::{
    cause::{Cause, Kind},
    verdict::Outcome,
};

const OPEN: &str = "done_at is null and given_up_at is null and skipped_at is null";
/// The first open call of its client.
const HEAD: &str = "not exists (select from public.crm_calls earlier \
     where earlier.client_id = call.client_id and earlier.position < call.position \
     and earlier.done_at is null and earlier.given_up_at is null and earlier.skipped_at is null)";

/// A call to be: what an event causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NewCall {
    pub(crate) cause: Cause,
    pub(crate) position: i64,
    pub(crate) recorded_at: Timestamp,
}

/// A call that was claimed: ours to make until the claim runs out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) position: i64,
    pub(crate) kind: Kind,
    pub(crate) client_id: ClientId,
    /// Which try this is, from 1.
    pub(crate) attempt: i32,
}

impl Due {
    /// The same at each try, and nobody else's.
    pub(crate) fn key(&self) -> Uuid {
        let name = format!("crm-call:{}", self.position);
        Uuid::new_v5(&self.client_id.0, name.as_bytes())
    }
}

impl FromRow<'_, PgRow> for Due {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let name: &str = row.try_get("kind")?;
        let kind = Kind::parse(name).ok_or_else(|| sqlx::Error::ColumnDecode {
            index: "kind".into(),
            source: format!("no kind of call is called {name:?}").into(),
        })?;
        Ok(Self {
            position: row.try_get("position")?,
            kind,
            client_id: ClientId(row.try_get("client_id")?),
            attempt: row.try_get("attempts")?,
        })
    }
}

/// Inserts what events cause.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    calls: &[NewCall],
) -> Result<(), sqlx::Error> {
    let sql = "insert into public.crm_calls (position, kind, client_id, created_at, due_at) \
         select position, kind, client_id, recorded_at, clock_timestamp() \
         from unnest($1::bigint[], $2::text[], $3::uuid[], $4::timestamptz[]) \
             as new (position, kind, client_id, recorded_at) \
         on conflict (position) do nothing";
    let positions: Vec<i64> = calls.iter().map(|call| call.position).collect();
    let kinds: Vec<&str> = calls.iter().map(|call| call.cause.kind.as_str()).collect();
    let clients: Vec<Uuid> = calls.iter().map(|call| call.cause.client_id.0).collect();
    let recorded: Vec<Timestamp> = calls.iter().map(|call| call.recorded_at).collect();
    sqlx::query(sql)
        .bind(positions)
        .bind(kinds)
        .bind(clients)
        .bind(recorded)
        .execute(connection)
        .await?;
    Ok(())
}

/// Deletes all rows of these clients.
pub(crate) async fn forget(
    connection: &mut PgConnection,
    clients: &[ClientId],
) -> Result<(), sqlx::Error> {
    let clients: Vec<Uuid> = clients.iter().map(|client| client.0).collect();
    sqlx::query("delete from public.crm_calls where client_id = any($1)")
        .bind(clients)
        .execute(connection)
        .await?;
    Ok(())
}

/// Claims at most `most` calls that are due; a claim that nobody settles runs out by itself.
pub(crate) async fn claim(
    pool: &PgPool,
    most: usize,
    claim: Duration,
) -> Result<Vec<Due>, sqlx::Error> {
    let sql = format!(
        "update public.crm_calls claimed set attempts = attempts + 1, \
             due_at = clock_timestamp() + $2 * interval '1 millisecond' \
         from (select position from public.crm_calls call \
               where {OPEN} and due_at <= clock_timestamp() and {HEAD} \
               order by due_at limit $1 for update skip locked) due \
         where claimed.position = due.position \
         returning claimed.position, kind, client_id, attempts"
    );
    sqlx::query_as(&sql)
        .bind(i64::try_from(most).unwrap_or(i64::MAX))
        .bind(millis(claim))
        .fetch_all(pool)
        .await
}

/// How long until the next call is due; none: there is none.
pub(crate) async fn next_due_in(pool: &PgPool) -> Result<Option<Duration>, sqlx::Error> {
    let sql = format!(
        "select greatest(0, ceil(extract(epoch from min(due_at) - clock_timestamp()) * 1000)) \
             ::bigint from public.crm_calls call where {OPEN} and {HEAD}"
    );
    let due_in: Option<i64> = sqlx::query_scalar(&sql).fetch_one(pool).await?;
    Ok(due_in.map(|ms| Duration::from_millis(ms.try_into().unwrap_or(0))))
}

/// Calls that are still to be made.
pub(crate) async fn waiting(pool: &PgPool) -> Result<i64, sqlx::Error> {
    let sql = format!("select count(*) from public.crm_calls where {OPEN}");
    sqlx::query_scalar(&sql).fetch_one(pool).await
}

/// Writes down what became of a try. Whoever's claim has run out settles nothing, except that what
/// was done was done.
pub(crate) async fn settle(pool: &PgPool, due: &Due, outcome: &Outcome) -> Result<(), sqlx::Error> {
    let still = match outcome {
        Outcome::Done => "true",
        Outcome::Skipped(_) | Outcome::GivenUp(_) | Outcome::Again { .. } | Outcome::Shut(_) => {
            "attempts = $2"
        }
    };
    let (column, why, pause, uncounted) = match outcome {
        Outcome::Done => ("done_at", None, Duration::ZERO, 0),
        Outcome::Skipped(why) => ("skipped_at", Some(*why), Duration::ZERO, 0),
        Outcome::GivenUp(why) => ("given_up_at", Some(why.as_str()), Duration::ZERO, 0),
        Outcome::Again { why, pause, counts } => {
            ("due_at", Some(why.as_str()), *pause, i32::from(!counts))
        }
        // Due at once: the dispatcher holds it back, and another one begins afresh.
        Outcome::Shut(why) => ("due_at", Some(why.as_str()), Duration::ZERO, 1),
    };
    let sql = format!(
        "update public.crm_calls \
         set {column} = clock_timestamp() + $3 * interval '1 millisecond', last_error = $4, \
             attempts = attempts - $5 \
         where position = $1 and {still} and {OPEN}"
    );
    sqlx::query(&sql)
        .bind(due.position)
        .bind(due.attempt)
        .bind(millis(pause))
        .bind(why)
        .bind(uncounted)
        .execute(pool)
        .await?;
    Ok(())
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
