//! Lists in pages: newest first, complete, stable while more comes in.

use daybook_tests::World;
use serde_json::{Value, json};

fn limit_order(price: usize) -> Value {
    json!({
        "symbol": "EURUSD", "side": "buy", "type": "limit", "volume": "0.01",
        "limitPrice": format!("1.0{price:04}"),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_hold_everything_once_though_more_comes_in() {
    let world = World::start().await;
    let trader = world.trader().await;
    let mut placed = vec![];
    for number in 0..7 {
        let answer = trader.order(&limit_order(number)).await.expecting(201);
        placed.push(answer.text_at("/orderId"));
    }
    let mut seen = vec![];
    let mut path = "/trading/orders?status=working&limit=3".to_owned();
    loop {
        let page = trader.http.get(&path).await.expecting(200).json();
        let items = page["items"].as_array().expect("items");
        assert!(items.len() <= 3);
        seen.extend(
            items
                .iter()
                .filter_map(|item| Some(item["orderId"].as_str()?.to_owned())),
        );
        // Something new between two pages belongs to neither.
        trader
            .order(&limit_order(500 + seen.len()))
            .await
            .expecting(201);
        match page["nextCursor"].as_str() {
            Some(cursor) => {
                path = format!("/trading/orders?status=working&limit=3&cursor={cursor}")
            }
            None => break,
        }
    }
    placed.reverse();
    assert_eq!(seen, placed, "newest first, each once");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_has_pages_and_refuses_nonsense() {
    let world = World::start().await;
    let trader = world.trader().await;
    for _ in 0..3 {
        trader.market("EURUSD", "buy", "0.01").await;
    }
    for list in ["positions?", "orders?status=all&", "history?"] {
        let one = trader.http.get(&format!("/trading/{list}limit=1")).await;
        let one = one.expecting(200).json();
        assert_eq!(one["items"].as_array().map(Vec::len), Some(1), "{list}");
        assert!(one["nextCursor"].is_string(), "{list}: {one}");
        let all = trader.http.get(&format!("/trading/{list}limit=500")).await;
        assert_eq!(
            all.expecting(200).json()["nextCursor"],
            Value::Null,
            "{list}"
        );
        for query in [
            "limit=0",
            "limit=501",
            "limit=-1",
            "limit=x",
            "cursor=nonsense",
            "colour=red",
        ] {
            let answer = trader.http.get(&format!("/trading/{list}{query}")).await;
            answer.any_problem(400);
        }
    }
    trader
        .http
        .get("/trading/orders?status=lost")
        .await
        .any_problem(400);
}
