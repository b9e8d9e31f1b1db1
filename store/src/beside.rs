//! What is committed beside the events: answers to idempotency keys, unique values, secrets, and
//! the numbers that accounts are given.

use chrono::{DateTime, Utc};
use sqlx::{Row, postgres::PgRow};
use uuid::Uuid;

use crate::{codec, error::StoreError, store::Store, submission::IdempotencyRow};

const IDEMPOTENCY: &str =
    "select scope, key, aggregate_id, request_hash, status, body, position from public.idempotency";

impl Store {
    /// Answers to `caller` recorded since `since` that a hot aggregate carries, oldest first. The
    /// caller is the first word of a scope, so the key's own index finds them.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn idempotency_of(
        &self,
        caller: &str,
        aggregate_id: &str,
        since: DateTime<Utc>,
    ) -> Result<Vec<IdempotencyRow>, StoreError> {
        // '!' is the character after the space that ends the caller.
        let sql = format!(
            "{IDEMPOTENCY} where scope >= $1::text || ' ' and scope < $1::text || '!' \
             and aggregate_id = $2 and recorded_at >= $3 order by position"
        );
        let query = sqlx::query(&sql)
            .bind(caller)
            .bind(aggregate_id)
            .bind(since);
        Ok(query
            .try_map(|row| decode(&row))
            .fetch_all(self.pool())
            .await?)
    }

    /// One stored answer.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn idempotency(
        &self,
        scope: &str,
        key: &str,
    ) -> Result<Option<IdempotencyRow>, StoreError> {
        let sql = format!("{IDEMPOTENCY} where scope = $1 and key = $2");
        let query = sqlx::query(&sql).bind(scope).bind(key);
        Ok(query
            .try_map(|row| decode(&row))
            .fetch_optional(self.pool())
            .await?)
    }

    /// Deletes answers recorded before `before`; returns how many.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn expire_idempotency(&self, before: DateTime<Utc>) -> Result<u64, StoreError> {
        // In pieces: an append that reuses an expired key waits for the piece it is in, no longer.
        let sql = "delete from public.idempotency where ctid = any(array( \
             select ctid from public.idempotency where recorded_at < $1 limit 2000))";
        let mut deleted = 0;
        loop {
            let piece = sqlx::query(sql)
                .bind(before)
                .execute(self.pool())
                .await?
                .rows_affected();
            deleted += piece;
            if piece == 0 {
                return Ok(deleted);
            }
        }
    }

    /// Who owns a unique value.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn unique_owner(&self, kind: &str, value: &str) -> Result<Option<Uuid>, StoreError> {
        let sql = "select owner from public.unique_values where kind = $1 and value = $2";
        let query = sqlx::query_scalar(sql).bind(kind).bind(value);
        Ok(query.fetch_optional(self.pool()).await?)
    }

    /// A subject's secret.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn secret(&self, subject: Uuid, name: &str) -> Result<Option<String>, StoreError> {
        let sql = "select value from public.secrets where subject = $1 and name = $2";
        let query = sqlx::query_scalar(sql).bind(subject).bind(name);
        Ok(query.fetch_optional(self.pool()).await?)
    }

    /// The next account numbers, from a sequence (100001…). Numbers that are never used leave a
    /// gap.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn next_account_numbers(&self, count: i64) -> Result<Vec<u64>, StoreError> {
        let sql = "select nextval('public.account_numbers') from generate_series(1, $1)";
        let numbers: Vec<i64> = sqlx::query_scalar(sql)
            .bind(count)
            .fetch_all(self.pool())
            .await?;
        let unsigned = numbers
            .into_iter()
            .map(u64::try_from)
            .collect::<Result<_, _>>();
        unsigned.map_err(|error| StoreError::Corrupt {
            place: "account_numbers".into(),
            detail: error.to_string(),
        })
    }
}

fn decode(row: &PgRow) -> Result<IdempotencyRow, sqlx::Error> {
    Ok(IdempotencyRow {
        scope: row.try_get(0)?,
        key: row.try_get(1)?,
        aggregate_id: row.try_get(2)?,
        request_hash: codec::hash(row, 3)?,
        status: u16::try_from(row.try_get::<i16, _>(4)?).map_err(|_| {
            sqlx::Error::ColumnDecode {
                index: "status".into(),
                source: "a status is positive".into(),
            }
        })?,
        body: row.try_get(5)?,
        position: row.try_get(6)?,
    })
}
