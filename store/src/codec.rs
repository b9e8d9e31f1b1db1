//! Rows of `events` as [`Recorded`].

use sqlx::{Row, postgres::PgRow};

use crate::recorded::Recorded;

/// The columns that [`decode`] expects, in its order.
pub(crate) const COLUMNS: &str = "position, aggregate_type, aggregate_id, sequence, event_type, \
     event_version, payload, metadata, recorded_at, hash";

/// One row of [`COLUMNS`].
pub(crate) fn decode(row: &PgRow) -> Result<Recorded, sqlx::Error> {
    Ok(Recorded {
        position: row.try_get(0)?,
        aggregate_type: row.try_get::<&str, _>(1)?.into(),
        aggregate_id: row.try_get::<&str, _>(2)?.into(),
        sequence: row.try_get(3)?,
        event_type: row.try_get::<&str, _>(4)?.into(),
        event_version: row.try_get::<&str, _>(5)?.into(),
        // Unchecked: `json` travels as its very text, which sqlx would insist on parsing.
        payload: row.try_get_unchecked::<&str, _>(6)?.into(),
        metadata: row.try_get_unchecked::<&str, _>(7)?.into(),
        recorded_at: row.try_get(8)?,
        hash: hash(row, 9)?,
    })
}

/// A 32-byte hash column.
pub(crate) fn hash(row: &PgRow, index: usize) -> Result<[u8; 32], sqlx::Error> {
    row.try_get::<&[u8], _>(index)?
        .try_into()
        .map_err(|_| sqlx::Error::ColumnDecode {
            index: index.to_string(),
            source: "a hash has 32 bytes".into(),
        })
}
