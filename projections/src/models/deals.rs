//! Deals: each fill that opened, reduced or closed a position, with the place of its receipt; and
//! what was corrected since, in rows of its own, so that the sum over an account's rows is what its
//! trading came to.

use std::collections::HashSet;

use daybook_domain::{
    AccountEvent, DealId, Decimal,
    account::event::{BustedDeal, CloseReason, ClosingDeal, RepricedDeal},
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
    reads::{DealKind, DealRow},
    slug,
};

/// One row per deal and per correction; rows never change.
pub(crate) struct Deals;

impl Projection for Deals {
    fn name(&self) -> &'static str {
        names::DEALS
    }

    fn version(&self) -> i32 {
        2
    }

    fn schema(&self) -> &'static str {
        "create table deals (
            deal_id uuid not null,
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
            position bigint not null,
            kind text not null,
            note text,
            primary key (deal_id, position)
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

/// What makes a row.
enum Entry<'a> {
    Opening(&'a AccountEvent),
    Closing(&'a ClosingDeal),
    Bust(&'a BustedDeal),
    Reprice(&'a RepricedDeal),
}

impl Entry<'_> {
    /// The deal that a correction is of.
    const fn corrects(&self) -> Option<DealId> {
        match self {
            Self::Opening(_) | Self::Closing(_) => None,
            Self::Bust(bust) => Some(bust.deal_id),
            Self::Reprice(reprice) => Some(reprice.deal_id),
        }
    }
}

async fn apply(connection: &mut PgConnection, batch: &[Recorded]) -> Result<(), ProjectionError> {
    let facts = facts::of_accounts(batch)?;
    let opened: Vec<_> = facts.iter().filter_map(facts::opening).collect();
    let dealt = facts.iter().filter(|fact| entry(&fact.event).is_some());
    let owners = Owners::resolve(connection, &opened, dealt.map(|fact| fact.id)).await?;
    let entries = facts.iter().filter_map(|fact| entry(&fact.event));
    let corrected: HashSet<Uuid> = entries
        .filter_map(|entry| Some(entry.corrects()?.0))
        .collect();
    let query = "select * from deals where deal_id = any($1) and kind = 'deal'";
    let before: Vec<DealRow> = columns::kept(connection, query, corrected).await?;
    let mut rows: Vec<DealRow> = Vec::new();
    for fact in &facts {
        if let Some(entry) = entry(&fact.event) {
            let row = row(fact, &owners, &entry, before.iter().chain(&rows))?;
            rows.push(row);
        }
    }
    write(connection, &rows).await
}

const fn entry(event: &AccountEvent) -> Option<Entry<'_>> {
    match event {
        AccountEvent::OrderFilled { .. } => Some(Entry::Opening(event)),
        AccountEvent::PositionReduced { deal, .. } | AccountEvent::PositionClosed { deal, .. } => {
            Some(Entry::Closing(deal))
        }
        AccountEvent::DealBusted { bust, .. } => Some(Entry::Bust(bust)),
        AccountEvent::DealRepriced { reprice, .. } => Some(Entry::Reprice(reprice)),
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
        | AccountEvent::DailyLossLimitReached { .. } => None,
    }
}

fn row<'a>(
    fact: &AccountFact<'_>,
    owners: &Owners,
    entry: &Entry<'_>,
    mut earlier: impl Iterator<Item = &'a DealRow>,
) -> Result<DealRow, ProjectionError> {
    let deal = match entry {
        Entry::Opening(event) => opening(fact, owners, event)?,
        Entry::Closing(deal) => closing(fact, owners, deal)?,
        Entry::Bust(_) | Entry::Reprice(_) => {
            let id = entry.corrects();
            let found = earlier.find(|row| row.kind == DealKind::Deal && Some(row.deal_id) == id);
            let found = found.ok_or_else(|| fact.misfit("a deal is corrected that never was"))?;
            found.clone()
        }
    };
    let deal = DealRow {
        at: fact.event.at(),
        sequence: fact.recorded.sequence,
        position: fact.recorded.position,
        ..deal
    };
    Ok(match entry {
        Entry::Opening(_) | Entry::Closing(_) => deal,
        Entry::Bust(bust) => DealRow {
            kind: DealKind::Bust,
            realised: bust.realised,
            swap: bust.swap,
            commission: -bust.commission,
            ..corrected(deal, &bust.reason)
        },
        Entry::Reprice(reprice) => DealRow {
            kind: DealKind::Reprice,
            price: reprice.to,
            realised: reprice.realised,
            ..corrected(deal, &reprice.reason)
        },
    })
}

