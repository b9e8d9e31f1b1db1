//! Closing several positions: two by one another, and all of a kind.

use daybook_tests::{Trader, World};
use reqwest::Method;
use serde_json::{Value, json};

async fn open(trader: &Trader, side: &str, volume: &str) -> String {
    trader
        .market("EURUSD", side, volume)
        .await
        .text_at("/positionId")
}

#[tokio::test(flavor = "multi_thread")]
async fn opposite_positions_close_one_another_without_the_spread() {
    let world = World::start().await;
    let trader = world.trader().await;
    let long = open(&trader, "buy", "0.10").await;
    let short = open(&trader, "sell", "0.04").await;
    let body = json!({ "positionId": long, "oppositePositionId": short });
    let closed = trader.http.post("/trading/close-by", &body).await;
    let closed = closed.expecting(200);
    // The younger closes at the older one's open price: (1.10000 − 1.10010) · 4,000.
    assert_eq!(closed.text_at("/realised"), "-0.40");
    let deals = closed.json()["deals"].as_array().cloned();
    assert_eq!(deals.map(|deals| deals.len()), Some(2));
    let [left] = trader.positions().await.try_into().expect("one position");
    assert_eq!(
        (&left["positionId"], &left["volume"]),
        (&json!(long), &json!("0.06"))
    );
    let history = trader.items("/trading/history").await;
    assert!(history[..2].iter().all(|deal| deal["reason"] == "close_by"));

    let other = open(&trader, "buy", "0.01").await;
    let body = json!({ "positionId": long, "oppositePositionId": other });
    let refused = trader.http.post("/trading/close-by", &body).await;
    refused.problem(422, "not_opposite");
    let stranger = world.trader().await;
    let hidden = stranger.http.post("/trading/close-by", &body).await;
    hidden.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_close_all_at_once_each_with_its_outcome() {
    let world = World::start().await;
    let trader = world.trader().await;
    let long = open(&trader, "buy", "0.10").await;
    let short = open(&trader, "sell", "0.10").await;
    world.price("1.10200", "1.10210").await;
    let losers = json!({ "only": "losers", "symbol": "EURUSD" });
    let call = || {
        trader
            .http
            .call(Method::POST, "/trading/close-all")
            .json(&losers)
            .key("once")
    };
    let closed = call().send().await.expecting(200);
    let expected =
        json!({ "results": [{ "positionId": short, "outcome": "closed", "realised": "-21.00" }] });
    assert_eq!(closed.json(), expected);
    assert_eq!(call().send().await.expecting(200).text, closed.text);

    let all = trader.http.post("/trading/close-all", &json!({})).await;
    let results = all.expecting(200).json();
    assert_eq!(results["results"][0]["positionId"], json!(long));
    assert_eq!(results["results"][0]["realised"], "19.00");
    assert!(trader.positions().await.is_empty());
    let none = trader.http.post("/trading/close-all", &json!({})).await;
    assert_eq!(none.expecting(200).json()["results"], json!([]));
    assert_eq!(trader.account().await.text_at("/balance"), "9998.00");
    for body in [json!({ "only": "all" }), json!({ "symbol": "NOSUCH" })] {
        trader
            .http
            .post("/trading/close-all", &body)
            .await
            .any_problem(400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hedged_pair_shares_the_margin_of_its_symbol() {
    let world = World::start().await;
    let trader = world.trader().await;
    open(&trader, "buy", "0.10").await;
    open(&trader, "sell", "0.04").await;
    let cents = |value: &Value| -> i64 {
        let text = value.as_str().unwrap_or_default().replace('.', "");
        text.parse().expect("money")
    };
    let positions = trader.positions().await;
    let shares: i64 = positions
        .iter()
        .map(|item| cents(&item["usedMargin"]))
        .sum();
    let account = trader.account().await.json();
    assert_eq!(shares, cents(&account["usedMargin"]));
    // The uncovered 0.06 lots alone: covered volume is free.
    assert_eq!(account["usedMargin"], "66.01");
}
