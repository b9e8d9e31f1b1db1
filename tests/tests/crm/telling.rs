//! What happens is told: under the names of the vocabulary, once for each identifier, in order.

use std::collections::BTreeSet;

use daybook_tests::{Delivered, Trader, client::market};
use serde_json::{Value, json};

use crate::support::{Told, assert_orderly, ids};

/// Orders, deals, protection, a closed account's worth of life.
async fn trade(told: &Told, trader: &Trader) {
    trader.market("EURUSD", "buy", "0.10").await;
    let position = trader.positions().await.remove(0);
    let id = position["positionId"].as_str().expect("an id").to_owned();
    let limit = json!({
        "symbol": "EURUSD", "side": "buy", "type": "limit", "volume": "0.10", "limitPrice": "1.05",
    });
    let placed = trader.order(&limit).await.expecting(201);
    let order = format!("/trading/order/{}", placed.text_at("/orderId"));
    let change = json!({ "limitPrice": "1.06" });
    trader.http.patch(&order, &change).await.expecting(204);
    trader.http.delete(&order).await.expecting(204);
    trader
        .order(&market("EURUSD", "buy", "99"))
        .await
        .expecting(422);
    let part = json!({ "volume": "0.04" });
    let close = format!("/trading/close/{id}");
    trader.http.post(&close, &part).await.expecting(200);
    trader.http.post(&close, &json!({})).await.expecting(200);
    let profile = json!({ "lastName": "King", "phone": "+44 1" });
    trader.http.patch("/user/me", &profile).await.expecting(200);
    let account = trader.demo.to_string();
    let app = &told.world.app;
    for arguments in [
        vec!["accounts", "leverage", &account, "50"],
        vec![
            "accounts", "adjust", &account, "250.00", "--bucket", "demo", "--notes", "welcome",
        ],
        vec!["accounts", "controls", &account, "closeOnly=true"],
        vec!["accounts", "controls", &account, "closeOnly=false"],
    ] {
        let output = app.run(&arguments).await;
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }
}

/// A position that the market takes away.
async fn liquidate(told: &Told, trader: &Trader) {
    trader.market("EURUSD", "buy", "4").await;
    for bid in ["1.08000", "1.07700", "1.05000"] {
        let ask = format!("{}10", &bid[..5]);
        told.world.price(bid, &ask).await;
    }
}

fn events(received: &[Delivered]) -> BTreeSet<String> {
    received.iter().map(Delivered::event).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_told_once_and_in_order() {
    let told = Told::start().await;
    let (ada, grace) = (told.world.trader().await, told.world.trader().await);
    tokio::join!(trade(&told, &ada), trade(&told, &grace));
    liquidate(&told, &ada).await;
    told.crm
        .until("a liquidation", |all| {
            all.iter()
                .any(|one| one.event() == "liquidation")
                .then_some(())
        })
        .await;
    told.settled().await;
    let received = told.crm.all();
    let called_for = told.called_for("crm").await;
    assert_eq!(received.len(), called_for.len(), "each once");
    assert_orderly(&received);
    let expected: BTreeSet<_> = called_for.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids(&received), expected);
    let names = events(&received);
    for name in [
        "user.created",
        "user.updated",
        "account.updated",
        "order.placed",
        "order.modified",
        "order.cancelled",
        "position.opened",
        "position.closed",
        "liquidation",
        "margin.call",
        "balance.updated",
    ] {
        assert!(names.contains(name), "{name} is missing from {names:?}");
    }
    assert!(received.iter().all(|one| one.path == "/webhooks/crm"));
    assert!(
        received
            .iter()
            .all(|one| one.headers["x-webhook-version"] == "1")
    );
    profile_is_told(&told, &ada, &received);
}

fn profile_is_told(told: &Told, ada: &Trader, received: &[Delivered]) {
    assert!(told.crm.count() >= received.len());
    let of = |event: &str| {
        let mut found = received
            .iter()
            .filter(|one| one.event() == event && one.client() == ada.client_id.to_string());
        found.next().expect("it was told").json()
    };
    let created = of("user.created");
    assert_eq!(created["data"]["email"], ada.email.as_str());
    assert_eq!(created["data"]["firstName"], "Ada");
    assert_eq!(created["clientNumber"], 1);
    let updated = of("user.updated");
    assert_eq!(updated["data"]["changed"], json!(["lastName", "phone"]));
    assert_eq!(updated["data"]["lastName"], "King");
    let closed = of("position.closed");
    let lots = |name: &str| closed["data"][name].clone();
    assert_eq!(
        (
            lots("volume"),
            lots("closedVolume"),
            lots("remainingVolume")
        ),
        (json!("0.10"), json!("0.04"), json!("0.06"))
    );
    assert_eq!(closed["data"]["reason"], "client");
}

/// The numbers of an endpoint have no gap.
fn assert_numbered(received: &[Value]) {
    let mut numbers: Vec<i64> = received
        .iter()
        .map(|body| body["number"].as_i64().expect("a number"))
        .collect();
    numbers.sort_unstable();
    let expected: Vec<i64> = (1..=i64::try_from(received.len()).expect("few")).collect();
    assert_eq!(numbers, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_vocabulary_decides_the_names() {
    // By the path of its default a CRM knows the names of its own vocabulary alone.
    let told = Told::start_with(|launch| launch.set("CRM_WEBHOOK_PATH", "")).await;
    let trader = told.world.trader().await;
    trader.market("EURUSD", "buy", "0.10").await;
    told.settled().await;
    let received = told.crm.all();
    let names = events(&received);
    assert_eq!(
        names.iter().map(String::as_str).collect::<Vec<_>>(),
        ["account.updated", "client.registered"]
    );
    assert!(received.iter().all(|one| one.path == "/api/webhooks/site"));
    assert_numbered(&received.iter().map(Delivered::json).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn both_vocabularies_are_two_bodies_where_the_names_differ() {
    let told = Told::start_with(|launch| launch.set("CRM_WEBHOOK_VOCABULARY", "both")).await;
    told.world.trader().await;
    told.settled().await;
    let received = told.crm.all();
    assert_orderly(&received);
    let of = |event: &str| {
        let found = received.iter().filter(|one| one.event() == event);
        found.map(Delivered::json).collect::<Vec<_>>()
    };
    let (site, crm) = (of("user.created"), of("client.registered"));
    assert_eq!((site.len(), crm.len()), (1, 1));
    assert_eq!(site[0]["data"], crm[0]["data"]);
    assert_ne!(site[0]["id"], crm[0]["id"]);
    assert_ne!(site[0]["number"], crm[0]["number"]);
    assert_eq!(of("account.updated").len(), 2, "one for each account");
    assert_numbered(&received.iter().map(Delivered::json).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_address_webhooks_wait_until_there_is_one() {
    let mut told = Told::start_with(|launch| launch.set("CRM_BASE_URL", "")).await;
    told.world.trader().await;
    let waiting = told.called_for("crm").await;
    assert!(!waiting.is_empty());
    assert_eq!(told.crm.count(), 0);
    told.world.app.terminate().await;
    let url = told.crm.url();
    told.world.app.reconfigure("CRM_BASE_URL", &url);
    told.world.app.launch_again();
    told.world.app.ready().await;
    told.settled().await;
    let expected: BTreeSet<_> = waiting.into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids(&told.crm.all()), expected);
    assert_orderly(&told.crm.all());
}
