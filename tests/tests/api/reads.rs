//! Reading one's own writes, and waiting for a position.

use std::time::Instant;

use daybook_tests::{World, client::market};
use reqwest::Method;

#[tokio::test(flavor = "multi_thread")]
async fn a_read_after_a_write_sees_it_without_being_told_to_wait() {
    let world = World::start().await;
    let trader = world.trader().await;
    for expected in 1..=20 {
        let answer = trader.market("EURUSD", "buy", "0.01").await;
        assert_eq!(trader.positions().await.len(), expected);
        let item = trader.order_item(&answer.text_at("/orderId")).await;
        assert_eq!(item.expect("the order is there")["status"], "filled");
        assert_eq!(trader.items("/trading/history").await.len(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_waits_for_the_position_it_names() {
    let world = World::start().await;
    let trader = world.trader().await;
    let answer = trader
        .order(&market("EURUSD", "buy", "0.01"))
        .await
        .expecting(201);
    // The same client on another connection, which this server never saw write.
    let positions = trader
        .http
        .call(Method::GET, "/api/v1/trading/positions")
        .min_position(answer.position())
        .send()
        .await
        .expecting(200);
    assert_eq!(positions.json()["items"].as_array().map(Vec::len), Some(1));
    let account = trader.account().await.json();
    assert!(account["asOfPosition"].as_i64() >= Some(answer.position()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_that_does_not_come_is_not_waited_for_forever() {
    let world = World::start().await;
    let trader = world.trader().await;
    for path in ["account", "positions", "orders", "history"] {
        let started = Instant::now();
        let call = trader.http.call(Method::GET, &format!("/trading/{path}"));
        let answer = call.min_position(1_000_000_000).send().await;
        answer.problem(503, "read_model_behind");
        assert!(answer.header("retry-after").is_some());
        assert!(started.elapsed().as_millis() >= 1500, "{path} did not wait");
    }
    for nonsense in ["-1", "soon", "99999999999999999999"] {
        let call = trader.http.call(Method::GET, "/trading/account");
        let answer = call.header("daybook-min-position", nonsense).send().await;
        answer.any_problem(400);
    }
}
