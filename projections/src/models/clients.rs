//! Clients. Personal fields are copied as the ciphertext they are in the book: nothing here can
//! open them, and erasing a client's key erases them here too.

use std::collections::{HashMap, HashSet};

use daybook_domain::{
    ClientEvent, ClientId,
    client::{KycStatus, Standing},
};
use daybook_store::Recorded;
use futures::future::BoxFuture;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use crate::{
    columns::{self, Columns},
    error::ProjectionError,
    facts::{self, ClientFact},
    projection::{Partition, Projection, names},
    reads::{ClientRow, DocumentRow},
    slug,
};

/// One row per client.
pub(crate) struct Clients;

impl Projection for Clients {
    fn name(&self) -> &'static str {
        names::CLIENTS
    }

    fn version(&self) -> i32 {
        3
    }

    fn schema(&self) -> &'static str {
        "create table clients (
            client_id uuid primary key,
            email text not null,
            first_name text not null,
            last_name text not null,
            phone text,
            country text,
            email_verified boolean not null,
            kyc_status text not null,
            kyc_notes text,
            two_factor boolean not null,
            tier text not null,
            external_id text,
            trading_disabled boolean not null,
            flags jsonb not null,
            limits jsonb not null,
            suspended boolean not null,
            erased boolean not null,
            default_account_id uuid,
            registered_at timestamptz not null,
            position bigint not null
        );
        create table documents (
            document_id uuid primary key,
            client_id uuid not null,
            kind text not null,
            format text not null,
            size bigint not null,
            sha256 text not null,
            name text not null,
            uploaded_at timestamptz not null,
            position bigint not null
        );
        create index documents_client on documents (client_id, position)"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["clients", "documents"]
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
    write(connection, &rows).await?;
    let documents: Vec<DocumentRow> = facts.iter().filter_map(document).collect();
    write_documents(connection, &documents).await
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
    if let ClientEvent::ClientRegistered {
        email,
        first_name,
        last_name,
        phone,
        country,
        at,
    } = &fact.event
    {
        let standing = Standing::default();
        let row = ClientRow {
            client_id: fact.id,
            email: email.clone(),
            first_name: first_name.clone(),
            last_name: last_name.clone(),
            phone: phone.clone(),
            country: country.clone(),
            email_verified: false,
            kyc_status: KycStatus::None,
            kyc_notes: None,
            two_factor: false,
            tier: standing.tier,
            external_id: None,
            trading_disabled: standing.trading_disabled,
            flags: standing.flags,
            limits: standing.limits,
            suspended: false,
            erased: false,
            default_account_id: None,
            registered_at: *at,
            position,
        };
        rows.insert(fact.id, row);
        return Ok(());
    }
    let row = rows.get_mut(&fact.id);
    let row = row.ok_or_else(|| fact.misfit(format!("client {} never registered", fact.id)))?;
    change(row, &fact.event);
    row.position = position;
    Ok(())
}

