//! A rig: a database of its own, a writer, an engine, and traders in their own words.

use std::{
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::Utc;
use daybook_domain::{
    Account, AccountCommand, AccountEvent, AccountId, ClientId, Currency, DealId, Decimal, OrderId,
    PositionId, Quote, Rules, Symbol,
    account::{AccountKind, Bucket, OrderType, PositionMode, Ticket, TimeInForce},
    client::Registration,
    quote::{QuoteSource, Side},
    rules::SessionRule,
};
use daybook_engine::{
    Answer, Engine, EngineConfig, EngineError, IdempotencyRequest, NewAccount, Origin, Outcome,
    RegisterRequest, Reply, Request,
    clock::{Clock, SystemClock},
};
use daybook_store::{Leadership, Recorded, Role, Store, StreamId, Writer, testing::TestDatabase};
use uuid::Uuid;

/// Generous: the machine may be slow.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Rig {
    _database: TestDatabase,
    pub store: Store,
    pub writer: Writer,
    pub engine: Engine,
    config: EngineConfig,
    clock: Arc<dyn Clock>,
    _leadership: Leadership,
}

/// Quotes of any age trade at any hour: what is tested here is not the session.
pub fn config() -> EngineConfig {
    EngineConfig {
        shards: 2,
        rules: Rules {
            sessions: SessionRule::Always,
            max_quote_age_ms: None,
            ..Rules::default()
        },
        ..EngineConfig::default()
    }
}

impl Rig {
    pub async fn start(config: EngineConfig) -> Self {
        Self::start_with_clock(config, Arc::new(SystemClock)).await
    }

    pub async fn start_with_clock(config: EngineConfig, clock: Arc<dyn Clock>) -> Self {
        let database = TestDatabase::start().await;
        let store = database.store().await;
        let leadership = Leadership::start(store.clone(), "test".to_owned());
        let writer = writer_of(&leadership).await;
        let engine =
            Engine::start_with_clock(store.clone(), writer.clone(), config.clone(), clock.clone());
        Self {
            engine: engine.await.unwrap(),
            _database: database,
            store,
            writer,
            config,
            clock,
            _leadership: leadership,
        }
    }

    /// Stops the engine and starts another on the same book.
    pub async fn restart(&mut self) {
        self.engine.shutdown().await;
        let engine = Engine::start_with_clock(
            self.store.clone(),
            self.writer.clone(),
            self.config.clone(),
            self.clock.clone(),
        );
        self.engine = engine.await.unwrap();
    }

    /// A client with one live account that holds 10,000 USD.
    pub async fn trader(&self) -> Trader {
        let client_id = ClientId(Uuid::now_v7());
        let account_id = AccountId(Uuid::now_v7());
        let request = self.registration(client_id, &[account_id]).await;
        self.engine.register(request).await.unwrap();
        Trader {
            client_id,
            account_id,
        }
    }

    pub async fn registration(
        &self,
        client_id: ClientId,
        accounts: &[AccountId],
    ) -> RegisterRequest {
        let (key, new_key) = self.store.keys().create(client_id.0);
        let count = i64::try_from(accounts.len()).unwrap();
        let numbers = self.store.next_account_numbers(count).await.unwrap();
        let account = |(account_id, number): (&AccountId, u64)| NewAccount {
            account_id: *account_id,
            number,
            kind: AccountKind::Live,
            mode: PositionMode::Hedging,
            currency: Currency::USD,
            leverage: 100,
            funds: Some((Bucket::Real, Decimal::from(10_000))),
        };
        RegisterRequest {
            client_id,
            registration: Registration {
                email: format!("{client_id}@example.com"),
                first_name: "Grace".to_owned(),
                last_name: "Hopper".to_owned(),
                phone: None,
                country: Some("US".to_owned()),
            },
            email_hash: format!("hash of {client_id}"),
            password_hash: Some("argon2".to_owned()),
            further: Vec::new(),
            accounts: accounts.iter().zip(numbers).map(account).collect(),
            key,
            new_key,
            origin: origin("register"),
            idempotency: None,
            answer: accepted(),
        }
    }

    pub async fn quote(&self, symbol: &str, bid: &str, ask: &str) {
        let quote = Quote {
            symbol: Symbol::parse(symbol).unwrap(),
            bid: decimal(bid),
            ask: decimal(ask),
            at: Utc::now(),
            source: QuoteSource::Simulator,
        };
        self.engine.quote(quote).await;
    }

    pub async fn execute(&self, trader: Trader, command: AccountCommand) -> Told {
        self.ask(trader, command, None).await.unwrap()
    }

    pub async fn ask(
        &self,
        trader: Trader,
        command: AccountCommand,
        key: Option<IdempotencyRequest>,
    ) -> Result<Told, EngineError> {
        ask(&self.engine, trader, command, key).await
    }

    /// The account as the shard sees it now.
    pub async fn live(&self, trader: Trader) -> Account {
        let nothing = AccountCommand::CancelOrder {
            order_id: OrderId(Uuid::nil()),
        };
        self.execute(trader, nothing).await.account
    }

    pub async fn events(&self, trader: Trader) -> Vec<AccountEvent> {
        let recorded = self.recorded(trader).await;
        recorded
            .iter()
            .map(|event| event.decode().unwrap())
            .collect()
    }

