//! Ours through the engine's own door: decide, group commit, answer.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use chrono::Utc;
use daybook_domain::{
    AccountCommand, AccountEvent, AccountId, ClientId, Currency, DealId, Decimal, OrderId,
    PositionId, Symbol,
    account::{
        AccountKind, Bucket, OrderType, PositionMode, Ticket, TimeInForce, event::FundsChange,
    },
    quote::Side,
};
use daybook_engine::{Answer, Engine, EngineError, IdempotencyRequest, Origin, Request};
use daybook_store::{
    ChainHead, Metadata, NewEvent, StreamAppend, StreamHandle, StreamId, Submission, Writer,
};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::measure::{Done, Operation};

/// Accounts of one length of stream, with their owners.
#[derive(Clone)]
pub struct Accounts(Arc<Vec<(ClientId, AccountId)>>);

impl Accounts {
    /// Appends `count` accounts whose streams hold `length` events each.
    ///
    /// # Errors
    /// When an append fails.
    pub async fn fill(writer: &Writer, count: usize, length: usize) -> anyhow::Result<Self> {
        let mut accounts = Vec::with_capacity(count);
        let mut waiting = Vec::new();
        for number in 0..count {
            let owner = (ClientId(Uuid::now_v7()), AccountId(Uuid::now_v7()));
            let stream = StreamId::new("account", owner.1);
            let handle = StreamHandle::new(stream, ChainHead::default());
            let events = opening(owner.0, number, length)?;
            waiting.push(append(writer, handle, events));
            accounts.push(owner);
            if waiting.len() == 64 {
                settle(&mut waiting).await?;
            }
        }
        settle(&mut waiting).await?;
        Ok(Self(Arc::new(accounts)))
    }

    /// The first `count` of them; of one alone, one hot stream.
    #[must_use]
    pub fn first(&self, count: usize) -> Self {
        Self(Arc::new(self.0[..count].to_vec()))
    }

    /// The account that the operation of this number works on.
    #[must_use]
    pub fn pick(&self, number: u64) -> (ClientId, AccountId) {
        let index = usize::try_from(number).unwrap_or(0) % self.0.len();
        self.0[index]
    }
}

async fn settle(waiting: &mut Vec<oneshot::Receiver<anyhow::Result<()>>>) -> anyhow::Result<()> {
    for outcome in waiting.drain(..) {
        outcome.await??;
    }
    Ok(())
}

/// An account that is opened and funded, then adjusted until its stream is `length` long.
///
/// # Errors
/// When an event does not serialise.
pub fn opening(client_id: ClientId, number: usize, length: usize) -> anyhow::Result<Vec<NewEvent>> {
    let at = Utc::now();
    let opened = AccountEvent::AccountOpened {
        client_id,
        number: 100_001 + u64::try_from(number)?,
        kind: AccountKind::Demo,
        mode: PositionMode::Hedging,
        currency: Currency::USD,
        leverage: 100,
        at,
    };
    let deposited = |amount: Decimal| AccountEvent::FundsAdjusted {
        bucket: Bucket::Demo,
        amount,
        notes: Some("opening balance of a benchmark".to_owned()),
        by: "bench".to_owned(),
        funds: FundsChange {
            currency: Currency::USD,
            demo: amount,
            ..FundsChange::default()
        },
        at,
    };
    let first = [opened, deposited(Decimal::new(1_000_000_000, 2))];
    let rest = (2..length).map(|_| deposited(Decimal::new(100, 2)));
    first
        .into_iter()
        .chain(rest)
        .map(|event| new_event(&event))
        .collect()
}

/// An account's event as the store takes it.
///
/// # Errors
/// When it does not serialise.
pub fn new_event(event: &AccountEvent) -> anyhow::Result<NewEvent> {
    Ok(NewEvent {
        event_type: event.event_type(),
        event_version: "1.0",
        payload: serde_json::to_string(event)?,
    })
}

/// Hands events straight to the writer; the receiver tells the outcome.
#[must_use]
pub fn append(
    writer: &Writer,
    handle: Arc<StreamHandle>,
    events: Vec<NewEvent>,
) -> oneshot::Receiver<anyhow::Result<()>> {
    let (tell, told) = oneshot::channel();
    let append = StreamAppend {
        generation: handle.generation(),
        handle,
        first_sequence: 1,
        events,
    };
    writer.submit(Submission {
        appends: vec![append],
        rests_on: Vec::new(),
        metadata: Arc::new(Metadata::default().with(Metadata::ACTOR, "bench")),
        idempotency: None,
        uniques: Vec::new(),
        keys: Vec::new(),
        secrets: Vec::new(),
        sessions: Vec::new(),
        on_outcome: Box::new(move |outcome| {
            // The receiver is gone only when the benchmark has failed already.
            let _ = tell.send(outcome.map(|_| ()).map_err(anyhow::Error::from));
        }),
    });
    told
}

/// Why the benchmark acts, in the metadata of its events.
pub const REASON: &str = "bench";

