//! The feed against a provider that misbehaves: refused keys, silence, nonsense, lone prices,
//! a socket that stays away.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Json, Router,
    extract::{
        State,
        ws::{Message, WebSocket, WebSocketUpgrade},
    },
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::get,
};
use chrono::Utc;
use daybook_domain::quote::QuoteSource;
use daybook_relay::{Feed, FeedConfig, FeedStatus, Hub, RestClient, TwelveData};
use serde_json::{Value, json};
use support::{feed_config, next_quote, soon, until_status};
use tokio::{net::TcpListener, time::Duration};

/// What the provider does with a WebSocket.
#[derive(Clone)]
enum Manner {
    /// Answers the upgrade with an error.
    Refuses(u16, Value),
    /// Sends these after the subscription, then stays silent, but answers heartbeats or not.
    Sends {
        messages: Vec<String>,
        heartbeats: bool,
    },
    /// Sends one price, then closes.
    Closes(String),
}

#[derive(Clone)]
struct Provider {
    manner: Manner,
    rest: Option<Value>,
    connections: Arc<AtomicUsize>,
    heartbeats: Arc<AtomicUsize>,
}

impl Provider {
    fn new(manner: Manner) -> Self {
        Self {
            manner,
            rest: None,
            connections: Arc::default(),
            heartbeats: Arc::default(),
        }
    }