/// The deal again, without its money.
fn corrected(deal: DealRow, note: &str) -> DealRow {
    let nothing = deal.currency.round(Decimal::ZERO);
    DealRow {
        realised: nothing,
        commission: nothing,
        swap: nothing,
        reason: Some(CloseReason::Admin),
        note: Some(note.to_owned()),
        ..deal
    }
}

fn opening(
    fact: &AccountFact<'_>,
    owners: &Owners,
    event: &AccountEvent,
) -> Result<DealRow, ProjectionError> {
    let AccountEvent::OrderFilled {
        order_id,
        deal_id,
        position_id,
        symbol,
        side,
        volume,
        execution,
        funds,
        at,
    } = event
    else {
        unreachable!("invariant: an opening deal is an order that filled")
    };
    let nothing = funds.currency.round(Decimal::ZERO);
    Ok(DealRow {
        kind: DealKind::Deal,
        deal_id: *deal_id,
        account_id: fact.id,
        client_id: owners.of_fact(fact)?,
        order_id: Some(*order_id),
        position_id: *position_id,
        symbol: *symbol,
        side: *side,
        volume: *volume,
        price: execution.price,
        currency: funds.currency,
        realised: nothing,
        commission: execution.commission,
        swap: nothing,
        reason: None,
        note: None,
        at: *at,
        stream: facts::stream_of(fact.recorded),
        sequence: fact.recorded.sequence,
        position: fact.recorded.position,
    })
}

fn closing(
    fact: &AccountFact<'_>,
    owners: &Owners,
    deal: &ClosingDeal,
) -> Result<DealRow, ProjectionError> {
    Ok(DealRow {
        kind: DealKind::Deal,
        deal_id: deal.deal_id,
        account_id: fact.id,
        client_id: owners.of_fact(fact)?,
        order_id: deal.order_id,
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
        note: None,
        at: fact.event.at(),
        stream: facts::stream_of(fact.recorded),
        sequence: fact.recorded.sequence,
        position: fact.recorded.position,
    })
}

async fn write(connection: &mut PgConnection, rows: &[DealRow]) -> Result<(), ProjectionError> {
    Columns::new("deals", rows)
        .fixed("deal_id", |row| row.deal_id.0)
        .fixed("account_id", |row| row.account_id.0)
        .fixed("client_id", |row| row.client_id.0)
        .fixed("order_id", |row| row.order_id.map(|id| id.0))
        .fixed("position_id", |row| row.position_id.0)
        .fixed("symbol", |row| row.symbol.to_string())
        .fixed("side", |row| row.side.as_str())
        .fixed("volume", |row| row.volume)
        .fixed("price", |row| row.price)
        .fixed("currency", |row| row.currency.to_string())
        .fixed("realised", |row| row.realised)
        .fixed("commission", |row| row.commission)
        .fixed("swap", |row| row.swap)
        .fixed("reason", |row| row.reason.as_ref().map(slug::of))
        .fixed("at", |row| row.at)
        .fixed("stream", |row| row.stream.as_str())
        .fixed("sequence", |row| row.sequence)
        .fixed("position", |row| row.position)
        .fixed("kind", |row| slug::of(&row.kind))
        .fixed("note", |row| row.note.as_deref())
        .write(connection)
        .await
}
