//! The book behind the program's back: reads the `events` table as an auditor would.

use std::collections::BTreeMap;

use serde_json::Value;
use sqlx::{
    PgPool, Row,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use uuid::Uuid;

/// The name of these connections among those of the program.
pub const READER: &str = "tests";

/// A reading connection to the database under the program.
#[derive(Clone)]
pub struct Book {
    pool: PgPool,
}

/// One event, as much as the tests look at.
#[derive(Clone, Debug)]
pub struct Event {
    /// Place in the global order.
    pub position: i64,
    /// Stable name.
    pub event_type: String,
    /// The fields: what stands under the name in the payload.
    pub fields: Value,
    /// Who, why, from where.
    pub metadata: BTreeMap<String, String>,
}

impl Book {
    /// Connects when first used.
    ///
    /// # Panics
    /// When `url` is none of Postgres.
    #[must_use]
    pub fn on(url: &str) -> Self {
        let options: PgConnectOptions = url.parse().expect("a Postgres URL");
        let pool = PgPoolOptions::new()
            .max_connections(4)
            .connect_lazy_with(options.application_name(READER));
        Self { pool }
    }

    /// For statements of one's own.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// The last position; 0 in an empty book.
    ///
    /// # Panics
    /// When the database is away.
    pub async fn head(&self) -> i64 {
        sqlx::query_scalar("select coalesce(max(position), 0) from events")
            .fetch_one(&self.pool)
            .await
            .expect("the book is readable")
    }

    /// Every event of an account, in order.
    ///
    /// # Panics
    /// When the database is away or an event is no JSON.
    pub async fn account(&self, account_id: Uuid) -> Vec<Event> {
        let rows = sqlx::query(
            "select position, event_type, payload::text as payload, metadata::text as metadata
             from events where aggregate_type = 'account' and aggregate_id = $1
             order by sequence",
        )
        .bind(account_id.to_string())
        .fetch_all(&self.pool)
        .await
        .expect("the book is readable");
        rows.iter().map(event).collect()
    }

    /// Names of a client's events, in order.
    ///
    /// # Panics
    /// When the database is away.
    pub async fn client_event_types(&self, client_id: Uuid) -> Vec<String> {
        sqlx::query_scalar(
            "select event_type from events
             where aggregate_type = 'client' and aggregate_id = $1 order by sequence",
        )
        .bind(client_id.to_string())
        .fetch_all(&self.pool)
        .await
        .expect("the book is readable")
    }

    /// Names of an account's events, in order.
    pub async fn event_types(&self, account_id: Uuid) -> Vec<String> {
        let events = self.account(account_id).await;
        events.into_iter().map(|event| event.event_type).collect()
    }

    /// Asserts that positions, and the sequences of each stream, run from 1 without a gap.
    ///
    /// # Panics
    /// When they do not.
    pub async fn assert_contiguous(&self) {
        let (count, least, most): (i64, i64, i64) = sqlx::query_as(
            "select count(*), coalesce(min(position), 1), coalesce(max(position), 0) from events",
        )
        .fetch_one(&self.pool)
        .await
        .expect("the book is readable");
        assert_eq!((least, most), (1, count), "positions have gaps");
        let broken: Vec<(String, String)> = sqlx::query_as(
            "select aggregate_type, aggregate_id from events group by 1, 2
             having min(sequence) <> 1 or max(sequence) <> count(*)",
        )
        .fetch_all(&self.pool)
        .await
        .expect("the book is readable");
        assert!(broken.is_empty(), "streams have gaps: {broken:?}");
    }
}

fn event(row: &sqlx::postgres::PgRow) -> Event {
    let event_type: String = row.get("event_type");
    let payload: Value = serde_json::from_str(row.get("payload")).expect("a payload is JSON");
    Event {
        position: row.get("position"),
        fields: payload[&event_type].clone(),
        metadata: serde_json::from_str(row.get("metadata")).expect("metadata are flat"),
        event_type,
    }
}
