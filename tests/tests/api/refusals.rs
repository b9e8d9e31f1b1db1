//! Orders refused by a rule: the documented problem, and for compliance an event in the book.

use std::time::Duration;

use daybook_tests::{Trader, World, client::market, within};
use serde_json::{Value, json};

/// The refusal is answered, and the book says so with the same reason.
async fn refused(world: &World, trader: &Trader, order: Value, code: &str) {
    let before = world.book.account(trader.demo).await.len();
    let answer = trader.order(&order).await;
    answer.problem(422, code);
    let events = world.book.account(trader.demo).await;
    let [event] = &events[before..] else {
        panic!("{code}: one event expected, found {:?}", &events[before..]);
    };
    assert_eq!(event.event_type, "OrderRejected");
    assert_eq!(event.fields["reason"], code);
    assert_eq!(event.position, answer.position());
    assert_eq!(
        event.metadata["actor"],
        format!("client:{}", trader.client_id)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_refuse_and_the_book_remembers() {
    let world = World::start().await;
    let trader = world.trader().await;
    let with = |mut order: Value, more: Value| {
        for (name, value) in more.as_object().expect("an object") {
            order[name] = value.clone();
        }
        order
    };
    let limit = json!({ "symbol": "EURUSD", "side": "buy", "type": "limit", "volume": "0.10", "limitPrice": "1.05000" });
    let stop = json!({ "symbol": "EURUSD", "side": "buy", "type": "stop", "volume": "0.10", "stopPrice": "1.10500" });
    for (order, code) in [
        (market("EURUSD", "buy", "50"), "insufficient_margin"),
        (market("EURUSD", "buy", "0.005"), "volume_out_of_range"),
        (market("EURUSD", "buy", "100.01"), "volume_out_of_range"),
        (market("EURUSD", "buy", "0.015"), "volume_step"),
        (
            with(
                market("EURUSD", "buy", "0.10"),
                json!({ "stopLoss": "1.10000" }),
            ),
            "invalid_stops",
        ),
        (
            with(
                market("EURUSD", "sell", "0.10"),
                json!({ "takeProfit": "1.10010" }),
            ),
            "invalid_stops",
        ),
        (
            with(limit.clone(), json!({ "stopLoss": "1.06000" })),
            "invalid_stops",
        ),
        (
            with(limit.clone(), json!({ "takeProfit": "1.04000" })),
            "invalid_stops",
        ),
        (
            with(stop.clone(), json!({ "stopPrice": "1.10000" })),
            "invalid_stops",
        ),
    ] {
        refused(&world, &trader, order, code).await;
    }
    assert_eq!(trader.account().await.text_at("/balance"), "10000.00");
    assert!(trader.positions().await.is_empty());

    let rejected: Vec<_> = trader
        .items("/trading/orders?status=all")
        .await
        .into_iter()
        .filter(|order| order["status"] == "rejected")
        .collect();
    assert_eq!(rejected.len(), 9, "a client sees what was refused");
    assert_eq!(rejected[8]["reason"], "insufficient_margin", "newest first");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_dealt_on_a_quote_that_is_too_old() {
    let world = World::start().await;
    let trader = world.trader().await;
    let position = trader.market("EURUSD", "buy", "0.10").await;
    world.feed.silence("EURUSD");
    within(Duration::from_secs(60), "the quote grows stale", || async {
        let quotes = world.app.http.get("/market/quotes?symbols=EURUSD").await;
        (quotes.expecting(200).json()[0]["stale"] == true).then_some(())
    })
    .await;
    refused(
        &world,
        &trader,
        market("EURUSD", "buy", "0.10"),
        "stale_quote",
    )
    .await;
    let close = format!("/trading/close/{}", position.text_at("/positionId"));
    trader
        .http
        .post(&close, &json!({}))
        .await
        .problem(422, "stale_quote");

    world.price("1.20000", "1.20010").await;
    trader.market("EURUSD", "buy", "0.10").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_quote_since_the_start_the_answer_is_to_come_back_later() {
    let world = World::start().await;
    let trader = world.trader().await;
    let head = world.book.head().await;
    let answer = trader.order(&market("AUDUSD", "buy", "0.10")).await;
    answer.problem(503, "no_quote");
    assert!(
        answer.header("retry-after").is_some(),
        "{:?}",
        answer.headers
    );
    assert_eq!(world.book.head().await, head);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unverified_client_trades_no_live_money() {
    let world = World::start().await;
    let trader = world.trader().await;
    let head = world.book.head().await;
    let mut order = market("EURUSD", "buy", "0.10");
    order["accountId"] = json!(trader.live);
    trader.order(&order).await.problem(403, "email_unverified");
    assert_eq!(world.book.head().await, head);
}
