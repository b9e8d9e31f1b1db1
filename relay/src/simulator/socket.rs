//! The provider's WebSocket protocol, from the server's side.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use axum::extract::ws::{Message, Utf8Bytes, WebSocket};
use daybook_domain::Symbol;
use futures::SinkExt as _;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{self, Instant};

use super::{
    Connections,
    faults::Desk,
    tape::Tape,
    world::{Listed, Sides, World, now_us},
};

/// A clock that was set back must not stop the prices for long.
const SLEEP_MAX: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
struct Request {
    action: String,
    #[serde(default)]
    params: Option<Params>,
}

#[derive(Deserialize)]
struct Params {
    symbols: Symbols,
}

/// Both forms that the provider takes.
#[derive(Deserialize)]
#[serde(untagged)]
enum Symbols {
    Joined(String),
    Listed(Vec<SymbolForm>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum SymbolForm {
    Name(String),
    Object { symbol: String },
}

impl Symbols {
    fn names(self) -> Vec<String> {
        match self {
            Self::Joined(names) => {
                let names = names
                    .split(',')
                    .map(str::trim)
                    .filter(|name| !name.is_empty());
                names.map(str::to_owned).collect()
            }
            Self::Listed(forms) => forms
                .into_iter()
                .map(|form| match form {
                    SymbolForm::Name(symbol) | SymbolForm::Object { symbol } => symbol,
                })
                .collect(),
        }
    }
}

/// How a provider says things.
pub(super) trait Dialect {
    /// A price.
    fn price(&self, listed: &Listed, sides: Sides, at_ms: i64) -> String;

    /// Does what a client's message asks, and answers.
    fn answer(&self, text: &str, tape: &mut Tape, world: &World) -> String;
}

/// Twelve Data's words.
pub(super) struct TwelveData;

impl Dialect for TwelveData {
    fn price(&self, listed: &Listed, sides: Sides, at_ms: i64) -> String {
        listed.event(sides, at_ms / 1_000)
    }

    fn answer(&self, text: &str, tape: &mut Tape, world: &World) -> String {
        answer(text, tape, world)
    }
}

/// Serves one client until it goes, is cut off, or the simulator stops.
pub(super) async fn serve(
    mut socket: WebSocket,
    connections: Connections,
    tape: Tape,
    dialect: impl Dialect,
) {
    let desk = connections.desk.clone();
    desk.connected();
    let mut stop = connections.stop.clone();
    let mut session = Session {
        counted: Counted::new(&desk, &connections.world),
        world: &connections.world,
        desk: &desk,
        tape,
        dialect,
        delayed: VecDeque::new(),
    };
    session.counted.count(session.tape.symbols());
    tokio::select! {
        () = session.run(&mut socket) => {}
        () = desk.cut() => {}
        () = super::stopped(&mut stop) => {
            let _ = time::timeout(SLEEP_MAX, socket.send(Message::Close(None))).await;
        }
    }
}

struct Session<'a, D> {
    world: &'a World,
    desk: &'a Desk,
    tape: Tape,
    dialect: D,
    counted: Counted<'a>,
    /// Prices that a fault holds back, and until when.
    delayed: VecDeque<(Instant, Vec<String>)>,
}

impl<D: Dialect> Session<'_, D> {
    /// Works until the client goes.
    async fn run(&mut self, socket: &mut WebSocket) {
        loop {
            if self.desk.faults().half_open {
                self.desk.until(|faults| !faults.half_open).await;
            }
            let due = self.tape.next_due_us(self.world);
            let release = self.delayed.front().map(|(at, _)| *at);
            let messages = tokio::select! {
                () = self.desk.until(|faults| faults.half_open) => continue,
                received = socket.recv() => match received {
                    Some(Ok(Message::Text(text))) => vec![self.obey(&text)],
                    // Pings are answered by the protocol layer.
                    Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_))) => continue,
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                },
                () = sleep_until(due) => self.prices(),
                () = release_at(release) => {
                    self.delayed.pop_front().map(|(_, prices)| prices).unwrap_or_default()
                }
            };
            // A client that does not read holds up itself alone, until the simulator stops.
            if send_all(socket, messages).await.is_err() {
                return;
            }
        }
    }

    fn obey(&mut self, text: &str) -> String {
        let answer = self.dialect.answer(text, &mut self.tape, self.world);
        self.counted.count(self.tape.symbols());
        answer
    }

    /// The prices to send now: those that are due, unless a fault holds them back.
    fn prices(&mut self) -> Vec<String> {
        let due = self.tape.due(self.world, now_us());
        let words = due
            .iter()
            .map(|due| self.dialect.price(due.listed, due.sides, due.at_ms));
        let messages = self.desk.spoil(words.collect());
        let delay = self.desk.delay();
        if delay.is_zero() {
            return messages;
        }
        self.delayed.push_back((Instant::now() + delay, messages));
        Vec::new()
    }
}

