//! Reading the book: by stream, and by position.

use chrono::{DateTime, Utc};
use futures::TryStreamExt;

use crate::{
    codec::{COLUMNS, decode},
    error::StoreError,
    recorded::{Recorded, StreamId},
    store::{Loaded, Snapshot, Store},
    submission::{ChainHead, StreamHandle},
};

impl Store {
    /// Snapshot and tail of a stream. A snapshot that does not match the book is passed over.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn load(&self, stream: &StreamId, state_version: i32) -> Result<Loaded, StoreError> {
        if let Some(snapshot) = self.snapshot(stream, state_version).await? {
            // The event that the snapshot ends on comes along, to prove it.
            let events = self
                .stream_after(stream, snapshot.sequence - 1, i64::MAX)
                .await?;
            if let Some(tail) = tail_of(&snapshot, events) {
                return self.loaded(stream, Some(snapshot), tail);
            }
            tracing::warn!(%stream, "the snapshot does not match the book: replaying");
            self.delete_snapshot(&snapshot).await?;
        }
        let events = self.stream_after(stream, 0, i64::MAX).await?;
        self.loaded(stream, None, events)
    }

    /// A stream's events after `after_sequence`, upcast.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn read_stream(
        &self,
        stream: &StreamId,
        after_sequence: i64,
        limit: i64,
    ) -> Result<Vec<Recorded>, StoreError> {
        let mut events = self.stream_after(stream, after_sequence, limit).await?;
        self.upcast(&mut events)?;
        Ok(events)
    }

    /// Identifiers of all streams of a type, in order. For types with few streams: instruments.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn aggregate_ids(
        &self,
        aggregate_type: &'static str,
    ) -> Result<Vec<String>, StoreError> {
        let sql = "select aggregate_id from public.events \
             where aggregate_type = $1 and sequence = 1 order by aggregate_id";
        let query = sqlx::query_scalar(sql).bind(aggregate_type);
        Ok(query.fetch_all(self.pool()).await?)
    }

    /// A stream's events after a position of the book, upcast: what a reader of one stream missed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn read_stream_since(
        &self,
        stream: &StreamId,
        after_position: i64,
        limit: i64,
    ) -> Result<Vec<Recorded>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from public.events \
             where aggregate_type = $1 and aggregate_id = $2 and position > $3 \
             order by sequence limit $4"
        );
        let query = sqlx::query(&sql)
            .bind(stream.aggregate_type)
            .bind(&*stream.aggregate_id)
            .bind(after_position)
            .bind(limit);
        let mut events = collect(query.try_map(|row| decode(&row)).fetch(self.pool())).await?;
        self.upcast(&mut events)?;
        Ok(events)
    }

    /// Events after `after_position`, contiguous, upcast.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] on a gap.
    pub async fn read_all(
        &self,
        after_position: i64,
        limit: i64,
    ) -> Result<Vec<Recorded>, StoreError> {
        let mut events = self.read_stored(after_position, limit).await?;
        assert_contiguous(after_position, &events)?;
        self.upcast(&mut events)?;
        Ok(events)
    }

    /// The events at these positions, in the order of the book, upcast. Positions that there are
    /// not are passed over.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn read_at(&self, positions: &[i64]) -> Result<Vec<Recorded>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from public.events where position = any($1) order by position"
        );
        let query = sqlx::query(&sql).bind(positions);
        let mut events = collect(query.try_map(|row| decode(&row)).fetch(self.pool())).await?;
        self.upcast(&mut events)?;
        Ok(events)
    }

    /// The first position recorded at or after `since`; one past the head when there is none yet.
    /// Looks in halves: `recorded_at` never decreases with position.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn first_position_since(&self, since: DateTime<Utc>) -> Result<i64, StoreError> {
        let sql = "select recorded_at >= $2 from public.events where position = $1";
        let (mut low, mut high) = (1, self.head().await?.position + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            let query = sqlx::query_scalar(sql).bind(middle).bind(since);
            if query.fetch_one(self.pool()).await? {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(low)
    }

    /// As [`Store::read_all`], exactly as stored, and gaps left to the caller: for verifying.
    pub(crate) async fn read_stored(
        &self,
        after_position: i64,
        limit: i64,
    ) -> Result<Vec<Recorded>, StoreError> {
        // A range, not LIMIT: the planner knows what it costs, and without gaps it is the same.
        let sql = format!(
            "select {COLUMNS} from public.events where position > $1 and position <= $2 \
             order by position"
        );
        let last = after_position.saturating_add(limit);
        let query = sqlx::query(&sql).bind(after_position).bind(last);
        collect(query.try_map(|row| decode(&row)).fetch(self.pool())).await
    }

    /// A stream's events as stored, gaps left to the caller: for verifying.
    pub(crate) async fn read_stream_stored(
        &self,
        stream: &StreamId,
        after_sequence: i64,
        limit: i64,
    ) -> Result<Vec<Recorded>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from public.events \
             where aggregate_type = $1 and aggregate_id = $2 and sequence > $3 \
             order by sequence limit $4"
        );
        let query = sqlx::query(&sql)
            .bind(stream.aggregate_type)
            .bind(&*stream.aggregate_id)
            .bind(after_sequence)
            .bind(limit);
        collect(query.try_map(|row| decode(&row)).fetch(self.pool())).await
    }

    /// A stream's events as stored; that their sequence has no gap is asserted.
    async fn stream_after(
        &self,
        stream: &StreamId,
        after_sequence: i64,
        limit: i64,
    ) -> Result<Vec<Recorded>, StoreError> {
        let events = self
            .read_stream_stored(stream, after_sequence, limit)
            .await?;
        for (event, expected) in events.iter().zip(after_sequence + 1..) {
            if event.sequence != expected {
                let place = format!("{stream} sequence {expected}");
                return Err(StoreError::Corrupt {
                    place,
                    detail: "missing".into(),
                });
            }
        }
        Ok(events)
    }

    fn loaded(
        &self,
        stream: &StreamId,
        snapshot: Option<Snapshot>,
        mut tail: Vec<Recorded>,
    ) -> Result<Loaded, StoreError> {
        let head = match (tail.last(), &snapshot) {
            (Some(event), _) => ChainHead {
                sequence: event.sequence,
                hash: event.hash,
            },
            (None, Some(snapshot)) => ChainHead {
                sequence: snapshot.sequence,
                hash: snapshot.hash,
            },
            (None, None) => ChainHead::default(),
        };
        self.upcast(&mut tail)?;
        Ok(Loaded {
            snapshot,
            tail,
            handle: StreamHandle::new(stream.clone(), head),
        })
    }

    fn upcast(&self, events: &mut [Recorded]) -> Result<(), StoreError> {
        events
            .iter_mut()
            .try_for_each(|event| self.upcasters().apply(event))
    }
}

/// What follows the snapshot, when the first of `events` is the one it ends on.
fn tail_of(snapshot: &Snapshot, mut events: Vec<Recorded>) -> Option<Vec<Recorded>> {
    let proof = events.first()?;
    if proof.sequence != snapshot.sequence || proof.hash != snapshot.hash {
        return None;
    }
    events.remove(0);
    Some(events)
}

fn assert_contiguous(after_position: i64, events: &[Recorded]) -> Result<(), StoreError> {
    for (event, expected) in events.iter().zip(after_position + 1..) {
        if event.position != expected {
            let place = format!("position {expected}");
            return Err(StoreError::Corrupt {
                place,
                detail: "missing".into(),
            });
        }
    }
    Ok(())
}

async fn collect(
    rows: impl futures::Stream<Item = Result<Recorded, sqlx::Error>> + Send,
) -> Result<Vec<Recorded>, StoreError> {
    Ok(rows.try_collect().await?)
}