    pub async fn recorded(&self, trader: Trader) -> Vec<Recorded> {
        let stream = StreamId::new("account", trader.account_id);
        let events = self.store.read_stream(&stream, 0, i64::from(i32::MAX));
        events.await.unwrap()
    }

    /// The account as its events say.
    pub async fn replayed(&self, trader: Trader) -> Account {
        let mut account = Account::default();
        for event in self.events(trader).await {
            account.evolve(&event);
        }
        account
    }

    pub async fn head(&self) -> i64 {
        self.store.head().await.unwrap().position
    }

    pub async fn sql(&self, sql: &str) {
        sqlx::raw_sql(sql).execute(self.store.pool()).await.unwrap();
    }
}

async fn writer_of(leadership: &Leadership) -> Writer {
    let mut role = leadership.role.clone();
    let leads = role.wait_for(|role| matches!(role, Role::Leader { .. }));
    match &*leads.await.unwrap() {
        Role::Leader { writer, .. } => writer.clone(),
        Role::Standby { .. } | Role::Ended => unreachable!("waited for the leader"),
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Trader {
    pub client_id: ClientId,
    pub account_id: AccountId,
}

/// What the caller was told, and what the engine showed it while rendering.
#[derive(Clone, Debug)]
pub struct Told {
    pub reply: Reply,
    pub account: Account,
}

impl Told {
    /// Slug of the refusal, or `ok`.
    pub fn code(&self) -> &str {
        self.reply.body.split(' ').next().unwrap()
    }
}

pub async fn ask(
    engine: &Engine,
    trader: Trader,
    command: AccountCommand,
    key: Option<IdempotencyRequest>,
) -> Result<Told, EngineError> {
    let shown = Arc::new(Mutex::new(Account::default()));
    let show = shown.clone();
    let reply = engine
        .execute(Request {
            client_id: trader.client_id,
            account_id: trader.account_id,
            command,
            origin: origin("test"),
            idempotency: key,
            render: Box::new(move |outcome| {
                *show.lock().unwrap() = outcome.account.clone();
                render(outcome)
            }),
        })
        .await?;
    let account = shown.lock().unwrap().clone();
    Ok(Told { reply, account })
}

/// Each rendering differs, so that a repeated answer can only be the first.
fn render(outcome: &Outcome<'_>) -> Answer {
    static RENDERED: AtomicU64 = AtomicU64::new(0);
    let unique = RENDERED.fetch_add(1, Ordering::Relaxed);
    let refusal = outcome.decision.refusal.as_ref();
    let code = refusal.map_or("ok", |refusal| refusal.code());
    Answer {
        status: if refusal.is_some() { 422 } else { 201 },
        body: format!("{code} {unique}"),
        keep: refusal.is_none_or(|refusal| refusal.is_rule()),
    }
}

pub fn accepted() -> Answer {
    Answer {
        status: 201,
        body: "accepted".to_owned(),
        keep: true,
    }
}

pub fn origin(reason: &str) -> Origin {
    Origin {
        actor: "test".to_owned(),
        on_behalf_of: None,
        reason: reason.to_owned(),
        correlation_id: "test".to_owned(),
        ip: None,
        user_agent: None,
    }
}

pub fn key(trader: Trader, key: &str, body: &str) -> Option<IdempotencyRequest> {
    let mut request_hash = [0; 32];
    request_hash[..body.len()].copy_from_slice(body.as_bytes());
    Some(IdempotencyRequest {
        scope: format!("{} POST /trading/order", trader.client_id),
        key: key.to_owned(),
        request_hash,
    })
}

/// Types of events, in order.
pub fn kinds(events: &[AccountEvent]) -> Vec<&'static str> {
    events.iter().map(AccountEvent::event_type).collect()
}

pub fn decimal(text: &str) -> Decimal {
    Decimal::from_str_exact(text).unwrap()
}

pub fn ticket(symbol: &str, side: Side, volume: &str) -> Ticket {
    Ticket {
        symbol: Symbol::parse(symbol).unwrap(),
        side,
        order_type: OrderType::Market,
        volume: decimal(volume),
        limit_price: None,
        stop_price: None,
        stop_loss: None,
        take_profit: None,
        trailing_distance: None,
        time_in_force: TimeInForce::Gtc,
        expires_at: None,
        oco_group: None,
        client_order_id: None,
    }
}

pub fn place(ticket: Ticket) -> AccountCommand {
    AccountCommand::PlaceOrder {
        order_id: OrderId(Uuid::now_v7()),
        deal_id: DealId(Uuid::now_v7()),
        position_id: PositionId(Uuid::now_v7()),
        ticket: Box::new(ticket),
    }
}

pub fn buy(volume: &str) -> AccountCommand {
    place(ticket("EURUSD", Side::Buy, volume))
}

pub fn buy_limit(price: &str) -> Ticket {
    Ticket {
        order_type: OrderType::Limit,
        limit_price: Some(decimal(price)),
        ..ticket("EURUSD", Side::Buy, "0.01")
    }
}

/// Waits for something to become true; says what did not.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut is_true: impl FnMut() -> F) {
    let start = Instant::now();
    while !is_true().await {
        assert!(start.elapsed() < PATIENCE, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