/// Keeps the number of subscriptions of each symbol true, whatever ends the connection.
struct Counted<'a> {
    desk: &'a Desk,
    world: &'a World,
    symbols: BTreeSet<Symbol>,
}

impl<'a> Counted<'a> {
    const fn new(desk: &'a Desk, world: &'a World) -> Self {
        Self {
            desk,
            world,
            symbols: BTreeSet::new(),
        }
    }

    fn count(&mut self, now: BTreeSet<Symbol>) {
        let named = |symbol: &Symbol| {
            let listed = self.world.of(*symbol);
            listed.map(|listed| listed.listing.provider_symbol.as_str())
        };
        let added = now.difference(&self.symbols).filter_map(named);
        added.for_each(|name| self.desk.subscribed(name));
        let dropped = self.symbols.difference(&now).filter_map(named);
        dropped.for_each(|name| self.desk.unsubscribed(name));
        self.symbols = now;
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.count(BTreeSet::new());
    }
}

/// All in one write where they fit: what costs is the system call.
async fn send_all(socket: &mut WebSocket, messages: Vec<String>) -> Result<(), axum::Error> {
    for message in messages {
        socket.feed(Message::Text(Utf8Bytes::from(message))).await?;
    }
    socket.flush().await
}

async fn release_at(at: Option<Instant>) {
    match at {
        Some(at) => time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(due_us: Option<i64>) {
    let Some(due_us) = due_us else {
        return std::future::pending().await;
    };
    let wait_us = u64::try_from(due_us - now_us()).unwrap_or_default();
    time::sleep(Duration::from_micros(wait_us).min(SLEEP_MAX)).await;
}

fn answer(text: &str, tape: &mut Tape, world: &World) -> String {
    let request: Result<Request, _> = serde_json::from_str(text);
    let Ok(Request { action, params }) = request else {
        return error("the message is not a JSON object with an action");
    };
    match (action.as_str(), params) {
        ("subscribe", Some(params)) => status("subscribe-status", params, world, |listed| {
            tape.subscribe(world, listed.symbol, now_us());
        }),
        ("unsubscribe", Some(params)) => status("unsubscribe-status", params, world, |listed| {
            tape.unsubscribe(listed.symbol)
        }),
        ("subscribe" | "unsubscribe", None) => error("params.symbols is missing"),
        ("reset", _) => {
            tape.reset();
            json!({"event": "reset-status", "status": "ok"}).to_string()
        }
        ("heartbeat", _) => json!({"event": "heartbeat", "status": "ok"}).to_string(),
        (_, _) => error("the action is none of subscribe, unsubscribe, reset, heartbeat"),
    }
}

fn status(event: &str, params: Params, world: &World, mut change: impl FnMut(&Listed)) -> String {
    let (mut success, mut fails) = (Vec::new(), Vec::new());
    for name in params.symbols.names() {
        match world.find(&name) {
            Some(listed) => {
                change(listed);
                success.push(described(listed));
            }
            None => fails.push(json!({"symbol": name})),
        }
    }
    let status = match (success.is_empty(), fails.is_empty()) {
        (_, true) => "ok",
        (false, false) => "warning",
        (true, false) => "error",
    };
    json!({"event": event, "status": status, "success": success, "fails": fails}).to_string()
}

fn described(listed: &Listed) -> Value {
    json!({
        "symbol": listed.listing.provider_symbol,
        "exchange": listed.listing.exchange,
        "country": "",
        "type": listed.listing.kind,
    })
}

fn error(message: &str) -> String {
    json!({"event": "error", "status": "error", "code": 400, "message": message}).to_string()
}
