//! Funds by bucket, terms and state of each account.

use std::collections::{HashMap, HashSet};

use daybook_domain::{
    AccountEvent, AccountId, Decimal,
    account::{Funds, event::FundsChange},
};
use daybook_store::Recorded;
use futures::future::BoxFuture;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    error::ProjectionError,
    facts::{self, AccountFact},
    projection::{Partition, Projection, names},
    reads::{AccountRow, AccountState},
    slug,
};

/// One row per account.
pub(crate) struct Accounts;

impl Projection for Accounts {
    fn name(&self) -> &'static str {
        names::ACCOUNTS
    }

    fn version(&self) -> i32 {
        1
    }

    fn schema(&self) -> &'static str {
        "create table accounts (
            account_id uuid primary key,
            client_id uuid not null,
            number bigint not null,
            kind text not null,
            mode text not null,
            currency text not null,
            leverage bigint not null,
            real numeric not null,
            demo numeric not null,
            bonus numeric not null,
            held numeric not null,
            state text not null,
            opened_at timestamptz not null,
            opened_position bigint not null,
            sequence bigint not null,
            position bigint not null
        ) with (fillfactor = 80)"
    }

    fn indexes(&self) -> &'static str {
        "create index on accounts (client_id, opened_position)"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["accounts"]
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
    let mut rows = load(connection, &facts).await?;
    for fact in &facts {
        fold(&mut rows, fact)?;
    }
    let rows: Vec<AccountRow> = rows.into_values().collect();
    write(connection, &rows).await
}

/// The rows of accounts that this batch changes and did not open.
async fn load(
    connection: &mut PgConnection,
    facts: &[AccountFact<'_>],
) -> Result<HashMap<AccountId, AccountRow>, ProjectionError> {
    let opened: HashSet<_> = facts
        .iter()
        .filter_map(facts::opening)
        .map(|(id, _)| id)
        .collect();
    let wanted: HashSet<Uuid> = facts
        .iter()
        .filter(|fact| !opened.contains(&fact.id))
        .map(|fact| fact.id.0)
        .collect();
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<AccountRow> = sqlx::query_as("select * from accounts where account_id = any($1)")
        .bind(wanted.into_iter().collect::<Vec<_>>())
        .fetch_all(connection)
        .await?;
    Ok(rows.into_iter().map(|row| (row.account_id, row)).collect())
}

fn fold(
    rows: &mut HashMap<AccountId, AccountRow>,
    fact: &AccountFact<'_>,
) -> Result<(), ProjectionError> {
    if let Some(row) = opened(fact) {
        rows.insert(fact.id, row);
        return Ok(());
    }
    let row = rows
        .get_mut(&fact.id)
        .ok_or_else(|| fact.misfit(format!("account {} was never opened", fact.id)))?;
    if let Some(change) = fact.event.funds() {
        add(&mut row.funds, change).ok_or_else(|| fact.misfit("funds have more than 28 digits"))?;
    }
    row.sequence = fact.recorded.sequence;
    row.position = fact.recorded.position;
    Ok(())
}

fn opened(fact: &AccountFact<'_>) -> Option<AccountRow> {
    let AccountEvent::AccountOpened {
        client_id,
        number,
        kind,
        mode,
        currency,
        leverage,
        at,
    } = &fact.event
    else {
        return None;
    };
    Some(AccountRow {
        account_id: fact.id,
        client_id: *client_id,
        number: *number,
        kind: *kind,
        mode: *mode,
        currency: *currency,
        leverage: *leverage,
        funds: Funds::default(),
        state: AccountState::Active,
        opened_at: *at,
        opened_position: fact.recorded.position,
        sequence: fact.recorded.sequence,
        position: fact.recorded.position,
    })
}

fn add(funds: &mut Funds, change: &FundsChange) -> Option<()> {
    funds.real = funds.real.checked_add(change.real)?;
    funds.demo = funds.demo.checked_add(change.demo)?;
    funds.bonus = funds.bonus.checked_add(change.bonus)?;
    Some(())
}

async fn write(connection: &mut PgConnection, rows: &[AccountRow]) -> Result<(), ProjectionError> {
    if rows.is_empty() {
        return Ok(());
    }
    let numbers = |of: fn(&AccountRow) -> i64| rows.iter().map(of).collect::<Vec<i64>>();
    let amounts = |of: fn(&Funds) -> Decimal| {
        let amounts = rows.iter().map(|row| of(&row.funds));
        amounts.collect::<Vec<Decimal>>()
    };
    let texts = |of: fn(&AccountRow) -> String| rows.iter().map(of).collect::<Vec<String>>();
    let leverages = rows
        .iter()
        .map(|row| i64::from(row.leverage))
        .collect::<Vec<_>>();
    sqlx::query(UPSERT)
        .bind(rows.iter().map(|row| row.account_id.0).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.client_id.0).collect::<Vec<_>>())
        .bind(numbers(|row| row.number.cast_signed()))
        .bind(texts(|row| slug::of(&row.kind)))
        .bind(texts(|row| slug::of(&row.mode)))
        .bind(texts(|row| row.currency.to_string()))
        .bind(leverages)
        .bind(amounts(|funds| funds.real))
        .bind(amounts(|funds| funds.demo))
        .bind(amounts(|funds| funds.bonus))
        .bind(amounts(|funds| funds.held))
        .bind(texts(|row| slug::of(&row.state)))
        .bind(rows.iter().map(|row| row.opened_at).collect::<Vec<_>>())
        .bind(numbers(|row| row.opened_position))
        .bind(numbers(|row| row.sequence))
        .bind(numbers(|row| row.position))
        .execute(connection)
        .await?;
    Ok(())
}

/// Terms are fixed at the opening; a row that exists already changes its funds and its place alone.
const UPSERT: &str = "
    insert into accounts (account_id, client_id, number, kind, mode, currency, leverage,
                          real, demo, bonus, held, state, opened_at, opened_position,
                          sequence, position)
    select * from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::text[],
                         $7::bigint[], $8::numeric[], $9::numeric[], $10::numeric[],
                         $11::numeric[], $12::text[], $13::timestamptz[], $14::bigint[],
                         $15::bigint[], $16::bigint[])
    on conflict (account_id) do update
    set real = excluded.real, demo = excluded.demo, bonus = excluded.bonus,
        held = excluded.held, state = excluded.state, sequence = excluded.sequence,
        position = excluded.position";
