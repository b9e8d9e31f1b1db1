//! An order seen before it is placed.

use daybook_tests::{World, client::market};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_says_what_placing_would_do_and_leaves_no_trace() {
    let world = World::start().await;
    let trader = world.trader().await;
    trader.account().await;
    let head = world.book.head().await;
    let order = market("EURUSD", "buy", "0.10");
    let seen = trader.http.post("/trading/order/preview", &order).await;
    let seen = seen.expecting(200).json();
    assert_eq!(seen["price"], "1.10010");
    assert_eq!(seen["margin"], "110.01");
    assert_eq!(seen["commission"], "0.00");
    assert_eq!(seen["freeMarginAfter"], "9888.99");
    assert_eq!(seen["accepted"], true);
    assert_eq!(seen.get("code"), None);

    let huge = market("EURUSD", "buy", "50");
    let seen = trader.http.post("/trading/order/preview", &huge).await;
    let seen = seen.expecting(200).json();
    assert_eq!(
        (&seen["accepted"], &seen["code"]),
        (&json!(false), &json!("insufficient_margin"))
    );
    assert_eq!(seen["margin"], "55005.00");
    assert_eq!(world.book.head().await, head, "nothing was appended");

    let placed = trader.order(&order).await.expecting(201);
    assert_eq!(placed.text_at("/execution/price"), "1.10010");
    assert_eq!(trader.account().await.text_at("/freeMargin"), "9888.99");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_placing_would_not_take_in_a_preview_does_not_either() {
    let world = World::start().await;
    let trader = world.trader().await;
    let preview = async |body: Value| trader.http.post("/trading/order/preview", &body).await;
    preview(json!({})).await.any_problem(400);
    preview(market("NOSUCH", "buy", "1"))
        .await
        .problem(400, "unknown_symbol");
    preview(market("GBPUSD", "buy", "1"))
        .await
        .problem(503, "no_quote");
    let mut live = market("EURUSD", "buy", "0.10");
    live["accountId"] = json!(trader.live);
    preview(live.clone()).await.problem(403, "email_unverified");
    let stranger = world.trader().await;
    live["accountId"] = json!(stranger.demo);
    preview(live).await.problem(404, "not_found");
}
