//! All orders, from placement to their end.

use std::collections::{HashMap, HashSet};

use daybook_domain::{AccountEvent, Decimal, OrderId, Timestamp, account::Ticket};
use daybook_store::Recorded;
use futures::future::BoxFuture;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    error::ProjectionError,
    facts::{self, AccountFact, Owners},
    projection::{Partition, Projection, names},
    reads::{OrderRow, OrderStatus},
    slug,
};

/// One row per order.
pub(crate) struct Orders;

impl Projection for Orders {
    fn name(&self) -> &'static str {
        names::ORDERS
    }

    fn version(&self) -> i32 {
        1
    }

    fn schema(&self) -> &'static str {
        "create table orders (
            order_id uuid primary key,
            account_id uuid not null,
            client_id uuid not null,
            symbol text not null,
            side text not null,
            order_type text not null,
            volume numeric not null,
            limit_price numeric,
            stop_price numeric,
            stop_loss numeric,
            take_profit numeric,
            time_in_force text not null,
            expires_at timestamptz,
            oco_group text,
            client_order_id text,
            status text not null,
            triggered boolean not null,
            reason text,
            position_id uuid,
            created_at timestamptz not null,
            updated_at timestamptz not null,
            created_position bigint not null,
            position bigint not null
        ) with (fillfactor = 80);
        create table owners (account_id uuid primary key, client_id uuid not null)"
    }

    fn indexes(&self) -> &'static str {
        "create index on orders (account_id, created_position);
         create index on orders (account_id, created_position) where status = 'working'"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["orders"]
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
    let asked = facts.iter().filter(|fact| asked(&fact.event).is_some());
    let owners = Owners::resolve(connection, &opened, asked.map(|fact| fact.id)).await?;
    let mut rows = load(connection, &facts).await?;
    for fact in &facts {
        fold(&mut rows, &owners, fact)?;
    }
    let rows: Vec<OrderRow> = rows.into_values().collect();
    write(connection, &rows).await
}

