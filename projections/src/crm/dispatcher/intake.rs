//! From the outbox to deliveries: each row once, in the transaction that moves the cursor.

use sqlx::{Connection, PgConnection};

use super::control;
use crate::crm::outbox::{Control, EndpointRow};

/// Positions taken in at once.
const POSITIONS: i64 = 5_000;

const ROWS: &str = "with fresh as ( \
         insert into public.webhook_deliveries \
             (id, endpoint, number, client_id, client_number, position, event, lane, status) \
         select id, endpoint, number, client_id, client_number, position, event, client_id, \
             'pending' \
         from read.outbox where position > $1 and position <= $2 order by position, number \
         on conflict (id) do nothing returning endpoint, lane), \
     counted as (select endpoint, lane, count(*) as many from fresh group by endpoint, lane) \
     insert into public.webhook_lanes (endpoint, lane, waiting, next_at) \
     select endpoint, lane, many, now() from counted \
     on conflict (endpoint, lane) do update set \
         waiting = webhook_lanes.waiting + excluded.waiting, \
         next_at = case when webhook_lanes.waiting = 0 then excluded.next_at \
                   else webhook_lanes.next_at end";

/// What was taken in.
pub(super) struct Taken {
    /// Endpoints that changed.
    pub(super) endpoints: Vec<EndpointRow>,
}

/// Takes in the next part of the outbox; none: the cursor has reached its end.
pub(super) async fn take_in(connection: &mut PgConnection) -> Result<Option<Taken>, sqlx::Error> {
    let places = "select cursor.position, outbox.position \
         from public.webhook_cursor cursor, public.projections outbox \
         where outbox.name = 'outbox'";
    let places = sqlx::query_as::<_, (i64, i64)>(places);
    let Some((from, end)) = places.fetch_optional(&mut *connection).await? else {
        return Ok(None);
    };
    if from >= end {
        return Ok(None);
    }
    let to = end.min(from + POSITIONS);
    let mut transaction = connection.begin().await?;
    let moved = "update public.webhook_cursor set position = $2 where position = $1";
    let moved = sqlx::query(moved).bind(from).bind(to);
    if moved.execute(&mut *transaction).await?.rows_affected() == 0 {
        // Another node's clerk, which must end in a moment.
        transaction.rollback().await?;
        return Ok(None);
    }
    sqlx::query(ROWS)
        .bind(from)
        .bind(to)
        .execute(&mut *transaction)
        .await?;
    for said in controls(&mut transaction, from, to).await? {
        control::apply(&mut transaction, &said).await?;
    }
    let endpoints = endpoints(&mut transaction, from).await?;
    transaction.commit().await?;
    Ok(Some(Taken { endpoints }))
}

async fn controls(
    connection: &mut PgConnection,
    from: i64,
    to: i64,
) -> Result<Vec<Control>, sqlx::Error> {
    let query = "select position, endpoint, what, delivery_id, from_position \
         from read.webhook_controls where position > $1 and position <= $2 order by position";
    let query = sqlx::query_as(query).bind(from).bind(to);
    query.fetch_all(connection).await
}

/// Endpoints that changed after a position.
pub(super) async fn endpoints(
    connection: &mut PgConnection,
    after: i64,
) -> Result<Vec<EndpointRow>, sqlx::Error> {
    let query = "select endpoint, url, vocabulary, events, secret, previous_secret, declared, \
             disabled_reason, disabled_by, created_position, position, number \
         from read.webhook_endpoints where position > $1";
    let query = sqlx::query_as(query).bind(after);
    query.fetch_all(connection).await
}
