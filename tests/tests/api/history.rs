//! Deals and their receipts.

use daybook_tests::World;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn every_deal_is_in_the_history_newest_first_and_can_be_filtered() {
    let world = World::start().await;
    world
        .app
        .price(&world.feed, "GBPUSD", "1.30000", "1.30010")
        .await;
    let trader = world.trader().await;
    let opened = trader.market("EURUSD", "buy", "0.10").await;
    world.price("1.10100", "1.10110").await;
    let close = format!("/trading/close/{}", opened.text_at("/positionId"));
    let closed = trader.http.post(&close, &json!({})).await.expecting(200);
    trader.market("GBPUSD", "sell", "0.20").await;

    let deals = trader.items("/trading/history").await;
    let named: Vec<_> = deals
        .iter()
        .map(|deal| {
            (
                deal["symbol"].as_str().unwrap_or(""),
                deal["side"].as_str().unwrap_or(""),
            )
        })
        .collect();
    assert_eq!(
        named,
        [("GBPUSD", "sell"), ("EURUSD", "sell"), ("EURUSD", "buy")]
    );

    let closing = &deals[1];
    assert_eq!(closing["dealId"], closed.text_at("/dealId"));
    assert_eq!(closing["positionId"], opened.text_at("/positionId"));
    assert_eq!(closing["price"], "1.10100");
    assert_eq!(closing["realised"], "9.00");
    assert_eq!(closing["commission"], "0.00");
    assert_eq!(closing["swap"], "0.00");
    assert_eq!(closing["reason"], "client");
    let opening = &deals[2];
    assert_eq!(opening["orderId"], opened.text_at("/orderId"));
    assert_eq!(opening["price"], "1.10010");

    let only = trader.items("/trading/history?symbol=GBPUSD").await;
    assert_eq!(only.len(), 1);
    let time = |deal: &Value| deal["time"].as_str().unwrap_or("").to_owned();
    let until = trader
        .items(&format!("/trading/history?to={}", time(closing)))
        .await;
    let since = trader
        .items(&format!("/trading/history?from={}", time(closing)))
        .await;
    assert!(until.contains(opening) && !until.contains(&deals[0]));
    assert!(since.contains(&deals[0]) && since.contains(closing) && !since.contains(opening));
    trader
        .http
        .get("/trading/history?from=yesterday")
        .await
        .any_problem(400);
    trader
        .http
        .get("/trading/history?symbol=NOSUCH")
        .await
        .problem(400, "unknown_symbol");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_shows_what_a_fill_rested_on_and_where_it_stands_in_the_book() {
    let world = World::start().await;
    let trader = world.trader().await;
    let opened = trader.market("EURUSD", "buy", "0.10").await;
    let deal = opened.text_at("/execution/dealId");
    let receipt = trader.http.get(&format!("/trading/execution/{deal}")).await;
    let receipt = receipt.expecting(200).json();
    assert_eq!(receipt["quoteBid"], "1.10000");
    assert_eq!(receipt["quoteAsk"], "1.10010");
    assert_eq!(receipt["price"], "1.10010");
    assert_eq!(receipt["commission"], "0.00");
    for zero in ["spreadMarkup", "slippage"] {
        let text = receipt[zero].as_str().unwrap_or("missing");
        assert!(text.trim_matches(['0', '.']).is_empty(), "{zero}: {text}");
    }
    assert_eq!(receipt["source"], "twelve_data");
    assert_eq!(
        receipt["conversion"]["from"], "EUR",
        "the margin's conversion"
    );
    assert_eq!(receipt["conversion"]["to"], "USD");
    assert_eq!(receipt["conversion"]["path"], json!(["EURUSD"]));
    assert!(receipt["ruleVersion"].is_number());
    assert!(
        receipt["quoteAt"]
            .as_str()
            .is_some_and(|at| at.ends_with('Z'))
    );

    assert_eq!(receipt["stream"], format!("account-{}", trader.demo));
    let (position, hash): (i64, Vec<u8>) = sqlx::query_as(
        "select position, hash from events
         where aggregate_id = $1 and sequence = $2 and event_type = 'OrderFilled'",
    )
    .bind(trader.demo.to_string())
    .bind(receipt["sequence"].as_i64())
    .fetch_one(world.book.pool())
    .await
    .expect("the receipt names a fill");
    assert_eq!(receipt["position"], position);
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(receipt["hash"], hex);

    let nowhere = format!("/trading/execution/{}", trader.demo);
    trader.http.get(&nowhere).await.any_problem(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_can_be_asked_how_it_stood_before() {
    let world = World::start().await;
    let trader = world.trader().await;
    let opened = trader.market("EURUSD", "buy", "0.10").await;
    world.price("1.10100", "1.10110").await;
    let close = format!("/trading/close/{}", opened.text_at("/positionId"));
    trader.http.post(&close, &json!({})).await.expecting(200);
    assert_eq!(trader.account().await.text_at("/balance"), "10009.00");

    let deals = trader.items("/trading/history").await;
    let opening = deals[1]["time"].as_str().expect("a time");
    let then = trader
        .http
        .get(&format!("/trading/account?asOf={opening}"))
        .await;
    let then = then.expecting(200);
    assert_eq!(then.text_at("/balance"), "10000.00");
    assert_eq!(
        then.text_at("/usedMargin"),
        "110.01",
        "margin rests on what the event kept"
    );
    assert_eq!(
        then.json()["unrealised"],
        Value::Null,
        "no quote of that time is kept"
    );
    assert!(then.json()["asOfPosition"].as_i64() <= Some(opened.position()));
    trader
        .http
        .get("/trading/account?asOf=noon")
        .await
        .any_problem(400);
}
