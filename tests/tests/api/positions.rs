//! Open positions: protected, reduced, closed.

use daybook_tests::{World, eventually};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_position_is_closed_in_parts_and_every_part_is_paid() {
    let world = World::start().await;
    let trader = world.trader().await;
    let id = trader
        .market("EURUSD", "buy", "0.10")
        .await
        .text_at("/positionId");
    let close = format!("/trading/close/{id}");
    world.price("1.10200", "1.10210").await;

    let part = trader.http.post(&close, &json!({ "volume": "0.04" })).await;
    let part = part.expecting(200);
    assert_eq!(part.text_at("/price"), "1.10200");
    assert_eq!(part.text_at("/realised"), "7.60"); // (1.10200 − 1.10010) · 4,000.
    assert_eq!(
        part.decimal("/closedVolume")
            .to_string()
            .trim_end_matches('0'),
        "0.04"
    );
    assert_eq!(
        part.decimal("/remainingVolume")
            .to_string()
            .trim_end_matches('0'),
        "0.06"
    );
    let [position] = trader.positions().await.try_into().expect("one position");
    assert_eq!(position["positionId"], id.as_str());
    assert_eq!(position["usedMargin"], "66.01"); // 6,000 · 1.10010 / 100, half away from zero.

    let rest = trader.http.post(&close, &json!({})).await.expecting(200);
    assert_eq!(rest.text_at("/realised"), "11.40");
    assert!(rest.decimal("/remainingVolume").is_zero());
    assert!(trader.positions().await.is_empty());
    let account = trader.account().await;
    assert_eq!(account.text_at("/balance"), "10019.00");
    assert_eq!(account.text_at("/equity"), "10019.00");
    assert_eq!(account.text_at("/usedMargin"), "0.00");
    assert_eq!(account.json()["marginLevel"], Value::Null);

    let head = world.book.head().await;
    let again = trader.http.post(&close, &json!({})).await;
    again.problem(422, "position_not_open");
    assert_eq!(world.book.head().await, head);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_is_open_cannot_be_closed() {
    let world = World::start().await;
    let trader = world.trader().await;
    let id = trader
        .market("EURUSD", "buy", "0.10")
        .await
        .text_at("/positionId");
    let close = format!("/trading/close/{id}");
    for volume in ["0.11", "0.005", "0.033"] {
        let answer = trader.http.post(&close, &json!({ "volume": volume })).await;
        answer.any_problem(422);
    }
    for volume in ["0", "-0.01"] {
        let answer = trader.http.post(&close, &json!({ "volume": volume })).await;
        answer.any_problem(400);
    }
    assert_eq!(trader.positions().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn protection_is_set_changed_and_removed() {
    let world = World::start().await;
    let trader = world.trader().await;
    let id = trader
        .market("EURUSD", "buy", "0.10")
        .await
        .text_at("/positionId");
    let path = format!("/trading/position/{id}");

    let set = json!({ "stopLoss": "1.09000", "takeProfit": "1.12000" });
    trader.http.patch(&path, &set).await.expecting(204);
    let [position] = trader.positions().await.try_into().expect("one position");
    assert_eq!(position["stopLoss"], "1.09000");
    assert_eq!(position["takeProfit"], "1.12000");

    // What is left out stays, what is null goes.
    let change = json!({ "stopLoss": null });
    trader.http.patch(&path, &change).await.expecting(204);
    let [position] = trader.positions().await.try_into().expect("one position");
    assert_eq!(position["stopLoss"], Value::Null);
    assert_eq!(position["takeProfit"], "1.12000");

    let head = world.book.head().await;
    for wrong in [
        json!({ "stopLoss": "1.10500" }),
        json!({ "takeProfit": "1.09000" }),
    ] {
        trader
            .http
            .patch(&path, &wrong)
            .await
            .problem(422, "invalid_stops");
    }
    assert_eq!(
        world.book.head().await,
        head,
        "refused protection leaves no trace"
    );

    world.price("1.08000", "1.08010").await;
    trader.market("EURUSD", "buy", "0.01").await;
    assert_eq!(
        trader.positions().await.len(),
        2,
        "the removed stop loss is gone"
    );
    world.price("1.12000", "1.12010").await;
    eventually("the take profit closes it", || async {
        (trader.positions().await.len() == 1).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_touches_what_is_anothers() {
    let world = World::start().await;
    let owner = world.trader().await;
    let stranger = world.trader().await;
    let position = owner.market("EURUSD", "buy", "0.10").await;
    let limit = json!({ "symbol": "EURUSD", "side": "buy", "type": "limit", "volume": "0.10", "limitPrice": "1.05000" });
    let order = owner.order(&limit).await.expecting(201);
    let deal = position.text_at("/execution/dealId");
    let head = world.book.head().await;

    let close = format!("/trading/close/{}", position.text_at("/positionId"));
    stranger
        .http
        .post(&close, &json!({}))
        .await
        .any_problem(404);
    let protect = format!("/trading/position/{}", position.text_at("/positionId"));
    let levels = json!({ "stopLoss": "1.09000" });
    stranger
        .http
        .patch(&protect, &levels)
        .await
        .any_problem(404);
    let modify = format!("/trading/order/{}", order.text_at("/orderId"));
    let changes = json!({ "limitPrice": "1.04000" });
    stranger
        .http
        .patch(&modify, &changes)
        .await
        .any_problem(404);
    stranger.http.delete(&modify).await.any_problem(404);
    let receipt = format!("/trading/execution/{deal}");
    stranger.http.get(&receipt).await.any_problem(404);
    for path in ["account", "positions", "orders", "history"] {
        let path = format!("/trading/{path}?accountId={}", owner.demo);
        stranger.http.get(&path).await.any_problem(404);
    }
    let mut theirs = limit.clone();
    theirs["accountId"] = json!(owner.demo);
    stranger.order(&theirs).await.any_problem(404);
    let default = json!({ "defaultAccountId": owner.demo });
    stranger
        .http
        .patch("/user/me", &default)
        .await
        .any_problem(404);

    assert_eq!(world.book.head().await, head, "a stranger leaves no trace");
    assert_eq!(owner.positions().await.len(), 1);
    assert_eq!(owner.working_orders().await.len(), 1);
    assert!(stranger.positions().await.is_empty());
}
