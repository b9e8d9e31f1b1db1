//! Deposits and withdrawals, from their asking to their end. Method and destination are copied as
//! the ciphertext they are in the book.

use std::collections::{HashMap, HashSet};

use daybook_domain::{
    FundingId,
    account::{
        FundingKind, FundingStatus, FundingVerdict,
        event::{FundingCancelReason, FundingStep},
    },
};
use daybook_store::Recorded;
use futures::future::BoxFuture;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    columns::{self, Columns},
    error::ProjectionError,
    facts::{self, AccountFact, Owners},
    projection::{Partition, Projection, names},
    reads::FundingRow,
    slug,
};

/// One row per request.
pub(crate) struct Funding;

impl Projection for Funding {
    fn name(&self) -> &'static str {
        names::FUNDING
    }

    fn version(&self) -> i32 {
        1
    }

    fn schema(&self) -> &'static str {
        "create table funding (
            request_id uuid primary key,
            account_id uuid not null,
            client_id uuid not null,
            kind text not null,
            amount numeric not null,
            currency text not null,
            status text not null,
            method text,
            destination text,
            reason text,
            reference text,
            created_at timestamptz not null,
            updated_at timestamptz not null,
            created_position bigint not null,
            position bigint not null
        ) with (fillfactor = 80);
        create table owners (account_id uuid primary key, client_id uuid not null)"
    }

    fn indexes(&self) -> &'static str {
        "create index on funding (client_id, created_position);
         create index on funding (account_id, created_position);
         create index on funding (created_position);
         create index on funding (created_position) where status in ('requested', 'approved')"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["funding"]
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
    let facts = facts::of_accounts(batch)?;
    let opened: Vec<_> = facts.iter().filter_map(facts::opening).collect();
    let asked = facts.iter().filter(|fact| {
        let step = fact.event.funding();
        matches!(step, Some((_, FundingStep::Requested { .. })))
    });
    let owners = Owners::resolve(connection, &opened, asked.map(|fact| fact.id)).await?;
    let mut rows = load(connection, &facts).await?;
    for fact in &facts {
        fold(&mut rows, &owners, fact)?;
    }
    let rows: Vec<FundingRow> = rows.into_values().collect();
    write(connection, &rows).await
}

/// The requests that this batch takes on and did not begin.
async fn load(
    connection: &mut PgConnection,
    facts: &[AccountFact<'_>],
) -> Result<HashMap<FundingId, FundingRow>, ProjectionError> {
    let mut begun = HashSet::new();
    let mut wanted = HashSet::<Uuid>::new();
    for fact in facts {
        match fact.event.funding() {
            Some((request_id, FundingStep::Requested { .. })) => {
                begun.insert(request_id);
            }
            Some((request_id, FundingStep::Decided(..) | FundingStep::Cancelled(_)))
                if !begun.contains(&request_id) =>
            {
                wanted.insert(request_id.0);
            }
            Some(_) | None => {}
        }
    }
    let query = "select * from funding where request_id = any($1)";
    let rows: Vec<FundingRow> = columns::kept(connection, query, wanted).await?;
    Ok(rows.into_iter().map(|row| (row.request_id, row)).collect())
}

fn fold(
    rows: &mut HashMap<FundingId, FundingRow>,
    owners: &Owners,
    fact: &AccountFact<'_>,
) -> Result<(), ProjectionError> {
    let Some((request_id, step)) = fact.event.funding() else {
        return Ok(());
    };
    if let FundingStep::Requested { .. } = step {
        rows.insert(request_id, asked(fact, request_id, owners, step)?);
        return Ok(());
    }
    let row = rows
        .get_mut(&request_id)
        .ok_or_else(|| fact.misfit(format!("request {request_id} was never made")))?;
    match step {
        FundingStep::Requested { .. } => {}
        FundingStep::Decided(verdict, decision) => {
            row.status = match verdict {
                FundingVerdict::Approve => FundingStatus::Approved,
                FundingVerdict::Complete => FundingStatus::Completed,
                FundingVerdict::Reject => FundingStatus::Rejected,
            };
            // What was said before stands until something else is said.
            let (reason, reference) = (&decision.reason, &decision.reference);
            row.reason = reason.clone().or_else(|| row.reason.take());
            row.reference = reference.clone().or_else(|| row.reference.take());
        }
        FundingStep::Cancelled(reason) => {
            row.status = FundingStatus::Cancelled;
            row.reason = match reason {
                FundingCancelReason::Client => row.reason.take(),
                FundingCancelReason::NegativeBalance => Some(slug::of(&reason)),
            };
        }
    }
    row.updated_at = fact.event.at();
    row.position = fact.recorded.position;
    Ok(())
}

fn asked(
    fact: &AccountFact<'_>,
    request_id: FundingId,
    owners: &Owners,
    step: FundingStep<'_>,
) -> Result<FundingRow, ProjectionError> {
    let FundingStep::Requested {
        kind,
        amount,
        currency,
        channel,
    } = step
    else {
        return Err(fact.misfit("a request begins with its asking"));
    };
    let of = |wanted| (kind == wanted).then(|| channel.to_owned());
    Ok(FundingRow {
        request_id,
        account_id: fact.id,
        client_id: owners.of_fact(fact)?,
        kind,
        amount,
        currency,
        status: FundingStatus::Requested,
        method: of(FundingKind::Deposit),
        destination: of(FundingKind::Withdrawal),
        reason: None,
        reference: None,
        created_at: fact.event.at(),
        updated_at: fact.event.at(),
        created_position: fact.recorded.position,
        position: fact.recorded.position,
    })
}

async fn write(connection: &mut PgConnection, rows: &[FundingRow]) -> Result<(), ProjectionError> {
    Columns::new("funding", rows)
        .fixed("request_id", |row| row.request_id.0)
        .fixed("account_id", |row| row.account_id.0)
        .fixed("client_id", |row| row.client_id.0)
        .fixed("kind", |row| slug::of(&row.kind))
        .fixed("amount", |row| row.amount)
        .fixed("currency", |row| row.currency.to_string())
        .changing("status", |row| slug::of(&row.status))
        .fixed("method", |row| row.method.as_deref())
        .fixed("destination", |row| row.destination.as_deref())
        .changing("reason", |row| row.reason.as_deref())
        .changing("reference", |row| row.reference.as_deref())
        .fixed("created_at", |row| row.created_at)
        .changing("updated_at", |row| row.updated_at)
        .fixed("created_position", |row| row.created_position)
        .changing("position", |row| row.position)
        .write(connection)
        .await
}
