//! The outbox: what is to be sent to whom, in the order of the book, numbered without gaps.
//!
//! Rows follow from the book alone, identifiers and numbers included. They hold no plain personal
//! data: such fields are the book's own ciphertext.

mod endpoints;
mod load;
mod save;

use std::collections::HashMap;

use daybook_domain::{AccountId, ClientId, Timestamp, account, endpoint::EndpointEvent};
use daybook_store::Recorded;
use futures::future::BoxFuture;
use sqlx::PgConnection;
use uuid::Uuid;

pub(crate) use self::endpoints::{Control, EndpointRow};
use super::{
    body::OutboxRow,
    number::Instruments,
    tell::{AccountState, ClientState, Message},
};
use crate::{
    error::ProjectionError,
    facts::{self, ACCOUNT, CLIENT},
    projection::{Partition, Projection, names},
};

/// Raised with every change of tables, mapping or payloads that touches events of the past.
const VERSION: i32 = 1;
/// Under which identifiers of deliveries are derived.
const NAMESPACE: Uuid = Uuid::from_u128(0x9a3c_52f1_7be4_5d08_8c66_1f0e_4b7a_d291);
const ENDPOINT: &str = "endpoint";
const INSTRUMENT: &str = "instrument";

/// One row for each webhook.
pub(crate) struct Outbox;

impl Projection for Outbox {
    fn name(&self) -> &'static str {
        names::OUTBOX
    }

    fn version(&self) -> i32 {
        // Accounts rest in the shape of that version, and are built again with a new one.
        account::STATE_VERSION * 1_000 + VERSION
    }

    fn schema(&self) -> &'static str {
        "create table outbox (
            id uuid primary key,
            endpoint text not null,
            number bigint not null,
            client_id uuid not null,
            client_number bigint not null,
            position bigint not null,
            event text not null,
            at timestamptz not null,
            data text not null,
            before text
        );
        create table webhook_endpoints (
            endpoint text primary key,
            url text,
            vocabulary text not null,
            events text[] not null,
            secret text,
            previous_secret text,
            declared boolean not null,
            disabled_reason text,
            disabled_by text,
            created_position bigint not null,
            position bigint not null,
            number bigint not null
        ) with (fillfactor = 50);
        create table webhook_controls (
            position bigint primary key,
            endpoint text not null,
            what text not null,
            delivery_id uuid,
            from_position bigint
        );
        create table client_numbers (
            endpoint text not null,
            client_id uuid not null,
            number bigint not null,
            primary key (endpoint, client_id)
        ) with (fillfactor = 70);
        create table account_states (account_id uuid primary key, state text not null)
            with (fillfactor = 70);
        create table client_states (client_id uuid primary key, state text not null)
            with (fillfactor = 70);
        create table instrument_digits (
            symbol text primary key,
            price bigint not null,
            volume bigint not null
        )"
    }

    fn indexes(&self) -> &'static str {
        "create index on outbox (position);
         create unique index on outbox (endpoint, number);
         create unique index on outbox (endpoint, client_id, client_number)"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["outbox", "webhook_endpoints", "webhook_controls"]
    }

    /// Numbers of an endpoint count the events of all clients.
    fn partition(&self) -> Partition {
        Partition::Global
    }

    fn apply<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        batch: &'a [Recorded],
    ) -> BoxFuture<'a, Result<(), ProjectionError>> {
        Box::pin(apply(connection, batch))
    }
}

/// What a batch is folded into: loaded before, saved after.
#[derive(Default)]
struct Fold {
    endpoints: Vec<EndpointRow>,
    instruments: Instruments,
    instruments_changed: bool,
    accounts: HashMap<AccountId, AccountState>,
    clients: HashMap<ClientId, ClientState>,
    /// Last number by endpoint and client.
    client_numbers: HashMap<(String, Uuid), i64>,
    rows: Vec<OutboxRow>,
    controls: Vec<Control>,
}

async fn apply(connection: &mut PgConnection, batch: &[Recorded]) -> Result<(), ProjectionError> {
    let mut fold = load::load(connection, batch).await?;
    for recorded in batch {
        fold.take(recorded)?;
    }
    save::save(connection, &fold).await
}

