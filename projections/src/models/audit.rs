//! Who did what, when, from where and why: one row per event of the book, whatever its type.
//!
//! Addresses and user agents are copied as the ciphertext they are in the book. What staff looked
//! at concerns the client who was looked at.

use std::collections::HashMap;

use daybook_domain::{AccountEvent, AccountId, ClientId, StaffEvent};
use daybook_store::{Metadata, Recorded};
use futures::future::BoxFuture;
use sqlx::PgConnection;

use crate::{
    columns::Columns,
    error::ProjectionError,
    facts::{self, Owners},
    projection::{Partition, Projection, names},
};

/// One row per event; rows never change.
pub(crate) struct Audit;

struct Line<'a> {
    recorded: &'a Recorded,
    metadata: Metadata,
    account_id: Option<AccountId>,
    client_id: Option<ClientId>,
}

impl Line<'_> {
    fn entry(&self, key: &str) -> Option<&str> {
        self.metadata.0.get(key).map(String::as_str)
    }
}

impl Projection for Audit {
    fn name(&self) -> &'static str {
        names::AUDIT
    }

    fn version(&self) -> i32 {
        2
    }

    fn schema(&self) -> &'static str {
        "create table audit (
            position bigint primary key,
            at timestamptz not null,
            stream text not null,
            sequence bigint not null,
            event_type text not null,
            actor text,
            reason text,
            ip text,
            user_agent text,
            correlation_id text,
            causation_id text,
            client_id uuid,
            account_id uuid
        );
        create table owners (account_id uuid primary key, client_id uuid not null)"
    }

    fn indexes(&self) -> &'static str {
        "create index on audit (client_id, position);
         create index on audit (account_id, position);
         create index on audit (actor, position);
         create index on audit using brin (at)"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["audit"]
    }

    fn partition(&self) -> Partition {
        Partition::Stream
    }

    fn apply<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        batch: &'a [Recorded],
    ) -> BoxFuture<'a, Result<(), ProjectionError>> {
        Box::pin(apply(connection, batch))
    }
}

async fn apply(connection: &mut PgConnection, batch: &[Recorded]) -> Result<(), ProjectionError> {
    let mut lines = batch.iter().map(line).collect::<Result<Vec<_>, _>>()?;
    let opened: HashMap<AccountId, ClientId> = openings(batch)?;
    let opened: Vec<_> = opened.into_iter().collect();
    let accounts = lines.iter().filter_map(|line| line.account_id);
    let owners = Owners::resolve(connection, &opened, accounts).await?;
    for line in &mut lines {
        line.client_id = line.client_id.or_else(|| owners.get(line.account_id?));
    }
    write(connection, &lines).await
}

fn line(recorded: &Recorded) -> Result<Line<'_>, ProjectionError> {
    let metadata = recorded
        .metadata()
        .map_err(|error| ProjectionError::event(recorded.position, error.to_string()))?;
    let mut line = Line {
        recorded,
        metadata,
        account_id: None,
        client_id: None,
    };
    match &*recorded.aggregate_type {
        facts::ACCOUNT => line.account_id = Some(facts::id_of(recorded)?),
        facts::CLIENT => line.client_id = Some(facts::id_of(recorded)?),
        facts::STAFF => line.client_id = looked_at(recorded)?,
        _none_of_these => {}
    }
    Ok(line)
}

/// The client whom a member of staff looked at.
fn looked_at(recorded: &Recorded) -> Result<Option<ClientId>, ProjectionError> {
    if &*recorded.event_type != "StaffLooked" {
        return Ok(None);
    }
    let event = recorded
        .decode()
        .map_err(|error| ProjectionError::event(recorded.position, error.to_string()))?;
    if let StaffEvent::StaffLooked { client_id, .. } = event {
        Ok(client_id)
    } else {
        Ok(None)
    }
}

/// The accounts opened in this batch. Only these payloads are decoded: nothing else is needed.
fn openings(batch: &[Recorded]) -> Result<HashMap<AccountId, ClientId>, ProjectionError> {
    let mut opened = HashMap::new();
    for recorded in batch
        .iter()
        .filter(|recorded| &*recorded.event_type == "AccountOpened")
    {
        let event = recorded
            .decode()
            .map_err(|error| ProjectionError::event(recorded.position, error.to_string()))?;
        if let AccountEvent::AccountOpened { client_id, .. } = event {
            opened.insert(facts::id_of(recorded)?, client_id);
        }
    }
    Ok(opened)
}

async fn write(connection: &mut PgConnection, lines: &[Line<'_>]) -> Result<(), ProjectionError> {
    Columns::new("audit", lines)
        .fixed("position", |line| line.recorded.position)
        .fixed("at", |line| line.recorded.recorded_at)
        .fixed("stream", |line| facts::stream_of(line.recorded))
        .fixed("sequence", |line| line.recorded.sequence)
        .fixed("event_type", |line| &*line.recorded.event_type)
        .fixed("actor", |line| line.entry(Metadata::ACTOR))
        .fixed("reason", |line| line.entry(Metadata::REASON))
        .fixed("ip", |line| line.entry(Metadata::IP))
        .fixed("user_agent", |line| line.entry(Metadata::USER_AGENT))
        .fixed("correlation_id", |line| {
            line.entry(Metadata::CORRELATION_ID)
        })
        .fixed("causation_id", |line| line.entry(Metadata::CAUSATION_ID))
        .fixed("client_id", |line| line.client_id.map(|id| id.0))
        .fixed("account_id", |line| line.account_id.map(|id| id.0))
        .write(connection)
        .await
}
