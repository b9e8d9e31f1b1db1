//! Margin call and stop-out as the client lives through them, and the rate of orders.

use daybook_tests::{Socket, World, client::market, eventually};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_margin_call_comes_before_the_stop_out_and_both_are_told() {
    let world = World::start().await;
    let trader = world.trader().await;
    let token = trader.http.token().expect("a token");
    let mut socket = Socket::open(&world.app.http, &format!("/ws?token={token}")).await;
    socket.until_type("ready").await;
    socket
        .send(&json!({ "op": "subscribe", "channels": ["notifications"] }))
        .await;
    socket.until_type("subscribed").await;
    trader.market("EURUSD", "buy", "9.00").await;

    world.price("1.09900", "1.09910").await; // 9,010.00 of 9,900.90.
    let call = socket.until_type("notification").await;
    assert_eq!(
        (&call["kind"], &call["marginLevel"]),
        (&json!("margin_call"), &json!("91.00"))
    );
    assert_eq!(trader.positions().await.len(), 1, "nothing is closed yet");

    world.price("1.09440", "1.09450").await; // 4,870.00 of 9,900.90.
    let started = socket.until_type("notification").await;
    assert_eq!(
        (&started["kind"], &started["marginLevel"]),
        (&json!("stop_out_started"), &json!("49.19"))
    );
    let finished = socket.until_type("notification").await;
    assert_eq!(finished["kind"], "stop_out_finished");
    let cleared = socket.until_type("notification").await;
    assert_eq!(cleared["kind"], "margin_call_cleared");
    eventually("the position to be gone", async || {
        trader.positions().await.is_empty().then_some(())
    })
    .await;
    let closing = &trader.items("/trading/history").await[0];
    assert_eq!(
        (&closing["reason"], &closing["realised"]),
        (&json!("stop_out"), &json!("-5130.00"))
    );
    assert_eq!(trader.account().await.text_at("/balance"), "4870.00");
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_beyond_the_rate_leave_no_trace() {
    let world = World::start_with(|launch| launch.set("DAYBOOK_ORDERS_PER_MINUTE", "2")).await;
    let trader = world.trader().await;
    trader.market("EURUSD", "buy", "0.01").await;
    trader.market("EURUSD", "buy", "0.01").await;
    let head = world.book.head().await;
    let refused = trader.order(&market("EURUSD", "buy", "0.01")).await;
    refused.problem(429, "order_rate");
    let wait: u64 = refused
        .header("retry-after")
        .and_then(|text| text.parse().ok())
        .expect("Retry-After");
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(world.book.head().await, head);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_house_that_reduces_lets_positions_be_closed_and_none_be_opened() {
    let mut world = World::start().await;
    let trader = world.trader().await;
    let id = trader
        .market("EURUSD", "buy", "0.10")
        .await
        .text_at("/positionId");
    world.app.terminate().await;
    world.app.reconfigure("DAYBOOK_TRADING_STATE", "reducing");
    world.app.launch_again();
    world.app.ready().await;
    world.price("1.10000", "1.10010").await;
    assert_eq!(trader.account().await.text_at("/state"), "reducing");
    trader
        .order(&market("EURUSD", "buy", "0.01"))
        .await
        .problem(422, "trading_disabled");
    let close = format!("/trading/close/{id}");
    trader.http.post(&close, &json!({})).await.expecting(200);
}
