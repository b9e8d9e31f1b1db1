//! The client's private WebSocket: who may listen, what is pushed, what was missed.

use daybook_tests::{Socket, Trader, World, client::market};
use serde_json::{Value, json};

async fn signed_in(world: &World, trader: &Trader) -> Socket {
    let token = trader.http.token().expect("a token");
    let bearer = format!("bearer.{token}");
    let mut socket = Socket::try_open(&world.app.http, "/ws", &["daybook.v1", &bearer])
        .await
        .expect("a good token upgrades");
    assert_eq!(socket.protocol.as_deref(), Some("daybook.v1"));
    socket.until_type("ready").await;
    socket
}

fn subscribe(channels: &[String]) -> Value {
    json!({ "op": "subscribe", "channels": channels })
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_three_ways_in() {
    let world = World::start().await;
    let trader = world.trader().await;
    let token = trader.http.token().expect("a token").to_owned();
    signed_in(&world, &trader).await;

    let mut by_message = Socket::open(&world.app.http, "/ws").await;
    by_message
        .send(&json!({ "op": "auth", "token": token }))
        .await;
    by_message.until_type("ready").await;

    let mut by_query = Socket::open(&world.app.http, &format!("/api/v1/ws?token={token}")).await;
    by_query.until_type("ready").await;
    assert!(
        !world.app.stderr().contains(&token),
        "tokens are never logged"
    );
    assert!(
        !world.app.stdout().contains(&token),
        "tokens are never logged"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_good_token_the_socket_is_closed() {
    let world = World::start().await;
    let mut wrong = Socket::open(&world.app.http, "/ws").await;
    wrong
        .send(&json!({ "op": "auth", "token": "nonsense" }))
        .await;
    while let Some(message) = wrong.next().await {
        assert_ne!(message["type"], "ready", "{message}");
    }
    let mut silent = Socket::open(&world.app.http, "/ws").await;
    while let Some(message) = silent.next().await {
        assert_ne!(message["type"], "ready", "{message}");
    }
    if let Ok(mut refused) =
        Socket::try_open(&world.app.http, "/ws", &["daybook.v1", "bearer.nonsense"]).await
    {
        while let Some(message) = refused.next().await {
            assert_ne!(message["type"], "ready", "{message}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_positions_and_the_account_are_pushed_after_the_commit() {
    let world = World::start().await;
    let trader = world.trader().await;
    let mut socket = signed_in(&world, &trader).await;
    let channels = ["account", "orders", "positions"].map(|kind| format!("{kind}:{}", trader.demo));
    socket.send(&subscribe(&channels)).await;
    socket.until_type("account").await; // Subscribed for sure.

    let placed = trader.market("EURUSD", "buy", "0.10").await;
    let mut order = None;
    let mut position = None;
    let mut account = None;
    while order.is_none() || position.is_none() || account.is_none() {
        let message = socket.next().await.expect("the socket stays open");
        match message["type"].as_str() {
            Some("order") if message["status"] == "filled" => order = Some(message),
            Some("position") => position = Some(message),
            Some("account") if message["usedMargin"] == "110.01" => account = Some(message),
            Some(_) | None => {}
        }
    }
    let order = order.expect("seen above");
    assert_eq!(order["orderId"], placed.text_at("/orderId"));
    assert!(order["position"].as_i64() <= Some(placed.position()));
    let position = position.expect("seen above");
    assert_eq!(position["positionId"], placed.text_at("/positionId"));
    assert_eq!(position["openPrice"], "1.10010");
    assert_eq!(account.expect("seen above")["balance"], "10000.00");

    // The account follows the market by itself.
    world.feed.set("EURUSD", "1.10110", "1.10120");
    socket
        .until("the account at the new price", |message| {
            message["type"] == "account" && message["unrealised"] == "10.00"
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn quotes_can_be_had_on_the_private_channel_as_well() {
    let world = World::start().await;
    let trader = world.trader().await;
    let mut socket = signed_in(&world, &trader).await;
    socket.send(&subscribe(&["quotes:EURUSD".to_owned()])).await;
    socket
        .until("a quote", |message| {
            message["type"] == "quote" && message["bid"] == "1.10000"
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_listens_to_anothers_account() {
    let world = World::start().await;
    let owner = world.trader().await;
    let stranger = world.trader().await;
    let mut socket = signed_in(&world, &stranger).await;
    for kind in ["account", "orders", "positions"] {
        socket
            .send(&subscribe(&[format!("{kind}:{}", owner.demo)]))
            .await;
        let error = socket.until_type("error").await;
        assert!(
            error["code"] == "not_found" || error["code"] == "forbidden",
            "{error}"
        );
    }
    socket
        .send(&subscribe(&[format!("orders:{}", stranger.demo)]))
        .await;
    owner.market("EURUSD", "buy", "0.10").await;
    let mine = stranger
        .market("EURUSD", "sell", "0.20")
        .await
        .text_at("/orderId");
    let pushed = socket.until_type("order").await;
    assert_eq!(
        pushed["orderId"], mine,
        "the first order pushed is one's own"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reconnects_gets_what_it_missed() {
    let world = World::start().await;
    let trader = world.trader().await;
    let before = trader.market("EURUSD", "buy", "0.01").await.position();
    let missed = [
        trader
            .market("EURUSD", "buy", "0.02")
            .await
            .text_at("/orderId"),
        trader
            .market("EURUSD", "buy", "0.03")
            .await
            .text_at("/orderId"),
    ];
    let refused = trader.order(&market("EURUSD", "buy", "50")).await;
    refused.problem(422, "insufficient_margin");

    let mut socket = signed_in(&world, &trader).await;
    let channels = [
        format!("orders:{}", trader.demo),
        format!("positions:{}", trader.demo),
    ];
    socket
        .send(&json!({ "op": "subscribe", "channels": channels, "since": before }))
        .await;
    let mut orders = vec![];
    let mut last = before;
    while orders.last().map(|(_, status)| status) != Some(&"rejected".to_owned()) {
        let message = socket.next().await.expect("the socket stays open");
        if message["type"] != "order" && message["type"] != "position" {
            continue;
        }
        let position = message["position"].as_i64().expect("a position");
        assert!(
            position > before && position >= last,
            "in order and nothing old: {message}"
        );
        last = position;
        if message["type"] == "order" {
            let field = |name: &str| message[name].as_str().unwrap_or("").to_owned();
            orders.push((field("orderId"), field("status")));
        }
    }
    for id in missed {
        assert!(
            orders.iter().any(|(order, _)| *order == id),
            "{id} is missing in {orders:?}"
        );
    }
}
