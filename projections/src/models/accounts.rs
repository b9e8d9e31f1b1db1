//! Funds by bucket, terms, controls and margin call of each account.

use std::collections::{HashMap, HashSet};

use daybook_domain::{
    AccountEvent, AccountId, Decimal,
    account::{Controls, Funds, event::FundsChange},
};
use daybook_store::Recorded;
use futures::future::BoxFuture;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use crate::{
    columns::{self, Columns},
    error::ProjectionError,
    facts::{self, AccountFact},
    projection::{Partition, Projection, names},
    reads::AccountRow,
    slug,
};

/// One row per account.
pub(crate) struct Accounts;

impl Projection for Accounts {
    fn name(&self) -> &'static str {
        names::ACCOUNTS
    }

    fn version(&self) -> i32 {
        2
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
            controls jsonb not null,
            margin_called boolean not null,
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
    let query = "select * from accounts where account_id = any($1)";
    let rows: Vec<AccountRow> = columns::kept(connection, query, wanted).await?;
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
    change(row, &fact.event);
    row.sequence = fact.recorded.sequence;
    row.position = fact.recorded.position;
    Ok(())
}

/// What changes besides money.
fn change(row: &mut AccountRow, event: &AccountEvent) {
    match event {
        AccountEvent::LeverageChanged { to, .. } => row.leverage = *to,
        AccountEvent::ControlsChanged { controls, .. } => row.controls = Controls::clone(controls),
        AccountEvent::MarginCallRaised { .. } => row.margin_called = true,
        AccountEvent::MarginCallCleared { .. } => row.margin_called = false,
        AccountEvent::AccountOpened { .. }
        | AccountEvent::FundsAdjusted { .. }
        | AccountEvent::DepositRequested { .. }
        | AccountEvent::DepositApproved { .. }
        | AccountEvent::DepositCompleted { .. }
        | AccountEvent::DepositRejected { .. }
        | AccountEvent::DepositCancelled { .. }
        | AccountEvent::WithdrawalRequested { .. }
        | AccountEvent::WithdrawalApproved { .. }
        | AccountEvent::WithdrawalCompleted { .. }
        | AccountEvent::WithdrawalRejected { .. }
        | AccountEvent::WithdrawalCancelled { .. }
        | AccountEvent::OrderPlaced { .. }
        | AccountEvent::OrderRejected { .. }
        | AccountEvent::OrderModified { .. }
        | AccountEvent::OrderCancelled { .. }
        | AccountEvent::OrderExpired { .. }
        | AccountEvent::OrderTriggered { .. }
        | AccountEvent::OrderFilled { .. }
        | AccountEvent::OrderNetted { .. }
        | AccountEvent::PositionOpened { .. }
        | AccountEvent::PositionIncreased { .. }
        | AccountEvent::PositionReduced { .. }
        | AccountEvent::PositionClosed { .. }
        | AccountEvent::ProtectionChanged { .. }
        | AccountEvent::SwapCharged { .. }
        | AccountEvent::StopOutStarted { .. }
        | AccountEvent::StopOutStep { .. }
        | AccountEvent::StopOutFinished { .. }
        | AccountEvent::NegativeBalanceCompensated { .. }
        | AccountEvent::TradingDayStarted { .. }
        | AccountEvent::DailyLossLimitReached { .. }
        | AccountEvent::DealBusted { .. }
        | AccountEvent::DealRepriced { .. } => {}
    }
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
        controls: Controls::NONE,
        margin_called: false,
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
    funds.held = funds.held.checked_add(change.held)?;
    Some(())
}

/// What was agreed at the opening stays, apart from the leverage.
async fn write(connection: &mut PgConnection, rows: &[AccountRow]) -> Result<(), ProjectionError> {
    let bucket = |of: fn(&Funds) -> Decimal| move |row: &AccountRow| of(&row.funds);
    Columns::new("accounts", rows)
        .fixed("account_id", |row| row.account_id.0)
        .fixed("client_id", |row| row.client_id.0)
        .fixed("number", |row| row.number.cast_signed())
        .fixed("kind", |row| slug::of(&row.kind))
        .fixed("mode", |row| slug::of(&row.mode))
        .fixed("currency", |row| row.currency.to_string())
        .changing("leverage", |row| i64::from(row.leverage))
        .changing("real", bucket(|funds| funds.real))
        .changing("demo", bucket(|funds| funds.demo))
        .changing("bonus", bucket(|funds| funds.bonus))
        .changing("held", bucket(|funds| funds.held))
        .changing("controls", |row| Json(&row.controls))
        .changing("margin_called", |row| row.margin_called)
        .fixed("opened_at", |row| row.opened_at)
        .fixed("opened_position", |row| row.opened_position)
        .changing("sequence", |row| row.sequence)
        .changing("position", |row| row.position)
        .write(connection)
        .await
}
