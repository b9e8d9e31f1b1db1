//! The general ledger: the postings of every event that moved money.

use daybook_domain::{AccountId, Timestamp, postings};
use daybook_store::Recorded;
use futures::future::BoxFuture;
use sqlx::PgConnection;

use crate::{
    columns::Columns,
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
    Columns::new("journal", lines)
        .fixed("position", |line| line.recorded.position)
        .fixed("line", |line| line.line)
        .fixed("account_id", |line| line.account_id.0)
        .fixed("sequence", |line| line.recorded.sequence)
        .fixed("event_type", |line| &*line.recorded.event_type)
        .fixed("at", |line| line.at)
        .fixed("ledger_account", |line| line.posting.account.as_str())
        .fixed("amount", |line| line.posting.amount)
        .fixed("currency", |line| line.posting.currency.to_string())
        .write(connection)
        .await
}
