//! A market that the tests make: a server that speaks the provider's WebSocket protocol and sends
//! exactly the quotes it is told to, repeating each so that none grows stale.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, SystemTime},
};

use axum::{
    Json, Router,
    extract::{
        State, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    response::Response,
    routing::get,
};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{broadcast, watch},
    task::JoinSet,
};

/// How often a price is repeated. The program refuses quotes older than ten seconds, and the
/// protocol's timestamps have whole seconds.
const REPEAT_EVERY: Duration = Duration::from_millis(300);

/// The price server. Dropping it closes every connection.
pub struct Feed {
    shared: Arc<Shared>,
    address: std::net::SocketAddr,
    _tasks: JoinSet<()>,
}

struct Shared {
    state: Mutex<Prices>,
    sent: broadcast::Sender<(String, String)>,
    /// How often every connection was closed.
    hung_up: watch::Sender<u64>,
}

#[derive(Default)]
struct Prices {
    /// By provider symbol.
    now: BTreeMap<String, (String, String)>,
    /// Symbols subscribed to now, once for each connection that did.
    subscribed: Vec<String>,
    /// Connections ever made.
    connections: usize,
}

impl Shared {
    fn prices(&self) -> MutexGuard<'_, Prices> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

impl Feed {
    /// Starts a server with a first price of EURUSD, 1.10000/1.10010.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            sent: broadcast::channel(4096).0,
            hung_up: watch::channel(0).0,
        });
        let router = Router::new()
            .route("/v1/quotes/price", get(upgrade))
            .fallback(no_rest)
            .with_state(Arc::clone(&shared));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            axum::serve(listener, router)
                .await
                .expect("serves until dropped");
        });
        let repeater = Arc::clone(&shared);
        tasks.spawn(async move {
            loop {
                tokio::time::sleep(REPEAT_EVERY).await;
                let now = repeater.prices().now.clone();
                for (symbol, (bid, ask)) in now {
                    emit(&repeater, &symbol, &bid, &ask);
                }
            }
        });
        let feed = Self {
            shared,
            address,
            _tasks: tasks,
        };
        feed.set("EURUSD", "1.10000", "1.10010");
        feed
    }

    /// For `TWELVEDATA_WS_URL`.
    #[must_use]
    pub fn ws_url(&self) -> String {
        format!("ws://{}/v1/quotes/price", self.address)
    }

    /// For `TWELVEDATA_REST_URL`.
    #[must_use]
    pub fn rest_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sends this price now, and again until it is set anew or silenced.
    pub fn set(&self, symbol: &str, bid: &str, ask: &str) {
        let symbol = provider_symbol(symbol);
        self.shared
            .prices()
            .now
            .insert(symbol.clone(), (bid.to_owned(), ask.to_owned()));
        emit(&self.shared, &symbol, bid, ask);
    }

    /// Sends nothing more of this symbol, so that its quote grows old.
    pub fn silence(&self, symbol: &str) {
        self.shared.prices().now.remove(&provider_symbol(symbol));
    }

    /// Closes every connection there is.
    pub fn hang_up(&self) {
        self.shared.hung_up.send_modify(|times| *times += 1);
    }

    /// How many connections were ever made.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.prices().connections
    }

    /// How many connections are subscribed to this symbol.
    #[must_use]
    pub fn subscriptions(&self, symbol: &str) -> usize {
        let symbol = provider_symbol(symbol);
        let prices = self.shared.prices();
        prices
            .subscribed
            .iter()
            .filter(|held| **held == symbol)
            .count()
    }
}

/// `EURUSD` → `EUR/USD`; anything that is no pair stays.
fn provider_symbol(symbol: &str) -> String {
    match symbol.split_at_checked(3) {
        Some((base, quote)) if quote.len() == 3 => format!("{base}/{quote}"),
        Some(_) | None => symbol.to_owned(),
    }
}

fn emit(shared: &Shared, symbol: &str, bid: &str, ask: &str) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let timestamp = now.expect("the clock is past 1970").as_secs();
    // Prices are numbers on this wire, and must not pass through a float on their way there.
    let text = format!(
        r#"{{"event":"price","symbol":"{symbol}","type":"Physical Currency","timestamp":{timestamp},"price":{bid},"bid":{bid},"ask":{ask}}}"#
    );
    let _nobody_listens = shared.sent.send((symbol.to_owned(), text));
}

/// There is no REST here: the program has to live with that.
async fn no_rest() -> Json<Value> {
    Json(json!({ "code": 404, "message": "not served by this test", "status": "error" }))
}

async fn upgrade(State(shared): State<Arc<Shared>>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(move |socket| converse(shared, socket))
}

async fn converse(shared: Arc<Shared>, mut socket: WebSocket) {
    let mut sent = shared.sent.subscribe();
    let mut hung_up = shared.hung_up.subscribe();
    shared.prices().connections += 1;
    let mut mine = BTreeSet::new();
    loop {
        let answer = tokio::select! {
            _ = hung_up.changed() => break,
            message = sent.recv() => match message {
                Ok((symbol, text)) if mine.contains(&symbol) => Some(text),
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => None,
                Err(broadcast::error::RecvError::Closed) => break,
            },
            message = socket.recv() => match message {
                Some(Ok(Message::Text(text))) => obey(&shared, &mut mine, &text),
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                Some(Ok(_)) => None,
            },
        };
        if let Some(text) = answer
            && socket.send(Message::Text(text.into())).await.is_err()
        {
            break;
        }
    }
    let mut prices = shared.prices();
    for symbol in mine {
        if let Some(place) = prices.subscribed.iter().position(|held| *held == symbol) {
            prices.subscribed.swap_remove(place);
        }
    }
}

/// Does what a client's message asks and returns the answer to it.
fn obey(shared: &Shared, mine: &mut BTreeSet<String>, text: &str) -> Option<String> {
    let request: Value = serde_json::from_str(text).ok()?;
    match request["action"].as_str()? {
        "subscribe" => {
            let symbols = symbols_of(&request["params"]["symbols"]);
            for symbol in &symbols {
                if mine.insert(symbol.clone()) {
                    shared.prices().subscribed.push(symbol.clone());
                }
            }
            let success: Vec<_> = symbols
                .iter()
                .map(|symbol| json!({ "symbol": symbol, "exchange": "FOREX" }))
                .collect();
            Some(
                json!({ "event": "subscribe-status", "status": "ok", "success": success, "fails": [] })
                    .to_string(),
            )
        }
        "heartbeat" => Some(json!({ "event": "heartbeat", "status": "ok" }).to_string()),
        _ => None,
    }
}

fn symbols_of(symbols: &Value) -> Vec<String> {
    match symbols {
        Value::String(list) => list.split(',').map(|name| name.trim().to_owned()).collect(),
        Value::Array(list) => list
            .iter()
            .filter_map(|entry| entry.as_str().or_else(|| entry["symbol"].as_str()))
            .map(str::to_owned)
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => vec![],
    }
}
