//! Positions: open ones as the mathematics needs them, closed ones so that their owner is known.

use std::collections::{HashMap, HashSet};

use daybook_domain::{
    AccountEvent, AccountId, ClientId, Decimal, PositionId, Timestamp,
    account::{Position, event::ClosingDeal},
};
use daybook_store::Recorded;
use futures::future::BoxFuture;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    error::ProjectionError,
    facts::{self, AccountFact, Owners},
    projection::{Partition, Projection, names},
};

/// One row per position.
pub(crate) struct Positions;

/// A position with whose it is and how far it has come.
pub(crate) struct PositionRow {
    pub(crate) position: Position,
    pub(crate) account_id: AccountId,
    pub(crate) client_id: ClientId,
    pub(crate) closed_at: Option<Timestamp>,
    pub(crate) opened_position: i64,
    pub(crate) last_position: i64,
}

impl Projection for Positions {
    fn name(&self) -> &'static str {
        names::POSITIONS
    }

    fn version(&self) -> i32 {
        1
    }

    fn schema(&self) -> &'static str {
        "create table positions (
            position_id uuid primary key,
            account_id uuid not null,
            client_id uuid not null,
            order_id uuid not null,
            symbol text not null,
            side text not null,
            volume numeric not null,
            open_price numeric not null,
            contract_size numeric not null,
            notional_per_lot numeric not null,
            margin_rate numeric not null,
            max_leverage bigint not null,
            commission numeric not null,
            swap numeric not null,
            stop_loss numeric,
            take_profit numeric,
            opened_at timestamptz not null,
            closed_at timestamptz,
            opened_position bigint not null,
            last_position bigint not null
        ) with (fillfactor = 80);
        create table owners (account_id uuid primary key, client_id uuid not null)"
    }

    fn indexes(&self) -> &'static str {
        "create index on positions (account_id, opened_position) where closed_at is null"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["positions"]
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
    let begun = facts
        .iter()
        .filter(|fact| matches!(fact.event, AccountEvent::PositionOpened { .. }));
    let owners = Owners::resolve(connection, &opened, begun.map(|fact| fact.id)).await?;
    let mut rows = load(connection, &facts).await?;
    for fact in &facts {
        fold(&mut rows, &owners, fact)?;
    }
    let rows: Vec<PositionRow> = rows.into_values().collect();
    write(connection, &rows).await
}

