//! Each fault of the provider: nothing stale is sold as fresh, no order fills on it, and all is
//! well again by itself when the fault is over.

use std::collections::BTreeMap;

use daybook_tests::{Socket, eventually};
use serde_json::json;

use crate::support::Market;

#[tokio::test(flavor = "multi_thread")]
async fn prices_that_are_lost_leave_nothing_to_deal_on() {
    let market = Market::start().await;
    market.simulator.faults(json!({ "dropEvery": 2 })).await;
    market.fresh("EURUSD").await;
    market.fills("EURUSD").await;
    market.simulator.faults(json!({ "dropEvery": 1 })).await;
    market.refuses("EURUSD").await;
    market.simulator.mend().await;
    market.recovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prices_that_come_late_are_as_old_as_they_are() {
    let market = Market::start().await;
    market.simulator.faults(json!({ "delayMs": 8_000 })).await;
    market.refuses("EURUSD").await;
    // They arrive all the same, one after the other, and each is stale.
    let mut stream = Socket::open(&market.app.http, "/stream?symbols=EURUSD").await;
    for _ in 0..10 {
        stream.until_type("quote").await;
        let quote = market.quote("EURUSD").await.expect("a quote");
        assert_eq!(quote["stale"], true, "{quote}");
    }
    market.order("EURUSD").await.problem(422, "stale_quote");
    market.simulator.mend().await;
    market.recovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_and_reordered_prices_never_go_back_in_time() {
    let market = Market::start().await;
    let faults = json!({ "duplicate": true, "reorder": true, "delayMs": 1_000 });
    market.simulator.faults(faults).await;
    let path = "/stream?symbols=EURUSD,XAUUSD,BTCUSD";
    let mut stream = Socket::open(&market.app.http, path).await;
    let mut last: BTreeMap<String, (String, u64)> = BTreeMap::new();
    for _ in 0..60 {
        let quote = stream.until_type("quote").await;
        let text = |field: &str| quote[field].as_str().expect("a text").to_owned();
        let now = (text("time"), quote["seq"].as_u64().expect("a number"));
        if let Some(before) = last.insert(text("symbol"), now.clone()) {
            assert!(before.0 <= now.0, "time went back: {quote}");
            assert!(before.1 < now.1, "{quote}");
        }
    }
    market.fills("EURUSD").await;
    market.simulator.mend().await;
    market.recovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_is_no_price() {
    let market = Market::start().await;
    market.simulator.faults(json!({ "badJsonEvery": 2 })).await;
    market.fresh("EURUSD").await;
    market.fills("EURUSD").await;
    market.simulator.faults(json!({ "badJsonEvery": 1 })).await;
    market.refuses("EURUSD").await;
    market.simulator.mend().await;
    market.recovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_open_socket_is_noticed_and_replaced() {
    let market = Market::start().await;
    let connections = async || market.simulator.stats().await["connections"].as_u64();
    let before = connections().await;
    market.simulator.faults(json!({ "halfOpen": true })).await;
    market.refuses("EURUSD").await;
    market.feed("stale").await;
    eventually("another connection", || async {
        (connections().await > before).then_some(())
    })
    .await;
    market.simulator.mend().await;
    market.recovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prices_are_asked_for_while_the_sockets_are_down() {
    let market = Market::start().await;
    market
        .simulator
        .faults(json!({ "socketsDown": true }))
        .await;
    market.feed("polling").await;
    market.fresh("EURUSD").await;
    market.fills("EURUSD").await;
    // The credits are used up too: then there is nothing, and nobody asks in vain.
    let faults = json!({ "socketsDown": true, "rateLimit": true });
    market.simulator.faults(faults).await;
    market.feed("stale").await;
    market.refuses("EURUSD").await;
    let asked = market.simulator.requests("/quote").await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert!(market.simulator.requests("/quote").await <= asked + 1);
    market.simulator.mend().await;
    market.recovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_key_is_told_without_the_key_and_tried_again() {
    let market = Market::start_with(|launch, _| launch.set("TWELVEDATA_API_KEY", "s3cret")).await;
    market
        .simulator
        .faults(json!({ "unauthorized": true }))
        .await;
    market.simulator.hang_up().await;
    market.refuses("EURUSD").await;
    market.app.logged("refuses the API key").await;
    assert!(!market.app.stderr().contains("s3cret"));
    market.simulator.mend().await;
    market.recovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_provider_takes_over_what_it_sells_and_gives_it_back() {
    let market = Market::start_with(|launch, simulator| {
        launch
            .set("MD_PROVIDERS", "twelve_data,book_ticker")
            .set("MD_FAILOVER_SEC", "2")
            .set("BOOK_TICKER_WS_URL", &simulator.book_ticker_url())
            .set("BOOK_TICKER_REST_URL", simulator.rest_url())
    })
    .await;
    market.fresh("BTCUSD").await;
    // Of the connections that are cut, those without a key alone come back.
    market
        .simulator
        .faults(json!({ "unauthorized": true }))
        .await;
    market.simulator.hang_up().await;
    market.refuses("EURUSD").await;
    market.fresh("BTCUSD").await;
    let bought = market.order("BTCUSD").await.expecting(201);
    assert_eq!(bought.text_at("/execution/source"), "book_ticker");
    market.simulator.mend().await;
    market.recovers().await;
    eventually("one subscription of each symbol", || async {
        let stats = market.simulator.stats().await;
        let subscriptions = stats["subscriptions"].as_object()?.clone();
        (subscriptions.len() == 21 && subscriptions.values().all(|count| *count == 1)).then_some(())
    })
    .await;
    eventually("a deal on the preferred provider's price", || async {
        let bought = market.order("BTCUSD").await.expecting(201);
        (bought.text_at("/execution/source") == "twelve_data").then_some(())
    })
    .await;
}
