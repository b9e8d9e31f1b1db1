//! Positions: open ones as the mathematics needs them, closed ones so that their owner is known.

use std::collections::{HashMap, HashSet};

use daybook_domain::{
    AccountEvent, AccountId, ClientId, Decimal, PositionId, Timestamp,
    account::{
        Position,
        event::{BustedDeal, ClosingDeal, PositionIncrease, RepricedDeal, SwapCharge},
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

/// What an event does to a position.
enum Step<'a> {
    Opened,
    Increased(&'a PositionIncrease),
    Reduced(&'a ClosingDeal),
    Closed(&'a ClosingDeal),
    Protected(&'a AccountEvent),
    Charged(&'a SwapCharge),
    Busted(&'a BustedDeal),
    Repriced(&'a RepricedDeal),
}

impl Projection for Positions {
    fn name(&self) -> &'static str {
        names::POSITIONS
    }

    fn version(&self) -> i32 {
        2
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
            cost numeric,
            contract_size numeric not null,
            notional_per_lot numeric not null,
            margin_rate numeric not null,
            max_leverage bigint not null,
            hedged_contract_size numeric not null,
            commission numeric not null,
            swap numeric not null,
            swap_day date,
            stop_loss numeric,
            take_profit numeric,
            trailing_distance numeric,
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
        match step(&fact.event) {
            Some((position_id, Step::Opened)) => {
                opened.insert(position_id);
            }
            Some((position_id, _)) if !opened.contains(&position_id) => {
                wanted.insert(position_id.0);
            }
            Some(_) | None => {}
        }
    }
    let query = "select * from positions where position_id = any($1)";
    let rows: Vec<PositionRow> = columns::kept(connection, query, wanted).await?;
    let keyed = rows.into_iter().map(|row| (row.position.position_id, row));
    Ok(keyed.collect())
}

/// The position that an event changes or opens, and how.
fn step(event: &AccountEvent) -> Option<(PositionId, Step<'_>)> {
    match event {
        AccountEvent::PositionOpened { position_id, .. } => Some((*position_id, Step::Opened)),
        AccountEvent::ProtectionChanged { position_id, .. } => {
            Some((*position_id, Step::Protected(event)))
        }
        AccountEvent::PositionIncreased { increase, .. } => {
            Some((increase.position_id, Step::Increased(increase)))
        }
        AccountEvent::PositionReduced { deal, .. } => Some((deal.position_id, Step::Reduced(deal))),
        AccountEvent::PositionClosed { deal, .. } => Some((deal.position_id, Step::Closed(deal))),
        AccountEvent::SwapCharged { charge, .. } => {
            Some((charge.position_id, Step::Charged(charge)))
        }
        // A correction that touches money alone may be of a position that is long closed.
        AccountEvent::DealBusted { bust, .. } => {
            (!bust.volume_removed.is_zero()).then_some((bust.position_id, Step::Busted(bust)))
        }
        AccountEvent::DealRepriced { reprice, .. } => reprice
            .moves_position
            .then_some((reprice.position_id, Step::Repriced(reprice))),
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
        | AccountEvent::LeverageChanged { .. }
        | AccountEvent::ControlsChanged { .. }
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

fn fold(
    rows: &mut HashMap<PositionId, PositionRow>,
    owners: &Owners,
    fact: &AccountFact<'_>,
) -> Result<(), ProjectionError> {
    let Some((position_id, step)) = step(&fact.event) else {
        return Ok(());
    };
    if let Some(position) = Position::opened(&fact.event) {
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
    change(row, &step, fact.event.at());
    row.last_position = fact.recorded.position;
    Ok(())
}

fn change(row: &mut PositionRow, step: &Step<'_>, at: Timestamp) {
    let position = &mut row.position;
    match step {
        Step::Opened => unreachable!("invariant: an opening makes a row and changes none"),
        Step::Increased(increase) => position.increase(increase),
        Step::Reduced(deal) | Step::Closed(deal) => position.reduce(deal),
        Step::Protected(event) => position.protect(event),
        Step::Charged(charge) => position.accrue(charge),
        Step::Busted(bust) => position.bust(bust),
        Step::Repriced(reprice) => position.reprice(reprice),
    }
    if position.volume.is_zero() {
        row.closed_at = Some(at);
    }
}

async fn write(connection: &mut PgConnection, rows: &[PositionRow]) -> Result<(), ProjectionError> {
    let of = |of: fn(&Position) -> Decimal| move |row: &PositionRow| of(&row.position);
    let maybe = |of: fn(&Position) -> Option<Decimal>| move |row: &PositionRow| of(&row.position);
    Columns::new("positions", rows)
        .fixed("position_id", |row| row.position.position_id.0)
        .fixed("account_id", |row| row.account_id.0)
        .fixed("client_id", |row| row.client_id.0)
        .fixed("order_id", |row| row.position.order_id.0)
        .fixed("symbol", |row| row.position.symbol.to_string())
        .fixed("side", |row| row.position.side.as_str())
        .changing("volume", of(|position| position.volume))
        .changing("open_price", of(|position| position.open_price))
        .changing("cost", maybe(|position| position.cost))
        .fixed("contract_size", of(|position| position.contract_size))
        .changing(
            "notional_per_lot",
            of(|position| position.margin.notional_per_lot),
        )
        .changing("margin_rate", of(|position| position.margin.margin_rate))
        .changing("max_leverage", |row| {
            i64::from(row.position.margin.max_leverage)
        })
        .changing(
            "hedged_contract_size",
            of(|position| position.margin.hedged_contract_size),
        )
        .changing("commission", of(|position| position.commission))
        .changing("swap", of(|position| position.swap))
        .changing("swap_day", |row| row.position.swap_day)
        .changing("stop_loss", maybe(|position| position.stop_loss))
        .changing("take_profit", maybe(|position| position.take_profit))
        .changing(
            "trailing_distance",
            maybe(|position| position.trailing_distance),
        )
        .fixed("opened_at", |row| row.position.opened_at)
        .changing("closed_at", |row| row.closed_at)
        .fixed("opened_position", |row| row.opened_position)
        .changing("last_position", |row| row.last_position)
        .write(connection)
        .await
}
