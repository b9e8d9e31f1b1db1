//! The public quote stream, over WebSocket and server-sent events.

use daybook_tests::{EventStream, Socket, World, eventually};
use serde_json::{Value, json};

fn is_quote(message: &Value, symbol: &str, bid: &str) -> bool {
    message["type"] == "quote" && message["symbol"] == symbol && message["bid"] == bid
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_gets_the_last_quote_at_once_and_then_each_new_one() {
    let world = World::start().await;
    let mut socket = Socket::open(&world.app.http, "/stream?symbols=EURUSD").await;
    let status = socket.until_type("status").await;
    assert_eq!(status["feed"], "live");
    let quote = socket
        .until("the last quote", |message| {
            is_quote(message, "EURUSD", "1.10000")
        })
        .await;
    assert_eq!(quote["ask"], "1.10010");
    assert!(
        quote["seq"].is_number() && quote["time"].is_string(),
        "{quote}"
    );
    world.feed.set("EURUSD", "1.10020", "1.10030");
    let next = socket
        .until("the new quote", |message| {
            is_quote(message, "EURUSD", "1.10020")
        })
        .await;
    assert!(next["seq"].as_u64() > quote["seq"].as_u64());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_chooses_its_symbols_while_it_listens() {
    let world = World::start().await;
    world
        .app
        .price(&world.feed, "GBPUSD", "1.30000", "1.30010")
        .await;
    let mut socket = Socket::open(&world.app.http, "/api/v1/stream").await;
    socket.send(&json!({ "op": "ping" })).await;
    socket.until_type("pong").await;
    socket
        .send(&json!({ "op": "subscribe", "symbols": ["GBPUSD", "NOSUCH"] }))
        .await;
    let error = socket.until_type("error").await;
    assert_eq!(error["code"], "unknown_symbol");
    assert_eq!(error["symbol"], "NOSUCH");
    socket
        .until("GBPUSD", |message| is_quote(message, "GBPUSD", "1.30000"))
        .await;

    socket
        .send(&json!({ "op": "unsubscribe", "symbols": ["GBPUSD"] }))
        .await;
    socket
        .send(&json!({ "op": "subscribe", "symbols": ["EURUSD"] }))
        .await;
    socket
        .until("EURUSD", |message| is_quote(message, "EURUSD", "1.10000"))
        .await;
    world.feed.set("GBPUSD", "1.31000", "1.31010");
    world.feed.set("EURUSD", "1.11000", "1.11010");
    socket
        .until("only EURUSD", |message| {
            assert_ne!(message["bid"], "1.31000", "unsubscribed: {message}");
            is_quote(message, "EURUSD", "1.11000")
        })
        .await;
    for nonsense in [
        "not json",
        "{}",
        r#"{"op":"dance"}"#,
        r#"{"op":"subscribe","symbols":7}"#,
    ] {
        socket.send_text(nonsense.to_owned()).await;
        socket.until_type("error").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn server_sent_events_carry_the_same_messages() {
    let world = World::start().await;
    let mut events = EventStream::open(&world.app.http, "/stream?symbols=EURUSD").await;
    events
        .until("the last quote", |message| {
            is_quote(message, "EURUSD", "1.10000")
        })
        .await;
    world.feed.set("EURUSD", "1.10020", "1.10030");
    let quote = events
        .until("the new quote", |message| {
            is_quote(message, "EURUSD", "1.10020")
        })
        .await;
    assert_eq!(quote["ask"], "1.10030");
}

#[tokio::test(flavor = "multi_thread")]
async fn any_number_of_listeners_is_one_subscription_upstream() {
    let world = World::start().await;
    let mut sockets = vec![];
    for _ in 0..20 {
        sockets.push(Socket::open(&world.app.http, "/stream?symbols=EURUSD").await);
    }
    for socket in &mut sockets {
        socket
            .until("a quote", |message| is_quote(message, "EURUSD", "1.10000"))
            .await;
    }
    assert_eq!(world.feed.subscriptions("EURUSD"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_hangs_up_is_taken_up_again() {
    let world = World::start().await;
    let before = world.feed.connections();
    world.feed.hang_up();
    eventually("the program connects and subscribes again", || async {
        let again = world.feed.connections() > before;
        (again && world.feed.subscriptions("EURUSD") == 1).then_some(())
    })
    .await;
    world.price("1.12000", "1.12010").await;
}
