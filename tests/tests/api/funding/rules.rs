//! What is refused, whose it is, and what happens when everybody asks at once.

use daybook_tests::World;
use futures::future::join_all;
use reqwest::Method;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{cancel, deposit, funded, history, money, requested, run, withdraw, withdrawal};

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_a_rule_is_refused_by_its_name() {
    let world = World::start().await;
    let trader = funded(&world, "100").await;
    for (path, field) in [
        ("/funding/deposit", "method"),
        ("/funding/withdrawal", "destination"),
    ] {
        let body = |changes: Value| {
            let mut body = json!({ "accountId": trader.live, "amount": "10", "currency": "USD" });
            body[field] = json!("somewhere");
            for (name, value) in changes.as_object().expect("changes") {
                body[name] = value.clone();
            }
            body
        };
        let post = async |changes: Value| trader.http.post(path, &body(changes)).await;
        post(json!({ "accountId": trader.demo }))
            .await
            .problem(422, "demo_account");
        post(json!({ "currency": "EUR" }))
            .await
            .problem(422, "currency_mismatch");
        for amount in [json!("0"), json!("-1"), json!("ten"), json!(null)] {
            post(json!({ "amount": amount }))
                .await
                .problem(400, "invalid_value");
        }
        post(json!({ "amount": "10.001" }))
            .await
            .problem(400, "invalid_amount");
        post(json!({ "currency": "usd" }))
            .await
            .problem(400, "invalid_value");
        for text in ["", "  ", "a\nb", &"x".repeat(201)] {
            let mut changes = json!({});
            changes[field] = json!(text);
            post(changes).await.problem(400, "invalid_value");
        }
        post(json!({ "comment": "x" }))
            .await
            .problem(400, "unknown_field");
        let missing = json!({ "accountId": trader.live, "amount": "10", "currency": "USD" });
        trader.http.post(path, &missing).await.any_problem(400);
        let number: Value = serde_json::from_str("10.50").expect("a number");
        requested(post(json!({ "amount": number })).await);
    }
    let amounts: Vec<_> = history(&world, &trader).await;
    assert_eq!(amounts.len(), 2);
    assert!(amounts.iter().all(|item| item["amount"] == "10.50"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_anothers_is_not_there() {
    let world = World::start().await;
    let trader = funded(&world, "100").await;
    let neighbour = world.verified_trader().await;
    let request = requested(withdraw(&trader, "10").await);
    cancel(&neighbour, &request).await.problem(404, "not_found");
    let body = withdrawal(&trader, "10");
    let theirs = neighbour.http.post("/funding/withdrawal", &body).await;
    theirs.problem(404, "not_found");
    let path = format!("/funding/history?accountId={}", trader.live);
    neighbour.http.get(&path).await.problem(404, "not_found");
    assert_eq!(history(&world, &neighbour).await, Vec::<Value>::new());
    for unknown in ["0193c0de-0000-7000-8000-000000000000", "nonsense"] {
        cancel(&trader, unknown).await.problem(404, "not_found");
    }
    let anonymous = &world.app.http;
    let path = format!("/funding/{request}");
    anonymous
        .delete(&path)
        .await
        .problem(401, "unauthenticated");
    anonymous
        .get("/funding/history")
        .await
        .problem(401, "unauthenticated");
    assert_eq!(money(&world, &trader).await[1], "10.00", "still held");
    let unknown = ["funding", "reject", "0193c0de-0000-7000-8000-000000000000"];
    assert_eq!(run(&world, &unknown).await.0, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_under_its_key_asks_once() {
    let mut world = World::start().await;
    let trader = funded(&world, "100").await;
    let ask = async |amount: &str| {
        let call = trader.http.call(Method::POST, "/funding/withdrawal");
        call.key("once")
            .json(&withdrawal(&trader, amount))
            .send()
            .await
    };
    let first = ask("60").await;
    let request = requested(first.clone());
    let again = ask("60").await;
    assert_eq!((again.status, &again.text), (201, &first.text));
    assert_eq!(again.position(), first.position());
    ask("50").await.problem(422, "idempotency_key_reused");
    world.app.kill().await;
    world.app.launch_again();
    world.app.ready().await;
    assert_eq!(ask("60").await.text, first.text, "also after a restart");
    assert_eq!(money(&world, &trader).await, ["100.00", "60.00", "40.00"]);

    let path = format!("/funding/{request}");
    let cancel = async || {
        trader
            .http
            .call(Method::DELETE, &path)
            .key("back")
            .send()
            .await
    };
    let cancelled = cancel().await.expecting(204);
    assert_eq!(
        cancel().await.expecting(204).position(),
        cancelled.position()
    );
    trader
        .http
        .delete(&path)
        .await
        .problem(409, "funding_not_open");
    assert_eq!(money(&world, &trader).await, ["100.00", "0.00", "100.00"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_at_once_hold_no_more_than_is_withdrawable() {
    let world = World::start().await;
    let trader = funded(&world, "500").await;
    let answers = join_all((0..100).map(|_| withdraw(&trader, "30"))).await;
    let mut accepted = 0;
    for answer in &answers {
        if answer.status == 201 {
            accepted += 1;
        } else {
            answer.problem(400, "insufficient_funds");
        }
    }
    assert_eq!(accepted, 16, "sixteen times 30 of 500");
    assert_eq!(money(&world, &trader).await, ["500.00", "480.00", "20.00"]);
    let mut held = Decimal::ZERO;
    for event in world.book.account(trader.live).await {
        if let Some(hold) = event.fields["funds"]["held"].as_str() {
            held += hold.parse::<Decimal>().expect("money");
            assert!(held <= Decimal::from(500), "{held} at {}", event.position);
        }
    }
    assert_eq!(held, Decimal::from(480));

    // As many decisions about one request pay once.
    let request = requested(withdraw(&trader, "20").await);
    let complete = ["funding", "complete", &request];
    let outcomes = join_all((0..4).map(|_| run(&world, &complete))).await;
    let paid = outcomes.iter().filter(|(code, _)| *code == Some(0));
    assert_eq!(paid.count(), 1, "{outcomes:?}");
    assert_eq!(money(&world, &trader).await, ["480.00", "480.00", "0.00"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_has_so_many_requests_open() {
    let world = World::start_with(|launch| launch.set("DAYBOOK_FUNDING_MAX", "2")).await;
    let trader = world.verified_trader().await;
    let first = requested(deposit(&trader, "1").await);
    requested(deposit(&trader, "2").await);
    deposit(&trader, "3")
        .await
        .problem(422, "too_many_funding_requests");
    cancel(&trader, &first).await.expecting(204);
    requested(deposit(&trader, "3").await);
}
