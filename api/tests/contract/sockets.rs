//! Sockets over a real listener.

use std::{net::SocketAddr, time::Duration};

use axum::http::{HeaderValue, Method};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{io::AsyncReadExt, io::AsyncWriteExt, net::TcpListener, net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest},
};

use crate::world::World;

const PATIENCE: Duration = Duration::from_secs(60);

async fn listen(world: &World) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(daybook_api::serve(
        listener,
        world.router.clone(),
        std::future::pending(),
    ));
    address
}

struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    async fn open(
        address: SocketAddr,
        path: &str,
        protocols: &str,
    ) -> Result<(Self, String), Error> {
        let mut request = format!("ws://{address}{path}").into_client_request()?;
        if !protocols.is_empty() {
            let value = HeaderValue::from_str(protocols).expect("a header");
            request
                .headers_mut()
                .insert("sec-websocket-protocol", value);
        }
        let (stream, response) = connect_async(request).await?;
        let chosen = response.headers().get("sec-websocket-protocol");
        let chosen = chosen
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        Ok((Self(stream), chosen))
    }

    async fn say(&mut self, message: Value) {
        let message = Message::text(message.to_string());
        self.0.send(message).await.expect("the socket is open");
    }

    /// The next message; null once closed.
    async fn hear(&mut self) -> Value {
        loop {
            match timeout(PATIENCE, self.0.next())
                .await
                .expect("a message in time")
            {
                Some(Ok(Message::Text(text))) => {
                    return serde_json::from_str(&text).expect("messages are JSON");
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Value::Null,
                Some(Ok(_)) => {}
            }
        }
    }

    async fn until(&mut self, kind: &str) -> Value {
        loop {
            let message = self.hear().await;
            assert!(!message.is_null(), "closed before a message of type {kind}");
            if message["type"] == kind {
                return message;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn quotes_are_streamed_from_the_last_one_on() {
    let world = World::start(false, |_| {}).await;
    let address = listen(&world).await;
    world.quote("EURUSD", "1.10000", "1.10010").await;
    let path = "/api/v1/stream?symbols=EURUSD,NOSUCH";
    let (mut socket, _) = Socket::open(address, path, "").await.expect("it upgrades");
    assert_eq!(socket.hear().await["type"], "status");
    let unknown = socket.hear().await;
    assert_eq!(
        (&unknown["code"], &unknown["symbol"]),
        (&json!("unknown_symbol"), &json!("NOSUCH"))
    );
    let first = socket.until("quote").await;
    assert_eq!(
        (&first["symbol"], &first["bid"]),
        (&json!("EURUSD"), &json!("1.10000"))
    );
    world.quote("EURUSD", "1.10001", "1.10011").await;
    assert_eq!(socket.until("quote").await["bid"], "1.10001");

    socket.say(json!({ "op": "ping" })).await;
    socket.until("pong").await;
    socket
        .say(json!({ "op": "unsubscribe", "symbols": ["EURUSD"] }))
        .await;
    socket
        .say(json!({ "op": "subscribe", "symbols": ["BTCUSD"] }))
        .await;
    socket.say(json!({ "op": "ping" })).await;
    socket.until("pong").await;
    world.quote("EURUSD", "1.2", "1.3").await;
    world.quote("BTCUSD", "50000.00", "50001.00").await;
    assert_eq!(socket.until("quote").await["symbol"], "BTCUSD");
    world.hub.set_status(daybook_relay::FeedStatus::Live);
    assert_eq!(socket.until("status").await["feed"], "live");
    socket.say(json!({ "op": "dance" })).await;
    assert_eq!(socket.until("error").await["code"], "malformed");
}

#[tokio::test(flavor = "multi_thread")]
async fn server_sent_events_hold_the_same_messages() {
    let world = World::start(false, |_| {}).await;
    let address = listen(&world).await;
    world.quote("EURUSD", "1.10000", "1.10010").await;
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let request =
        "GET /stream?symbols=EURUSD HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while !text.contains("\"type\":\"quote\"") {
        let read = timeout(PATIENCE, stream.read(&mut buffer))
            .await
            .expect("in time");
        let read = read.expect("readable");
        assert!(read > 0, "the stream ended: {text}");
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    assert!(text.contains("content-type: text/event-stream"), "{text}");
    let status = text
        .find("data: {\"type\":\"status\"")
        .expect("a status first");
    assert!(status < text.find("\"type\":\"quote\"").expect("a quote"));
    let without = world.call(Method::GET, "/stream", &[], "").await;
    without.problem(400, "invalid_value");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_channel_opens_in_three_ways_and_no_other() {
    let world = World::leader().await;
    let address = listen(&world).await;
    let token = world.trader("ada@example.com").await;
    let token = token.strip_prefix("Bearer ").expect("a bearer token");

    let offered = format!("daybook.v1, bearer.{token}");
    let (mut socket, chosen) = Socket::open(address, "/ws", &offered)
        .await
        .expect("it upgrades");
    assert_eq!(chosen, "daybook.v1");
    socket.until("ready").await;
    let path = format!("/ws?token={token}");
    let (mut socket, _) = Socket::open(address, &path, "").await.expect("it upgrades");
    socket.until("ready").await;
    let (mut socket, _) = Socket::open(address, "/ws", "").await.expect("it upgrades");
    socket.say(json!({ "op": "auth", "token": token })).await;
    socket.until("ready").await;

    assert!(
        Socket::open(address, "/ws", "daybook.v1, bearer.nonsense")
            .await
            .is_err()
    );
    assert!(
        Socket::open(address, "/ws?token=nonsense", "")
            .await
            .is_err()
    );
    let (mut socket, _) = Socket::open(address, "/ws", "").await.expect("it upgrades");
    socket
        .say(json!({ "op": "auth", "token": "nonsense" }))
        .await;
    assert_eq!(socket.until("error").await["code"], "unauthenticated");
    assert!(socket.hear().await.is_null(), "and closed");
    // Nothing said at all: closed after a while.
    let (mut socket, _) = Socket::open(address, "/ws", "").await.expect("it upgrades");
    assert_eq!(socket.until("error").await["code"], "auth_timeout");
    world
        .call(Method::GET, "/ws", &[], "")
        .await
        .problem(406, "not_acceptable");
}

/// A trader's token, and the identifier of the demo account.
async fn trader(world: &World) -> (String, String) {
    let token = world.trader("ada@example.com").await;
    let accounts = world.get(&token, "/user/accounts").await.expecting(200);
    let demo = accounts.text("/0/accountId");
    (token, demo)
}

/// A private channel, ready.
async fn private(address: SocketAddr, token: &str) -> Socket {
    let token = token.strip_prefix("Bearer ").expect("a bearer token");
    let opened = Socket::open(address, &format!("/ws?token={token}"), "").await;
    let (mut socket, _) = opened.expect("it upgrades");
    socket.until("ready").await;
    socket
}

const ORDER: &str = r#"{"symbol":"EURUSD","side":"buy","type":"market","volume":"0.10"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn nobody_listens_to_what_is_anothers() {
    let world = World::leader().await;
    let address = listen(&world).await;
    let (_, demo) = trader(&world).await;
    let stranger = world.trader("eve@example.com").await;
    let mut spy = private(address, &stranger).await;
    let channels = [&*format!("orders:{demo}"), "nonsense", "quotes:NOSUCH"];
    spy.say(json!({ "op": "subscribe", "channels": channels }))
        .await;
    for code in ["not_found", "unknown_channel", "unknown_symbol"] {
        assert_eq!(spy.until("error").await["code"], code);
    }
    assert_eq!(spy.until("subscribed").await["channels"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_pushed_in_order() {
    let world = World::leader().await;
    let address = listen(&world).await;
    world.quote("EURUSD", "1.10000", "1.10010").await;
    let (token, demo) = trader(&world).await;
    let channels = ["account", "orders", "positions"].map(|kind| format!("{kind}:{demo}"));
    let mut socket = private(address, &token).await;
    socket
        .say(json!({ "op": "subscribe", "channels": channels }))
        .await;
    socket.until("subscribed").await;
    assert_eq!(socket.until("account").await["balance"], "10000.00");

    let placed = world
        .post(&token, "/trading/order", ORDER)
        .await
        .expecting(201);
    let order = socket.until("order").await;
    assert_eq!(order["orderId"], placed.text("/orderId"));
    assert_eq!(
        (&order["status"], &order["orderType"]),
        (&json!("filled"), &json!("market"))
    );
    let position = socket.until("position").await;
    assert_eq!(
        (&position["open"], &position["openPrice"]),
        (&json!(true), &json!("1.10010"))
    );
    assert!(position["position"].as_i64() > order["position"].as_i64());
    world.quote("EURUSD", "1.10100", "1.10110").await;
    while socket.until("account").await["unrealised"] != "9.00" {}
    let close = format!("/trading/close/{}", placed.text("/positionId"));
    world.post(&token, &close, "{}").await.expecting(200);
    let closed = socket.until("position").await;
    assert_eq!(
        (&closed["open"], &closed["volume"]),
        (&json!(false), &json!("0.00"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_is_caught_up_by_position() {
    let world = World::leader().await;
    let address = listen(&world).await;
    world.quote("EURUSD", "1.10000", "1.10010").await;
    let (token, demo) = trader(&world).await;
    let known = world.store.head().await.expect("readable").position;
    let missed = world
        .post(&token, "/trading/order", ORDER)
        .await
        .expecting(201);
    let channels = ["orders", "positions"].map(|kind| format!("{kind}:{demo}"));
    let mut socket = private(address, &token).await;
    socket
        .say(json!({ "op": "subscribe", "channels": channels, "since": known }))
        .await;
    assert_eq!(
        socket.until("order").await["orderId"],
        missed.text("/orderId")
    );
    let position = socket.until("position").await;
    assert_eq!(position["positionId"], missed.text("/positionId"));

    // Up to date: what it knows is not pushed again, what is new is.
    let mut current = private(address, &token).await;
    let since = &position["position"];
    current
        .say(json!({ "op": "subscribe", "channels": channels, "since": since }))
        .await;
    current.until("subscribed").await;
    let news = world
        .post(&token, "/trading/order", ORDER)
        .await
        .expecting(201);
    assert_eq!(
        current.until("order").await["orderId"],
        news.text("/orderId")
    );
}
