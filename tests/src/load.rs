//! Concurrent clients that trade while the machinery under them is being killed.
//!
//! Each command carries an idempotency key and is asked again until its true outcome is known, so
//! that in the end every command has one, and the book can be held against all of them.

use std::{
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::{answer::Answer, client::Trader};

/// How long one attempt may take before it is asked again.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(4);

/// A command and its true outcome.
#[derive(Clone, Debug)]
pub struct Done {
    /// Its idempotency key.
    pub key: String,
    /// HTTP method.
    pub method: Method,
    /// Path.
    pub path: String,
    /// Body.
    pub body: Option<Value>,
    /// The outcome.
    pub answer: Answer,
    /// How often it was asked; each attempt is a request `node-{server}-{attempt}-{key}`.
    pub attempts: usize,
    /// Whether an attempt ended without any answer, so that nobody knew.
    pub interrupted: bool,
}

/// What one client did, in order.
#[derive(Clone)]
pub struct Diary {
    /// The client.
    pub trader: Trader,
    /// Its commands.
    pub done: Vec<Done>,
}

/// Running clients.
pub struct Load {
    shared: Arc<Shared>,
    workers: JoinSet<()>,
}

struct Shared {
    bases: Vec<String>,
    think_time: Duration,
    stop: AtomicBool,
    pause: AtomicBool,
    in_flight: AtomicUsize,
    acknowledged: AtomicUsize,
    diaries: Mutex<Vec<Diary>>,
}

impl Shared {
    fn diaries(&self) -> MutexGuard<'_, Vec<Diary>> {
        self.diaries.lock().expect("no holder of this lock panics")
    }
}

impl Load {
    /// Lets each trader trade on its demo account, pausing `think_time` between commands. `bases`
    /// are the servers to try: the next one whenever one does not answer or does not lead.
    #[must_use]
    pub fn start(traders: Vec<Trader>, bases: Vec<String>, think_time: Duration) -> Self {
        let count = traders.len();
        let diaries = traders.iter().map(|trader| Diary {
            trader: trader.clone(),
            done: vec![],
        });
        let shared = Arc::new(Shared {
            bases,
            think_time,
            stop: AtomicBool::new(false),
            pause: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            acknowledged: AtomicUsize::new(0),
            diaries: Mutex::new(diaries.collect()),
        });
        let mut workers = JoinSet::new();
        for (number, trader) in (0..count).zip(traders) {
            let worker = Worker {
                shared: Arc::clone(&shared),
                number,
                trader,
                random: Random::new(number as u64 + 1),
                base: 0,
                positions: vec![],
                orders: vec![],
            };
            workers.spawn(worker.run());
        }
        Self { shared, workers }
    }

    /// Commands whose outcome is known so far.
    #[must_use]
    pub fn acknowledged(&self) -> usize {
        self.shared.acknowledged.load(Ordering::Acquire)
    }

    /// Commands asked and not yet answered.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.shared.in_flight.load(Ordering::Acquire)
    }

    /// Lets the clients finish what they asked and then wait.
    pub fn pause(&self) {
        self.shared.pause.store(true, Ordering::Release);
    }

    /// Lets them go on.
    pub fn resume(&self) {
        self.shared.pause.store(false, Ordering::Release);
    }

    /// Ends it: every command asked is brought to its outcome first.
    ///
    /// # Panics
    /// When a client failed.
    pub async fn finish(mut self) -> Vec<Diary> {
        self.resume();
        self.shared.stop.store(true, Ordering::Release);
        while let Some(worker) = self.workers.join_next().await {
            worker.expect("a client finishes");
        }
        self.shared.diaries().clone()
    }
}

/// Numbers that look random and are the same in each run.
pub struct Random(u64);

impl Random {
    /// Starts a sequence.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number below `bound` (SplitMix64).
    pub const fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    /// One of a list.
    ///
    /// # Panics
    /// When the list is empty.
    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[usize::try_from(self.below(list.len() as u64)).expect("an index fits")]
    }
}

struct Worker {
    shared: Arc<Shared>,
    number: usize,
    trader: Trader,
    random: Random,
    base: usize,
    positions: Vec<String>,
    orders: Vec<String>,
}

struct Asking {
    method: Method,
    path: String,
    body: Option<Value>,
}

