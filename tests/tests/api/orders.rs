//! Orders that fill at once, and the life of working ones: modified, cancelled, expired.

use daybook_tests::{World, client::market, eventually};
use rust_decimal::Decimal;
use serde_json::{Value, json};

fn decimal(text: &str) -> Decimal {
    text.parse().expect("a decimal")
}

fn buy_limit(price: &str) -> Value {
    json!({ "symbol": "EURUSD", "side": "buy", "type": "limit", "volume": "0.10", "limitPrice": price })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_market_order_fills_at_the_side_it_pays_and_uses_margin() {
    let world = World::start().await;
    let trader = world.trader().await;

    let bought = trader.market("EURUSD", "buy", "0.10").await;
    assert_eq!(bought.decimal("/execution/price"), decimal("1.10010"));
    assert_eq!(bought.decimal("/execution/quoteBid"), decimal("1.10000"));
    assert_eq!(bought.decimal("/execution/quoteAsk"), decimal("1.10010"));
    assert_eq!(bought.text_at("/execution/conversion/to"), "USD");

    let account = trader.account().await;
    assert_eq!(account.text_at("/accountId"), trader.demo.to_string());
    assert_eq!(account.text_at("/balance"), "10000.00");
    assert_eq!(account.text_at("/unrealised"), "-1.00");
    assert_eq!(account.text_at("/equity"), "9999.00");
    assert_eq!(account.text_at("/usedMargin"), "110.01");
    assert_eq!(account.text_at("/freeMargin"), "9888.99");

    let [position] = trader.positions().await.try_into().expect("one position");
    assert_eq!(position["positionId"], bought.text_at("/positionId"));
    assert_eq!(position["side"], "buy");
    assert_eq!(position["openPrice"], "1.10010");
    assert_eq!(position["currentPrice"], "1.10000");
    assert_eq!(position["unrealised"], "-1.00");
    assert_eq!(position["usedMargin"], "110.01");

    let sold = trader.market("EURUSD", "sell", "0.10").await;
    assert_eq!(sold.decimal("/execution/price"), decimal("1.10000"));
    assert_eq!(trader.positions().await.len(), 2, "hedged, side by side");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_accepted_with_numbers_as_well_as_strings() {
    let world = World::start().await;
    let trader = world.trader().await;
    let order =
        r#"{"symbol":"EURUSD","side":"sell","type":"limit","volume":0.10,"limitPrice":1.23456}"#;
    let placed = trader
        .http
        .call(reqwest::Method::POST, "/trading/order")
        .raw(order)
        .send()
        .await
        .expecting(201);
    assert_eq!(placed.text_at("/status"), "working");
    let item = trader.order_item(&placed.text_at("/orderId")).await;
    let item = item.expect("a working order is listed");
    assert_eq!(item["limitPrice"], "1.23456", "no float came near it");
    assert_eq!(
        decimal(item["volume"].as_str().expect("text")),
        decimal("0.1")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_modified_order_works_at_its_new_levels() {
    let world = World::start().await;
    let trader = world.trader().await;
    let placed = trader.order(&buy_limit("1.05000")).await.expecting(201);
    let id = placed.text_at("/orderId");
    let path = format!("/trading/order/{id}");

    let changes = json!({ "limitPrice": "1.09000", "volume": "0.20", "stopLoss": "1.08000" });
    let modified = trader.http.patch(&path, &changes).await;
    assert!(
        modified.status == 204 || modified.status == 200,
        "{modified:?}"
    );
    assert!(modified.position() > placed.position());
    let item = trader.order_item(&id).await.expect("it still works");
    assert_eq!(item["limitPrice"], "1.09000");
    assert_eq!(item["stopLoss"], "1.08000");
    assert_eq!(item["status"], "working");

    let removed = trader.http.patch(&path, &json!({ "stopLoss": null })).await;
    assert!(removed.status < 300, "{removed:?}");
    let item = trader.order_item(&id).await.expect("it still works");
    assert_eq!(item["stopLoss"], Value::Null);

    world.price("1.08980", "1.08990").await;
    let position = eventually("the order fills at its new limit", || async {
        trader.positions().await.pop()
    })
    .await;
    assert_eq!(
        position["openPrice"], "1.08990",
        "limits fill at the better quote"
    );
    assert_eq!(
        decimal(position["volume"].as_str().expect("text")),
        decimal("0.2")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_order_never_fills_and_cannot_be_touched_again() {
    let world = World::start().await;
    let trader = world.trader().await;
    let placed = trader.order(&buy_limit("1.09000")).await.expecting(201);
    let id = placed.text_at("/orderId");
    let path = format!("/trading/order/{id}");

    let cancelled = trader.http.delete(&path).await.expecting(204);
    assert_eq!(cancelled.text, "");
    let item = trader.order_item(&id).await.expect("it stays on record");
    assert_eq!(item["status"], "cancelled");

    world.price("1.08000", "1.08010").await;
    trader.market("EURUSD", "buy", "0.01").await;
    assert_eq!(
        trader.positions().await.len(),
        1,
        "only the market order opened"
    );

    let head = world.book.head().await;
    trader
        .http
        .delete(&path)
        .await
        .problem(422, "order_not_working");
    let changes = json!({ "limitPrice": "1.07000" });
    trader
        .http
        .patch(&path, &changes)
        .await
        .problem(422, "order_not_working");
    assert_eq!(
        world.book.head().await,
        head,
        "a refusal of no order leaves no trace"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_good_till_a_date_expires_by_itself() {
    let world = World::start().await;
    let trader = world.trader().await;
    // The server's clock, so that two machines' clocks need not agree: now plus a little.
    let soon = sqlx::query_scalar::<_, String>(
        "select to_char(now() at time zone 'UTC' + interval '5 seconds', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')",
    )
    .fetch_one(world.book.pool())
    .await
    .expect("a clock");
    let mut order = buy_limit("1.05000");
    order["timeInForce"] = json!("gtd");
    order["expiresAt"] = json!(soon);
    let placed = trader.order(&order).await.expecting(201);
    assert_eq!(placed.text_at("/status"), "working");
    let id = placed.text_at("/orderId");
    eventually("the order expires", || async {
        let item = trader.order_item(&id).await?;
        (item["status"] == "expired").then_some(())
    })
    .await;
    let types = world.book.event_types(trader.demo).await;
    assert_eq!(
        types.iter().filter(|name| *name == "OrderExpired").count(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_for_now_or_never_is_cancelled_when_the_market_is_elsewhere() {
    let world = World::start().await;
    let trader = world.trader().await;
    for time_in_force in ["ioc", "fok"] {
        let mut order = buy_limit("1.05000");
        order["timeInForce"] = json!(time_in_force);
        let answer = trader.order(&order).await.expecting(201);
        assert_eq!(answer.text_at("/status"), "cancelled", "{time_in_force}");

        order["limitPrice"] = json!("1.20000");
        let answer = trader.order(&order).await.expecting(201);
        assert_eq!(answer.text_at("/status"), "filled", "{time_in_force}");
        assert_eq!(answer.decimal("/execution/price"), decimal("1.10010"));
    }
    assert!(trader.working_orders().await.is_empty());
    assert_eq!(trader.positions().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_with_an_order_is_listed_with_it() {
    let world = World::start().await;
    let trader = world.trader().await;
    let order = json!({
        "symbol": "EURUSD", "side": "sell", "type": "stop_limit", "volume": "0.30",
        "stopPrice": "1.09000", "limitPrice": "1.08500", "stopLoss": "1.10500",
        "takeProfit": "1.07000", "timeInForce": "gtc", "clientOrderId": "my-order-7",
    });
    let placed = trader.order(&order).await.expecting(201);
    let item = trader.order_item(&placed.text_at("/orderId")).await;
    let item = item.expect("a working order is listed");
    for field in [
        "symbol",
        "side",
        "type",
        "stopPrice",
        "limitPrice",
        "stopLoss",
    ] {
        assert_eq!(item[field], order[field], "{field}");
    }
    for field in ["takeProfit", "timeInForce", "clientOrderId"] {
        assert_eq!(item[field], order[field], "{field}");
    }
    assert_eq!(item["status"], "working");
    assert_eq!(item["expiresAt"], Value::Null);
    assert!(
        item["createdAt"]
            .as_str()
            .is_some_and(|at| at.ends_with('Z')),
        "{item}"
    );

    let filled = trader
        .order(&market("EURUSD", "buy", "0.01"))
        .await
        .expecting(201);
    let item = trader.order_item(&filled.text_at("/orderId")).await;
    assert_eq!(
        item.expect("a filled order stays on record")["status"],
        "filled"
    );
    assert_eq!(trader.working_orders().await.len(), 1);
}
