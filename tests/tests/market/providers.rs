//! Two providers in two processes: who prices which symbol, and who takes over.

use daybook_tests::{Simulator, eventually};
use serde_json::json;

use crate::support::Market;

/// Twelve Data for everything, but the exchange first for Bitcoin.
async fn with_exchange() -> (Market, Simulator) {
    let exchange = Simulator::start().await;
    let market = Market::start_with(|launch, _| {
        launch
            .set("MD_SYMBOL_PROVIDERS", "BTCUSD=book_ticker/twelve_data")
            .set("MD_FAILOVER_SEC", "2")
            .set("BOOK_TICKER_WS_URL", &exchange.book_ticker_url())
            .set("BOOK_TICKER_REST_URL", exchange.rest_url())
    })
    .await;
    (market, exchange)
}

/// Waits for a deal on this provider's price.
async fn priced_by(market: &Market, symbol: &str, source: &str) {
    eventually(&format!("{symbol} priced by {source}"), || async {
        let order = market.order(symbol).await;
        (order.status == 201 && order.text_at("/execution/source") == source).then_some(())
    })
    .await;
}

/// Waits until the exchange alone, or both, carry Bitcoin.
async fn carried(market: &Market, exchange: &Simulator, by_both: bool) {
    eventually("who carries BTCUSD", || async {
        let [first, second] = [exchange.stats().await, market.simulator.stats().await];
        let at = |stats: &serde_json::Value| stats["subscriptions"].get("BTC/USD").is_some();
        (at(&first) != by_both && at(&second) == by_both).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_symbol_has_providers_of_its_own_and_deals_name_who_priced_them() {
    let (market, exchange) = with_exchange().await;
    priced_by(&market, "BTCUSD", "book_ticker").await;
    priced_by(&market, "EURUSD", "twelve_data").await;
    // Also a symbol that both sell, where nothing else is said.
    priced_by(&market, "ETHUSD", "twelve_data").await;
    market.feed("live").await;
    let stats = exchange.stats().await;
    assert_eq!(stats["subscriptions"], json!({ "BTC/USD": 1 }));
    carried(&market, &exchange, false).await;

    let away = json!({ "socketsDown": true, "restDown": true });
    exchange.faults(away).await;
    priced_by(&market, "BTCUSD", "twelve_data").await;
    priced_by(&market, "EURUSD", "twelve_data").await;
    carried(&market, &exchange, true).await;
    market.feed("live").await;

    exchange.mend().await;
    priced_by(&market, "BTCUSD", "book_ticker").await;
    carried(&market, &exchange, false).await;
    // It stands in the book so, too.
    let bought = market.order("BTCUSD").await.expecting(201);
    let path = format!("/trading/execution/{}", bought.text_at("/execution/dealId"));
    let receipt = market.trader.http.get(&path).await.expecting(200);
    assert_eq!(receipt.text_at("/source"), "book_ticker");
}
