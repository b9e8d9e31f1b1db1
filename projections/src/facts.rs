//! A batch's events as the domain's types, and the owners of the accounts they speak of.

use std::{
    collections::{HashMap, HashSet},
    fmt::Display,
    str::FromStr,
};

use daybook_domain::{AccountEvent, AccountId, ClientEvent, ClientId};
use daybook_store::Recorded;
use serde::de::DeserializeOwned;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::ProjectionError;

pub(crate) const ACCOUNT: &str = "account";
pub(crate) const CLIENT: &str = "client";
pub(crate) const STAFF: &str = "staff";

/// One decoded event.
pub(crate) struct Fact<'a, I, E> {
    pub(crate) recorded: &'a Recorded,
    pub(crate) id: I,
    pub(crate) event: E,
}

pub(crate) type AccountFact<'a> = Fact<'a, AccountId, AccountEvent>;
pub(crate) type ClientFact<'a> = Fact<'a, ClientId, ClientEvent>;

/// The events of accounts.
pub(crate) fn of_accounts(batch: &[Recorded]) -> Result<Vec<AccountFact<'_>>, ProjectionError> {
    of(batch, ACCOUNT)
}

/// The events of clients. Personal fields stay the ciphertext they are.
pub(crate) fn of_clients(batch: &[Recorded]) -> Result<Vec<ClientFact<'_>>, ProjectionError> {
    of(batch, CLIENT)
}

fn of<'a, I, E>(
    batch: &'a [Recorded],
    aggregate_type: &str,
) -> Result<Vec<Fact<'a, I, E>>, ProjectionError>
where
    I: FromStr<Err: Display>,
    E: DeserializeOwned,
{
    batch
        .iter()
        .filter(|recorded| &*recorded.aggregate_type == aggregate_type)
        .map(|recorded| {
            let id = id_of(recorded)?;
            let event = recorded
                .decode()
                .map_err(|error| ProjectionError::event(recorded.position, error.to_string()))?;
            Ok(Fact {
                recorded,
                id,
                event,
            })
        })
        .collect()
}

/// The aggregate's identifier.
pub(crate) fn id_of<I: FromStr<Err: Display>>(recorded: &Recorded) -> Result<I, ProjectionError> {
    recorded.aggregate_id.parse().map_err(|error: I::Err| {
        let detail = format!("aggregate id {:?}: {error}", recorded.aggregate_id);
        ProjectionError::event(recorded.position, detail)
    })
}

/// The stream of an event, `account-{uuid}`.
pub(crate) fn stream_of(recorded: &Recorded) -> String {
    format!("{}-{}", recorded.aggregate_type, recorded.aggregate_id)
}

impl<I, E> Fact<'_, I, E> {
    /// This event cannot follow what came before it.
    pub(crate) fn misfit(&self, detail: impl Into<String>) -> ProjectionError {
        ProjectionError::event(self.recorded.position, detail)
    }
}

/// Who owns which account: kept in a table `owners` of each model that needs it, because a model
/// may not lean on another that stands elsewhere in the book.
pub(crate) struct Owners(HashMap<AccountId, ClientId>);

impl Owners {
    /// Takes in the accounts opened in this batch, and looks up those of `wanted` opened before.
    pub(crate) async fn resolve(
        connection: &mut PgConnection,
        opened: &[(AccountId, ClientId)],
        wanted: impl Iterator<Item = AccountId>,
    ) -> Result<Self, ProjectionError> {
        let mut owners: HashMap<AccountId, ClientId> = opened.iter().copied().collect();
        if !opened.is_empty() {
            let insert = "insert into owners select * from unnest($1::uuid[], $2::uuid[])";
            sqlx::query(insert)
                .bind(
                    opened
                        .iter()
                        .map(|(account, _)| account.0)
                        .collect::<Vec<_>>(),
                )
                .bind(
                    opened
                        .iter()
                        .map(|(_, client)| client.0)
                        .collect::<Vec<_>>(),
                )
                .execute(&mut *connection)
                .await?;
        }
        let unknown: HashSet<Uuid> = wanted
            .filter(|account| !owners.contains_key(account))
            .map(|account| account.0)
            .collect();
        if !unknown.is_empty() {
            let query = "select account_id, client_id from owners where account_id = any($1)";
            let rows: Vec<(Uuid, Uuid)> = sqlx::query_as(query)
                .bind(unknown.into_iter().collect::<Vec<_>>())
                .fetch_all(connection)
                .await?;
            let known = rows
                .into_iter()
                .map(|(account, client)| (AccountId(account), ClientId(client)));
            owners.extend(known);
        }
        Ok(Self(owners))
    }

    /// The owner of an account.
    pub(crate) fn get(&self, account: AccountId) -> Option<ClientId> {
        self.0.get(&account).copied()
    }

    /// The owner of the account that a fact speaks of.
    pub(crate) fn of_fact(&self, fact: &AccountFact<'_>) -> Result<ClientId, ProjectionError> {
        self.get(fact.id)
            .ok_or_else(|| fact.misfit(format!("account {} was never opened", fact.id)))
    }
}

/// The account that a fact opens, with its owner.
pub(crate) fn opening(fact: &AccountFact<'_>) -> Option<(AccountId, ClientId)> {
    if let AccountEvent::AccountOpened { client_id, .. } = &fact.event {
        Some((fact.id, *client_id))
    } else {
        None
    }
}