/// The orders that this batch changes and did not place.
async fn load(
    connection: &mut PgConnection,
    facts: &[AccountFact<'_>],
) -> Result<HashMap<OrderId, OrderRow>, ProjectionError> {
    let mut placed = HashSet::new();
    let mut wanted = HashSet::<Uuid>::new();
    for fact in facts {
        if let AccountEvent::OrderPlaced { order_id, .. } = &fact.event {
            placed.insert(*order_id);
        } else if let Some(order_id) = order_of(&fact.event) {
            wanted.extend((!placed.contains(&order_id)).then_some(order_id.0));
        }
    }
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<OrderRow> = sqlx::query_as("select * from orders where order_id = any($1)")
        .bind(wanted.into_iter().collect::<Vec<_>>())
        .fetch_all(connection)
        .await?;
    Ok(rows.into_iter().map(|row| (row.order_id, row)).collect())
}

/// The order that an event speaks of.
const fn order_of(event: &AccountEvent) -> Option<OrderId> {
    match event {
        AccountEvent::OrderPlaced { order_id, .. }
        | AccountEvent::OrderRejected { order_id, .. }
        | AccountEvent::OrderModified { order_id, .. }
        | AccountEvent::OrderCancelled { order_id, .. }
        | AccountEvent::OrderExpired { order_id, .. }
        | AccountEvent::OrderTriggered { order_id, .. }
        | AccountEvent::OrderFilled { order_id, .. } => Some(*order_id),
        AccountEvent::AccountOpened { .. }
        | AccountEvent::FundsAdjusted { .. }
        | AccountEvent::PositionOpened { .. }
        | AccountEvent::PositionReduced { .. }
        | AccountEvent::PositionClosed { .. }
        | AccountEvent::ProtectionChanged { .. }
        | AccountEvent::PositionIncreased { .. }
        | AccountEvent::OrderNetted { .. }
        | AccountEvent::LeverageChanged { .. }
        | AccountEvent::ControlsChanged { .. }
        | AccountEvent::SwapCharged { .. }
        | AccountEvent::MarginCallRaised { .. }
        | AccountEvent::MarginCallCleared { .. }
        | AccountEvent::StopOutStarted { .. }
        | AccountEvent::StopOutStep { .. }
        | AccountEvent::StopOutFinished { .. }
        | AccountEvent::NegativeBalanceCompensated { .. }
        | AccountEvent::TradingDayStarted { .. }
        | AccountEvent::DailyLossLimitReached { .. }
        | AccountEvent::DealBusted { .. }
        | AccountEvent::DealRepriced { .. } => None,
    }
}

/// What was asked, of events that may bring an order into being.
fn asked(event: &AccountEvent) -> Option<&Ticket> {
    order_of(event)?;
    if let AccountEvent::OrderPlaced { ticket, .. } | AccountEvent::OrderRejected { ticket, .. } =
        event
    {
        Some(ticket)
    } else {
        None
    }
}

fn fold(
    rows: &mut HashMap<OrderId, OrderRow>,
    owners: &Owners,
    fact: &AccountFact<'_>,
) -> Result<(), ProjectionError> {
    let Some(order_id) = order_of(&fact.event) else {
        return Ok(());
    };
    let at = fact.event.at();
    let placed_now = matches!(fact.event, AccountEvent::OrderPlaced { .. });
    if placed_now || !rows.contains_key(&order_id) {
        let ticket = asked(&fact.event)
            .ok_or_else(|| fact.misfit(format!("order {order_id} was never placed")))?;
        rows.insert(order_id, placed(fact, order_id, owners, ticket, at)?);
    }
    let row = rows
        .get_mut(&order_id)
        .expect("invariant: the order was just looked up or inserted");
    change(row, &fact.event);
    row.updated_at = at;
    row.position = fact.recorded.position;
    Ok(())
}

fn placed(
    fact: &AccountFact<'_>,
    order_id: OrderId,
    owners: &Owners,
    ticket: &Ticket,
    at: Timestamp,
) -> Result<OrderRow, ProjectionError> {
    Ok(OrderRow {
        order_id,
        account_id: fact.id,
        client_id: owners.of_fact(fact)?,
        ticket: ticket.clone(),
        status: OrderStatus::Working,
        triggered: false,
        reason: None,
        position_id: None,
        created_at: at,
        updated_at: at,
        created_position: fact.recorded.position,
        position: fact.recorded.position,
    })
}

fn change(row: &mut OrderRow, event: &AccountEvent) {
    match event {
        AccountEvent::OrderRejected { reason, .. } => {
            row.status = OrderStatus::Rejected;
            row.reason = Some(reason.clone());
        }
        AccountEvent::OrderModified { from, to, .. } => row.ticket.modify(from, to),
        AccountEvent::OrderCancelled { reason, .. } => {
            row.status = OrderStatus::Cancelled;
            row.reason = Some(slug::of(reason));
        }
        AccountEvent::OrderExpired { .. } => row.status = OrderStatus::Expired,
        AccountEvent::OrderTriggered { .. } => row.triggered = true,
        AccountEvent::OrderFilled { position_id, .. } => {
            row.status = OrderStatus::Filled;
            row.position_id = Some(*position_id);
        }
        AccountEvent::OrderPlaced { .. }
        | AccountEvent::AccountOpened { .. }
        | AccountEvent::FundsAdjusted { .. }
        | AccountEvent::PositionOpened { .. }
        | AccountEvent::PositionReduced { .. }
        | AccountEvent::PositionClosed { .. }
        | AccountEvent::ProtectionChanged { .. }
        | AccountEvent::PositionIncreased { .. }
        | AccountEvent::OrderNetted { .. }
        | AccountEvent::LeverageChanged { .. }
        | AccountEvent::ControlsChanged { .. }
        | AccountEvent::SwapCharged { .. }
        | AccountEvent::MarginCallRaised { .. }
        | AccountEvent::MarginCallCleared { .. }
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

async fn write(connection: &mut PgConnection, rows: &[OrderRow]) -> Result<(), ProjectionError> {
    if rows.is_empty() {
        return Ok(());
    }
    let texts = |of: fn(&OrderRow) -> String| rows.iter().map(of).collect::<Vec<String>>();
    let names =
        |of: fn(&OrderRow) -> Option<&str>| rows.iter().map(of).collect::<Vec<Option<&str>>>();
    let prices = |of: fn(&Ticket) -> Option<Decimal>| {
        let prices = rows.iter().map(|row| of(&row.ticket));
        prices.collect::<Vec<Option<Decimal>>>()
    };
    let times = |of: fn(&OrderRow) -> Timestamp| rows.iter().map(of).collect::<Vec<_>>();
    sqlx::query(UPSERT)
        .bind(rows.iter().map(|row| row.order_id.0).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.account_id.0).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.client_id.0).collect::<Vec<_>>())
        .bind(texts(|row| row.ticket.symbol.to_string()))
        .bind(texts(|row| row.ticket.side.as_str().to_owned()))
        .bind(texts(|row| slug::of(&row.ticket.order_type)))
        .bind(rows.iter().map(|row| row.ticket.volume).collect::<Vec<_>>())
        .bind(prices(|ticket| ticket.limit_price))
        .bind(prices(|ticket| ticket.stop_price))
        .bind(prices(|ticket| ticket.stop_loss))
        .bind(prices(|ticket| ticket.take_profit))
        .bind(texts(|row| slug::of(&row.ticket.time_in_force)))
        .bind(
            rows.iter()
                .map(|row| row.ticket.expires_at)
                .collect::<Vec<_>>(),
        )
        .bind(names(|row| row.ticket.oco_group.as_deref()))
        .bind(names(|row| row.ticket.client_order_id.as_deref()))
        .bind(texts(|row| slug::of(&row.status)))
        .bind(rows.iter().map(|row| row.triggered).collect::<Vec<_>>())
        .bind(names(|row| row.reason.as_deref()))
        .bind(
            rows.iter()
                .map(|row| row.position_id.map(|id| id.0))
                .collect::<Vec<_>>(),
        )
        .bind(times(|row| row.created_at))
        .bind(times(|row| row.updated_at))
        .bind(
            rows.iter()
                .map(|row| row.created_position)
                .collect::<Vec<_>>(),
        )
        .bind(rows.iter().map(|row| row.position).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}

const UPSERT: &str = "
    insert into orders (order_id, account_id, client_id, symbol, side, order_type, volume,
                        limit_price, stop_price, stop_loss, take_profit, time_in_force, expires_at,
                        oco_group, client_order_id, status, triggered, reason, position_id,
                        created_at, updated_at, created_position, position)
    select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[],
                         $7::numeric[], $8::numeric[], $9::numeric[], $10::numeric[],
                         $11::numeric[], $12::text[], $13::timestamptz[], $14::text[],
                         $15::text[], $16::text[], $17::boolean[], $18::text[], $19::uuid[],
                         $20::timestamptz[], $21::timestamptz[], $22::bigint[], $23::bigint[])
    on conflict (order_id) do update
    set volume = excluded.volume, limit_price = excluded.limit_price,
        stop_price = excluded.stop_price, stop_loss = excluded.stop_loss,
        take_profit = excluded.take_profit, time_in_force = excluded.time_in_force,
        expires_at = excluded.expires_at, status = excluded.status,
        triggered = excluded.triggered, reason = excluded.reason,
        position_id = excluded.position_id, updated_at = excluded.updated_at,
        position = excluded.position";
