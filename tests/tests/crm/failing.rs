//! A receiver that fails in every way, and what becomes of its deliveries.

use std::time::Duration;

use daybook_tests::{Delivered, Reply, eventually};
use serde_json::Value;
use uuid::Uuid;

use crate::support::{Told, assert_orderly, ids};

/// Lets no queue wait for its pause.
async fn hurry(told: &Told) {
    sqlx::query("update webhook_lanes set next_at = now() where waiting > 0")
        .execute(told.world.book.pool())
        .await
        .expect("the database answers");
}

async fn queue_of(told: &Told, client: Uuid) -> (i64, f64) {
    let query = "select waiting, extract(epoch from next_at - now())::float8 \
         from webhook_lanes where endpoint = 'crm' and lane = $1";
    sqlx::query_as(query)
        .bind(client)
        .fetch_one(told.world.book.pool())
        .await
        .expect("the queue is there")
}

/// The first try fails like this; the answer's status and text as they were written down.
async fn first_try(reply: Reply) -> (Told, Value) {
    let told = Told::start().await;
    told.crm.behave(move |_| reply.clone());
    let trader = told.world.trader().await;
    let id = told.called_for("crm").await[0].0;
    let path = format!("/crm/webhooks/deliveries/{id}");
    let tried = eventually("a try", || async {
        let found = told.http().get(&path).await;
        let json = found.expecting(200).json();
        (json["attempts"].as_array()?.len() == 1).then_some(json)
    })
    .await;
    // Whatever follows it in the queue was not sent before it.
    let received = told.crm.all();
    assert!(received.iter().all(|one| one.id() == id));
    assert_eq!(received[0].client(), trader.client_id.to_string());
    (told, tried)
}

