//! What accounts and resting orders weigh in memory, counted by the allocator.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed, and panicking is how it says so"
)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use daybook_domain::{
    Account, AccountCommand, AccountId, ClientId, Currency, DealId, Decimal, Market, OrderId,
    PositionId, Quote, Rules, Symbol, Timestamp,
    account::{AccountKind, Bucket, OrderType, PositionMode, Ticket, TimeInForce},
    instrument::seed,
    quote::{QuoteSource, Side},
    rules::SessionRule,
};
use daybook_engine::desk::{Act, Desk, Ledger};
use uuid::Uuid;

struct Counting;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

#[allow(
    unsafe_code,
    reason = "an allocator is the one honest witness of what memory is taken; it only counts"
)]
// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: as required of our own caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as required of our own caller.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Nobody;

impl Ledger for Nobody {
    fn next_id(&mut self) -> Uuid {
        unreachable!("nothing is triggered here")
    }

    fn quarantined(&mut self, account_id: AccountId, command: &AccountCommand) {
        unreachable!("{command:?} panicked on {account_id}");
    }

    fn record(&mut self, act: Act<'_>) {
        unreachable!("nothing is triggered here: {act:?}")
    }
}

fn eurusd() -> Symbol {
    Symbol::parse("EURUSD").unwrap()
}

fn quote(bid: i64) -> Quote {
    Quote {
        symbol: eurusd(),
        bid: Decimal::new(bid, 5),
        ask: Decimal::new(bid + 10, 5),
        at: Timestamp::UNIX_EPOCH,
        source: QuoteSource::Recorded,
    }
}

fn desk() -> Desk {
    let rules = Rules {
        sessions: SessionRule::Always,
        max_quote_age_ms: None,
        ..Rules::default()
    };
    let mut desk = Desk::new(Market::new(seed().into_iter().map(Arc::new)), rules);
    desk.quote(quote(110_000), Timestamp::UNIX_EPOCH, &mut Nobody);
    desk
}

fn open(desk: &mut Desk, number: u64) -> AccountId {
    let id = AccountId(Uuid::from_u128(u128::from(number)));
    desk.seat(id, Account::default());
    let open = AccountCommand::Open {
        client_id: ClientId(id.0),
        number,
        kind: AccountKind::Live,
        mode: PositionMode::Hedging,
        currency: Currency::USD,
        leverage: 100,
    };
    let fund = AccountCommand::AdjustFunds {
        bucket: Bucket::Real,
        amount: Decimal::from(10_000),
        notes: None,
        by: "test".to_owned(),
    };
    for command in [open, fund] {
        let decision = desk.execute(id, &command, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(decision.refusal, None);
    }
    id
}

/// Below the market, spread over 1,000 levels, with protection.
fn limit(number: u64) -> AccountCommand {
    let level = 100_000 - i64::try_from(number % 1_000).unwrap();
    AccountCommand::PlaceOrder {
        order_id: OrderId(Uuid::now_v7()),
        deal_id: DealId(Uuid::nil()),
        position_id: PositionId(Uuid::nil()),
        ticket: Box::new(Ticket {
            symbol: eurusd(),
            side: Side::Buy,
            order_type: OrderType::Limit,
            volume: Decimal::new(1, 2),
            limit_price: Some(Decimal::new(level, 5)),
            stop_price: None,
            stop_loss: Some(Decimal::new(level - 500, 5)),
            take_profit: Some(Decimal::new(level + 500, 5)),
            trailing_distance: None,
            time_in_force: TimeInForce::Gtc,
            expires_at: None,
            oco_group: None,
            client_order_id: None,
        }),
    }
}

/// One test: the allocator counts for the whole process.
#[test]
fn accounts_and_resting_orders_are_small_and_an_idle_tick_costs_next_to_nothing() {
    const ACCOUNTS: u64 = 2_000;
    const ORDERS: u64 = 50;
    let mut desk = desk();
    let before = ALLOCATED.load(Ordering::Relaxed);
    let accounts: Vec<AccountId> = (1..=ACCOUNTS).map(|n| open(&mut desk, n)).collect();
    let flat = ALLOCATED.load(Ordering::Relaxed) - before;
    let per_account = flat / accounts.len();
    println!("{per_account} bytes per flat account at the desk");
    // The shard's own bookkeeping of an account comes on top and is less than this.
    assert!(per_account <= 1_024, "{per_account}");

    let before = ALLOCATED.load(Ordering::Relaxed);
    for number in 0..ACCOUNTS * ORDERS {
        let id = accounts[usize::try_from(number % ACCOUNTS).unwrap()];
        let placed = desk.execute(id, &limit(number), Timestamp::UNIX_EPOCH);
        assert_eq!(placed.unwrap().refusal, None);
    }
    let per_order =
        (ALLOCATED.load(Ordering::Relaxed) - before) / usize::try_from(ACCOUNTS * ORDERS).unwrap();
    println!("{per_order} bytes per resting order");
    assert!(per_order <= 400, "{per_order}");

    let ticks = 20_000;
    let start = Instant::now();
    for number in 0..ticks {
        desk.quote(
            quote(110_000 + number % 7),
            Timestamp::UNIX_EPOCH,
            &mut Nobody,
        );
    }
    let each = start.elapsed() / u32::try_from(ticks).unwrap();
    println!("{each:?} per tick that triggers nothing, unoptimised");
    assert_eq!(desk.levels(), usize::try_from(ACCOUNTS * ORDERS).unwrap());
}
