//! Commands that an operator's command line hands to the writer beside it.
//!
//! A request is taken once, and never after the time its operator waits for it. The asking side
//! listens for the outcome; the writer's side looks for requests by polling alone, because a
//! listener on the writer's node would be woken by every batch that it commits itself.
//!
//! What a command carries in `secrets` (hashed or sealed by then) is dropped with its outcome, or
//! an hour after its operator has stopped waiting: no copy of a key outlives its use here.

use std::time::Duration;

use sqlx::{Row, postgres::PgListener};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use crate::{error::StoreError, store::Store};

/// Notified when a request is done; the payload is its identifier.
const CHANNEL: &str = "daybook_operator";
/// A NOTIFY that was lost is made up for within this time.
const POLL: Duration = Duration::from_millis(250);
/// How much longer than asked an operator waits for a request that has been taken.
const GRACE: Duration = Duration::from_secs(30);
/// For how long a request that nobody waits for any more, and that nobody has closed, keeps what is
/// secret in it.
const SECRETS_KEPT: Duration = Duration::from_secs(3_600);
/// Outcome of a request that was withdrawn.
const WITHDRAWN: &str = r#"{"outcome":"withdrawn"}"#;

/// The queue of operators' requests.
#[derive(Clone, Copy, Debug)]
pub struct OperatorRequests;

/// What an operator is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperatorReply {
    /// The writer's outcome, as JSON text.
    Done(String),
    /// No writer took it in time. It was withdrawn and will not be executed.
    Withdrawn,
    /// A writer took it and has not said what became of it. The book knows: events and answer
    /// carry the request's identifier.
    Unknown(Uuid),
}

/// A request that this node has taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorRequest {
    /// Its identifier, also the idempotency key of what it does.
    pub id: Uuid,
    /// Who asks.
    pub actor: String,
    /// What, as JSON text.
    pub command: String,
    /// Whether its operator has stopped waiting for it to be taken.
    pub is_expired: bool,
}

impl OperatorRequests {
    /// Hands a command to whichever node writes, and waits for its outcome. Not taken within
    /// `patience`, it is withdrawn.
    ///
    /// # Errors
    /// [`StoreError::Database`]; a request that was handed over then expires by itself.
    pub async fn submit(
        store: &Store,
        actor: &str,
        command: &str,
        patience: Duration,
    ) -> Result<OperatorReply, StoreError> {
        let id = Uuid::now_v7();
        let mut listener = PgListener::connect_with(store.pool()).await?;
        listener.listen(CHANNEL).await?;
        let sql = "insert into public.operator_requests (id, actor, command, expires_at) \
             values ($1, $2, $3::json, clock_timestamp() + make_interval(secs => $4))";
        sqlx::query(sql)
            .bind(id)
            .bind(actor)
            .bind(command)
            .bind(patience.as_secs_f64())
            .execute(store.pool())
            .await?;
        let deadline = Instant::now() + patience;
        if let Some(outcome) = outcome_until(store, &mut listener, id, deadline).await? {
            return Ok(OperatorReply::Done(outcome));
        }
        if withdraw(store, id).await? {
            return Ok(OperatorReply::Withdrawn);
        }
        let deadline = Instant::now() + GRACE;
        let outcome = outcome_until(store, &mut listener, id, deadline).await?;
        Ok(outcome.map_or(OperatorReply::Unknown(id), OperatorReply::Done))
    }

    /// Takes the oldest request that somebody still waits for. Nobody else gets it then.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn take(store: &Store) -> Result<Option<OperatorRequest>, StoreError> {
        let sql = "update public.operator_requests set taken_at = clock_timestamp() where id = ( \
                 select id from public.operator_requests \
                 where taken_at is null and done_at is null and expires_at > clock_timestamp() \
                 order by created_at limit 1 for update skip locked) \
             returning id, actor, command::text, false";
        let taken = sqlx::query(sql).try_map(|row| decode(&row));
        Ok(taken.fetch_optional(store.pool()).await?)
    }

    /// Requests that were taken and of which nobody said what became: their node has ended.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn unfinished(store: &Store) -> Result<Vec<OperatorRequest>, StoreError> {
        let sql = "select id, actor, command::text, expires_at <= clock_timestamp() \
             from public.operator_requests \
             where taken_at is not null and done_at is null order by created_at";
        let open = sqlx::query(sql).try_map(|row| decode(&row));
        Ok(open.fetch_all(store.pool()).await?)
    }

    /// Gives a request back that was not executed: another node, or this one later, may take it.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn release(store: &Store, id: Uuid) -> Result<(), StoreError> {
        let sql = "update public.operator_requests set taken_at = null \
             where id = $1 and done_at is null";
        sqlx::query(sql).bind(id).execute(store.pool()).await?;
        Ok(())
    }

    /// Drops the secrets of requests that were abandoned: nobody waits for them any more, for an
    /// hour already, and none of them will be executed. Returns how many there were.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn forget_abandoned(store: &Store) -> Result<u64, StoreError> {
        let sql = "update public.operator_requests \
             set command = (command::jsonb - 'secrets')::json \
             where done_at is null and command::jsonb ? 'secrets' \
                 and expires_at < clock_timestamp() - make_interval(secs => $1)";
        let forgotten = sqlx::query(sql).bind(SECRETS_KEPT.as_secs_f64());
        Ok(forgotten.execute(store.pool()).await?.rows_affected())
    }

    /// Says what became of a request, as JSON text.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn finish(store: &Store, id: Uuid, outcome: &str) -> Result<(), StoreError> {
        let sql = "with done as ( \
                 update public.operator_requests \
                 set done_at = clock_timestamp(), outcome = $2::json, \
                     command = (command::jsonb - 'secrets')::json \
                 where id = $1 and done_at is null returning id) \
             select pg_notify($3, id::text) from done";
        sqlx::query(sql)
            .bind(id)
            .bind(outcome)
            .bind(CHANNEL)
            .execute(store.pool())
            .await?;
        Ok(())
    }
}

/// The outcome as soon as there is one; none at the deadline.
async fn outcome_until(
    store: &Store,
    listener: &mut PgListener,
    id: Uuid,
    deadline: Instant,
) -> Result<Option<String>, StoreError> {
    let sql = "select outcome::text from public.operator_requests \
         where id = $1 and done_at is not null";
    loop {
        let outcome = sqlx::query_scalar(sql).bind(id);
        if let Some(outcome) = outcome.fetch_optional(store.pool()).await? {
            return Ok(Some(outcome));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        // Whosever request it tells of, a look costs little; an error of the connection is met by
        // the next look.
        let _told = timeout(POLL.min(left), listener.recv()).await;
    }
}

/// Withdraws what nobody has taken. False: somebody has.
async fn withdraw(store: &Store, id: Uuid) -> Result<bool, StoreError> {
    let sql = "update public.operator_requests \
         set done_at = clock_timestamp(), outcome = $2::json, \
             command = (command::jsonb - 'secrets')::json \
         where id = $1 and taken_at is null and done_at is null";
    let withdrawn = sqlx::query(sql).bind(id).bind(WITHDRAWN);
    let rows = withdrawn.execute(store.pool()).await?.rows_affected();
    Ok(rows > 0)
}

fn decode(row: &sqlx::postgres::PgRow) -> Result<OperatorRequest, sqlx::Error> {
    Ok(OperatorRequest {
        id: row.try_get(0)?,
        actor: row.try_get(1)?,
        command: row.try_get(2)?,
        is_expired: row.try_get(3)?,
    })
}