async fn recovers(told: Told) {
    told.crm.accept();
    hurry(&told).await;
    told.settled().await;
    let received = told.crm.all();
    let expected = told.called_for("crm").await;
    assert_eq!(ids(&received).len(), expected.len());
    assert_orderly(&received);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_down_is_tried_again() {
    let (told, tried) = first_try(Reply::Drop).await;
    assert_eq!(tried["attempts"][0]["status"], Value::Null);
    assert_eq!(tried["status"], "pending");
    recovers(told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_the_receiver_is_tried_again_with_its_answer_kept() {
    let (told, tried) = first_try(Reply::Status(500, vec![])).await;
    assert_eq!(tried["attempts"][0]["status"], 500);
    assert_eq!(tried["attempts"][0]["answer"], r#"{"told":"yes"}"#);
    recovers(told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_not_followed() {
    let elsewhere = vec![("location", "/elsewhere".to_owned())];
    let (told, tried) = first_try(Reply::Status(302, elsewhere)).await;
    assert_eq!(tried["attempts"][0]["status"], 302);
    let answer = tried["attempts"][0]["answer"].as_str();
    assert_eq!(answer, Some("redirects are not followed"));
    assert!(told.crm.all().iter().all(|one| one.path == "/webhooks/crm"));
    recovers(told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_no_http_is_none() {
    let (told, tried) = first_try(Reply::Garbage).await;
    assert_eq!(tried["attempts"][0]["status"], Value::Null);
    recovers(told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_too_slow_is_tried_again() {
    let (told, tried) = first_try(Reply::Slow(Duration::from_secs(60))).await;
    assert_eq!(tried["attempts"][0]["status"], Value::Null);
    let latency = tried["attempts"][0]["latencyMs"].as_i64().expect("a time");
    assert!((9_000..20_000).contains(&latency), "{latency}");
    told.crm.accept();
    hurry(&told).await;
    told.settled().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_receiver_says_when_to_come_back() {
    let later = vec![("retry-after", "300".to_owned())];
    let (told, _) = first_try(Reply::Status(429, later)).await;
    let client = told.crm.all()[0].client().parse().expect("an id");
    let pause = eventually("the queue waits", || async {
        let (_, pause) = queue_of(&told, client).await;
        (pause > 30.0).then_some(pause)
    })
    .await;
    assert!((250.0..=300.0).contains(&pause), "{pause}");
    recovers(told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_try_waits_five_seconds_and_a_little() {
    let (told, _) = first_try(Reply::Status(503, vec![])).await;
    told.crm.accept();
    let client = told.crm.all()[0].client().parse().expect("an id");
    let (waiting, pause) = queue_of(&told, client).await;
    assert!(waiting > 1, "its queue waits with it");
    assert!(pause <= 6.0, "{pause}");
    told.settled().await;
    assert_orderly(&told.crm.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn gone_disables_the_endpoint_until_somebody_enables_it() {
    let told = Told::start().await;
    told.crm.behave(|_| Reply::Status(410, vec![]));
    told.world.trader().await;
    let disabled = eventually("the endpoint is disabled", || async {
        let all = told.cli(&["endpoints", "list"]).await;
        all[0]["disabled"].as_str().map(str::to_owned)
    })
    .await;
    assert!(disabled.contains("410"), "{disabled}");
    told.crm.accept();
    let tries = told.crm.count();
    told.world.trader().await;
    hurry(&told).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(told.crm.count(), tries, "nothing is sent to who is gone");
    told.cli(&["endpoints", "enable", "crm"]).await;
    hurry(&told).await;
    told.settled().await;
    assert_orderly(&told.crm.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_parked_with_its_answer_and_holds_up_nobody() {
    let told = Told::start().await;
    told.crm.behave(|one| {
        if one.event() == "user.created" {
            Reply::Status(422, vec![])
        } else {
            Reply::Accept
        }
    });
    told.world.trader().await;
    let (id, _) = told.called_for("crm").await[0].clone();
    let parked = told.until_status(id, "parked").await;
    assert_eq!(parked["attempts"][0]["status"], 422);
    told.settled().await;
    let received = told.crm.all();
    let tries = received.iter().filter(|one| one.id() == id).count();
    assert_eq!(tries, 1, "a refusal is not repeated");
    assert_eq!(received.len(), told.called_for("crm").await.len());
    let listed = told
        .http()
        .get("/crm/webhooks/deliveries?status=parked")
        .await;
    assert_eq!(listed.text_at("/items/0/id"), id.to_string());
    // Mended, it is sent once more by hand.
    told.crm.accept();
    let path = format!("/crm/webhooks/deliveries/{id}/resend");
    told.http()
        .post(&path, &serde_json::json!({}))
        .await
        .expecting(204);
    told.until_status(id, "delivered").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_last_try_it_is_dead_and_its_queue_goes_on() {
    let (told, tried) = first_try(Reply::Status(500, vec![])).await;
    let id: Uuid = tried["id"]
        .as_str()
        .and_then(|id| id.parse().ok())
        .expect("an id");
    // A day and a half later.
    sqlx::query("update webhook_deliveries set tries = 7 where id = $1")
        .bind(id)
        .execute(told.world.book.pool())
        .await
        .expect("the database answers");
    told.crm.behave(move |one| {
        if one.id() == id {
            Reply::Status(500, vec![])
        } else {
            Reply::Accept
        }
    });
    hurry(&told).await;
    told.until_status(id, "parked").await;
    told.settled().await;
    let received = told.crm.accepted();
    assert_eq!(received.len() + 1, told.called_for("crm").await.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_clients_poison_delays_no_other_client() {
    let told = Told::start().await;
    let victim = told.world.trader().await;
    told.settled().await;
    let poisoned = victim.client_id.to_string();
    told.crm.behave(move |one| {
        if one.client() == poisoned {
            Reply::Status(500, vec![])
        } else {
            Reply::Accept
        }
    });
    victim.market("EURUSD", "buy", "0.10").await;
    let before = told.crm.accepted().len();
    for _ in 0..3 {
        let other = told.world.trader().await;
        other.market("EURUSD", "buy", "0.10").await;
    }
    let others = told.called_for("crm").await.len() - before;
    told.crm
        .until("the others", |all| {
            let accepted: Vec<&Delivered> = all.iter().filter(|one| one.accepted).collect();
            (accepted.len() - before + 2 >= others).then_some(())
        })
        .await;
    let (waiting, _) = queue_of(&told, victim.client_id).await;
    assert!(waiting > 0, "the victim's wait");
    recovers(told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sets_a_poisoned_head_aside() {
    let told = Told::start().await;
    told.crm.behave(|one| {
        if matches!(one.event().as_str(), "user.created" | "account.updated") {
            Reply::Status(500, vec![])
        } else {
            Reply::Accept
        }
    });
    let trader = told.world.trader().await;
    let all = told.called_for("crm").await;
    let accounts = all.iter().filter(|(_, event)| event == "account.updated");
    let mut heads = vec![(all[0].0, "park", "parked")];
    heads.extend(accounts.map(|(id, _)| (*id, "skip", "skipped")));
    for (id, how, status) in &heads {
        let id_text = id.to_string();
        let done = told
            .cli(&[how, &id_text, "--reason", "the CRM knows"])
            .await;
        assert_eq!(done["events"][0], "DeliverySetAside");
        told.until_status(*id, status).await;
    }
    told.settled().await;
    let accepted = told.crm.accepted();
    assert_eq!(accepted.len(), all.len() - heads.len());
    assert!(
        accepted
            .iter()
            .all(|one| one.client() == trader.client_id.to_string())
    );
    let reason: String = sqlx::query_scalar(
        "select payload->'DeliverySetAside'->>'reason' from events \
         where event_type = 'DeliverySetAside' order by position limit 1",
    )
    .fetch_one(told.world.book.pool())
    .await
    .expect("the book says who set it aside");
    assert_eq!(reason, "the CRM knows");
}

#[tokio::test(flavor = "multi_thread")]
async fn private_networks_are_not_reached_unless_allowed() {
    let told = Told::start_with(|launch| launch.set("WEBHOOK_ALLOW_PRIVATE", "false")).await;
    told.world.trader().await;
    let id = told.called_for("crm").await[0].0;
    let path = format!("/crm/webhooks/deliveries/{id}");
    let answer = eventually("a try", || async {
        let json = told.http().get(&path).await.expecting(200).json();
        json["attempts"][0]["answer"].as_str().map(str::to_owned)
    })
    .await;
    assert!(answer.contains("not a public address"), "{answer}");
    assert_eq!(told.crm.count(), 0);
}
