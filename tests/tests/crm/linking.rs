//! At registration the CRM is asked whom it knows: clients are linked, its decisions taken over, and
//! whatever it answers, nobody waits for it.

use std::time::{Duration, Instant};

use daybook_tests::{Reply, Said};
use serde_json::{Value, json};

use crate::{
    calls::knows,
    support::{TOKEN, Told},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_linked_and_the_crms_decision_taken_over() {
    let told = Told::start().await;
    told.crm.serve(knows("APPROVED"));
    let trader = told.world.trader().await;
    told.until_calls(trader.client_id, &[("link", "done")])
        .await;
    told.has_event(trader.client_id, "ExternalIdLinked").await;
    told.has_event(trader.client_id, "KycStatusChanged").await;
    let kyc = trader.http.get("/user/kyc").await.expecting(200).json();
    assert_eq!(kyc["status"], "approved");
    let (by, sealed): (String, String) = sqlx::query_as(
        "select metadata->>'actor', payload->'ExternalIdLinked'->>'external_id' from events \
         where aggregate_id = $1 and event_type = 'ExternalIdLinked'",
    )
    .bind(trader.client_id.to_string())
    .fetch_one(told.world.book.pool())
    .await
    .expect("it is in the book");
    assert_eq!(by, "crm:service-api");
    assert!(sealed.starts_with("enc:v1:"), "{sealed}");
    // What the CRM decided is not told back to it.
    let calls = told.crm.calls();
    let [only] = calls.as_slice() else {
        panic!("one call was to be made: {calls:?}");
    };
    assert_eq!(only.method, "GET");
    assert_eq!(only.path, format!("/api/service/clients/{}", trader.email));
    assert_eq!(only.headers["authorization"], format!("Bearer {TOKEN}"));
    let rests: String = sqlx::query_scalar("select string_agg(c::text, ' ') from crm_calls c")
        .fetch_one(told.world.book.pool())
        .await
        .expect("the database answers");
    assert!(!rests.contains('@'), "an address rests in {rests}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_name_of_the_crms_belongs_to_one_client() {
    let told = Told::start().await;
    told.crm
        .serve(|_| Said::Json(200, json!({ "id": 4711, "kycStatus": "none" })));
    let first = told.world.trader().await;
    told.until_calls(first.client_id, &[("link", "done")]).await;
    let second = told.world.trader().await;
    let rows = told
        .until_calls(second.client_id, &[("link", "given up")])
        .await;
    let error = rows[0].last_error.as_deref().unwrap_or_default();
    assert!(error.contains("external_id is taken"), "{error}");
    second.market("EURUSD", "buy", "0.01").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crm_that_is_away_holds_nobody_up_and_is_asked_later() {
    let told = Told::start().await;
    told.crm.serve(|_| Said::Other(Reply::Drop));
    let begun = Instant::now();
    let trader = told.world.trader().await;
    trader.market("EURUSD", "buy", "0.01").await;
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "it was waited for"
    );
    told.until_failed(trader.client_id, 1, "").await;
    let (ready, _) = told.world.app.health().await.expect("it answers");
    assert_eq!(ready, 200);
    told.crm.serve(knows("none"));
    let rows = told
        .until_calls(trader.client_id, &[("link", "done")])
        .await;
    assert!(rows[0].attempts >= 2, "{rows:?}");
    told.has_event(trader.client_id, "ExternalIdLinked").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_crm_answers_it_is_asked_again_and_believed_when_it_makes_sense() {
    let told = Told::start().await;
    told.crm.serve(|_| Said::Other(Reply::Garbage));
    let trader = told.world.trader().await;
    let client = trader.client_id;
    told.until_failed(client, 1, "").await;
    let long = "x".repeat(70_000);
    let told_long = json!({ "externalId": long });
    let answers: Vec<(Said, &str)> = vec![
        (Said::Json(503, json!({})), "answers 503"),
        (Said::Json(404, json!({})), "does not know the client"),
        (Said::Json(200, json!(["?"])), "nobody can read"),
        (
            Said::Json(200, json!({ "id": "x", "email": "eve@example.test" })),
            "nobody can read",
        ),
        (Said::Json(200, told_long), "without end"),
    ];
    for ((answer, words), attempt) in answers.into_iter().zip(2..) {
        told.crm.serve(move |_| answer.clone());
        told.hurry().await;
        told.until_failed(client, attempt, words).await;
    }
    told.crm.serve(knows("pending"));
    told.hurry().await;
    told.until_calls(client, &[("link", "done")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_address_is_no_hindrance() {
    let told = Told::start().await;
    let trader = told.world.trader().await;
    let client = trader.client_id;
    told.until_failed(client, 1, "does not know the client")
        .await;
    for attempt in 2..=4 {
        told.hurry().await;
        told.until_failed(client, attempt, "does not know the client")
            .await;
    }
    told.hurry().await;
    told.until_calls(client, &[("link", "skipped")]).await;
    trader.market("EURUSD", "buy", "0.01").await;
    // A refusal is believed at once.
    told.crm.serve(|_| Said::Json(422, json!({})));
    let refused = told.world.trader().await;
    told.until_calls(refused.client_id, &[("link", "given up")])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn private_addresses_are_not_called() {
    let told = Told::start_with(|launch| launch.set("WEBHOOK_ALLOW_PRIVATE", "false")).await;
    told.crm.serve(knows("approved"));
    let trader = told.world.trader().await;
    told.until_failed(trader.client_id, 1, "not a public address")
        .await;
    assert!(told.crm.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_it_is_switched_off_nobody_is_called() {
    let told = Told::start_with(|launch| launch.set("CRM_SERVICE_API", "off")).await;
    told.crm.serve(knows("approved"));
    let trader = told.world.trader().await;
    told.settled().await;
    assert!(told.crm.calls().is_empty());
    assert!(told.crm_calls(trader.client_id).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_the_crm_itself_has_made_is_not_linked_to_another_name() {
    let told = Told::start().await;
    told.crm.serve(|_| {
        Said::Json(
            200,
            json!({ "externalId": "another", "kycStatus": "approved" }),
        )
    });
    let user = json!({
        "externalId": "C-1",
        "email": "alan@example.test",
        "firstName": "Alan",
        "lastName": "Turing",
    });
    let made = told.http().post("/crm/users", &user).await.expecting(201);
    let client = made.uuid("/clientId");
    let rows = told.until_calls(client, &[("link", "skipped")]).await;
    let error = rows[0].last_error.as_deref();
    assert_eq!(error, Some("linked to another name already"));
    let shown = told.http().get("/crm/users/external:C-1").await;
    let shown: Value = shown.expecting(200).json();
    assert_eq!(shown["clientId"], client.to_string());
    assert_eq!(shown["kycStatus"], "none");
}
