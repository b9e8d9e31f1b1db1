//! Pending orders and protection: what the market triggers, and at which price it fills.

use daybook_tests::{Trader, World, eventually};
use serde_json::{Value, json};

async fn opened(trader: &Trader) -> Value {
    eventually("a position opens", || async {
        trader.positions().await.pop()
    })
    .await
}

async fn working(trader: &Trader, order: Value) -> String {
    let placed = trader.order(&order).await.expecting(201);
    assert_eq!(placed.text_at("/status"), "working", "{order}");
    placed.text_at("/orderId")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_buy_limit_rests_until_the_ask_comes_down_to_it() {
    let world = World::start().await;
    let trader = world.trader().await;
    working(
        &trader,
        json!({ "symbol": "EURUSD", "side": "buy", "type": "limit", "volume": "0.10", "limitPrice": "1.09500" }),
    )
    .await;
    world.price("1.09495", "1.09505").await; // The bid is through, the ask is not.
    trader.market("EURUSD", "sell", "0.01").await; // Behind that quote in the same shard.
    assert_eq!(trader.positions().await.len(), 1);
    world.price("1.09490", "1.09500").await; // Touching is enough.
    eventually("the limit fills", || async {
        let positions = trader.positions().await;
        let bought = positions
            .into_iter()
            .find(|position| position["side"] == "buy")?;
        (bought["openPrice"] == "1.09500").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_is_marketable_on_arrival_fills_at_the_quote() {
    let world = World::start().await;
    let trader = world.trader().await;
    let order = json!({ "symbol": "EURUSD", "side": "sell", "type": "limit", "volume": "0.10", "limitPrice": "1.09000" });
    let placed = trader.order(&order).await.expecting(201);
    assert_eq!(placed.text_at("/status"), "filled");
    assert_eq!(placed.text_at("/execution/price"), "1.10000");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_fills_behind_a_gap_at_the_quote_and_not_at_the_stop() {
    let world = World::start().await;
    let trader = world.trader().await;
    working(
        &trader,
        json!({ "symbol": "EURUSD", "side": "buy", "type": "stop", "volume": "0.10", "stopPrice": "1.10500" }),
    )
    .await;
    world.price("1.10900", "1.10910").await;
    let position = opened(&trader).await;
    assert_eq!(position["openPrice"], "1.10910");
    let types = world.book.event_types(trader.demo).await;
    let end: Vec<_> = types
        .iter()
        .rev()
        .take(3)
        .rev()
        .map(String::as_str)
        .collect();
    assert_eq!(end, ["OrderTriggered", "OrderFilled", "PositionOpened"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_limit_beyond_its_stop_caps_the_slippage() {
    let world = World::start().await;
    let trader = world.trader().await;
    let order = |limit: &str| {
        json!({
            "symbol": "EURUSD", "side": "buy", "type": "stop_limit", "volume": "0.10",
            "stopPrice": "1.10500", "limitPrice": limit,
        })
    };
    working(&trader, order("1.10600")).await;
    world.price("1.10540", "1.10550").await; // Triggers within the cap: fills at once.
    assert_eq!(opened(&trader).await["openPrice"], "1.10550");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_limit_short_of_its_stop_waits_for_the_price_to_come_back() {
    let world = World::start().await;
    let trader = world.trader().await;
    let id = working(
        &trader,
        json!({
            "symbol": "EURUSD", "side": "buy", "type": "stop_limit", "volume": "0.10",
            "stopPrice": "1.10500", "limitPrice": "1.10400",
        }),
    )
    .await;
    world.price("1.10490", "1.10500").await;
    eventually("the stop triggers", || async {
        let types = world.book.event_types(trader.demo).await;
        types.contains(&"OrderTriggered".to_owned()).then_some(())
    })
    .await;
    assert!(
        trader.positions().await.is_empty(),
        "the limit is not reached yet"
    );
    let item = trader.order_item(&id).await.expect("it rests as a limit");
    assert!(
        item["status"] == "working" || item["status"] == "triggered",
        "{item}"
    );
    world.price("1.10380", "1.10390").await;
    assert_eq!(opened(&trader).await["openPrice"], "1.10390");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_loss_closes_the_position_at_the_quote_that_reached_it() {
    let world = World::start().await;
    let trader = world.trader().await;
    let order = json!({
        "symbol": "EURUSD", "side": "buy", "type": "market", "volume": "0.10",
        "stopLoss": "1.09800", "takeProfit": "1.10500",
    });
    let filled = trader.order(&order).await.expecting(201);
    world.price("1.09750", "1.09760").await;
    let deal = eventually("the stop loss closes it", || async {
        let deals = trader.items("/trading/history").await;
        deals.into_iter().find(|deal| deal["reason"] == "stop_loss")
    })
    .await;
    assert_eq!(deal["positionId"], filled.text_at("/positionId"));
    assert_eq!(deal["price"], "1.09750");
    assert_eq!(deal["realised"], "-26.00"); // (1.09750 − 1.10010) · 10,000.
    assert!(trader.positions().await.is_empty());
    assert_eq!(trader.account().await.text_at("/balance"), "9974.00");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_take_profit_closes_a_short_position_on_the_ask() {
    let world = World::start().await;
    let trader = world.trader().await;
    let order = json!({
        "symbol": "EURUSD", "side": "sell", "type": "market", "volume": "0.10",
        "stopLoss": "1.10500", "takeProfit": "1.09500",
    });
    trader.order(&order).await.expecting(201);
    world.price("1.09490", "1.09501").await; // The bid is through, the ask is not.
    trader.market("EURUSD", "buy", "0.01").await;
    assert_eq!(trader.positions().await.len(), 2);
    world.price("1.09480", "1.09490").await;
    let deal = eventually("the take profit closes it", || async {
        let deals = trader.items("/trading/history").await;
        deals
            .into_iter()
            .find(|deal| deal["reason"] == "take_profit")
    })
    .await;
    assert_eq!(deal["price"], "1.09490");
    assert_eq!(deal["realised"], "51.00"); // (1.10000 − 1.09490) · 10,000.
}
