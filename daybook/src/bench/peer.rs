//! The peer: cqrs-es 0.5 on postgres-es 0.5, as its users run it.

use std::{sync::Arc, time::Duration};

use chrono::Utc;
use cqrs_es::{Aggregate, DomainEvent, event_sink::EventSink};
use postgres_es::PostgresCqrs;
use serde::{Deserialize, Serialize};
use sqlx::{PgPool, postgres::PgPoolOptions};

use super::measure::{Done, Measured, closed_loop};

/// The events table of postgres-es' own documentation.
const SCHEMA: &str = "
create table events (
    aggregate_type text not null,
    aggregate_id text not null,
    sequence bigint check (sequence >= 0) not null,
    event_type text not null,
    event_version text not null,
    payload json not null,
    metadata json not null,
    primary key (aggregate_type, aggregate_id, sequence))";

/// The smallest account that books money: what the peer does besides storing must not weigh.
#[derive(Default, Serialize, Deserialize)]
struct Purse {
    cents: i64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Adjusted {
    cents: i64,
    notes: String,
    at: chrono::DateTime<Utc>,
}

impl DomainEvent for Adjusted {
    fn event_type(&self) -> String {
        "FundsAdjusted".to_owned()
    }

    fn event_version(&self) -> String {
        "1.0".to_owned()
    }
}

impl Aggregate for Purse {
    const TYPE: &'static str = "account";
    type Command = i64;
    type Event = Adjusted;
    type Error = std::convert::Infallible;
    type Services = ();

    async fn handle(
        &mut self,
        cents: i64,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), Self::Error> {
        sink.write(
            Adjusted {
                cents,
                notes: NOTES.to_owned(),
                at: Utc::now(),
            },
            self,
        )
        .await;
        Ok(())
    }

    fn apply(&mut self, event: Adjusted) {
        self.cents += event.cents;
    }
}

/// Pads the event to about 490 bytes with its metadata, as ours are.
const NOTES: &str = "a note of the length that makes this event about as long as one of ours: \
                     who asked, from which address and with what agent, on whose behalf and why, \
                     and the command in full; the peer would keep the same in its metadata";

/// The peer on a database of its own.
pub struct Peer {
    pool: PgPool,
}

impl Peer {
    /// Makes the peer's table. Its pool is as large as the callers can use.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn try_new(options: sqlx::postgres::PgConnectOptions) -> anyhow::Result<Self> {
        let pool = PgPoolOptions::new()
            .max_connections(64)
            .connect_with(options)
            .await?;
        sqlx::raw_sql(SCHEMA).execute(&pool).await?;
        Ok(Self { pool })
    }

    /// Fills `streams` streams of `length` events each.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn fill(&self, prefix: &str, streams: i64, length: i64) -> anyhow::Result<()> {
        let event = Adjusted {
            cents: 1,
            notes: NOTES.to_owned(),
            at: Utc::now(),
        };
        sqlx::query(
            "insert into events
             select 'account', $1 || s, n, 'FundsAdjusted', '1.0', $2::json, '{}'::json
             from generate_series(0, $3 - 1) s, generate_series(1, $4) n",
        )
        .bind(prefix)
        .bind(serde_json::to_string(&event)?)
        .bind(streams)
        .bind(length)
        .execute(&self.pool)
        .await?;
        sqlx::query("vacuum analyze events")
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// One-event commands over the streams of `prefix`.
    ///
    /// # Errors
    /// When the peer fails otherwise than by a conflict.
    pub async fn run(
        &self,
        prefix: &'static str,
        streams: u64,
        callers: usize,
        time: Duration,
    ) -> anyhow::Result<Measured> {
        let cqrs: Arc<PostgresCqrs<Purse>> =
            Arc::new(postgres_es::postgres_cqrs(self.pool.clone(), vec![], ()));
        closed_loop(callers, time, move |_, number| {
            let cqrs = cqrs.clone();
            async move {
                let stream = format!("{prefix}{}", number % streams);
                match cqrs.execute(&stream, 1).await {
                    Ok(()) => Ok(Done::Accepted),
                    Err(cqrs_es::AggregateError::AggregateConflict) => Ok(Done::Refused),
                    Err(error) => Err(anyhow::anyhow!("{error}")),
                }
            }
        })
        .await
    }
}
