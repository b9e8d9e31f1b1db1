//! The CRM's side of the API: who it is, what it may see, and the same webhooks by asking.

use daybook_tests::Http;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{TOKEN, Told};

#[tokio::test(flavor = "multi_thread")]
async fn only_the_crm_gets_in() {
    let told = Told::start().await;
    let trader = told.world.trader().await;
    let http = &told.world.app.http;
    for stranger in [http.clone(), http.bearer("guess"), trader.http.clone()] {
        for path in ["/crm/webhooks/deliveries", "/api/v1/crm/events"] {
            stranger.get(path).await.problem(401, "unauthenticated");
        }
        let body = json!({ "fromPosition": 1 });
        let asked = stranger.post("/crm/webhooks/replay", &body).await;
        asked.problem(401, "unauthenticated");
    }
    let crm = http.bearer(TOKEN);
    crm.get("/crm/webhooks/deliveries").await.expecting(200);
    crm.get("/user/me").await.problem(401, "unauthenticated");
    let nonsense = crm
        .call(Method::GET, "/crm/events")
        .header("x-crm-actor", "")
        .send()
        .await;
    nonsense.problem(400, "invalid_value");
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_are_listed_newest_first_and_filtered() {
    let told = Told::start().await;
    let (ada, grace) = (told.world.trader().await, told.world.trader().await);
    told.settled().await;
    let http = told.http();
    let expected = told.called_for("crm").await;
    let mut listed = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/crm/webhooks/deliveries?limit=3{cursor}");
        let page = http.get(&path).await.expecting(200).json();
        listed.extend(page["items"].as_array().expect("items").clone());
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let ids: Vec<Uuid> = listed
        .iter()
        .filter_map(|item| item["id"].as_str()?.parse().ok())
        .collect();
    let newest_first: Vec<Uuid> = expected.iter().rev().map(|(id, _)| *id).collect();
    assert_eq!(ids, newest_first);
    for (filter, fits) in [
        ("status=delivered".to_owned(), listed.len()),
        ("status=pending".to_owned(), 0),
        ("event=user.created".to_owned(), 2),
        (format!("clientId={}", ada.client_id), listed.len() / 2),
        (
            format!("clientId={}&event=user.created", grace.client_id),
            1,
        ),
        ("endpoint=nobody".to_owned(), 0),
    ] {
        let path = format!("/crm/webhooks/deliveries?{filter}&limit=500");
        let page = http.get(&path).await.expecting(200).json();
        assert_eq!(
            page["items"].as_array().map(Vec::len),
            Some(fits),
            "{filter}"
        );
    }
    for nonsense in [
        "status=lost",
        "clientId=1",
        "limit=0",
        "cursor=x",
        "unknown=1",
    ] {
        let path = format!("/crm/webhooks/deliveries?{nonsense}");
        http.get(&path).await.any_problem(400);
    }
    one_in_detail(&http, &listed[0]).await;
}

async fn one_in_detail(http: &Http, item: &Value) {
    let id = item["id"].as_str().expect("an id");
    let path = format!("/crm/webhooks/deliveries/{id}");
    let detail = http.get(&path).await.expecting(200).json();
    let tries = detail["attempts"].as_array().expect("tries");
    assert_eq!(tries.len(), 1);
    assert_eq!(
        (&tries[0]["status"], &detail["status"]),
        (&json!(200), &json!("delivered"))
    );
    assert!(tries[0]["latencyMs"].is_u64() && tries[0]["at"].is_string());
    let nobody = format!("/crm/webhooks/deliveries/{}", Uuid::nil());
    http.get(&nobody).await.problem(404, "not_found");
    let resend = format!("{nobody}/resend");
    http.post(&resend, &json!({}))
        .await
        .problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pull_twin_gives_the_same_bodies() {
    let told = Told::start().await;
    told.world.trader().await;
    told.settled().await;
    let mut sent: Vec<Value> = told.crm.all().iter().map(|one| one.json()).collect();
    sent.sort_by_key(|body| body["number"].as_i64());
    let http = told.http();
    let mut pulled = Vec::new();
    let mut next = 0;
    loop {
        let path = format!("/crm/events?after={next}&limit=2");
        let page = http.get(&path).await.expecting(200);
        let items = page.json()["items"].as_array().expect("items").clone();
        if items.is_empty() {
            assert_eq!(page.json()["next"], next, "it stays where it is");
            break;
        }
        // The very text stands in the answer.
        let body = &told
            .crm
            .all()
            .iter()
            .find(|one| one.json() == items[0])
            .expect("sent")
            .body
            .clone();
        assert!(page.text.contains(body.as_str()));
        next = page.json()["next"].as_i64().expect("a number");
        pulled.extend(items);
    }
    assert_eq!(pulled, sent);
    let nobody = http.get("/crm/events?endpoint=nobody").await.expecting(200);
    assert_eq!(nobody.json(), json!({ "items": [], "next": 0 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_asks_for_one_beginning() {
    let told = Told::start().await;
    let http = told.http();
    for (body, status) in [
        (json!({}), 400),
        (
            json!({ "fromPosition": 1, "since": "2026-01-01T00:00:00Z" }),
            400,
        ),
        (json!({ "fromPosition": 0 }), 400),
        (json!({ "since": "yesterday" }), 400),
        (json!({ "fromPosition": 1, "endpoint": "Nobody!" }), 400),
        (json!({ "fromPosition": 1, "endpoint": "nobody" }), 404),
    ] {
        http.post("/crm/webhooks/replay", &body)
            .await
            .any_problem(status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_crm_has_a_limit_of_its_own() {
    let told = Told::start_with(|launch| {
        launch
            .set("RATE_LIMIT_CRM_MAX", "3")
            .set("RATE_LIMIT_MAX", "1000")
    })
    .await;
    for _ in 0..3 {
        told.http().get("/crm/events").await.expecting(200);
    }
    told.http()
        .get("/crm/events")
        .await
        .problem(429, "rate_limited");
    told.world
        .app
        .http
        .get("/market/symbols")
        .await
        .expecting(200);
}
