//! A stream as a reader of pages wants it: the newest events first, some of them.

use chrono::{DateTime, Utc};
use futures::TryStreamExt;

use crate::{
    codec::{COLUMNS, decode},
    error::StoreError,
    recorded::{Recorded, StreamId},
    store::Store,
};

/// Which events of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamFilter {
    /// Those in front of this sequence; none: from the end.
    pub before: Option<i64>,
    /// Recorded from this instant on.
    pub from: Option<DateTime<Utc>>,
    /// Recorded before this instant.
    pub to: Option<DateTime<Utc>>,
    /// Of this type.
    pub event_type: Option<String>,
}

impl Store {
    /// Up to `limit` of a stream's events, the newest first, upcast.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn read_stream_back(
        &self,
        stream: &StreamId,
        filter: &StreamFilter,
        limit: i64,
    ) -> Result<Vec<Recorded>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from public.events \
             where aggregate_type = $1 and aggregate_id = $2 and sequence < $3 \
               and ($4::timestamptz is null or recorded_at >= $4) \
               and ($5::timestamptz is null or recorded_at < $5) \
               and ($6::text is null or event_type = $6) \
             order by sequence desc limit $7"
        );
        let query = sqlx::query(&sql)
            .bind(stream.aggregate_type)
            .bind(&*stream.aggregate_id)
            .bind(filter.before.unwrap_or(i64::MAX))
            .bind(filter.from)
            .bind(filter.to)
            .bind(filter.event_type.as_deref())
            .bind(limit);
        let rows = query.try_map(|row| decode(&row)).fetch(self.pool());
        let mut events: Vec<Recorded> = rows.try_collect().await?;
        for event in &mut events {
            self.upcasters().apply(event)?;
        }
        Ok(events)
    }
}
