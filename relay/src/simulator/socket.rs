//! The provider's WebSocket protocol, from the server's side.

use std::{sync::Arc, time::Duration};

use axum::extract::ws::{Message, Utf8Bytes, WebSocket};
use futures::SinkExt as _;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{sync::watch, time};

use super::{
    tape::Tape,
    world::{Listed, World, now_us},
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

/// Serves one client until it goes or the simulator stops.
pub(super) async fn serve(
    mut socket: WebSocket,
    world: Arc<World>,
    mut stop: watch::Receiver<bool>,
) {
    let mut tape = Tape::default();
    loop {
        let due = tape.next_due_us(&world);
        let messages = tokio::select! {
            () = super::stopped(&mut stop) => {
                let _ = time::timeout(SLEEP_MAX, socket.send(Message::Close(None))).await;
                return;
            }
            received = socket.recv() => match received {
                Some(Ok(Message::Text(text))) => vec![answer(&text, &mut tape, &world)],
                // Pings are answered by the protocol layer.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_))) => continue,
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
            },
            () = sleep_until(due) => tape.due(&world, now_us()),
        };
        // A client that does not read holds up itself alone, until the simulator stops.
        let sent = tokio::select! {
            sent = send_all(&mut socket, messages) => sent,
            () = super::stopped(&mut stop) => return,
        };
        if sent.is_err() {
            return;
        }
    }
}

/// All in one write where they fit: what costs is the system call.
async fn send_all(socket: &mut WebSocket, messages: Vec<String>) -> Result<(), axum::Error> {
    for message in messages {
        socket.feed(Message::Text(Utf8Bytes::from(message))).await?;
    }
    socket.flush().await
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
