//! What holds for every route: problems, headers, prefixes, limits, documentation, health.

use daybook_tests::{App, World, client::market, within};
use reqwest::Method;
use serde_json::json;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_exist_is_a_problem_too() {
    let world = World::start().await;
    let http = &world.app.http;
    for path in [
        "/nowhere",
        "/api/v1/nowhere",
        "/trading",
        "/trading/nowhere",
    ] {
        http.get(path).await.any_problem(404);
    }
    http.get("/auth/login").await.any_problem(405);
    http.delete("/trading/account").await.any_problem(405);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_prefixes_are_the_same_place() {
    let world = World::start().await;
    let trader = world.trader().await;
    let placed = trader
        .http
        .post("/api/v1/trading/order", &market("EURUSD", "buy", "0.01"))
        .await
        .expecting(201);
    let at_root = trader.http.get("/trading/positions").await.expecting(200);
    let canonical = trader
        .http
        .get("/api/v1/trading/positions")
        .await
        .expecting(200);
    assert_eq!(
        at_root.text_at("/items/0/positionId"),
        placed.text_at("/positionId")
    );
    assert_eq!(
        canonical.text_at("/items/0/positionId"),
        placed.text_at("/positionId")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_carry_request_ids_and_security_headers() {
    let world = World::start().await;
    let http = &world.app.http;
    let call = || http.call(Method::GET, "/market/symbols");
    let named = call().header("x-request-id", "my-request-1").send().await;
    assert_eq!(named.header("x-request-id"), Some("my-request-1"));
    let first = call().send().await;
    let second = call().send().await;
    assert!(
        first
            .header("x-request-id")
            .is_some_and(|id| id.len() >= 16)
    );
    assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
    let strange = call().header("x-request-id", "a b<script>").send().await;
    assert_ne!(strange.header("x-request-id"), Some("a b<script>"));
    assert_eq!(first.header("x-content-type-options"), Some("nosniff"));
    assert!(
        first
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("application/json"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn other_origins_are_let_in_from_the_list_alone() {
    let world =
        World::start_with(|launch| launch.set("CORS_ORIGINS", "https://app.example.test")).await;
    let preflight = |origin: &'static str| {
        world
            .app
            .http
            .call(Method::OPTIONS, "/trading/order")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "authorization,content-type,idempotency-key",
            )
            .send()
    };
    let friend = preflight("https://app.example.test").await;
    assert!(friend.status < 300, "{friend:?}");
    assert_eq!(
        friend.header("access-control-allow-origin"),
        Some("https://app.example.test")
    );
    let allowed = friend
        .header("access-control-allow-headers")
        .unwrap_or("")
        .to_lowercase();
    assert!(
        allowed.contains("idempotency-key") && allowed.contains("authorization"),
        "{allowed}"
    );
    let stranger = preflight("https://evil.example.test").await;
    assert_eq!(stranger.header("access-control-allow-origin"), None);
    let answer = world
        .app
        .http
        .call(Method::GET, "/market/symbols")
        .header("origin", "https://app.example.test")
        .send()
        .await;
    let exposed = answer
        .header("access-control-expose-headers")
        .unwrap_or("")
        .to_lowercase();
    assert!(
        exposed.contains("daybook-position"),
        "a browser must read it: {exposed}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_requests_are_told_when_to_come_back() {
    let world = World::start_with(|launch| launch.set("RATE_LIMIT_ORDERS_MAX", "3")).await;
    let trader = world.trader().await;
    let order = market("EURUSD", "buy", "0.01");
    let first = trader.order(&order).await.expecting(201);
    for header in ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"] {
        assert!(first.header(header).is_some(), "{header} is missing");
    }
    let calls = (0..40).map(|_| trader.order(&order));
    let answers = futures::future::join_all(calls).await;
    let accepted = answers.iter().filter(|answer| answer.status == 201).count();
    let limited: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status == 429)
        .collect();
    assert!(accepted >= 2 && !limited.is_empty(), "{accepted} accepted");
    assert_eq!(accepted + limited.len(), 40);
    for answer in limited {
        answer.any_problem(429);
        assert!(answer.header("retry-after").is_some());
    }
    assert_eq!(
        trader.positions().await.len(),
        accepted + 1,
        "nothing appended for the others"
    );
    // It passes.
    within(
        Duration::from_secs(30),
        "another order is let in",
        || async {
            let answer = trader.order(&market("EURUSD", "buy", "0.01")).await;
            (answer.status == 201).then_some(())
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_is_served_without_the_internet() {
    let world = World::start().await;
    let http = &world.app.http;
    let document = http.get("/openapi.json").await.expecting(200).json();
    assert!(
        document["openapi"]
            .as_str()
            .is_some_and(|version| version.starts_with("3.1"))
    );
    let paths = document["paths"].as_object().expect("paths");
    for route in [
        "/auth/register",
        "/auth/login",
        "/user/me",
        "/user/accounts",
        "/market/symbols",
        "/market/quotes",
        "/market/candles",
        "/trading/account",
        "/trading/order",
        "/trading/order/{id}",
        "/trading/position/{id}",
        "/trading/close/{id}",
        "/trading/positions",
        "/trading/orders",
        "/trading/history",
    ] {
        let described = paths.keys().any(|path| {
            path.ends_with(route)
                || path
                    .replace("{orderId}", "{id}")
                    .replace("{positionId}", "{id}")
                    .ends_with(route)
        });
        assert!(described, "{route} is not described");
    }
    let mut page = http.get("/docs").await;
    if page.status / 100 == 3 {
        let target = page
            .header("location")
            .expect("a redirect leads somewhere")
            .to_owned();
        page = http.get(&target).await;
    }
    let page = page.expecting(200);
    assert!(page.text.contains("swagger"), "{}", page.text);
    assert!(
        !page.text.contains("//unpkg") && !page.text.contains("//cdn"),
        "{}",
        page.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn health_names_the_role_the_feed_and_every_projection() {
    let world = World::start().await;
    world.app.http.get("/health/live").await.expecting(200);
    let (status, health) = world.app.health().await.expect("an answer");
    assert_eq!(status, 200);
    assert_eq!(health["role"], "leader");
    assert_eq!(health["feed"], "live");
    for name in [
        "accounts",
        "orders",
        "positions",
        "deals",
        "funding",
        "journal",
        "audit",
    ] {
        assert!(health["projections"][name].is_number(), "{name}: {health}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_have_an_address_of_their_own() {
    let world = World::start_with(|launch| {
        let metrics = launch.beside();
        launch.set("DAYBOOK_METRICS_LISTEN", &metrics.listen())
    })
    .await;
    let trader = world.trader().await;
    trader.market("EURUSD", "buy", "0.01").await;
    let metrics = metrics_of(&world.app).await;
    assert!(
        metrics
            .lines()
            .any(|line| !line.starts_with('#') && line.contains("http")),
        "{metrics}"
    );
    assert!(!metrics.contains(&trader.email));
    world.app.http.get("/metrics").await.any_problem(404);
}

async fn metrics_of(app: &App) -> String {
    let address = app
        .launch()
        .get("DAYBOOK_METRICS_LISTEN")
        .expect("set above");
    let http = app.http.at(&format!("http://{address}"));
    http.get("/metrics").await.expecting(200).text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_a_json_content_type_is_told_so() {
    let world = World::start().await;
    let trader = world.trader().await;
    let answer = trader
        .http
        .call(Method::POST, "/trading/order")
        .header("content-type", "text/plain")
        .bytes(json!({}).to_string().into_bytes())
        .send()
        .await;
    assert!(answer.status == 400 || answer.status == 415, "{answer:?}");
    answer.any_problem(answer.status);
}
