//! All orders, from placement to their end.

use std::collections::{HashMap, HashSet};

use daybook_domain::{
    AccountEvent, Decimal, OrderId, PositionId,
    account::{OrderLevels, Ticket, event::CancelReason},
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
    reads::{OrderRow, OrderStatus},
    slug,
};

/// One row per order.
pub(crate) struct Orders;

/// What an event does to an order.
enum Step<'a> {
    Placed(&'a Ticket),
    Rejected(&'a Ticket, &'a str),
    Modified(&'a OrderLevels, &'a OrderLevels),
    Cancelled(CancelReason),
    Expired,
    Triggered,
    /// Filled: into this position, or against it on a netting account.
    Filled(PositionId),
}

impl<'a> Step<'a> {
    /// What was asked, of steps that may bring an order into being.
    const fn asked(&self) -> Option<&'a Ticket> {
        match self {
            Self::Placed(ticket) | Self::Rejected(ticket, _) => Some(ticket),
            Self::Modified(..)
            | Self::Cancelled(_)
            | Self::Expired
            | Self::Triggered
            | Self::Filled(_) => None,
        }
    }
}

impl Projection for Orders {
    fn name(&self) -> &'static str {
        names::ORDERS
    }

    fn version(&self) -> i32 {
        2
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
            trailing_distance numeric,
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
    let asked = facts
        .iter()
        .filter(|fact| step(&fact.event).is_some_and(|(_, step)| step.asked().is_some()));
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
        match step(&fact.event) {
            Some((order_id, Step::Placed(_))) => {
                placed.insert(order_id);
            }
            Some((order_id, _)) if !placed.contains(&order_id) => {
                wanted.insert(order_id.0);
            }
            Some(_) | None => {}
        }
    }
    let query = "select * from orders where order_id = any($1)";
    let rows: Vec<OrderRow> = columns::kept(connection, query, wanted).await?;
    Ok(rows.into_iter().map(|row| (row.order_id, row)).collect())
}

/// The order that an event speaks of, and what happens to it.
fn step(event: &AccountEvent) -> Option<(OrderId, Step<'_>)> {
    match event {
        AccountEvent::OrderPlaced {
            order_id, ticket, ..
        } => Some((*order_id, Step::Placed(ticket))),
        AccountEvent::OrderRejected {
            order_id,
            ticket,
            reason,
            ..
        } => Some((*order_id, Step::Rejected(ticket, reason))),
        AccountEvent::OrderModified {
            order_id, from, to, ..
        } => Some((*order_id, Step::Modified(from, to))),
        AccountEvent::OrderCancelled {
            order_id, reason, ..
        } => Some((*order_id, Step::Cancelled(*reason))),
        AccountEvent::OrderExpired { order_id, .. } => Some((*order_id, Step::Expired)),
        AccountEvent::OrderTriggered { order_id, .. } => Some((*order_id, Step::Triggered)),
        AccountEvent::OrderFilled {
            order_id,
            position_id,
            ..
        }
        | AccountEvent::OrderNetted {
            order_id,
            position_id,
            ..
        } => Some((*order_id, Step::Filled(*position_id))),
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
        | AccountEvent::PositionOpened { .. }
        | AccountEvent::PositionReduced { .. }
        | AccountEvent::PositionClosed { .. }
        | AccountEvent::ProtectionChanged { .. }
        | AccountEvent::PositionIncreased { .. }
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

fn fold(
    rows: &mut HashMap<OrderId, OrderRow>,
    owners: &Owners,
    fact: &AccountFact<'_>,
) -> Result<(), ProjectionError> {
    let Some((order_id, step)) = step(&fact.event) else {
        return Ok(());
    };
    if matches!(step, Step::Placed(_)) || !rows.contains_key(&order_id) {
        let ticket = step
            .asked()
            .ok_or_else(|| fact.misfit(format!("order {order_id} was never placed")))?;
        rows.insert(order_id, placed(fact, order_id, owners, ticket)?);
    }
    let row = rows
        .get_mut(&order_id)
        .expect("invariant: the order was just looked up or inserted");
    change(row, &step);
    row.updated_at = fact.event.at();
    row.position = fact.recorded.position;
    Ok(())
}

fn placed(
    fact: &AccountFact<'_>,
    order_id: OrderId,
    owners: &Owners,
    ticket: &Ticket,
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
        created_at: fact.event.at(),
        updated_at: fact.event.at(),
        created_position: fact.recorded.position,
        position: fact.recorded.position,
    })
}

fn change(row: &mut OrderRow, step: &Step<'_>) {
    match step {
        Step::Placed(_) => {}
        Step::Rejected(_, reason) => {
            row.status = OrderStatus::Rejected;
            row.reason = Some((*reason).to_owned());
        }
        Step::Modified(from, to) => row.ticket.modify(from, to),
        Step::Cancelled(reason) => {
            row.status = OrderStatus::Cancelled;
            row.reason = Some(slug::of(reason));
        }
        Step::Expired => row.status = OrderStatus::Expired,
        Step::Triggered => row.triggered = true,
        Step::Filled(position_id) => {
            row.status = OrderStatus::Filled;
            row.position_id = Some(*position_id);
        }
    }
}

async fn write(connection: &mut PgConnection, rows: &[OrderRow]) -> Result<(), ProjectionError> {
    let price = |of: fn(&Ticket) -> Option<Decimal>| move |row: &OrderRow| of(&row.ticket);
    Columns::new("orders", rows)
        .fixed("order_id", |row| row.order_id.0)
        .fixed("account_id", |row| row.account_id.0)
        .fixed("client_id", |row| row.client_id.0)
        .fixed("symbol", |row| row.ticket.symbol.to_string())
        .fixed("side", |row| row.ticket.side.as_str())
        .fixed("order_type", |row| slug::of(&row.ticket.order_type))
        .changing("volume", |row| row.ticket.volume)
        .changing("limit_price", price(|ticket| ticket.limit_price))
        .changing("stop_price", price(|ticket| ticket.stop_price))
        .changing("stop_loss", price(|ticket| ticket.stop_loss))
        .changing("take_profit", price(|ticket| ticket.take_profit))
        .fixed(
            "trailing_distance",
            price(|ticket| ticket.trailing_distance),
        )
        .changing("time_in_force", |row| slug::of(&row.ticket.time_in_force))
        .changing("expires_at", |row| row.ticket.expires_at)
        .fixed("oco_group", |row| row.ticket.oco_group.as_deref())
        .fixed("client_order_id", |row| {
            row.ticket.client_order_id.as_deref()
        })
        .changing("status", |row| slug::of(&row.status))
        .changing("triggered", |row| row.triggered)
        .changing("reason", |row| row.reason.as_deref())
        .changing("position_id", |row| row.position_id.map(|id| id.0))
        .fixed("created_at", |row| row.created_at)
        .changing("updated_at", |row| row.updated_at)
        .fixed("created_position", |row| row.created_position)
        .changing("position", |row| row.position)
        .write(connection)
        .await
}
