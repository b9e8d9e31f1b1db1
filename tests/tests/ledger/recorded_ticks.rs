//! Recorded prices through the running program: a stop behind the gap of a payroll release.

use daybook_store::testing::TestDatabase;
use daybook_tests::{Feed, Launch, eventually, launch::Directory, ticks};
use serde_json::json;

/// 2014-05-02 12:30:01 UTC, in the second of the gap: bid 1.38467, then 1.38258.
const RELEASE_MS: i64 = 1_399_033_801_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_sell_stop_fills_behind_the_payroll_gap_and_not_at_its_price() {
    let Some(recording) = ticks::recorded("eurusd_ticks_20140501_06_oanda.csv") else {
        return;
    };
    let files = Directory::new();
    let before = files.path().join("before.csv");
    ticks::steady(&before, "EURUSD", "1.38600", "1.38610", 3_600);
    let release = files.path().join("release.csv");
    let count = ticks::cut(&recording, &release, RELEASE_MS - 5_000, RELEASE_MS + 4_000);
    assert!(count > 50, "the cut holds the release");

    let database = Box::pin(TestDatabase::start()).await;
    let feed = Feed::start().await; // Unused: without a key the built-in simulator is the market.
    let mut app = Launch::on(database.url(), &feed)
        .set("TWELVEDATA_API_KEY", "")
        .set("TWELVEDATA_WS_URL", "")
        .set("TWELVEDATA_REST_URL", "")
        .set("DAYBOOK_SIM_TICKS", &before.to_string_lossy())
        .start()
        .await;
    let trader = app.http.register().await;
    let order = json!({
        "symbol": "EURUSD", "side": "sell", "type": "stop", "volume": "0.10",
        "stopPrice": "1.38440",
    });
    let id = eventually("the order is taken on the quiet market", || async {
        let answer = trader.order(&order).await;
        (answer.status == 201).then(|| answer.text_at("/orderId"))
    })
    .await;

    // The order rests over a restart, so that the recording runs from its first tick on.
    assert!(app.terminate().await.success());
    app.reconfigure("DAYBOOK_SIM_TICKS", &release.to_string_lossy());
    app.launch_again();
    app.ready().await;
    let deal = eventually("the stop fills", || async {
        let deals = trader.items("/trading/history").await;
        deals
            .into_iter()
            .find(|deal| deal["orderId"] == id.as_str())
    })
    .await;
    assert_eq!(deal["price"], "1.38258");
    let receipt = format!(
        "/trading/execution/{}",
        deal["dealId"].as_str().unwrap_or("")
    );
    let receipt = trader.http.get(&receipt).await.expecting(200);
    assert_eq!(receipt.text_at("/quoteBid"), "1.38258");
    assert_eq!(receipt.text_at("/quoteAsk"), "1.38408");
    assert_eq!(receipt.text_at("/source"), "simulator");
}
