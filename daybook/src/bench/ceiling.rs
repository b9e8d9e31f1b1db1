//! The ceiling: the same rows into the same tables through `UNNEST`, without head row and hashing,
//! on one connection; and one bare autocommit `INSERT`.

use std::time::{Duration, Instant};

use chrono::Utc;
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use uuid::Uuid;

use super::measure::{Done, Measured, closed_loop};

/// One event as the ceiling writes it: bytes of the same length as ours.
#[derive(Clone)]
pub struct SampleRow {
    /// Payload text.
    pub payload: String,
    /// Metadata text.
    pub metadata: String,
}

const BATCH: &str = "
with e as (
    insert into events (position, aggregate_type, aggregate_id, sequence, event_type,
        event_version, payload, metadata, recorded_at, hash)
    select * from unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::text[],
        $6::text[], $7::text[]::json[], $8::text[]::json[], $9::timestamptz[], $10::bytea[])
)
insert into idempotency (scope, key, aggregate_id, request_hash, status, body, position,
    recorded_at)
select * from unnest($11::text[], $12::text[], $3::text[], $10::bytea[], $13::smallint[],
    $14::text[], $1::bigint[], $9::timestamptz[])";

const BARE: &str = "
insert into events (position, aggregate_type, aggregate_id, sequence, event_type, event_version,
    payload, metadata, recorded_at, hash)
values ($1, 'account', $2, 1, 'FundsAdjusted', '1.0', $3::json, $4::json, $5, $6)";

/// Beyond the positions that [`unnest`] uses.
const BARE_FROM: i64 = 1 << 40;

/// Events a second at `batch` events (each with an idempotency row) per statement.
///
/// # Errors
/// When the database refuses.
pub async fn unnest(
    options: &PgConnectOptions,
    row: &SampleRow,
    batch: usize,
    time: Duration,
) -> anyhow::Result<f64> {
    let mut connection = PgConnection::connect_with(options).await?;
    let start = Instant::now();
    let mut position = 0_i64;
    while start.elapsed() < time {
        insert(&mut connection, row, batch, position).await?;
        position += i64::try_from(batch)?;
    }
    Ok(position as f64 / start.elapsed().as_secs_f64())
}

async fn insert(
    connection: &mut PgConnection,
    row: &SampleRow,
    batch: usize,
    from: i64,
) -> anyhow::Result<()> {
    let positions: Vec<i64> = (from + 1..).take(batch).collect();
    let ids: Vec<String> = (0..batch).map(|_| Uuid::now_v7().to_string()).collect();
    let repeat = |text: &str| vec![text.to_owned(); batch];
    sqlx::query(BATCH)
        .bind(&positions)
        .bind(repeat("account"))
        .bind(&ids)
        .bind(vec![1_i64; batch])
        .bind(repeat("FundsAdjusted"))
        .bind(repeat("1.0"))
        .bind(repeat(&row.payload))
        .bind(repeat(&row.metadata))
        .bind(vec![Utc::now(); batch])
        .bind(vec![vec![7_u8; 32]; batch])
        .bind(repeat("0193c0de-0000-7000-8000-000000000000 POST /bench"))
        .bind(&ids)
        .bind(vec![200_i16; batch])
        .bind(repeat("{\"accepted\":true}"))
        .execute(connection)
        .await?;
    Ok(())
}

/// One caller, one row of `events`, one autocommit `INSERT` at a time, prepared.
///
/// # Errors
/// When the database refuses.
pub async fn bare_insert(
    options: &PgConnectOptions,
    row: &SampleRow,
    time: Duration,
) -> anyhow::Result<Measured> {
    let connection = PgConnection::connect_with(options).await?;
    let connection = std::sync::Arc::new(tokio::sync::Mutex::new(connection));
    let row = row.clone();
    closed_loop(1, time, move |_, number| {
        let (connection, row) = (connection.clone(), row.clone());
        async move {
            sqlx::query(BARE)
                .bind(BARE_FROM + i64::try_from(number)?)
                .bind(Uuid::now_v7().to_string())
                .bind(row.payload)
                .bind(row.metadata)
                .bind(Utc::now())
                .bind([7_u8; 32].as_slice())
                .execute(&mut *connection.lock().await)
                .await?;
            Ok(Done::Accepted)
        }
    })
    .await
}
