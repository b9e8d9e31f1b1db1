//! Writes what a batch was folded into, within the transaction that moves the checkpoint.

use sqlx::PgConnection;
use uuid::Uuid;

use super::{Fold, endpoints::EndpointRow};
use crate::{columns::Columns, crm::payload, error::ProjectionError, slug};

pub(super) async fn save(
    connection: &mut PgConnection,
    fold: &Fold,
) -> Result<(), ProjectionError> {
    rows(connection, fold).await?;
    endpoints(connection, &fold.endpoints).await?;
    Columns::new("webhook_controls", &fold.controls)
        .fixed("position", |control| control.position)
        .fixed("endpoint", |control| control.endpoint.as_str())
        .fixed("what", |control| control.what.as_str())
        .fixed("delivery_id", |control| control.delivery_id)
        .fixed("from_position", |control| control.from_position)
        .write(connection)
        .await?;
    states(connection, fold).await?;
    client_numbers(connection, fold).await
}

async fn rows(connection: &mut PgConnection, fold: &Fold) -> Result<(), ProjectionError> {
    Columns::new("outbox", &fold.rows)
        .fixed("id", |row| row.id)
        .fixed("endpoint", |row| row.endpoint.as_str())
        .fixed("number", |row| row.number)
        .fixed("client_id", |row| row.client_id)
        .fixed("client_number", |row| row.client_number)
        .fixed("position", |row| row.position)
        .fixed("event", |row| row.event.as_str())
        .fixed("at", |row| row.at)
        .fixed("data", |row| row.data.as_str())
        .fixed("before", |row| row.before.as_deref())
        .write(connection)
        .await
}

/// A handful: each with a statement of its own, because arrays do not nest.
async fn endpoints(
    connection: &mut PgConnection,
    endpoints: &[EndpointRow],
) -> Result<(), ProjectionError> {
    let query = "insert into webhook_endpoints (endpoint, url, vocabulary, events, secret, \
                     previous_secret, declared, disabled_reason, disabled_by, created_position, \
                     position, number) \
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
                 on conflict (endpoint) do update set url = excluded.url, \
                     vocabulary = excluded.vocabulary, events = excluded.events, \
                     secret = excluded.secret, previous_secret = excluded.previous_secret, \
                     disabled_reason = excluded.disabled_reason, \
                     disabled_by = excluded.disabled_by, position = excluded.position, \
                     number = excluded.number";
    for row in endpoints {
        let settings = &row.settings;
        sqlx::query(query)
            .bind(&row.endpoint)
            .bind(&settings.url)
            .bind(slug::of(&settings.vocabulary))
            .bind(&settings.events)
            .bind(&settings.secret)
            .bind(&settings.previous_secret)
            .bind(row.declared)
            .bind(row.disabled.as_ref().map(|(reason, _)| reason))
            .bind(row.disabled.as_ref().map(|(_, by)| by))
            .bind(row.created_position)
            .bind(row.position)
            .bind(row.number)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn states(connection: &mut PgConnection, fold: &Fold) -> Result<(), ProjectionError> {
    let accounts: Vec<_> = fold.accounts.iter().collect();
    Columns::new("account_states", &accounts)
        .fixed("account_id", |(id, _)| id.0)
        .changing("state", |(_, state)| payload::text(state))
        .write(connection)
        .await?;
    let clients: Vec<_> = fold.clients.iter().collect();
    Columns::new("client_states", &clients)
        .fixed("client_id", |(id, _)| id.0)
        .changing("state", |(_, state)| payload::text(state))
        .write(connection)
        .await?;
    if !fold.instruments_changed {
        return Ok(());
    }
    let instruments: Vec<_> = fold.instruments.iter().collect();
    Columns::new("instrument_digits", &instruments)
        .fixed("symbol", |(symbol, _)| symbol.to_string())
        .changing("price", |(_, digits)| i64::from(digits.price))
        .changing("volume", |(_, digits)| i64::from(digits.volume))
        .write(connection)
        .await
}

async fn client_numbers(connection: &mut PgConnection, fold: &Fold) -> Result<(), ProjectionError> {
    if fold.client_numbers.is_empty() {
        return Ok(());
    }
    let numbers = fold.client_numbers.iter();
    let (keys, numbers): (Vec<_>, Vec<i64>) = numbers.unzip();
    let (endpoints, clients): (Vec<String>, Vec<Uuid>) = keys.into_iter().cloned().unzip();
    let query = "insert into client_numbers (endpoint, client_id, number) \
                 select * from unnest($1::text[], $2::uuid[], $3::bigint[]) \
                 on conflict (endpoint, client_id) do update set number = excluded.number \
                 where client_numbers.number <> excluded.number";
    sqlx::query(query)
        .bind(endpoints)
        .bind(clients)
        .bind(numbers)
        .execute(connection)
        .await?;
    Ok(())
}
