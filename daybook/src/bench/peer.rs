//! The peer: cqrs-es 0.5 on postgres-es 0.5, as its users run it, with the very same aggregate,
//! commands, events and metadata as ours.

use std::{collections::HashMap, sync::Arc, time::Duration};

use chrono::Utc;
use daybook_domain::{
    Account, AccountCommand, AccountRejection, ClientId, Market, Rules, account::AccountServices,
};
use daybook_store::NewEvent;
use postgres_es::PostgresCqrs;
use sqlx::{PgPool, postgres::PgPoolOptions};
use uuid::Uuid;

use super::{
    measure::{Done, Measured, closed_loop},
    ours,
};

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
    pub async fn fill(&self, prefix: &str, streams: i64, length: usize) -> anyhow::Result<()> {
        let events = ours::opening(ClientId(Uuid::now_v7()), 0, length)?;
        let (types, payloads): (Vec<_>, Vec<_>) = events
            .into_iter()
            .map(
                |NewEvent {
                     event_type,
                     payload,
                     ..
                 }| (event_type, payload),
            )
            .unzip();
        sqlx::query(
            "insert into events
             select 'account', $1 || s, n, event_type, '1.0', payload::json, $2::json
             from generate_series(0, $3 - 1) s,
                  unnest($4::text[], $5::text[]) with ordinality e (event_type, payload, n)",
        )
        .bind(prefix)
        .bind(serde_json::to_string(&metadata(&ours::adjustment())?)?)
        .bind(streams)
        .bind(types)
        .bind(payloads)
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
        let services = AccountServices {
            at: Utc::now(),
            market: Arc::new(Market::default()),
            rules: Arc::new(Rules::default()),
        };
        let cqrs: Arc<PostgresCqrs<Account>> = Arc::new(postgres_es::postgres_cqrs(
            self.pool.clone(),
            vec![],
            services,
        ));
        closed_loop(callers, time, move |_, number| {
            let cqrs = cqrs.clone();
            async move {
                let stream = format!("{prefix}{}", number % streams);
                let command = ours::adjustment();
                let metadata = metadata(&command)?;
                done(cqrs.execute_with_metadata(&stream, command, metadata).await)
            }
        })
        .await
    }
}

fn done(outcome: Result<(), cqrs_es::AggregateError<AccountRejection>>) -> anyhow::Result<Done> {
    match outcome {
        Ok(()) => Ok(Done::Accepted),
        Err(cqrs_es::AggregateError::AggregateConflict) => Ok(Done::Refused),
        Err(error) => Err(anyhow::anyhow!("{error}")),
    }
}

/// What our engine writes beside each event.
fn metadata(command: &AccountCommand) -> anyhow::Result<HashMap<String, String>> {
    let id = Uuid::now_v7().to_string();
    Ok(HashMap::from([
        ("actor".to_owned(), format!("client:{id}")),
        ("reason".to_owned(), ours::REASON.to_owned()),
        ("correlation_id".to_owned(), id),
        ("command".to_owned(), serde_json::to_string(command)?),
    ]))
}