fn change(row: &mut ClientRow, event: &ClientEvent) {
    match event {
        ClientEvent::EmailVerified { .. } => row.email_verified = true,
        ClientEvent::DefaultAccountChanged { account_id, .. } => {
            row.default_account_id = Some(*account_id);
        }
        ClientEvent::ProfileUpdated {
            first_name,
            last_name,
            phone,
            country,
            ..
        } => {
            row.first_name.clone_from(first_name);
            row.last_name.clone_from(last_name);
            row.phone.clone_from(phone);
            row.country.clone_from(country);
        }
        ClientEvent::TwoFactorEnabled { .. } => row.two_factor = true,
        ClientEvent::TwoFactorDisabled { .. } => row.two_factor = false,
        ClientEvent::KycStatusChanged { to, notes, .. } => {
            row.kyc_status = *to;
            row.kyc_notes.clone_from(notes);
        }
        ClientEvent::ClientSuspended { .. } => row.suspended = true,
        ClientEvent::ClientReinstated { .. } => row.suspended = false,
        ClientEvent::ClientErased { .. } => row.erased = true,
        ClientEvent::TierChanged { to, .. } => row.tier.clone_from(to),
        ClientEvent::TradingDisabled { .. } => row.trading_disabled = true,
        ClientEvent::TradingEnabled { .. } => row.trading_disabled = false,
        ClientEvent::LimitsChanged { flags, limits, .. } => {
            row.flags = *flags;
            row.limits = **limits;
        }
        ClientEvent::ExternalIdLinked { external_id, .. } => {
            row.external_id = Some(external_id.clone());
        }
        ClientEvent::ClientRegistered { .. }
        | ClientEvent::RegistrationRepeated { .. }
        | ClientEvent::VerificationRequested { .. }
        | ClientEvent::PasswordResetRequested { .. }
        | ClientEvent::PasswordChanged { .. }
        | ClientEvent::SignedIn { .. }
        | ClientEvent::UnusualSignIn { .. }
        | ClientEvent::SignInFailed { .. }
        | ClientEvent::SessionsRevoked { .. }
        | ClientEvent::ImpersonationGranted { .. }
        | ClientEvent::ImpersonationConsumed { .. }
        | ClientEvent::ImpersonationRefused { .. }
        | ClientEvent::KycSubmitted { .. }
        | ClientEvent::NoteAdded { .. } => {}
    }
}

fn document(fact: &ClientFact<'_>) -> Option<DocumentRow> {
    let ClientEvent::KycSubmitted { document, name, at } = &fact.event else {
        return None;
    };
    Some(DocumentRow {
        document_id: document.document_id,
        client_id: fact.id,
        kind: document.kind,
        format: document.format,
        size: i64::try_from(document.size).unwrap_or(i64::MAX),
        sha256: document.sha256.clone(),
        name: name.clone(),
        uploaded_at: *at,
        position: fact.recorded.position,
    })
}

async fn write_documents(
    connection: &mut PgConnection,
    rows: &[DocumentRow],
) -> Result<(), ProjectionError> {
    Columns::new("documents", rows)
        .fixed("document_id", |row| row.document_id.0)
        .fixed("client_id", |row| row.client_id.0)
        .fixed("kind", |row| slug::of(&row.kind))
        .fixed("format", |row| slug::of(&row.format))
        .fixed("size", |row| row.size)
        .fixed("sha256", |row| row.sha256.as_str())
        .fixed("name", |row| row.name.as_str())
        .fixed("uploaded_at", |row| row.uploaded_at)
        .fixed("position", |row| row.position)
        .write(connection)
        .await
}

async fn write(connection: &mut PgConnection, rows: &[ClientRow]) -> Result<(), ProjectionError> {
    Columns::new("clients", rows)
        .fixed("client_id", |row| row.client_id.0)
        .changing("email", |row| row.email.as_str())
        .changing("first_name", |row| row.first_name.as_str())
        .changing("last_name", |row| row.last_name.as_str())
        .changing("phone", |row| row.phone.as_deref())
        .changing("country", |row| row.country.as_deref())
        .changing("email_verified", |row| row.email_verified)
        .changing("kyc_status", |row| slug::of(&row.kyc_status))
        .changing("kyc_notes", |row| row.kyc_notes.as_deref())
        .changing("two_factor", |row| row.two_factor)
        .changing("tier", |row| row.tier.as_str())
        .changing("external_id", |row| row.external_id.as_deref())
        .changing("trading_disabled", |row| row.trading_disabled)
        .changing("flags", |row| Json(&row.flags))
        .changing("limits", |row| Json(&row.limits))
        .changing("suspended", |row| row.suspended)
        .changing("erased", |row| row.erased)
        .changing("default_account_id", |row| {
            row.default_account_id.map(|id| id.0)
        })
        .changing("registered_at", |row| row.registered_at)
        .changing("position", |row| row.position)
        .write(connection)
        .await
}