    async fn start(&self, names: &[&str]) -> FeedConfig {
        let router = Router::new()
            .route("/ws", get(websocket))
            .route("/quote", get(quote))
            .with_state(self.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let (ws, rest) = (format!("ws://{address}/ws"), format!("http://{address}"));
        let mut config = feed_config(ws.clone(), rest.clone(), names);
        let rest = RestClient::new(&rest, "demo".to_owned().into());
        let provider = TwelveData::new(ws, rest, QuoteSource::TwelveData, &config.symbols, None);
        config.providers = vec![Arc::new(provider)];
        config
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    async fn serve(self, mut socket: WebSocket) {
        let Some(Ok(Message::Text(subscription))) = socket.recv().await else {
            return;
        };
        assert!(
            subscription.contains(r#""action":"subscribe""#),
            "{subscription}"
        );
        let (messages, answers, closes) = match self.manner {
            Manner::Sends {
                messages,
                heartbeats,
            } => (messages, heartbeats, false),
            Manner::Closes(message) => (vec![message], false, true),
            Manner::Refuses(..) => unreachable!("refused before the upgrade"),
        };
        for message in messages {
            socket.send(Message::Text(message.into())).await.unwrap();
        }
        if closes {
            return;
        }
        while let Some(Ok(message)) = socket.recv().await {
            if let Message::Text(text) = message {
                assert_eq!(text.as_str(), r#"{"action":"heartbeat"}"#);
                self.heartbeats.fetch_add(1, Ordering::SeqCst);
                let answer = r#"{"event":"heartbeat","status":"ok"}"#;
                if answers && socket.send(Message::Text(answer.into())).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn websocket(State(provider): State<Provider>, upgrade: WebSocketUpgrade) -> Response {
    provider.connections.fetch_add(1, Ordering::SeqCst);
    if let Manner::Refuses(status, body) = &provider.manner {
        let status = StatusCode::from_u16(*status).unwrap();
        return (status, Json(body.clone())).into_response();
    }
    upgrade.on_upgrade(|socket| provider.serve(socket))
}

async fn quote(State(provider): State<Provider>) -> Response {
    match provider.rest {
        Some(body) => Json(body).into_response(),
        None => StatusCode::BAD_GATEWAY.into_response(),
    }
}

fn price(symbol: &str, prices: &str) -> String {
    let now = Utc::now().timestamp();
    format!(r#"{{"event":"price","symbol":"{symbol}","timestamp":{now},{prices}}}"#)
}

fn subscribed() -> String {
    r#"{"event":"subscribe-status","status":"ok","success":[],"fails":null}"#.to_owned()
}

fn sends(messages: Vec<String>) -> Provider {
    Provider::new(Manner::Sends {
        messages,
        heartbeats: true,
    })
}

#[tokio::test]
async fn nonsense_is_skipped_and_a_lone_price_is_spread() {
    let provider = sends(vec![
        subscribed(),
        "nonsense".into(),
        "[1,2".into(),
        r#"{"event":"price","symbol":"EUR/USD"}"#.into(),
        price("FOO/BAR", r#""price":1"#),
        price("EUR/USD", r#""price":"soon""#),
        price("EUR/USD", r#""price":1.1,"bid":1.2,"ask":1.1"#),
        price("EUR/USD", r#""price":1.10000"#),
        price("WTI/USD", r#""price":60.015,"bid":60.01,"ask":60.02"#),
    ]);
    let config = provider.start(&["EURUSD", "WTI"]).await;
    let (_feed, mut quotes) = Feed::start(config, Hub::new());
    let euro = next_quote(&mut quotes).await;
    assert_eq!(
        (euro.bid.to_string(), euro.ask.to_string()),
        ("1.09996".into(), "1.10004".into())
    );
    let oil = next_quote(&mut quotes).await;
    assert_eq!(oil.symbol.as_str(), "WTI");
    assert_eq!(
        (oil.bid.to_string(), oil.ask.to_string()),
        ("60.01".into(), "60.02".into())
    );
}

#[tokio::test]
async fn a_refused_key_is_reported_without_the_key() {
    let body = json!({"code": 401, "message": "key is incorrect", "status": "error"});
    for status in [200, 401, 403] {
        let provider = Provider::new(Manner::Refuses(status, body.clone()));
        let hub = Hub::new();
        let (feed, _quotes) = Feed::start(provider.start(&["EURUSD"]).await, hub.clone());
        let mut problem = feed.problem();
        let told = soon("the refusal", problem.wait_for(Option::is_some))
            .await
            .unwrap()
            .clone();
        let expected = "the provider refuses the API key (code 401): key is incorrect";
        assert_eq!(told.as_deref(), Some(expected));
        assert_eq!(*hub.status().borrow(), FeedStatus::Stale);
    }
}

#[tokio::test]
async fn refused_symbols_are_reported_and_the_others_go_on() {
    let fails = r#"{"event":"subscribe-status","status":"warning","success":[],"fails":[{"symbol":"WTI/USD"}]}"#;
    let provider = sends(vec![fails.into(), price("EUR/USD", r#""price":1.1"#)]);
    let hub = Hub::new();
    let (feed, mut quotes) = Feed::start(provider.start(&["EURUSD", "WTI"]).await, hub.clone());
    next_quote(&mut quotes).await;
    let problem = feed.problem().borrow().clone().unwrap_or_default();
    assert!(problem.contains("WTI/USD"), "{problem}");
    assert_eq!(*hub.status().borrow(), FeedStatus::Live);
}

#[tokio::test]
async fn a_half_open_socket_is_given_up() {
    let provider = Provider::new(Manner::Sends {
        messages: vec![subscribed()],
        heartbeats: false,
    });
    let mut config = provider.start(&["EURUSD"]).await;
    config.silence_max = Duration::from_millis(700);
    let (_feed, _quotes) = Feed::start(config, Hub::new());
    let reconnected = async {
        while provider.connections() < 3 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon("reconnects", reconnected).await;
    assert!(provider.heartbeats.load(Ordering::SeqCst) > 0);
}

#[tokio::test]
async fn answered_heartbeats_keep_a_quiet_socket_but_the_feed_is_stale() {
    let provider = sends(vec![subscribed(), price("EUR/USD", r#""price":1.1"#)]);
    let mut config = provider.start(&["EURUSD"]).await;
    // Generous, so that a slow machine does not look like silence.
    config.silence_max = Duration::from_secs(20);
    config.heartbeat = Duration::from_millis(20);
    config.quiet_max = Duration::from_secs(1);
    let hub = Hub::new();
    let (_feed, mut quotes) = Feed::start(config, hub.clone());
    next_quote(&mut quotes).await;
    until_status(&hub, FeedStatus::Live).await;
    until_status(&hub, FeedStatus::Stale).await;
    let answered = async {
        while provider.heartbeats.load(Ordering::SeqCst) < 100 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon("heartbeats", answered).await;
    assert_eq!(provider.connections(), 1);
}

#[tokio::test]
async fn each_reconnect_subscribes_again() {
    let provider = Provider::new(Manner::Closes(price("EUR/USD", r#""price":1.1"#)));
    let (_feed, mut quotes) = Feed::start(provider.start(&["EURUSD"]).await, Hub::new());
    for _ in 0..3 {
        next_quote(&mut quotes).await;
    }
    assert!(provider.connections() >= 3);
}

#[tokio::test]
async fn rest_prices_stand_in_while_the_socket_is_down_with_the_providers_time() {
    let mut provider = Provider::new(Manner::Refuses(503, json!({})));
    let quoted_at = Utc::now().timestamp() - 45;
    provider.rest = Some(json!({
        "EUR/USD": {"close": "1.10000", "last_quote_at": quoted_at, "timestamp": 1},
        "WTI/USD": {"code": 404, "message": "no such symbol", "status": "error"},
    }));
    let hub = Hub::new();
    let (_feed, mut quotes) = Feed::start(provider.start(&["EURUSD", "WTI"]).await, hub.clone());
    let quote = next_quote(&mut quotes).await;
    assert_eq!(quote.at.timestamp(), quoted_at);
    assert_eq!(
        (quote.bid.to_string(), quote.ask.to_string()),
        ("1.09996".into(), "1.10004".into())
    );
    until_status(&hub, FeedStatus::Polling).await;
    // The same price again is not a quote.
    let again = tokio::time::timeout(Duration::from_millis(300), quotes.recv()).await;
    assert!(again.is_err(), "{again:?}");
}
