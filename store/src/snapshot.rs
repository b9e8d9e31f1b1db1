//! Snapshots: a cache of committed state. Delete them and nothing changes but the time to load.

use sqlx::{Row, postgres::PgRow};

use crate::{
    codec,
    error::StoreError,
    recorded::StreamId,
    store::{Snapshot, Store},
};

impl Store {
    /// Keeps snapshots, each replacing an older one of its stream and state version.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn save_snapshots(&self, snapshots: &[Snapshot]) -> Result<(), StoreError> {
        if snapshots.is_empty() {
            return Ok(());
        }
        let column = |of: fn(&Snapshot) -> &str| snapshots.iter().map(of).collect::<Vec<_>>();
        let versions: Vec<i32> = snapshots.iter().map(|s| s.state_version).collect();
        let sequences: Vec<i64> = snapshots.iter().map(|s| s.sequence).collect();
        let hashes: Vec<&[u8]> = snapshots.iter().map(|s| s.hash.as_slice()).collect();
        // The newest of each stream: one statement may not touch a row twice. In key order, so
        // that two sweeps at once cannot wait for each other in a circle.
        let sql = "insert into public.snapshots as old \
                   (aggregate_type, state_version, aggregate_id, sequence, hash, state) \
             select distinct on (t, v, i) t, v, i, s, h, b from unnest($1::text[], $2::int4[], \
                   $3::text[], $4::int8[], $5::bytea[], $6::text[]) as n(t, v, i, s, h, b) \
             order by t, v, i, s desc \
             on conflict (aggregate_type, state_version, aggregate_id) do update \
             set sequence = excluded.sequence, hash = excluded.hash, state = excluded.state \
             where old.sequence <= excluded.sequence";
        // A cache: what a crash takes of it is folded again, and no append waits for its flush.
        let mut transaction = self.pool().begin().await?;
        sqlx::query("set local synchronous_commit = off")
            .execute(&mut *transaction)
            .await?;
        sqlx::query(sql)
            .bind(column(|s| s.stream.aggregate_type))
            .bind(versions)
            .bind(column(|s| &s.stream.aggregate_id))
            .bind(sequences)
            .bind(hashes)
            .bind(column(|s| &s.state))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The snapshots of one aggregate type and state version that match the book, for recovery at
    /// start, in pages by `aggregate_id`.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn snapshots_page(
        &self,
        aggregate_type: &'static str,
        state_version: i32,
        after_aggregate_id: &str,
        limit: i64,
    ) -> Result<Vec<Snapshot>, StoreError> {
        let sql = "select s.aggregate_id, s.sequence, s.hash, s.state from public.snapshots s \
             join public.events e using (aggregate_type, aggregate_id, sequence, hash) \
             where s.aggregate_type = $1 and s.state_version = $2 and s.aggregate_id > $3 \
             order by s.aggregate_id limit $4";
        let query = sqlx::query(sql)
            .bind(aggregate_type)
            .bind(state_version)
            .bind(after_aggregate_id)
            .bind(limit);
        let decode = |row: PgRow| {
            let stream = StreamId::new(aggregate_type, row.try_get::<&str, _>(0)?);
            decode(stream, state_version, &row)
        };
        Ok(query.try_map(decode).fetch_all(self.pool()).await?)
    }

    /// The position up to which every stream's events are covered by its snapshot (0: none).
    /// Recovery folds what comes after it.
    ///
    /// Snapshots whose hash is not that of the book are deleted here; then nothing is covered.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn snapshot_floor(
        &self,
        aggregate_type: &'static str,
        state_version: i32,
    ) -> Result<i64, StoreError> {
        let sql = "delete from public.snapshots s \
             where s.aggregate_type = $1 and s.state_version = $2 and not exists ( \
               select from public.events e where e.aggregate_type = s.aggregate_type \
               and e.aggregate_id = s.aggregate_id and e.sequence = s.sequence \
               and e.hash = s.hash)";
        let wrong = sqlx::query(sql)
            .bind(aggregate_type)
            .bind(state_version)
            .execute(self.pool())
            .await?
            .rows_affected();
        if wrong > 0 {
            tracing::warn!(
                aggregate_type,
                wrong,
                "snapshots that do not match the book deleted"
            );
        }
        let sql = "select position from public.snapshot_floor \
             where aggregate_type = $1 and state_version = $2";
        let floor: Option<(i64,)> = sqlx::query_as(sql)
            .bind(aggregate_type)
            .bind(state_version)
            .fetch_optional(self.pool())
            .await?;
        Ok(floor.map_or(0, |(position,)| position))
    }

    /// Moves that position forward.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn set_snapshot_floor(
        &self,
        aggregate_type: &'static str,
        state_version: i32,
        position: i64,
    ) -> Result<(), StoreError> {
        let sql = "insert into public.snapshot_floor as old \
                   (aggregate_type, state_version, position) values ($1, $2, $3) \
             on conflict (aggregate_type, state_version) do update \
             set position = greatest(old.position, excluded.position)";
        sqlx::query(sql)
            .bind(aggregate_type)
            .bind(state_version)
            .bind(position)
            .execute(self.pool())
            .await?;
        Ok(())
    }

    /// One stream's snapshot, whether it matches the book or not.
    pub(crate) async fn snapshot(
        &self,
        stream: &StreamId,
        state_version: i32,
    ) -> Result<Option<Snapshot>, StoreError> {
        let sql = "select aggregate_id, sequence, hash, state from public.snapshots \
             where aggregate_type = $1 and state_version = $2 and aggregate_id = $3";
        let query = sqlx::query(sql)
            .bind(stream.aggregate_type)
            .bind(state_version)
            .bind(&*stream.aggregate_id);
        let decode = |row: PgRow| decode(stream.clone(), state_version, &row);
        Ok(query.try_map(decode).fetch_optional(self.pool()).await?)
    }

    /// Removes exactly this snapshot: it may have been replaced by a better one.
    pub(crate) async fn delete_snapshot(&self, snapshot: &Snapshot) -> Result<(), StoreError> {
        let sql = "delete from public.snapshots where aggregate_type = $1 and state_version = $2 \
             and aggregate_id = $3 and sequence = $4 and hash = $5";
        sqlx::query(sql)
            .bind(snapshot.stream.aggregate_type)
            .bind(snapshot.state_version)
            .bind(&*snapshot.stream.aggregate_id)
            .bind(snapshot.sequence)
            .bind(snapshot.hash.as_slice())
            .execute(self.pool())
            .await?;
        Ok(())
    }
}

fn decode(stream: StreamId, state_version: i32, row: &PgRow) -> Result<Snapshot, sqlx::Error> {
    Ok(Snapshot {
        stream,
        sequence: row.try_get(1)?,
        hash: codec::hash(row, 2)?,
        state_version,
        state: row.try_get(3)?,
    })
}