/// The positions that this batch changes and did not open.
async fn load(
    connection: &mut PgConnection,
    facts: &[AccountFact<'_>],
) -> Result<HashMap<PositionId, PositionRow>, ProjectionError> {
    let mut opened = HashSet::new();
    let mut wanted = HashSet::<Uuid>::new();
    for fact in facts {
        if let AccountEvent::PositionOpened { position_id, .. } = &fact.event {
            opened.insert(*position_id);
        } else if let Some(position_id) = position_of(&fact.event) {
            wanted.extend((!opened.contains(&position_id)).then_some(position_id.0));
        }
    }
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let query = "select * from positions where position_id = any($1)";
    let rows: Vec<PositionRow> = sqlx::query_as(query)
        .bind(wanted.into_iter().collect::<Vec<_>>())
        .fetch_all(connection)
        .await?;
    let keyed = rows.into_iter().map(|row| (row.position.position_id, row));
    Ok(keyed.collect())
}

/// The position that an event changes or opens.
const fn position_of(event: &AccountEvent) -> Option<PositionId> {
    match event {
        AccountEvent::PositionOpened { position_id, .. }
        | AccountEvent::ProtectionChanged { position_id, .. } => Some(*position_id),
        AccountEvent::PositionReduced { deal, .. } | AccountEvent::PositionClosed { deal, .. } => {
            Some(deal.position_id)
        }
        AccountEvent::AccountOpened { .. }
        | AccountEvent::FundsAdjusted { .. }
        | AccountEvent::OrderPlaced { .. }
        | AccountEvent::OrderRejected { .. }
        | AccountEvent::OrderModified { .. }
        | AccountEvent::OrderCancelled { .. }
        | AccountEvent::OrderExpired { .. }
        | AccountEvent::OrderTriggered { .. }
        | AccountEvent::OrderFilled { .. } => None,
    }
}

fn fold(
    rows: &mut HashMap<PositionId, PositionRow>,
    owners: &Owners,
    fact: &AccountFact<'_>,
) -> Result<(), ProjectionError> {
    let Some(position_id) = position_of(&fact.event) else {
        return Ok(());
    };
    if let Some(position) = opened(&fact.event) {
        let row = PositionRow {
            position,
            account_id: fact.id,
            client_id: owners.of_fact(fact)?,
            closed_at: None,
            opened_position: fact.recorded.position,
            last_position: fact.recorded.position,
        };
        rows.insert(position_id, row);
        return Ok(());
    }
    let row = rows
        .get_mut(&position_id)
        .filter(|row| row.closed_at.is_none())
        .ok_or_else(|| fact.misfit(format!("position {position_id} is not open")))?;
    change(row, &fact.event);
    row.last_position = fact.recorded.position;
    Ok(())
}

fn opened(event: &AccountEvent) -> Option<Position> {
    let AccountEvent::PositionOpened {
        position_id,
        order_id,
        deal_id: _,
        symbol,
        side,
        volume,
        open_price,
        contract_size,
        margin,
        commission,
        stop_loss,
        take_profit,
        at,
    } = event
    else {
        return None;
    };
    Some(Position {
        position_id: *position_id,
        order_id: *order_id,
        symbol: *symbol,
        side: *side,
        volume: *volume,
        open_price: *open_price,
        contract_size: *contract_size,
        margin: *margin,
        commission: *commission,
        swap: Decimal::ZERO,
        stop_loss: *stop_loss,
        take_profit: *take_profit,
        opened_at: *at,
    })
}

fn change(row: &mut PositionRow, event: &AccountEvent) {
    match event {
        AccountEvent::PositionReduced { deal, .. } => reduce(&mut row.position, deal),
        AccountEvent::PositionClosed { deal, at } => {
            reduce(&mut row.position, deal);
            row.closed_at = Some(*at);
        }
        AccountEvent::ProtectionChanged {
            stop_loss,
            take_profit,
            ..
        } => {
            row.position.stop_loss = *stop_loss;
            row.position.take_profit = *take_profit;
        }
        AccountEvent::PositionOpened { .. }
        | AccountEvent::AccountOpened { .. }
        | AccountEvent::FundsAdjusted { .. }
        | AccountEvent::OrderPlaced { .. }
        | AccountEvent::OrderRejected { .. }
        | AccountEvent::OrderModified { .. }
        | AccountEvent::OrderCancelled { .. }
        | AccountEvent::OrderExpired { .. }
        | AccountEvent::OrderTriggered { .. }
        | AccountEvent::OrderFilled { .. } => {}
    }
}

fn reduce(position: &mut Position, deal: &ClosingDeal) {
    position.volume = deal.remaining;
    position.swap -= deal.swap;
}

async fn write(connection: &mut PgConnection, rows: &[PositionRow]) -> Result<(), ProjectionError> {
    if rows.is_empty() {
        return Ok(());
    }
    let ids = |of: fn(&PositionRow) -> Uuid| rows.iter().map(of).collect::<Vec<Uuid>>();
    let amounts = |of: fn(&Position) -> Decimal| {
        let amounts = rows.iter().map(|row| of(&row.position));
        amounts.collect::<Vec<Decimal>>()
    };
    let levels = |of: fn(&Position) -> Option<Decimal>| {
        let levels = rows.iter().map(|row| of(&row.position));
        levels.collect::<Vec<Option<Decimal>>>()
    };
    let leverages = rows
        .iter()
        .map(|row| i64::from(row.position.margin.max_leverage));
    sqlx::query(UPSERT)
        .bind(ids(|row| row.position.position_id.0))
        .bind(ids(|row| row.account_id.0))
        .bind(ids(|row| row.client_id.0))
        .bind(ids(|row| row.position.order_id.0))
        .bind(
            rows.iter()
                .map(|row| row.position.symbol.to_string())
                .collect::<Vec<_>>(),
        )
        .bind(
            rows.iter()
                .map(|row| row.position.side.as_str())
                .collect::<Vec<_>>(),
        )
        .bind(amounts(|position| position.volume))
        .bind(amounts(|position| position.open_price))
        .bind(amounts(|position| position.contract_size))
        .bind(amounts(|position| position.margin.notional_per_lot))
        .bind(amounts(|position| position.margin.margin_rate))
        .bind(leverages.collect::<Vec<_>>())
        .bind(amounts(|position| position.commission))
        .bind(amounts(|position| position.swap))
        .bind(levels(|position| position.stop_loss))
        .bind(levels(|position| position.take_profit))
        .bind(
            rows.iter()
                .map(|row| row.position.opened_at)
                .collect::<Vec<_>>(),
        )
        .bind(rows.iter().map(|row| row.closed_at).collect::<Vec<_>>())
        .bind(
            rows.iter()
                .map(|row| row.opened_position)
                .collect::<Vec<_>>(),
        )
        .bind(rows.iter().map(|row| row.last_position).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}

const UPSERT: &str = "
    insert into positions (position_id, account_id, client_id, order_id, symbol, side, volume,
                           open_price, contract_size, notional_per_lot, margin_rate, max_leverage,
                           commission, swap, stop_loss, take_profit, opened_at, closed_at,
                           opened_position, last_position)
    select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[],
                         $7::numeric[], $8::numeric[], $9::numeric[], $10::numeric[],
                         $11::numeric[], $12::bigint[], $13::numeric[], $14::numeric[],
                         $15::numeric[], $16::numeric[], $17::timestamptz[], $18::timestamptz[],
                         $19::bigint[], $20::bigint[])
    on conflict (position_id) do update
    set volume = excluded.volume, swap = excluded.swap, stop_loss = excluded.stop_loss,
        take_profit = excluded.take_profit, closed_at = excluded.closed_at,
        last_position = excluded.last_position";
