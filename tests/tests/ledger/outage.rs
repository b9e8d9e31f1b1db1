//! Postgres goes away as a whole and comes back: nobody is told anything that is not so.

use daybook_store::{
    cluster::{Cluster, Durability},
    testing::TestCluster,
};
use daybook_tests::{Book, Feed, Launch, Trader, client::market, eventually};
use futures::future::join_all;
use serde_json::json;
use std::time::Duration;

/// Longer than the server lets anybody wait.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn while_postgres_is_away_commands_are_put_off_and_none_is_lost() {
    let mut cluster = tokio::task::spawn_blocking(|| TestCluster::start(Durability::Volatile))
        .await
        .expect("a cluster");
    let server = cluster.cluster.take().expect("it runs");
    server.ensure_database("daybook").await.expect("a database");
    let url = server.url("daybook");
    let feed = Feed::start().await;
    let mut app = Launch::on(&url, &feed).start().await;
    app.price(&feed, "EURUSD", "1.10000", "1.10010").await;
    let trader = app.http.register().await;
    let other = app.http.register().await;
    trader.market("EURUSD", "buy", "0.10").await;
    let mut protected = market("EURUSD", "buy", "0.10");
    protected["stopLoss"] = json!("1.09000");
    other.order(&protected).await.expecting(201);

    let stopped = tokio::task::spawn_blocking(move || server.stop());
    stopped.await.expect("it stops");
    let order = market("EURUSD", "buy", "0.20");
    // The first is on its way when the connection is found broken, and nobody can know what became
    // of it: it is waited for, as long as the server waits for anything. The others are put off.
    let put_off = |trader: &Trader| {
        let call = trader.http.call(reqwest::Method::POST, "/trading/order");
        let call = call.key("through-the-outage").timeout(PATIENCE);
        call.json(&order).send()
    };
    let answers = join_all([&trader, &trader, &other].map(put_off)).await;
    for answer in answers {
        answer.problem(503, "unavailable");
        assert!(answer.header("retry-after").is_some());
    }
    app.price(&feed, "EURUSD", "1.08000", "1.08010").await;
    let (status, health) = app.health().await.expect("it still answers");
    assert_eq!(status, 503, "{health}");
    app.http.get("/health/live").await.expecting(200);
    app.http
        .get("/market/quotes?symbols=EURUSD")
        .await
        .expecting(200);

    let config = cluster.config.clone();
    let again = tokio::task::spawn_blocking(move || Cluster::start(&config));
    cluster.cluster = Some(again.await.expect("a thread").expect("it starts again"));
    for trader in [&trader, &other] {
        eventually("the order is taken", || async {
            (put_off(trader).await.status == 201).then_some(())
        })
        .await;
    }
    let open = trader.positions().await.len();
    assert_eq!(open, 2, "once, though it was asked often");
    let stopped = eventually("what the market reached meanwhile is closed", || async {
        let deals = other.items("/trading/history").await;
        deals.into_iter().find(|deal| deal["reason"] == "stop_loss")
    })
    .await;
    assert_eq!(stopped["price"], "1.08000");
    assert_eq!(other.positions().await.len(), 1);
    Book::on(&url).assert_contiguous().await;
    assert!(app.is_running(), "it never went away itself");
}
