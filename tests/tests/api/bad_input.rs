//! Input that no honest client sends: each the documented problem, nothing appended, no panic.

use daybook_tests::{Answer, Trader, World, client::market};
use reqwest::Method;
use serde_json::{Value, json};

/// Sends a body that may be anything to a route.
async fn raw(trader: &Trader, method: Method, path: &str, body: &str) -> Answer {
    trader.http.call(method, path).raw(body).send().await
}

async fn raw_order(trader: &Trader, body: &str) -> Answer {
    raw(trader, Method::POST, "/trading/order", body).await
}

/// A market order with one field replaced or added.
fn order_with(field: &str, value: Value) -> Value {
    let mut order = market("EURUSD", "buy", "0.10");
    order[field] = value;
    order
}

/// A well-formed server survives it and its book does not move.
async fn untouched(world: &World, trader: &Trader, head: i64) {
    assert_eq!(world.book.head().await, head, "something was appended");
    assert!(trader.positions().await.is_empty());
    assert!(trader.items("/trading/orders?status=all").await.is_empty());
    let log = world.app.stderr() + &world.app.stdout();
    assert!(!log.contains("panicked"), "the server panicked");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_not_what_they_should_be() {
    let world = World::start().await;
    let trader = world.trader().await;
    let head = world.book.head().await;
    for body in [
        "",
        "{",
        "null",
        "[]",
        "7",
        "\"order\"",
        "{}",
        "{\"symbol\":\"EURUSD\"",
        "{\"symbol\":\"EURUSD\",}",
        "{\"symbol\":\"EURUSD\",\"side\":\"buy\",\"type\":\"market\"}",
        "{\"symbol\":\"EURUSD\",\"side\":\"buy\",\"type\":\"market\",\"volume\":\"0.10\"} trailing",
        "{\"symbol\":\"EURUSD\",\"symbol\":\"EURUSD\",\"side\":\"buy\",\"type\":\"market\",\"volume\":\"0.10\"}",
        "\u{feff}{}",
        "{\"symbol\":\"EUR\\u0000USD\",\"side\":\"buy\",\"type\":\"market\",\"volume\":\"0.10\"}",
    ] {
        raw_order(&trader, body).await.any_problem(400);
    }
    let deep = "[".repeat(20_000);
    raw_order(&trader, &deep).await.any_problem(400);
    let answer = trader
        .http
        .call(Method::POST, "/trading/order")
        .header("content-type", "application/json")
        .bytes(vec![0xff, 0xfe, 0x00, 0x80])
        .send()
        .await;
    answer.any_problem(400);
    untouched(&world, &trader, head).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_that_nobody_knows_are_refused_by_name() {
    let world = World::start().await;
    let trader = world.trader().await;
    let head = world.book.head().await;
    let order = order_with("colour", json!("red"));
    let problem = trader.order(&order).await.any_problem(400);
    assert!(problem.to_string().contains("colour"), "{problem}");
    for (method, path) in [
        (Method::PATCH, "/user/me".to_owned()),
        (Method::PATCH, format!("/trading/order/{}", trader.demo)),
        (Method::PATCH, format!("/trading/position/{}", trader.demo)),
        (Method::POST, format!("/trading/close/{}", trader.demo)),
    ] {
        raw(&trader, method, &path, "{\"colour\":\"red\"}")
            .await
            .any_problem(400);
    }
    let mut registration = daybook_tests::client::registration("somebody@example.test");
    registration["isAdmin"] = json!(true);
    world
        .app
        .http
        .post("/auth/register", &registration)
        .await
        .any_problem(400);
    untouched(&world, &trader, head).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn amounts_and_prices_that_cannot_be() {
    let world = World::start().await;
    let trader = world.trader().await;
    let head = world.book.head().await;
    for volume in [
        "\"0\"",
        "0",
        "\"-0.10\"",
        "-0.10",
        "\"-0\"",
        "\"\"",
        "\" \"",
        "\"abc\"",
        "\"NaN\"",
        "\"Infinity\"",
        "\"1e2\"",
        "1e2",
        "1e400",
        "1E-30",
        "\"0x10\"",
        "\"1,000\"",
        "\"1_000\"",
        "\" 0.10\"",
        "\"+0.10\"",
        "null",
        "true",
        "[]",
        "{}",
        "\"99999999999999999999999999999\"",
        "99999999999999999999999999999",
        "\"0.00000000000000000000000000001\"",
        "\"79228162514264337593543950336\"",
    ] {
        let body = format!(
            "{{\"symbol\":\"EURUSD\",\"side\":\"buy\",\"type\":\"market\",\"volume\":{volume}}}"
        );
        let answer = raw_order(&trader, &body).await;
        assert_eq!(answer.status, 400, "volume {volume}: {}", answer.text);
        answer.any_problem(400);
    }
    for field in [
        "limitPrice",
        "stopPrice",
        "stopLoss",
        "takeProfit",
        "trailingDistance",
    ] {
        for value in ["0", "-1", "abc", "123456789012345678901234567890"] {
            let order = order_with(field, json!(value));
            trader.order(&order).await.any_problem(400);
        }
    }
    untouched(&world, &trader, head).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_contradict_themselves() {
    let world = World::start().await;
    let trader = world.trader().await;
    let head = world.book.head().await;
    for (field, value) in [
        ("symbol", json!("NOSUCH")),
        ("symbol", json!("eurusd")),
        ("symbol", json!("")),
        ("symbol", json!("EUR/USD")),
        ("symbol", json!("'; drop table events; --")),
        ("symbol", json!("X".repeat(1_000))),
    ] {
        let answer = trader.order(&order_with(field, value)).await;
        answer.problem(400, "unknown_symbol");
    }
    for (field, value) in [
        ("symbol", json!(7)),
        ("side", json!("hold")),
        ("side", json!("BUY")),
        ("type", json!("iceberg")),
        ("timeInForce", json!("tomorrow")),
        ("timeInForce", json!("gtd")), // Without a date.
        ("expiresAt", json!("tomorrow")),
        ("expiresAt", json!(1_700_000_000)),
        ("limitPrice", json!("1.10000")), // On a market order.
        ("stopPrice", json!("1.10000")),
        ("accountId", json!("not-a-uuid")),
        ("accountId", json!(7)),
        ("clientOrderId", json!("x".repeat(10_000))),
        ("ocoGroup", json!("x".repeat(10_000))),
    ] {
        let answer = trader.order(&order_with(field, value.clone())).await;
        assert_eq!(answer.status, 400, "{field} = {value}: {}", answer.text);
        answer.any_problem(400);
    }
    for incomplete in ["limit", "stop", "stop_limit"] {
        let answer = trader.order(&order_with("type", json!(incomplete))).await;
        answer.any_problem(400);
    }
    untouched(&world, &trader, head).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_that_are_not_ours() {
    let world = World::start().await;
    let trader = world.trader().await;
    let head = world.book.head().await;
    let never = "01890000-0000-7000-8000-000000000000";
    let long = "9".repeat(3_000);
    for (id, status) in [
        (never, 404),
        ("not-a-uuid", 400),
        ("%00", 400),
        ("..%2f..", 400),
        (&long, 400),
    ] {
        for (method, path) in [
            (Method::PATCH, format!("/trading/order/{id}")),
            (Method::PATCH, format!("/trading/position/{id}")),
            (Method::POST, format!("/trading/close/{id}")),
        ] {
            let body = if path.contains("/close/") {
                "{}"
            } else {
                r#"{"stopLoss":"1"}"#
            };
            let answer = raw(&trader, method, &path, body).await;
            assert!(
                answer.status == status || answer.status == 404,
                "{path}: {}",
                answer.text
            );
            answer.any_problem(answer.status);
        }
        let answer = trader.http.delete(&format!("/trading/order/{id}")).await;
        assert!(
            answer.status == status || answer.status == 404,
            "{id}: {}",
            answer.text
        );
        let answer = trader.http.get(&format!("/trading/execution/{id}")).await;
        assert!(
            answer.status == status || answer.status == 404,
            "{id}: {}",
            answer.text
        );
    }
    let order = order_with("accountId", json!(never));
    trader.order(&order).await.any_problem(404);
    trader
        .http
        .get(&format!("/trading/positions?accountId={never}"))
        .await
        .any_problem(404);
    trader
        .http
        .get("/trading/positions?accountId=me")
        .await
        .any_problem(400);
    untouched(&world, &trader, head).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_cut_off() {
    let world = World::start().await;
    let trader = world.trader().await;
    let head = world.book.head().await;
    let order = order_with("clientOrderId", json!("x".repeat(70 * 1024)));
    trader.order(&order).await.any_problem(413);
    let padded = format!("{}{{}}", " ".repeat(1024 * 1024));
    for path in ["/auth/login", "/auth/register", "/trading/order"] {
        let answer = trader
            .http
            .call(Method::POST, path)
            .raw(padded.clone())
            .try_send()
            .await;
        // A server may also hang up on a body that it does not want to read.
        if let Ok(answer) = answer {
            answer.any_problem(413);
        }
    }
    untouched(&world, &trader, head).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idempotency_keys_that_are_none() {
    let world = World::start().await;
    let trader = world.trader().await;
    let head = world.book.head().await;
    for key in ["", " ", &"k".repeat(1_000)] {
        let call = trader.http.call(Method::POST, "/trading/order");
        let answer = call
            .key(key)
            .json(&market("EURUSD", "buy", "0.10"))
            .send()
            .await;
        answer.any_problem(400);
    }
    untouched(&world, &trader, head).await;
}
