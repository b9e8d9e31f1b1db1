//! The general ledger: the postings of every event that moved money.

use daybook_domain::{AccountId, Timestamp, postings};
use daybook_store::Recorded;
use futures::future::BoxFuture;
use sqlx::PgConnection;

use crate::{
    error::ProjectionError,
    facts,
    projection::{Partition, Projection, names},
};

/// One row per posting; rows never change. Entries are keyed by their event's position.
pub(crate) struct Journal;

struct Line<'a> {
    recorded: &'a Recorded,
    account_id: AccountId,
    at: Timestamp,
    line: i32,
    posting: postings::Posting,
}

impl Projection for Journal {
    fn name(&self) -> &'static str {
        names::JOURNAL
    }

    fn version(&self) -> i32 {
        1
    }

    fn schema(&self) -> &'static str {
        "create table journal (
            position bigint not null,
            line integer not null,
            account_id uuid not null,
            sequence bigint not null,
            event_type text not null,
            at timestamptz not null,
            ledger_account text not null,
            amount numeric not null,
            currency text not null,
            primary key (position, line)
        )"
    }

    fn indexes(&self) -> &'static str {
        "create index on journal (account_id, position)"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["journal"]
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
    let mut lines = Vec::new();
    for fact in facts::of_accounts(batch)? {
        let at = fact.event.at();
        let entry = (1..).zip(postings::post(&fact.event));
        lines.extend(entry.map(|(line, posting)| Line {
            recorded: fact.recorded,
            account_id: fact.id,
            at,
            line,
            posting,
        }));
    }
    write(connection, &lines).await
}

async fn write(connection: &mut PgConnection, lines: &[Line<'_>]) -> Result<(), ProjectionError> {
    if lines.is_empty() {
        return Ok(());
    }
    sqlx::query(INSERT)
        .bind(
            lines
                .iter()
                .map(|line| line.recorded.position)
                .collect::<Vec<_>>(),
        )
        .bind(lines.iter().map(|line| line.line).collect::<Vec<_>>())
        .bind(
            lines
                .iter()
                .map(|line| line.account_id.0)
                .collect::<Vec<_>>(),
        )
        .bind(
            lines
                .iter()
                .map(|line| line.recorded.sequence)
                .collect::<Vec<_>>(),
        )
        .bind(
            lines
                .iter()
                .map(|line| &*line.recorded.event_type)
                .collect::<Vec<_>>(),
        )
        .bind(lines.iter().map(|line| line.at).collect::<Vec<_>>())
        .bind(
            lines
                .iter()
                .map(|line| line.posting.account.as_str())
                .collect::<Vec<_>>(),
        )
        .bind(
            lines
                .iter()
                .map(|line| line.posting.amount)
                .collect::<Vec<_>>(),
        )
        .bind(
            lines
                .iter()
                .map(|line| line.posting.currency.to_string())
                .collect::<Vec<_>>(),
        )
        .execute(connection)
        .await?;
    Ok(())
}

const INSERT: &str = "
    insert into journal (position, line, account_id, sequence, event_type, at, ledger_account,
                         amount, currency)
    select * from unnest($1::bigint[], $2::integer[], $3::uuid[], $4::bigint[], $5::text[],
                         $6::timestamptz[], $7::text[], $8::numeric[], $9::text[])";
