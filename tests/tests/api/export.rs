//! `GET /user/export`: everything, and nothing of anybody else.

use daybook_tests::{Form, World, form::pdf};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_gets_all_that_is_held_about_them() {
    let world = World::start().await;
    let (trader, other) = (world.trader().await, world.trader().await);
    let phone = json!({ "phone": "+44 20 7946 0123" });
    trader.http.patch("/user/me", &phone).await.expecting(200);
    let opened = trader.market("EURUSD", "buy", "0.10").await;
    Form::of("passport", "ada.pdf", &pdf("x"))
        .send(&trader.http)
        .await
        .expecting(201);

    let answer = trader.http.get("/user/export").await.expecting(200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let saved = answer.header("content-disposition").expect("a name");
    assert!(
        saved.starts_with("attachment; filename=\"daybook-export-"),
        "{saved}"
    );
    let export = answer.json();
    assert_eq!(export["client"]["email"], trader.email);
    assert_eq!(export["client"]["phone"], "+44 20 7946 0123");
    assert_eq!(export["suspended"], false);
    assert_eq!(export["kyc"]["documents"][0]["name"], "ada.pdf");
    assert!(export["sessions"].is_array());
    let accounts = export["accounts"].as_array().expect("a list");
    assert_eq!(accounts.len(), 2);
    assert_eq!(accounts[0]["accountId"], trader.demo.to_string());
    assert_ne!(accounts[0]["usedMargin"], "0.00");

    let events = export["events"].as_array().expect("a list");
    let types = |stream: &str| -> Vec<&str> {
        let of_stream = events.iter().filter(|event| event["stream"] == stream);
        of_stream
            .filter_map(|event| event["type"].as_str())
            .collect()
    };
    let stream = format!("client-{}", trader.client_id);
    assert_eq!(
        types(&stream),
        world.book.client_event_types(trader.client_id).await
    );
    for account in [trader.demo, trader.live] {
        let stream = format!("account-{account}");
        assert_eq!(types(&stream), world.book.event_types(account).await);
    }
    let position = |event: &Value| event["position"].as_i64();
    assert!(events.iter().all(|event| position(event) > Some(0)));
    let registered = &events[0];
    assert_eq!(registered["type"], "ClientRegistered");
    assert_eq!(registered["data"]["email"], trader.email);
    assert_eq!(registered["metadata"]["ip"], "127.0.0.1");
    let order = opened.text_at("/orderId");
    assert!(answer.text.contains(&order));

    assert!(!answer.text.contains("enc:v1:"), "all is opened");
    for foreign in [
        other.email.clone(),
        other.client_id.to_string(),
        other.demo.to_string(),
        "argon2".to_owned(),
        "password".to_owned(),
    ] {
        assert!(!answer.text.contains(&foreign), "{foreign} in the export");
    }
    world
        .app
        .http
        .get("/user/export")
        .await
        .problem(401, "unauthenticated");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_history_is_exported_whole() {
    let world = World::start().await;
    let trader = world.trader().await;
    let order = json!({
        "symbol": "EURUSD", "side": "buy", "type": "limit", "volume": "0.01",
        "limitPrice": "1.00000",
    });
    let mut last = String::new();
    for _ in 0..300 {
        let placed = trader.order(&order).await.expecting(201);
        last = placed.text_at("/orderId");
        let path = format!("/trading/order/{last}");
        trader.http.delete(&path).await.expecting(204);
    }
    let answer = trader.http.get("/user/export").await.expecting(200);
    let export = answer.json();
    let events = export["events"].as_array().expect("a list");
    let of_demo = world.book.event_types(trader.demo).await;
    assert!(of_demo.len() > 600);
    let stream = format!("account-{}", trader.demo);
    let exported: Vec<&Value> = events
        .iter()
        .filter(|event| event["stream"] == stream)
        .collect();
    assert_eq!(exported.len(), of_demo.len());
    let contiguous = exported
        .iter()
        .zip(1..)
        .all(|(event, n)| event["sequence"] == n);
    assert!(contiguous, "every event once, in order");
    assert!(answer.text.contains(&last));
}
