//! `Idempotency-Key`: asked again, answered the same, done once.

use daybook_tests::{Answer, Trader, World, client::market};
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

async fn order(trader: &Trader, key: &str, body: &Value) -> Answer {
    let call = trader.http.call(Method::POST, "/trading/order");
    call.key(key).json(body).send().await
}

fn assert_same(first: &Answer, again: &Answer) {
    assert_eq!(again.status, first.status);
    assert_eq!(again.text, first.text, "byte for byte");
    assert_eq!(again.header("content-type"), first.header("content-type"));
    assert_eq!(again.position(), first.position());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_gives_the_first_answer_and_does_nothing() {
    let world = World::start().await;
    let trader = world.trader().await;
    let body = market("EURUSD", "buy", "0.10");
    let first = order(&trader, "k1", &body).await.expecting(201);
    let head = world.book.head().await;
    world.price("1.20000", "1.20010").await;
    assert_same(&first, &order(&trader, "k1", &body).await);
    assert_eq!(world.book.head().await, head);

    let other = order(&trader, "k1", &market("EURUSD", "buy", "0.20")).await;
    other.problem(422, "idempotency_key_reused");
    assert_eq!(
        world.book.head().await,
        head,
        "nothing of it stands in the book"
    );
    assert_eq!(trader.positions().await.len(), 1);
    order(&trader, "k2", &body).await.expecting(201);
    assert_eq!(
        trader.positions().await.len(),
        2,
        "another key is another order"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_repeats_wait_for_the_first() {
    let world = World::start().await;
    let trader = world.trader().await;
    let body = market("EURUSD", "buy", "0.01");
    for round in 0..10 {
        let key = format!("round-{round}");
        let answers = join_all((0..8).map(|_| order(&trader, &key, &body))).await;
        let first = answers[0].clone().expecting(201);
        for answer in &answers {
            assert_same(&first, answer);
        }
    }
    assert_eq!(trader.positions().await.len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_by_a_rule_are_kept_and_other_answers_are_not() {
    let world = World::start().await;
    let trader = world.trader().await;
    let too_much = market("EURUSD", "buy", "50");
    let first = order(&trader, "refused", &too_much).await;
    first.problem(422, "insufficient_margin");
    let head = world.book.head().await;
    assert_same(&first, &order(&trader, "refused", &too_much).await);
    assert_eq!(world.book.head().await, head, "refused once, not twice");

    // A malformed request and one that came too early did not use their keys up.
    order(&trader, "bad", &market("EURUSD", "buy", "-1"))
        .await
        .any_problem(400);
    order(&trader, "bad", &market("EURUSD", "buy", "0.01"))
        .await
        .expecting(201);
    let early = market("NZDUSD", "buy", "0.01");
    order(&trader, "early", &early)
        .await
        .problem(503, "no_quote");
    world
        .app
        .price(&world.feed, "NZDUSD", "0.60000", "0.60010")
        .await;
    order(&trader, "early", &early).await.expecting(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_belong_to_one_caller_and_one_route() {
    let world = World::start().await;
    let trader = world.trader().await;
    let neighbour = world.trader().await;
    let body = market("EURUSD", "buy", "0.10");
    let mine = order(&trader, "same", &body).await.expecting(201);
    let theirs = order(&neighbour, "same", &body).await.expecting(201);
    assert_ne!(mine.text, theirs.text);

    let close = format!("/trading/close/{}", mine.text_at("/positionId"));
    let call = || {
        let call = trader.http.call(Method::POST, &close);
        call.key("same").json(&json!({})).send()
    };
    let closed = call().await.expecting(200);
    assert_same(&closed, &call().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_changing_route_keeps_its_answers() {
    let world = World::start().await;
    let trader = world.trader().await;
    let limit = json!({ "symbol": "EURUSD", "side": "buy", "type": "limit", "volume": "0.10", "limitPrice": "1.05000" });
    let id = trader
        .order(&limit)
        .await
        .expecting(201)
        .text_at("/orderId");
    let path = format!("/trading/order/{id}");
    let changes = json!({ "limitPrice": "1.04000" });
    let patch = || {
        trader
            .http
            .call(Method::PATCH, &path)
            .key("p")
            .json(&changes)
            .send()
    };
    let delete = || trader.http.call(Method::DELETE, &path).key("d").send();
    let first = patch().await;
    assert!(first.status < 300, "{first:?}");
    let deleted = delete().await.expecting(204);
    let head = world.book.head().await;
    // Without their keys both would be refused now.
    let again = patch().await;
    assert_eq!((again.status, &again.text), (first.status, &first.text));
    assert_eq!(delete().await.expecting(204).position(), deleted.position());
    assert_eq!(world.book.head().await, head);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_outlive_the_server() {
    let mut world = World::start().await;
    let trader = world.trader().await;
    let body = market("EURUSD", "buy", "0.10");
    let first = order(&trader, "k1", &body).await.expecting(201);
    let refusal = order(&trader, "k2", &market("EURUSD", "buy", "50")).await;
    refusal.problem(422, "insufficient_margin");

    world.app.kill().await;
    world.app.launch_again();
    world.app.ready().await;
    let head = world.book.head().await;
    assert_same(&first, &order(&trader, "k1", &body).await);
    assert_same(
        &refusal,
        &order(&trader, "k2", &market("EURUSD", "buy", "50")).await,
    );
    let reused = order(&trader, "k1", &market("EURUSD", "sell", "0.10")).await;
    reused.problem(422, "idempotency_key_reused");
    assert_eq!(world.book.head().await, head);
    assert_eq!(trader.positions().await.len(), 1);
}