impl Fold {
    fn take(&mut self, recorded: &Recorded) -> Result<(), ProjectionError> {
        match &*recorded.aggregate_type {
            ACCOUNT => self.account(recorded),
            CLIENT => self.client(recorded),
            ENDPOINT => self.endpoint(recorded),
            INSTRUMENT => self.instrument(recorded),
            _other => Ok(()),
        }
    }

    fn account(&mut self, recorded: &Recorded) -> Result<(), ProjectionError> {
        let id: AccountId = facts::id_of(recorded)?;
        let event = decode::<daybook_domain::AccountEvent>(recorded)?;
        let state = self.accounts.entry(id).or_default();
        let told = state.tell(id, &event, &self.instruments);
        let terms = state.account.terms;
        let client = terms.map_or_else(ClientId::default, |terms| terms.client_id);
        self.number(recorded, client, event.at(), told);
        Ok(())
    }

    fn client(&mut self, recorded: &Recorded) -> Result<(), ProjectionError> {
        let id: ClientId = facts::id_of(recorded)?;
        let event = decode::<daybook_domain::ClientEvent>(recorded)?;
        let told = self.clients.entry(id).or_default().tell(id, &event);
        self.number(recorded, id, event.at(), told);
        Ok(())
    }

    fn instrument(&mut self, recorded: &Recorded) -> Result<(), ProjectionError> {
        let event = decode::<daybook_domain::instrument::InstrumentEvent>(recorded)?;
        let (terms, _) = event.terms();
        let digits = super::number::Digits {
            price: terms.digits,
            volume: terms.volume_step.normalize().scale(),
        };
        if self.instruments.insert(terms.symbol, digits) != Some(digits) {
            self.instruments_changed = true;
        }
        Ok(())
    }

    fn endpoint(&mut self, recorded: &Recorded) -> Result<(), ProjectionError> {
        let event = decode::<EndpointEvent>(recorded)?;
        let name = &*recorded.aggregate_id;
        if let Some(control) = Control::of(name, recorded.position, &event) {
            self.controls.push(control);
        }
        let known = self.endpoints.iter_mut().find(|row| row.endpoint == name);
        match known {
            Some(row) => row.take(&event, recorded.position),
            None => {
                let row = EndpointRow::made(name, &event, recorded.position);
                let row = row.ok_or_else(|| {
                    let detail = format!("endpoint {name} was never made");
                    ProjectionError::event(recorded.position, detail)
                })?;
                self.endpoints.push(row);
            }
        }
        Ok(())
    }

    /// A row for each endpoint and name that knows the message, numbered.
    fn number(&mut self, recorded: &Recorded, client: ClientId, at: Timestamp, told: Vec<Message>) {
        for message in told {
            for endpoint in &mut self.endpoints {
                for event in endpoint.names(message.kind) {
                    endpoint.number += 1;
                    let key = (endpoint.endpoint.clone(), client.0);
                    let client_number = self.client_numbers.entry(key).or_default();
                    *client_number += 1;
                    self.rows.push(OutboxRow {
                        id: identifier(recorded, &endpoint.endpoint, event, message.part),
                        endpoint: endpoint.endpoint.clone(),
                        number: endpoint.number,
                        client_id: client.0,
                        client_number: *client_number,
                        position: recorded.position,
                        event: event.to_owned(),
                        at,
                        data: message.data.clone(),
                        before: message.before.clone(),
                    });
                }
            }
        }
    }
}

/// Derived from the event, the endpoint and the name.
fn identifier(recorded: &Recorded, endpoint: &str, event: &str, part: &str) -> Uuid {
    let stream = facts::stream_of(recorded);
    let sequence = recorded.sequence;
    let name = format!("{stream}/{sequence}/{endpoint}/{event}/{part}");
    Uuid::new_v5(&NAMESPACE, name.as_bytes())
}

fn decode<E: serde::de::DeserializeOwned>(recorded: &Recorded) -> Result<E, ProjectionError> {
    let event = recorded.decode();
    event.map_err(|error| ProjectionError::event(recorded.position, error.to_string()))
}
