//! Personal data: ciphertext at rest, and null once the client's key is destroyed.

use daybook_tests::{Reply, World};
use serde_json::{Value, json};

use crate::support::{TOKEN, Told};

/// Everything of webhooks that rests in the database, as text.
async fn at_rest(world: &World) -> String {
    let mut text = String::new();
    for query in [
        "select coalesce(string_agg(o::text, E'\\n'), '') from read.outbox o",
        "select coalesce(string_agg(d::text, E'\\n'), '') from webhook_deliveries d",
        "select coalesce(string_agg(a::text, E'\\n'), '') from webhook_attempts a",
        "select coalesce(string_agg(l::text, E'\\n'), '') from webhook_lanes l",
    ] {
        let part: String = sqlx::query_scalar(query)
            .fetch_one(world.book.pool())
            .await
            .expect("the database answers");
        text += &part;
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_personal_rests_and_an_erased_client_is_told_as_null() {
    let mut told = Told::start().await;
    // A receiver that repeats what it was sent.
    told.crm.behave(|_| Reply::Status(422, vec![]));
    let trader = told.world.trader().await;
    told.settled().await;
    told.crm.accept();
    let (id, event) = told.called_for("crm").await[0].clone();
    assert_eq!(event, "user.created");
    let sent = told.crm.all()[0].json();
    assert_eq!(sent["data"]["email"], trader.email.as_str());
    let text = at_rest(&told.world).await;
    assert!(text.contains("enc:v1:"), "{text}");
    for plain in [trader.email.as_str(), "Lovelace", "told"] {
        assert!(!text.contains(plain), "{plain} rests in plain");
    }
    let answer = told.until_status(id, "parked").await;
    assert_eq!(answer["attempts"][0]["answer"], r#"{"told":"yes"}"#);

    sqlx::query("update subject_keys set wrapped = null, destroyed_at = now() where subject = $1")
        .bind(trader.client_id)
        .execute(told.world.book.pool())
        .await
        .expect("the key is destroyed");
    // Another process knows nothing of the key.
    told.world.app.terminate().await;
    told.world.app.launch_again();
    told.world.app.ready().await;
    let http = told.world.app.http.bearer(TOKEN);
    let before = told.crm.count();
    let path = format!("/crm/webhooks/deliveries/{id}/resend");
    http.post(&path, &json!({})).await.expecting(204);
    let again = told
        .crm
        .until("it comes again", |all| all.get(before).cloned())
        .await;
    assert_eq!(again.id(), id);
    for field in ["email", "firstName", "lastName", "phone"] {
        assert_eq!(again.json()["data"][field], Value::Null, "{field}");
    }
    let pulled = http.get("/crm/events?limit=1").await.expecting(200).json();
    assert_eq!(pulled["items"][0], again.json());
    let found = told.until_status(id, "delivered").await;
    assert_eq!(found["attempts"][0]["answer"], Value::Null);
}
