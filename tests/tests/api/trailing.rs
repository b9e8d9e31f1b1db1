//! Stop losses that follow the market.

use daybook_tests::{World, client::market, eventually};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_trailing_stop_follows_the_market_and_never_goes_back() {
    let world = World::start().await;
    let trader = world.trader().await;
    let mut order = market("EURUSD", "buy", "0.10");
    order["trailingDistance"] = json!("0.00100");
    let id = trader
        .order(&order)
        .await
        .expecting(201)
        .text_at("/positionId");
    let stop_loss = async || -> Value {
        let positions = trader.positions().await;
        positions
            .first()
            .map_or(Value::Null, |item| item["stopLoss"].clone())
    };
    // At once, from the price it would close at.
    assert_eq!(stop_loss().await, "1.09900");
    assert_eq!(trader.positions().await[0]["trailingDistance"], "0.00100");
    world.price("1.10200", "1.10210").await;
    eventually("the stop to follow", async || {
        (stop_loss().await == "1.10100").then_some(())
    })
    .await;
    world.price("1.10150", "1.10160").await;
    assert_eq!(stop_loss().await, "1.10100");

    let path = format!("/trading/position/{id}");
    let still = json!({ "trailingDistance": null });
    trader.http.patch(&path, &still).await.expecting(204);
    let [position] = trader.positions().await.try_into().expect("one position");
    assert_eq!(
        (&position["trailingDistance"], &position["stopLoss"]),
        (&Value::Null, &json!("1.10100"))
    );
    world.price("1.10090", "1.10100").await;
    eventually("the stop to close", async || {
        trader.positions().await.is_empty().then_some(())
    })
    .await;
    let closing = &trader.items("/trading/history").await[0];
    assert_eq!(
        (&closing["reason"], &closing["price"]),
        (&json!("stop_loss"), &json!("1.10090"))
    );
}
