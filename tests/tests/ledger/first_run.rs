//! The first minutes of a new user: nothing configured, a walk, a `kill -9`, and every cent there.

use daybook_tests::{App, Launch, Trader, client::market, eventually, launch::Directory};
use serde_json::{Value, json};

async fn started(home: &Directory) -> App {
    let data = home.path().join("data");
    Launch::bare()
        .set("DAYBOOK_DATA_DIR", &data.to_string_lossy())
        .start()
        .await
}

/// What must be the same after a restart, though prices have moved on.
async fn standing(trader: &Trader) -> Value {
    let account = trader.account().await.json();
    let mut positions = trader.positions().await;
    for position in &mut positions {
        for moving in ["currentPrice", "unrealised"] {
            position[moving] = Value::Null;
        }
    }
    json!({
        "balance": account["balance"],
        "demoBalance": account["demoBalance"],
        "usedMargin": account["usedMargin"],
        "positions": positions,
        "orders": trader.items("/trading/orders?status=all").await,
        "deals": trader.items("/trading/history").await,
    })
}

/// The walk of README: quotes, an order, positions, a close, the history.
async fn walk(trader: &Trader) {
    eventually("prices move", || async {
        let quotes = trader.http.get("/market/quotes?symbols=EURUSD").await;
        let fresh = quotes.status == 200 && quotes.json()[0]["stale"] == false;
        fresh.then_some(())
    })
    .await;
    let first = trader.market("EURUSD", "buy", "0.10").await;
    trader.market("EURUSD", "sell", "0.05").await;
    let resting = json!({ "symbol": "EURUSD", "side": "buy", "type": "limit", "volume": "0.01", "limitPrice": "0.50000" });
    trader.order(&resting).await.expecting(201);
    trader
        .order(&market("EURUSD", "buy", "90"))
        .await
        .problem(422, "insufficient_margin");
    assert_eq!(trader.positions().await.len(), 2);
    let close = format!("/trading/close/{}", first.text_at("/positionId"));
    trader
        .http
        .post(&close, &json!({ "volume": "0.04" }))
        .await
        .expecting(200);
    assert_eq!(trader.items("/trading/history").await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_configured_and_nothing_is_lost() {
    let home = Directory::new();
    let mut app = started(&home).await;
    eventually("a line that names the address", || async {
        app.stdout().contains(app.http.base()).then_some(())
    })
    .await;
    let trader = app.http.register().await;
    walk(&trader).await;
    let before = standing(&trader).await;

    app.kill().await;
    app.launch_again();
    app.ready().await;
    assert_eq!(standing(&trader).await, before, "every cent where it was");
    let again = app.http.sign_in(trader.client_id, &trader.email).await;
    assert_eq!(standing(&again).await, before);

    for verification in [
        ["audit", "verify", "--all"],
        ["projections", "verify", "--all"],
    ] {
        let output = app.run(&verification).await;
        assert!(output.status.success(), "{verification:?}: {output:?}");
    }
    let replayed = app
        .run(&["replay", "account", &trader.demo.to_string()])
        .await;
    assert!(replayed.status.success(), "{replayed:?}");
    assert!(String::from_utf8_lossy(&replayed.stdout).contains("PositionReduced"));

    let status = app.terminate().await;
    assert!(status.success(), "asked to stop, it ends well: {status:?}");
    app.launch_again();
    app.ready().await;
    assert_eq!(standing(&trader).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_serve_on_the_same_data_is_refused_and_harms_nobody() {
    let home = Directory::new();
    let app = started(&home).await;
    let data = home.path().join("data");
    let mut second = Launch::bare()
        .set("DAYBOOK_DATA_DIR", &data.to_string_lossy())
        .spawn();
    let status = second.exited().await;
    assert_eq!(status.code(), Some(1));
    let message = second.stderr().to_lowercase();
    assert!(
        message.contains("another") || message.contains("already") || message.contains("in use"),
        "{message}"
    );
    let trader = app.http.register().await;
    trader.http.get("/trading/account").await.expecting(200);
}
