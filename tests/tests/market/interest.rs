//! What nobody wants is not subscribed to, and what somebody holds always is.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use daybook_tests::{Socket, eventually, within};
use serde_json::json;

use crate::support::Market;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_stays_subscribed_with_what_converts_it_and_the_rest_goes() {
    let market = Market::start_with(|launch, _| launch.set("MD_UNWATCHED_SEC", "3")).await;
    // Bought as soon as the engine has the prices that this takes, and before they are given up.
    eventually("a position in EURJPY", || async {
        let order = market.order("EURJPY").await;
        (order.status == 201).then_some(())
    })
    .await;
    market.subscribed(&["EUR/JPY", "EUR/USD", "USD/JPY"]).await;
    assert!(
        market.quote("GBPUSD").await.is_some(),
        "the last one is still known"
    );
    market.fresh("GBPUSD").await;
    market.subscribed(&["EUR/JPY", "EUR/USD", "USD/JPY"]).await;
    assert_eq!(
        market.simulator.stats().await["connections"],
        1,
        "all over one connection"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_socket_alone_watches_stays_subscribed_until_the_socket_has_gone() {
    let market = Market::start_with(|launch, _| launch.set("MD_UNWATCHED_SEC", "3")).await;
    let mut socket = Socket::open(&market.app.http, "/stream?symbols=GBPUSD").await;
    let more = json!({ "op": "subscribe", "symbols": ["XAUUSD"] });
    socket.send(&more).await;
    market.subscribed(&["GBP/USD", "XAU/USD"]).await;
    // Three times as long as an unwatched one would stay.
    let until = Instant::now() + Duration::from_secs(9);
    let mut heard = BTreeSet::new();
    while Instant::now() < until {
        let quote = socket.until_type("quote").await;
        heard.insert(quote["symbol"].as_str().expect("a symbol").to_owned());
        let now = market.subscriptions().await;
        assert_eq!(now, ["GBP/USD", "XAU/USD"].map(str::to_owned).into());
    }
    assert_eq!(heard, ["GBPUSD", "XAUUSD"].map(str::to_owned).into());
    let less = json!({ "op": "unsubscribe", "symbols": ["XAUUSD"] });
    socket.send(&less).await;
    market.subscribed(&["GBP/USD"]).await;
    drop(socket);
    within(Duration::from_secs(20), "GBP/USD unsubscribed", || async {
        let now = market.subscriptions().await;
        (!now.contains("GBP/USD")).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn symbols_that_find_no_place_on_a_socket_are_polled() {
    let market = Market::start_with(|launch, _| launch.set("MD_WS_SYMBOLS_MAX", "2")).await;
    eventually("two subscriptions", || async {
        (market.subscriptions().await.len() == 2).then_some(())
    })
    .await;
    for symbol in ["EURUSD", "GBPUSD", "USDJPY", "XAUUSD", "BTCUSD"] {
        market.fresh(symbol).await;
        eventually(&format!("a deal in {symbol}"), || async {
            let order = market.order(symbol).await;
            (order.status == 201).then_some(())
        })
        .await;
    }
    assert_eq!(market.subscriptions().await.len(), 2);
    assert!(market.simulator.requests("/quote").await > 0);
    market.feed("live").await;
    // Prices go on, and a socket hears them like any other.
    let mut socket = Socket::open(&market.app.http, "/stream?symbols=US500,WTI,ETHUSD").await;
    let mut heard = BTreeSet::new();
    let mut times = 0;
    while heard.len() < 3 || times < 9 {
        let quote = socket.until_type("quote").await;
        heard.insert(quote["symbol"].as_str().expect("a symbol").to_owned());
        times += 1;
    }
}