/// The command that makes one event.
#[must_use]
pub fn adjustment() -> AccountCommand {
    AccountCommand::AdjustFunds {
        bucket: Bucket::Demo,
        amount: Decimal::new(100, 2),
        notes: Some("a note as people write them".to_owned()),
        by: "bench".to_owned(),
    }
}

/// One event: an adjustment of funds, under an idempotency key of its own.
///
/// # Errors
/// When the engine fails otherwise than by a refusal.
pub async fn adjust(engine: &Engine, owner: (ClientId, AccountId)) -> Operation {
    execute(engine, owner, adjustment(), Key::Fresh).await
}

/// A market order of 0.01 lots EURUSD: three events.
///
/// # Errors
/// As [`adjust`].
pub async fn market_order(engine: &Engine, owner: (ClientId, AccountId)) -> Operation {
    execute(engine, owner, place(OrderType::Market, None), Key::Fresh).await
}

/// The same with a stop loss.
///
/// # Errors
/// As [`adjust`].
pub async fn protected_order(
    engine: &Engine,
    owner: (ClientId, AccountId),
    stop_loss: Decimal,
) -> Operation {
    let mut command = place(OrderType::Market, None);
    if let AccountCommand::PlaceOrder { ticket, .. } = &mut command {
        ticket.stop_loss = Some(stop_loss);
    }
    execute(engine, owner, command, Key::None).await
}

/// A buy limit far below the market: rests.
///
/// # Errors
/// As [`adjust`].
pub async fn limit_order(engine: &Engine, owner: (ClientId, AccountId), points: i64) -> Operation {
    let limit = Decimal::new(50_000 + points % 50_000, 5);
    execute(
        engine,
        owner,
        place(OrderType::Limit, Some(limit)),
        Key::None,
    )
    .await
}

/// An order of 0.01 lots EURUSD to buy.
#[must_use]
pub fn place(order_type: OrderType, limit_price: Option<Decimal>) -> AccountCommand {
    let ticket = Ticket {
        symbol: Symbol::parse("EURUSD").expect("invariant: a seeded symbol is well formed"),
        side: Side::Buy,
        order_type,
        volume: Decimal::new(1, 2),
        limit_price,
        stop_price: None,
        stop_loss: None,
        take_profit: None,
        trailing_distance: None,
        time_in_force: TimeInForce::Gtc,
        expires_at: None,
        oco_group: None,
        client_order_id: None,
    };
    AccountCommand::PlaceOrder {
        order_id: OrderId(Uuid::now_v7()),
        deal_id: DealId(Uuid::now_v7()),
        position_id: PositionId(Uuid::now_v7()),
        ticket: Box::new(ticket),
    }
}

/// Cancels an order that does not exist: makes the account hot and leaves nothing behind.
///
/// # Errors
/// As [`adjust`].
pub async fn cancel_unknown(engine: &Engine, owner: (ClientId, AccountId)) -> Operation {
    let command = AccountCommand::CancelOrder {
        order_id: OrderId(Uuid::now_v7()),
    };
    execute(engine, owner, command, Key::None).await
}

/// Makes every account hot: from then on a command is decided on memory.
///
/// # Errors
/// As [`adjust`].
pub async fn warm(engine: &Engine, accounts: &Accounts) -> anyhow::Result<()> {
    let mut waiting = tokio::task::JoinSet::new();
    for owner in accounts.0.iter().copied() {
        let engine = engine.clone();
        waiting.spawn(async move { cancel_unknown(&engine, owner).await });
        if waiting.len() >= 64 {
            waiting.join_next().await.transpose()?.transpose()?;
        }
    }
    while let Some(done) = waiting.join_next().await {
        done??;
    }
    Ok(())
}

/// Whether a command carries an idempotency key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    /// One of its own.
    Fresh,
    /// None.
    None,
}

async fn execute(
    engine: &Engine,
    (client_id, account_id): (ClientId, AccountId),
    command: AccountCommand,
    key: Key,
) -> Operation {
    let id = Uuid::now_v7().to_string();
    let request = Request {
        client_id,
        account_id,
        command,
        origin: Origin {
            actor: format!("client:{client_id}"),
            on_behalf_of: None,
            reason: REASON.to_owned(),
            correlation_id: id.clone(),
            ip: None,
            user_agent: None,
        },
        idempotency: (key == Key::Fresh).then(|| IdempotencyRequest {
            scope: format!("{client_id} POST /bench"),
            key: id,
            request_hash: [7; 32],
        }),
        render: Box::new(|outcome| Answer {
            status: if outcome.decision.refusal.is_some() {
                422
            } else {
                200
            },
            body: "{\"accepted\":true}".to_owned(),
            keep: true,
        }),
    };
    match engine.execute(request).await {
        Ok(reply) if reply.status == 200 => Ok(Done::Accepted),
        Ok(_) | Err(EngineError::Overloaded) => Ok(Done::Refused),
        Err(error) => Err(error).context("the engine failed"),
    }
}

/// How long each measurement runs.
pub const TIME: Duration = Duration::from_secs(4);
