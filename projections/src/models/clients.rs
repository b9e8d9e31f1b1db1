//! Clients. Personal fields are copied as the ciphertext they are in the book: nothing here can
//! open them, and erasing a client's key erases them here too.

use std::collections::{HashMap, HashSet};

use daybook_domain::{ClientEvent, ClientId};
use daybook_store::Recorded;
use futures::future::BoxFuture;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
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
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<ClientRow> = sqlx::query_as("select * from clients where client_id = any($1)")
        .bind(wanted.into_iter().collect::<Vec<_>>())
        .fetch_all(connection)
        .await?;
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
    if rows.is_empty() {
        return Ok(());
    }
    let texts = |of: fn(&ClientRow) -> &String| rows.iter().map(of).collect::<Vec<&String>>();
    let options = |of: fn(&ClientRow) -> Option<&String>| {
        rows.iter().map(of).collect::<Vec<Option<&String>>>()
    };
    let defaults = rows.iter().map(|row| row.default_account_id.map(|id| id.0));
    sqlx::query(UPSERT)
        .bind(rows.iter().map(|row| row.client_id.0).collect::<Vec<_>>())
        .bind(texts(|row| &row.email))
        .bind(texts(|row| &row.first_name))
        .bind(texts(|row| &row.last_name))
        .bind(options(|row| row.phone.as_ref()))
        .bind(options(|row| row.country.as_ref()))
        .bind(defaults.collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.registered_at).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.position).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}

const UPSERT: &str = "
    insert into clients (client_id, email, first_name, last_name, phone, country,
                         default_account_id, registered_at, position)
    select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
                         $7::uuid[], $8::timestamptz[], $9::bigint[])
    on conflict (client_id) do update
    set email = excluded.email, first_name = excluded.first_name,
        last_name = excluded.last_name, phone = excluded.phone, country = excluded.country,
        default_account_id = excluded.default_account_id,
        registered_at = excluded.registered_at, position = excluded.position";
