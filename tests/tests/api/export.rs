//! `GET /user/export`: everything, and nothing of anybody else.

use std::time::Duration;

use daybook_tests::{Form, World, form::pdf, mailbox, within};
use serde_json::{Value, json};

/// From the answer of a request to the mail that it causes.
const SOON: Duration = Duration::from_secs(20);

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

#[tokio::test(flavor = "multi_thread")]
async fn mails_are_exported_without_the_tokens_of_their_links() {
    let world = World::start().await;
    let (trader, other) = (world.trader().await, world.trader().await);
    mailbox::newest(&world.app, &other.email, "Confirm", 1).await;
    let confirm = mailbox::newest(&world.app, &trader.email, "Confirm", 1).await;
    let email = json!({ "email": trader.email });
    let forgot = world.app.http.post("/auth/forgot", &email).await;
    forgot.expecting(202);
    let reset = mailbox::newest(&world.app, &trader.email, "new password", 1).await;

    let answer = within(SOON, "both mails sent", || async {
        let answer = trader.http.get("/user/export").await.expecting(200);
        let mails = answer.json()["mails"].as_array().expect("a list").clone();
        let all_sent = mails.iter().all(|mail| mail["state"] == "sent");
        (mails.len() == 2 && all_sent).then_some(answer)
    })
    .await;
    let export = answer.json();
    let mails = export["mails"].as_array().expect("a list");
    for (mail, (kept, template)) in mails
        .iter()
        .zip([(&confirm, "verify_email"), (&reset, "reset_password")])
    {
        assert_eq!(mail["mailId"], kept["id"]);
        assert_eq!(mail["template"], template);
        assert_eq!(mail["subject"], kept["subject"]);
        assert_eq!(
            (&mail["attempts"], &mail["reason"]),
            (&json!(1), &Value::Null)
        );
        assert!(
            mail["createdAt"].as_str() <= mail["endedAt"].as_str(),
            "{mail}"
        );
        let token = mailbox::token(kept);
        assert!(!answer.text.contains(&token), "a link's token is shown");
        let text = kept["text"].as_str().expect("a text");
        assert_eq!(mail["text"], text.replace(&token, "(removed)"));
    }
}

/// Whoever has a mail server keeps no mails, and is told what became of them.
#[tokio::test(flavor = "multi_thread")]
async fn mails_that_are_not_kept_are_told_of() {
    let world =
        World::start_with(|launch| launch.set("SMTP_URL", "smtp://127.0.0.1:1?tls=none")).await;
    let trader = world.trader().await;
    let mail = within(SOON, "a mail that failed", || async {
        let export = trader.http.get("/user/export").await.expecting(200).json();
        let mail = export["mails"][0].clone();
        (mail["reason"] != Value::Null).then_some(mail)
    })
    .await;
    assert_eq!(mail["state"], "due");
    assert_eq!(mail["subject"], "Confirm your e-mail address");
    assert_eq!(
        (&mail["text"], &mail["endedAt"]),
        (&Value::Null, &Value::Null)
    );
}
