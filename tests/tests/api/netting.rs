//! Accounts that the client opens, and the life of a netting one.

use daybook_tests::{Trader, World, answer::Answer};
use reqwest::Method;
use serde_json::{Value, json};

async fn netting(trader: &Trader) -> String {
    let body = json!({ "kind": "demo", "mode": "netting", "currency": "USD" });
    let opened = trader.http.post("/user/accounts", &body).await;
    opened.expecting(201).text_at("/accountId")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_netting_account_has_one_position_per_symbol() {
    let world = World::start().await;
    let trader = world.trader().await;
    let account = netting(&trader).await;
    let deal = async |side: &str, volume: &str| -> Answer {
        let body = json!({ "accountId": account, "symbol": "EURUSD", "side": side, "type": "market", "volume": volume });
        let placed = trader.order(&body).await.expecting(201);
        assert_eq!(placed.text_at("/status"), "filled");
        placed
    };
    let position = async || -> Value {
        let items = trader
            .items(&format!("/trading/positions?accountId={account}"))
            .await;
        let [item] = items.try_into().expect("one position");
        item
    };
    let first = deal("buy", "0.10").await.text_at("/positionId");
    world.price("1.10200", "1.10210").await;
    assert_eq!(deal("buy", "0.10").await.text_at("/positionId"), first);
    let increased = position().await;
    assert_eq!(
        (&increased["volume"], &increased["openPrice"]),
        (&json!("0.20"), &json!("1.10110"))
    );

    let reducing = deal("sell", "0.05").await;
    assert_eq!(reducing.text_at("/positionId"), first);
    assert_eq!(reducing.text_at("/execution/price"), "1.10200");
    assert_eq!(position().await["volume"], "0.15");
    let reversal = deal("sell", "0.25").await;
    let reversed = position().await;
    assert_eq!(reversed["positionId"], reversal.text_at("/positionId"));
    assert_ne!(reversed["positionId"], first);
    assert_eq!(
        (&reversed["side"], &reversed["volume"]),
        (&json!("sell"), &json!("0.10"))
    );

    let orders = trader
        .items(&format!("/trading/orders?status=all&accountId={account}"))
        .await;
    assert!(
        orders.iter().all(|order| order["status"] == "filled"),
        "{orders:?}"
    );
    let history = trader
        .items(&format!("/trading/history?accountId={account}"))
        .await;
    assert_eq!(history.len(), 5, "the reversal is two deals");
    assert!(history.iter().all(|deal| deal["orderId"].is_string()));
    let by = json!({ "positionId": reversed["positionId"], "oppositePositionId": reversed["positionId"] });
    let refused = trader.http.post("/trading/close-by", &by).await;
    refused.problem(422, "wrong_mode");
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_opened_up_to_a_limit_and_once_per_key() {
    let world = World::start_with(|launch| launch.set("DAYBOOK_ACCOUNTS_MAX", "3")).await;
    let trader = world.trader().await;
    let body = json!({ "kind": "demo", "mode": "hedging", "currency": "EUR" });
    let open = |key: &str| {
        trader
            .http
            .call(Method::POST, "/user/accounts")
            .json(&body)
            .key(key)
    };
    let opened = open("one").send().await.expecting(201);
    assert_eq!(opened.text_at("/balance"), "10000.00");
    assert_eq!(opened.text_at("/currency"), "EUR");
    let again = open("one").send().await.expecting(201);
    assert_eq!(again.text, opened.text);
    open("two").send().await.problem(422, "too_many_accounts");
    let accounts = trader.http.get("/user/accounts").await.json();
    assert_eq!(accounts.as_array().map(Vec::len), Some(3));
    assert_eq!(accounts[2], opened.json());
    for (field, value) in [("kind", "paper"), ("mode", "both"), ("currency", "XXX")] {
        let mut wrong = body.clone();
        wrong[field] = json!(value);
        trader
            .http
            .post("/user/accounts", &wrong)
            .await
            .any_problem(400);
    }
}
