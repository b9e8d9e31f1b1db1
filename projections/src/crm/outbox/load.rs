//! What a batch needs to know of the past.

use std::collections::{HashMap, HashSet};

use daybook_domain::{AccountId, ClientId};
use daybook_store::Recorded;
use serde::de::DeserializeOwned;
use sqlx::PgConnection;
use uuid::Uuid;

use super::Fold;
use crate::{
    columns,
    crm::number::Digits,
    error::ProjectionError,
    facts::{self, ACCOUNT, CLIENT},
};

pub(super) async fn load(
    connection: &mut PgConnection,
    batch: &[Recorded],
) -> Result<Fold, ProjectionError> {
    let mut fold = Fold {
        endpoints: sqlx::query_as("select * from webhook_endpoints order by created_position")
            .fetch_all(&mut *connection)
            .await?,
        ..Fold::default()
    };
    instruments(connection, &mut fold).await?;
    let accounts = ids::<AccountId>(batch, ACCOUNT)?;
    let accounts = accounts.into_iter().map(|id| id.0).collect();
    let query = "select account_id, state from account_states where account_id = any($1)";
    fold.accounts = states(connection, query, accounts).await?;
    let clients = ids::<ClientId>(batch, CLIENT)?;
    let clients = clients.into_iter().map(|id| id.0).collect();
    let query = "select client_id, state from client_states where client_id = any($1)";
    fold.clients = states(connection, query, clients).await?;
    numbers(connection, batch, &mut fold).await?;
    Ok(fold)
}

async fn instruments(
    connection: &mut PgConnection,
    fold: &mut Fold,
) -> Result<(), ProjectionError> {
    let query = "select symbol, price, volume from instrument_digits";
    let rows: Vec<(String, i64, i64)> = sqlx::query_as(query).fetch_all(connection).await?;
    for (symbol, price, volume) in rows {
        let symbol = symbol.parse();
        let symbol = symbol.map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        let count = |number: i64| u32::try_from(number).unwrap_or_default();
        let digits = Digits {
            price: count(price),
            volume: count(volume),
        };
        fold.instruments.insert(symbol, digits);
    }
    Ok(())
}

/// Identifiers of the aggregates of a type in the batch.
fn ids<I>(batch: &[Recorded], aggregate_type: &str) -> Result<HashSet<I>, ProjectionError>
where
    I: std::str::FromStr<Err: std::fmt::Display> + Eq + std::hash::Hash,
{
    let of_type = batch
        .iter()
        .filter(|recorded| &*recorded.aggregate_type == aggregate_type);
    of_type.map(facts::id_of).collect()
}

async fn states<I, S>(
    connection: &mut PgConnection,
    query: &'static str,
    wanted: HashSet<Uuid>,
) -> Result<HashMap<I, S>, ProjectionError>
where
    I: From<Uuid> + Eq + std::hash::Hash,
    S: DeserializeOwned,
{
    let rows: Vec<(Uuid, String)> = columns::kept(connection, query, wanted).await?;
    let read = rows.into_iter().map(|(id, text)| {
        let state = serde_json::from_str(&text);
        let state = state.map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        Ok((I::from(id), state))
    });
    read.collect()
}

/// Last numbers of the clients that the batch is about: those of its accounts, too. An account that
/// opens in the batch names its client in its first event alone; such a client may have numbers,
/// so that all openings are decoded.
async fn numbers(
    connection: &mut PgConnection,
    batch: &[Recorded],
    fold: &mut Fold,
) -> Result<(), ProjectionError> {
    let mut clients: HashSet<Uuid> = ids::<ClientId>(batch, CLIENT)?
        .into_iter()
        .map(|id| id.0)
        .collect();
    let terms = fold
        .accounts
        .values()
        .filter_map(|state| state.account.terms);
    clients.extend(terms.map(|terms| terms.client_id.0));
    for fact in batch
        .iter()
        .filter(|one| &*one.event_type == "AccountOpened")
    {
        let event = super::decode::<daybook_domain::AccountEvent>(fact)?;
        if let daybook_domain::AccountEvent::AccountOpened { client_id, .. } = event {
            clients.insert(client_id.0);
        }
    }
    let query = "select endpoint, client_id, number from client_numbers \
                 where client_id = any($1)";
    let rows: Vec<(String, Uuid, i64)> = columns::kept(connection, query, clients).await?;
    fold.client_numbers = rows
        .into_iter()
        .map(|(endpoint, client, number)| ((endpoint, client), number))
        .collect();
    Ok(())
}
