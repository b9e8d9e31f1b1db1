//! Clients. Personal fields are copied as the ciphertext they are in the book: nothing here can
//! open them, and erasing a client's key erases them here too.

use std::collections::{HashMap, HashSet};

use daybook_domain::{ClientEvent, ClientId};
use daybook_store::Recorded;
use futures::future::BoxFuture;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    columns::{self, Columns},
    error::ProjectionError,
    facts::{self, ClientFact},
    projection::{Partition, Projection, names},
    reads::ClientRow,
};

/// One row per client.
pub(crate) struct Clients;

impl Projection for Clients {
    fn name(&self) -> &'static str {
        names::CLIENTS
    }

    fn version(&self) -> i32 {
        1
    }

    fn schema(&self) -> &'static str {
        "create table clients (
            client_id uuid primary key,
            email text not null,
            first_name text not null,
            last_name text not null,
            phone text,
            country text,
            default_account_id uuid,
            registered_at timestamptz not null,
            position bigint not null
        )"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["clients"]
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
    let facts = facts::of_clients(batch)?;
    let mut rows = load(connection, &facts).await?;
    for fact in &facts {
        fold(&mut rows, fact)?;
    }
    let rows: Vec<ClientRow> = rows.into_values().collect();
    write(connection, &rows).await
}

async fn load(
    connection: &mut PgConnection,
    facts: &[ClientFact<'_>],
) -> Result<HashMap<ClientId, ClientRow>, ProjectionError> {
    let wanted: HashSet<Uuid> = facts.iter().map(|fact| fact.id.0).collect();
    let query = "select * from clients where client_id = any($1)";
    let rows: Vec<ClientRow> = columns::kept(connection, query, wanted).await?;
    Ok(rows.into_iter().map(|row| (row.client_id, row)).collect())
}

fn fold(
    rows: &mut HashMap<ClientId, ClientRow>,
    fact: &ClientFact<'_>,
) -> Result<(), ProjectionError> {
    let position = fact.recorded.position;
    let known = rows.get_mut(&fact.id);
    let stranger = || fact.misfit(format!("client {} never registered", fact.id));
    match &fact.event {
        ClientEvent::ClientRegistered {
            email,
            first_name,
            last_name,
            phone,
            country,
            at,
        } => {
            let row = ClientRow {
                client_id: fact.id,
                email: email.clone(),
                first_name: first_name.clone(),
                last_name: last_name.clone(),
                phone: phone.clone(),
                country: country.clone(),
                default_account_id: None,
                registered_at: *at,
                position,
            };
            rows.insert(fact.id, row);
        }
        ClientEvent::DefaultAccountChanged { account_id, .. } => {
            let row = known.ok_or_else(stranger)?;
            row.default_account_id = Some(*account_id);
            row.position = position;
        }
        ClientEvent::ProfileUpdated {
            first_name,
            last_name,
            phone,
            country,
            ..
        } => {
            let row = known.ok_or_else(stranger)?;
            row.first_name.clone_from(first_name);
            row.last_name.clone_from(last_name);
            row.phone.clone_from(phone);
            row.country.clone_from(country);
            row.position = position;
        }
    }
    Ok(())
}

async fn write(connection: &mut PgConnection, rows: &[ClientRow]) -> Result<(), ProjectionError> {
    Columns::new("clients", rows)
        .fixed("client_id", |row| row.client_id.0)
        .changing("email", |row| row.email.as_str())
        .changing("first_name", |row| row.first_name.as_str())
        .changing("last_name", |row| row.last_name.as_str())
        .changing("phone", |row| row.phone.as_deref())
        .changing("country", |row| row.country.as_deref())
        .changing("default_account_id", |row| {
            row.default_account_id.map(|id| id.0)
        })
        .changing("registered_at", |row| row.registered_at)
        .changing("position", |row| row.position)
        .write(connection)
        .await
}
