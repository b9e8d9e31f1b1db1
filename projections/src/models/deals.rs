//! Deals: each fill that opened, reduced or closed a position, with the place of its receipt.

use daybook_domain::{AccountEvent, Decimal, OrderId, PositionId, account::event::ClosingDeal};
use daybook_store::Recorded;
use futures::future::BoxFuture;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    error::ProjectionError,
    facts::{self, AccountFact, Owners},
    projection::{Partition, Projection, names},
    reads::DealRow,
    slug,
};

/// One row per deal; rows never change.
pub(crate) struct Deals;

impl Projection for Deals {
    fn name(&self) -> &'static str {
        names::DEALS
    }

    fn version(&self) -> i32 {
        1
    }

    fn schema(&self) -> &'static str {
        "create table deals (
            deal_id uuid primary key,
            account_id uuid not null,
            client_id uuid not null,
            order_id uuid,
            position_id uuid not null,
            symbol text not null,
            side text not null,
            volume numeric not null,
            price numeric not null,
            currency text not null,
            realised numeric not null,
            commission numeric not null,
            swap numeric not null,
            reason text,
            at timestamptz not null,
            stream text not null,
            sequence bigint not null,
            position bigint not null
        );
        create table owners (account_id uuid primary key, client_id uuid not null)"
    }

    fn indexes(&self) -> &'static str {
        "create index on deals (account_id, position)"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["deals"]
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
    let dealt = facts.iter().filter(|fact| is_deal(&fact.event));
    let owners = Owners::resolve(connection, &opened, dealt.map(|fact| fact.id)).await?;
    let mut rows = Vec::new();
    for fact in &facts {
        rows.extend(row(fact, &owners)?);
    }
    write(connection, &rows).await
}

const fn is_deal(event: &AccountEvent) -> bool {
    match event {
        AccountEvent::OrderFilled { .. }
        | AccountEvent::PositionReduced { .. }
        | AccountEvent::PositionClosed { .. } => true,
        AccountEvent::AccountOpened { .. }
        | AccountEvent::FundsAdjusted { .. }
        | AccountEvent::OrderPlaced { .. }
        | AccountEvent::OrderRejected { .. }
        | AccountEvent::OrderModified { .. }
        | AccountEvent::OrderCancelled { .. }
        | AccountEvent::OrderExpired { .. }
        | AccountEvent::OrderTriggered { .. }
        | AccountEvent::PositionOpened { .. }
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
        | AccountEvent::DealRepriced { .. } => false,
    }
}

fn row(fact: &AccountFact<'_>, owners: &Owners) -> Result<Option<DealRow>, ProjectionError> {
    match &fact.event {
        AccountEvent::OrderFilled {
            order_id,
            position_id,
            ..
        } => opening(fact, owners, *order_id, *position_id),
        AccountEvent::PositionReduced { deal, .. } | AccountEvent::PositionClosed { deal, .. } => {
            closing(fact, owners, deal).map(Some)
        }
        AccountEvent::AccountOpened { .. }
        | AccountEvent::FundsAdjusted { .. }
        | AccountEvent::OrderPlaced { .. }
        | AccountEvent::OrderRejected { .. }
        | AccountEvent::OrderModified { .. }
        | AccountEvent::OrderCancelled { .. }
        | AccountEvent::OrderExpired { .. }
        | AccountEvent::OrderTriggered { .. }
        | AccountEvent::PositionOpened { .. }
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
        | AccountEvent::DealRepriced { .. } => Ok(None),
    }
}

fn opening(
    fact: &AccountFact<'_>,
    owners: &Owners,
    order_id: OrderId,
    position_id: PositionId,
) -> Result<Option<DealRow>, ProjectionError> {
    let AccountEvent::OrderFilled {
        deal_id,
        symbol,
        side,
        volume,
        execution,
        funds,
        at,
        ..
    } = &fact.event
    else {
        return Ok(None);
    };
    let nothing = funds.currency.round(Decimal::ZERO);
    Ok(Some(DealRow {
        deal_id: *deal_id,
        account_id: fact.id,
        client_id: owners.of_fact(fact)?,
        order_id: Some(order_id),
        position_id,
        symbol: *symbol,
        side: *side,
        volume: *volume,
        price: execution.price,
        currency: funds.currency,
        realised: nothing,
        commission: execution.commission,
        swap: nothing,
        reason: None,
        at: *at,
        stream: stream(fact),
        sequence: fact.recorded.sequence,
        position: fact.recorded.position,
    }))
}

fn closing(
    fact: &AccountFact<'_>,
    owners: &Owners,
    deal: &ClosingDeal,
) -> Result<DealRow, ProjectionError> {
    Ok(DealRow {
        deal_id: deal.deal_id,
        account_id: fact.id,
        client_id: owners.of_fact(fact)?,
        order_id: None,
        position_id: deal.position_id,
        symbol: deal.symbol,
        side: deal.side,
        volume: deal.volume,
        price: deal.execution.price,
        currency: deal.funds.currency,
        realised: deal.realised,
        commission: deal.execution.commission,
        swap: deal.swap,
        reason: Some(deal.reason),
        at: fact.event.at(),
        stream: stream(fact),
        sequence: fact.recorded.sequence,
        position: fact.recorded.position,
    })
}

fn stream(fact: &AccountFact<'_>) -> String {
    let recorded = fact.recorded;
    format!("{}-{}", recorded.aggregate_type, recorded.aggregate_id)
}

async fn write(connection: &mut PgConnection, rows: &[DealRow]) -> Result<(), ProjectionError> {
    if rows.is_empty() {
        return Ok(());
    }
    let ids = |of: fn(&DealRow) -> Uuid| rows.iter().map(of).collect::<Vec<Uuid>>();
    let amounts = |of: fn(&DealRow) -> Decimal| rows.iter().map(of).collect::<Vec<Decimal>>();
    let texts = |of: fn(&DealRow) -> String| rows.iter().map(of).collect::<Vec<String>>();
    let reasons = rows.iter().map(|row| row.reason.as_ref().map(slug::of));
    sqlx::query(INSERT)
        .bind(ids(|row| row.deal_id.0))
        .bind(ids(|row| row.account_id.0))
        .bind(ids(|row| row.client_id.0))
        .bind(
            rows.iter()
                .map(|row| row.order_id.map(|id| id.0))
                .collect::<Vec<_>>(),
        )
        .bind(ids(|row| row.position_id.0))
        .bind(texts(|row| row.symbol.to_string()))
        .bind(texts(|row| row.side.as_str().to_owned()))
        .bind(amounts(|row| row.volume))
        .bind(amounts(|row| row.price))
        .bind(texts(|row| row.currency.to_string()))
        .bind(amounts(|row| row.realised))
        .bind(amounts(|row| row.commission))
        .bind(amounts(|row| row.swap))
        .bind(reasons.collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.at).collect::<Vec<_>>())
        .bind(
            rows.iter()
                .map(|row| row.stream.as_str())
                .collect::<Vec<_>>(),
        )
        .bind(rows.iter().map(|row| row.sequence).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.position).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}

const INSERT: &str = "
    insert into deals (deal_id, account_id, client_id, order_id, position_id, symbol, side,
                       volume, price, currency, realised, commission, swap, reason, at, stream,
                       sequence, position)
    select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[],
                         $7::text[], $8::numeric[], $9::numeric[], $10::text[], $11::numeric[],
                         $12::numeric[], $13::numeric[], $14::text[], $15::timestamptz[],
                         $16::text[], $17::bigint[], $18::bigint[])";
