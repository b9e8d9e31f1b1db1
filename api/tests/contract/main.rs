//! The contract over a real book, engine and read models, without a network in between.

mod sockets;
mod world;

use axum::http::Method;
use chrono::DateTime;
use serde_json::{Value, json};
use world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_registers_trades_and_reads_it_all_back() {
    let world = World::leader().await;
    world.quote("EURUSD", "1.10000", "1.10010").await;
    let token = world.trader("ada@example.com").await;
    let me = world.get(&token, "/api/v1/user/me").await.expecting(200);
    assert_eq!(me.text("/email"), "ada@example.com");

    let order = r#"{"symbol":"EURUSD","side":"buy","type":"market","volume":0.10}"#;
    let placed = world
        .post(&token, "/trading/order", order)
        .await
        .expecting(201);
    assert_eq!(placed.text("/status"), "filled");
    assert_eq!(placed.text("/execution/price"), "1.10010");
    let account = world.get(&token, "/trading/account").await.expecting(200);
    assert_eq!(account.text("/balance"), "10000.00");
    assert_eq!(account.text("/unrealised"), "-1.00");
    assert_eq!(account.text("/usedMargin"), "110.01");
    let positions = world.get(&token, "/trading/positions").await.expecting(200);
    assert_eq!(positions.text("/items/0/currentPrice"), "1.10000");
    assert_eq!(positions.text("/items/0/volume"), "0.10");

    let close = format!("/trading/close/{}", placed.text("/positionId"));
    world.quote("EURUSD", "1.10100", "1.10110").await;
    let closed = world.post(&token, &close, "").await.expecting(200);
    assert_eq!(closed.text("/realised"), "9.00");
    world
        .post(&token, &close, "{}")
        .await
        .problem(422, "position_not_open");
    let history = world.get(&token, "/trading/history").await.expecting(200);
    assert_eq!(history.text("/items/0/reason"), "client");
    let receipt = format!("/trading/execution/{}", closed.text("/dealId"));
    let receipt = world.get(&token, &receipt).await.expecting(200);
    assert_eq!(receipt.text("/hash").len(), 64);

    let then = format!("/trading/account?asOf={}", history.text("/items/1/time"));
    let then = world.get(&token, &then).await.expecting(200);
    assert_eq!(then.text("/usedMargin"), "110.01");
    assert_eq!(
        then.json()["equity"],
        Value::Null,
        "no quote of that time is kept"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_command_is_answered_as_the_first_time() {
    let world = World::leader().await;
    world.quote("EURUSD", "1.10000", "1.10010").await;
    let token = world.trader("ada@example.com").await;
    let keyed = [("authorization", token.as_str()), ("idempotency-key", "k1")];
    let order = r#"{"symbol":"EURUSD","side":"buy","type":"market","volume":"0.10"}"#;
    let ask = async |path: &str, body: &str| world.call(Method::POST, path, &keyed, body).await;
    let placed = ask("/trading/order", order).await.expecting(201);
    let again = ask("/api/v1/trading/order", order).await.expecting(201);
    assert_eq!(
        again.body, placed.body,
        "the same route under both prefixes"
    );
    let position = "daybook-position";
    assert_eq!(again.headers[position], placed.headers[position]);
    let sold = order.replace("buy", "sell");
    ask("/trading/order", &sold)
        .await
        .problem(422, "idempotency_key_reused");
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_rest_change_and_end() {
    let world = World::leader().await;
    world.quote("EURUSD", "1.10000", "1.10010").await;
    let token = world.trader("ada@example.com").await;
    let auth = [("authorization", token.as_str())];
    let limit =
        r#"{"symbol":"EURUSD","side":"buy","type":"limit","volume":"0.10","limitPrice":"1.05000"}"#;
    let placed = world
        .call(Method::POST, "/trading/order", &auth, limit)
        .await
        .expecting(201);
    assert_eq!(placed.text("/status"), "working");
    let path = format!("/trading/order/{}", placed.text("/orderId"));
    let changes = r#"{"limitPrice":"1.04000","stopLoss":"1.03000"}"#;
    world
        .call(Method::PATCH, &path, &auth, changes)
        .await
        .expecting(204);
    let orders = world
        .call(Method::GET, "/trading/orders", &auth, "")
        .await
        .expecting(200);
    assert_eq!(orders.text("/items/0/limitPrice"), "1.04000");
    assert_eq!(orders.text("/items/0/type"), "limit");
    world
        .call(Method::DELETE, &path, &auth, "")
        .await
        .expecting(204);
    world
        .call(Method::DELETE, &path, &auth, "")
        .await
        .problem(422, "order_not_working");

    let stranger = world.trader("eve@example.com").await;
    let theirs = [("authorization", stranger.as_str())];
    world
        .call(Method::DELETE, &path, &theirs, "")
        .await
        .problem(404, "not_found");
    world
        .call(Method::DELETE, "/trading/order/nonsense", &auth, "")
        .await
        .problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_profile_is_answered_and_its_kept_answer_is_sealed() {
    let world = World::leader().await;
    let token = world.trader("ada@example.com").await;
    let keyed = [
        ("authorization", token.as_str()),
        ("idempotency-key", "profile-1"),
    ];
    let auth = &keyed[..1];
    let accounts = world
        .call(Method::GET, "/user/accounts", auth, "")
        .await
        .expecting(200);
    let live = accounts.text("/1/accountId");
    let changes = json!({ "firstName": "Augusta", "defaultAccountId": live }).to_string();
    let first = world
        .call(Method::PATCH, "/user/me", &keyed, &changes)
        .await
        .expecting(200);
    assert_eq!(first.text("/firstName"), "Augusta");
    assert_eq!(first.text("/defaultAccountId"), live);
    let again = world
        .call(Method::PATCH, "/user/me", &keyed, &changes)
        .await;
    assert_eq!(again.body, first.body);
    let bodies = kept_bodies(&world).await;
    assert_eq!(bodies.len(), 2);
    assert!(
        bodies.iter().all(|body| body.starts_with("enc:v1:")),
        "{bodies:?}"
    );

    let order = r#"{"symbol":"EURUSD","side":"buy","type":"market","volume":"0.10"}"#;
    let refused = world
        .call(Method::POST, "/trading/order", auth, order)
        .await;
    refused.problem(403, "email_unverified");
    let nobody = json!({ "defaultAccountId": uuid::Uuid::now_v7() }).to_string();
    world
        .call(Method::PATCH, "/user/me", auth, &nobody)
        .await
        .problem(404, "not_found");
    for wrong in [
        "{}",
        r#"{"phone":null}"#,
        r#"{"country":"Atlantis"}"#,
        r#"{"tier":"gold"}"#,
    ] {
        world
            .call(Method::PATCH, "/user/me", auth, wrong)
            .await
            .expecting(400);
    }
}

/// Answers kept for the first client, as they rest in the database.
async fn kept_bodies(world: &World) -> Vec<String> {
    let events = world.store.read_all(0, 100).await.expect("readable");
    let client = events
        .iter()
        .find(|event| &*event.aggregate_type == "client");
    let client = &client.expect("a client is in the book").aggregate_id;
    let kept = world
        .store
        .idempotency_of(client, client, DateTime::UNIX_EPOCH)
        .await;
    kept.expect("readable")
        .into_iter()
        .map(|row| row.body)
        .collect()
}

/// Bodies of orders that are refused for their shape, with the answer.
fn malformed_orders() -> Vec<(String, u16, &'static str)> {
    let order = |more: &str| format!(r#"{{"symbol":"EURUSD","side":"buy","type":"market"{more}}}"#);
    let sized = |more: &str| order(&format!(r#","volume":"0.1"{more}"#));
    let tiny = order(r#","volume":0.00000000000000000000000000001"#);
    let huge = order(&format!(r#","volume":"{}""#, "9".repeat(70_000)));
    let nobody = sized(r#","accountId":"00000000-0000-0000-0000-000000000001""#);
    let cases = [
        ("{".to_owned(), "malformed"),
        (order(""), "invalid_value"),
        (sized(r#","qty":1"#), "unknown_field"),
        (order(r#","volume":"-1""#), "invalid_value"),
        (order(r#","volume":1e2"#), "invalid_value"),
        (tiny, "invalid_value"),
        (sized(r#","limitPrice":"1""#), "invalid_order"),
        (sized(r#","trailingDistance":"0""#), "invalid_value"),
        (sized("").replace("EURUSD", "NOSUCH"), "unknown_symbol"),
    ];
    let cases = cases.into_iter().map(|(body, code)| (body, 400, code));
    let others = [
        (sized("").replace("EURUSD", "GBPUSD"), 503, "no_quote"),
        (huge, 413, "payload_too_large"),
        (nobody, 404, "not_found"),
    ];
    cases.chain(others).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_the_documented_problem_and_appends_nothing() {
    let world = World::leader().await;
    world.quote("EURUSD", "1.10000", "1.10010").await;
    let token = world.trader("ada@example.com").await;
    let head = world.store.head().await.expect("readable").position;
    for (body, status, code) in malformed_orders() {
        world
            .post(&token, "/trading/order", &body)
            .await
            .problem(status, code);
    }
    let body = r#"{"symbol":"EURUSD","side":"buy","type":"market","volume":"0.1"}"#;
    let with = async |name: &str, value: &str, body: &str| {
        let headers = [("authorization", token.as_str()), (name, value)];
        world
            .call(Method::POST, "/trading/order", &headers, body)
            .await
    };
    let typed = with("content-type", "text/plain", "").await;
    typed.problem(415, "unsupported_media_type");
    let keyed = with("idempotency-key", "with space", body).await;
    keyed.problem(400, "invalid_idempotency_key");
    let anonymous = world.call(Method::POST, "/trading/order", &[], body).await;
    anonymous.problem(401, "unauthenticated");
    assert_eq!(world.store.head().await.expect("readable").position, head);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_surrounds_the_routes_speaks_the_contract_too() {
    let world = World::start(true, |config| {
        config.cors_origins = vec!["https://app.example.com".to_owned()];
        config.limits.requests_max = Some(3);
    })
    .await;
    let get = async |path: &str, headers: &[(&str, &str)]| {
        world.call(Method::GET, path, headers, "").await
    };
    get("/nowhere", &[]).await.problem(404, "not_found");
    get("/api/v1/nowhere", &[]).await.problem(404, "not_found");
    let wrong_method = world.call(Method::DELETE, "/market/quotes", &[], "").await;
    let wrong_method = wrong_method.problem(405, "method_not_allowed");
    assert!(wrong_method.headers.contains_key("allow"));
    let limited = get("/market/symbols", &[])
        .await
        .problem(429, "rate_limited");
    assert!(limited.headers.contains_key("retry-after"));
    assert_eq!(limited.headers["ratelimit-limit"], "3");

    let named = get("/health/live", &[("x-request-id", "trace-7")])
        .await
        .expecting(200);
    assert_eq!(named.headers["x-request-id"], "trace-7");
    assert_eq!(named.headers["x-content-type-options"], "nosniff");
    let origin = [("origin", "https://app.example.com")];
    let allowed = get("/health/live", &origin).await;
    assert_eq!(allowed.headers["access-control-allow-origin"], origin[0].1);
    let foreign = get("/health/live", &[("origin", "https://evil.example.com")]).await;
    assert!(!foreign.headers.contains_key("access-control-allow-origin"));

    let document = get("/openapi.json", &[]).await.expecting(200).json();
    assert!(
        document["openapi"]
            .as_str()
            .is_some_and(|version| version.starts_with("3.1"))
    );
    let page = get("/docs/", &[]).await.expecting(200);
    assert!(page.body.contains("swagger-ui"));
    get("/docs/swagger-ui-bundle.js", &[]).await.expecting(200);
    let ready = get("/health/ready", &[]).await.expecting(200).json();
    assert_eq!(ready["role"], "leader");
    assert!(ready["projections"]["orders"].is_i64(), "{ready}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_reads_and_does_not_write() {
    let world = World::start(false, |_| {}).await;
    let body = json!({
        "email": "ada@example.com", "password": world::PASSWORD, "firstName": "A", "lastName": "L",
    });
    let refused = world
        .call(Method::POST, "/auth/register", &[], &body.to_string())
        .await;
    let refused = refused.problem(503, "not_leader");
    assert_eq!(refused.headers["retry-after"], "1");
    let symbols = world
        .call(Method::GET, "/market/symbols?search=bitcoin", &[], "")
        .await;
    assert_eq!(symbols.expecting(200).text("/0/symbol"), "BTCUSD");
    world.quote("EURUSD", "1.1", "1.1001").await;
    let quotes = world
        .call(Method::GET, "/market/quotes?symbols=EURUSD,GBPUSD", &[], "")
        .await;
    let quotes = quotes.expecting(200);
    assert_eq!(quotes.text("/0/bid"), "1.10000");
    assert_eq!(quotes.json()[0]["stale"], false);
    assert_eq!(
        quotes.json().as_array().map(Vec::len),
        Some(1),
        "no quote, no item"
    );
    // Nobody leads yet, so nobody should be sent here yet; the body says why.
    let ready = world
        .call(Method::GET, "/health/ready", &[], "")
        .await
        .expecting(503);
    assert_eq!(ready.text("/status"), "starting");
    assert_eq!(ready.text("/database"), "up");
}
