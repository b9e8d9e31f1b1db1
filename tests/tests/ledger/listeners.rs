//! Listeners beside concurrent writers: nothing skipped, nothing out of order.

use std::{collections::BTreeSet, time::Duration};

use daybook_tests::{Socket, Trader, World, load::Load, within};
use serde_json::json;

/// Listens to a trader's orders until all of `wanted` were heard of.
async fn listen(mut socket: Socket, mut wanted: BTreeSet<String>) {
    let mut last = 0;
    while !wanted.is_empty() {
        let message = socket.next().await.expect("the socket stays open");
        if message["type"] != "order" {
            continue;
        }
        let position = message["position"].as_i64().expect("a position");
        assert!(position >= last, "{position} came after {last}");
        last = position;
        if let Some(order) = message["orderId"].as_str() {
            wanted.remove(order);
        }
    }
}

async fn subscribed(world: &World, trader: &Trader) -> Socket {
    let token = trader.http.token().expect("a token");
    let mut socket = Socket::open(&world.app.http, &format!("/ws?token={token}")).await;
    socket.until_type("ready").await;
    let channels = [format!("orders:{}", trader.demo)];
    let message = json!({ "op": "subscribe", "channels": channels, "since": 0 });
    socket.send(&message).await;
    socket
}

#[tokio::test(flavor = "multi_thread")]
async fn every_order_is_heard_of_beside_concurrent_writers() {
    let world = World::start().await;
    let mut traders = vec![];
    for _ in 0..4 {
        traders.push(world.trader().await);
    }
    let bases = vec![world.app.http.base().to_owned()];
    let load = Load::start(traders.clone(), bases, Duration::from_millis(2));
    // Half of them listen from the start, half come in the middle of it.
    let mut sockets = vec![];
    for (number, trader) in traders.iter().enumerate() {
        within(Duration::from_secs(60), "some trading", || async {
            (load.acknowledged() > number * 100).then_some(())
        })
        .await;
        sockets.push(subscribed(&world, trader).await);
    }
    within(Duration::from_secs(60), "more trading", || async {
        (load.acknowledged() > 500).then_some(())
    })
    .await;
    let diaries = load.finish().await;
    for (socket, diary) in sockets.into_iter().zip(diaries) {
        let orders = diary
            .done
            .iter()
            .filter(|done| done.path == "/trading/order" && done.answer.status == 201);
        let wanted: BTreeSet<_> = orders.map(|done| done.answer.text_at("/orderId")).collect();
        assert!(wanted.len() > 20, "worth listening to");
        listen(socket, wanted).await;
    }
}