impl Worker {
    async fn run(mut self) {
        while !self.shared.stop.load(Ordering::Acquire) {
            tokio::time::sleep(self.shared.think_time).await;
            if self.shared.pause.load(Ordering::Acquire) {
                continue;
            }
            let asking = self.choose();
            let done = self.ask(asking).await;
            self.learn(&done);
            self.shared.diaries()[self.number].done.push(done);
            self.shared.acknowledged.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn choose(&mut self) -> Asking {
        match self.random.below(10) {
            0 if !self.orders.is_empty() => self.on_order(Method::DELETE, None),
            1 if !self.orders.is_empty() => {
                let price = format!("0.9{:04}", self.random.below(10_000));
                self.on_order(Method::PATCH, Some(json!({ "limitPrice": price })))
            }
            0..=2 => order(json!({
                "symbol": "EURUSD", "side": "buy", "type": "limit", "volume": "0.01",
                "limitPrice": format!("0.8{:04}", self.random.below(10_000)),
            })),
            3..=6 if self.positions.len() > 3 => {
                let position = self.random.pick(&self.positions).clone();
                Asking {
                    method: Method::POST,
                    path: format!("/trading/close/{position}"),
                    body: Some(json!({ "volume": "0.01" })),
                }
            }
            7 => order(json!({
                "symbol": "EURUSD", "side": "buy", "type": "market", "volume": "90",
            })),
            _ => self.market(),
        }
    }

    fn market(&mut self) -> Asking {
        let side = *self.random.pick(&["buy", "sell"]);
        let mut ticket = json!({
            "symbol": "EURUSD", "side": side, "type": "market", "volume": "0.02",
        });
        // Some are near enough for the moving price to reach, so that the server acts by itself.
        if side == "buy" && self.random.below(4) == 0 {
            ticket["stopLoss"] = json!("1.09970");
        }
        order(ticket)
    }

    fn on_order(&mut self, method: Method, body: Option<Value>) -> Asking {
        let id = self.random.pick(&self.orders).clone();
        Asking {
            method,
            path: format!("/trading/order/{id}"),
            body,
        }
    }

    /// Asks until the outcome is known.
    async fn ask(&mut self, asking: Asking) -> Done {
        let key = Uuid::now_v7().to_string();
        let mut interrupted = false;
        let mut attempts = 0;
        self.shared.in_flight.fetch_add(1, Ordering::AcqRel);
        let answer = loop {
            attempts += 1;
            let http = self.trader.http.at(&self.shared.bases[self.base]);
            let mut call = http
                .call(asking.method.clone(), &asking.path)
                .key(&key)
                .header(
                    "x-request-id",
                    &format!("node-{}-{attempts}-{key}", self.base),
                )
                .timeout(ATTEMPT_TIMEOUT);
            if let Some(body) = &asking.body {
                call = call.json(body);
            }
            match call.try_send().await {
                Ok(answer) if answer.status < 429 => break answer,
                Ok(_) => {} // Nothing was done: come back.
                Err(error) => interrupted |= !error.is_connect(),
            }
            self.base = (self.base + 1) % self.shared.bases.len();
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        self.shared.in_flight.fetch_sub(1, Ordering::AcqRel);
        Done {
            key,
            method: asking.method,
            path: asking.path,
            body: asking.body,
            answer,
            attempts,
            interrupted,
        }
    }

    /// Remembers what there is to close and to cancel.
    fn learn(&mut self, done: &Done) {
        let ended = done.path.rsplit('/').next().unwrap_or_default();
        match done.answer.status {
            201 => {
                let answer = done.answer.json();
                let text = |name: &str| answer[name].as_str().map(str::to_owned);
                match text("positionId") {
                    Some(position) => self.positions.push(position),
                    None => self.orders.extend(text("orderId")),
                }
            }
            200 if done.path.starts_with("/trading/close/")
                && done.answer.decimal("/remainingVolume").is_zero() =>
            {
                self.positions.retain(|position| position != ended);
            }
            204 if done.method == Method::DELETE => self.orders.retain(|order| order != ended),
            404 | 422 if done.path != "/trading/order" => {
                // A stop loss was quicker.
                self.positions.retain(|position| position != ended);
                self.orders.retain(|order| order != ended);
            }
            _ => {}
        }
    }
}

fn order(body: Value) -> Asking {
    Asking {
        method: Method::POST,
        path: "/trading/order".to_owned(),
        body: Some(body),
    }
}
