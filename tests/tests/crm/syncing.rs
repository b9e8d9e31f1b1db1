//! The CRM's own service API, led by the book: the checks of the law are told and taken over, and
//! whatever the CRM does, nobody waits for it.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use daybook_tests::{Called, Form, Reply, Said, Trader, form::pdf, within};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{TOKEN, Told};

const PATIENCE: Duration = Duration::from_secs(90);

/// One call as the database has it.
#[derive(Debug, sqlx::FromRow)]
struct Row {
    kind: String,
    attempts: i32,
    last_error: Option<String>,
    /// `done`, `given up`, `skipped`, `open`.
    outcome: String,
}

impl Told {
    async fn crm_calls(&self, client_id: Uuid) -> Vec<Row> {
        let sql = "select kind, attempts, last_error, case \
                 when done_at is not null then 'done' when given_up_at is not null then 'given up' \
                 when skipped_at is not null then 'skipped' else 'open' end as outcome \
             from crm_calls where client_id = $1 order by position";
        sqlx::query_as(sql)
            .bind(client_id)
            .fetch_all(self.world.book.pool())
            .await
            .expect("the database answers")
    }

    /// Waits until the calls about a client stand like this: kind and outcome of each.
    async fn until_calls(&self, client_id: Uuid, expected: &[(&str, &str)]) -> Vec<Row> {
        within(PATIENCE, &format!("calls: {expected:?}"), || async {
            let rows = self.crm_calls(client_id).await;
            let found: Vec<_> = rows
                .iter()
                .map(|row| (row.kind.as_str(), row.outcome.as_str()))
                .collect();
            (found == expected).then_some(())?;
            Some(rows)
        })
        .await
    }

    /// Waits until a client's first call has failed so often, with these words.
    async fn until_failed(&self, client_id: Uuid, attempts: i32, words: &str) {
        within(
            PATIENCE,
            &format!("{attempts} failures: {words}"),
            || async {
                let rows = self.crm_calls(client_id).await;
                let row = rows.first()?;
                let error = row.last_error.as_deref().unwrap_or_default();
                (row.attempts >= attempts && error.contains(words)).then_some(())
            },
        )
        .await;
    }

    /// What waits for its time is due at once.
    async fn hurry(&self) {
        sqlx::query("update crm_calls set due_at = now()")
            .execute(self.world.book.pool())
            .await
            .expect("the database answers");
    }

    async fn has_event(&self, client_id: Uuid, event_type: &str) {
        within(PATIENCE, event_type, || async {
            let types = self.world.book.client_event_types(client_id).await;
            types.iter().any(|one| one == event_type).then_some(())
        })
        .await;
    }
}

/// A CRM that knows everybody by the first part of their address.
fn knows(kyc: &'static str) -> impl FnMut(&Called) -> Said + Send {
    move |called| match called.method.as_str() {
        "GET" => Said::Json(
            200,
            json!({ "externalId": name_of(called), "kycStatus": kyc }),
        ),
        "PATCH" => Said::Json(200, json!({})),
        _ => Said::Json(201, json!({})),
    }
}

/// What the tests' CRM calls whom it is asked about.
fn name_of(called: &Called) -> String {
    let email = called.path.split('/').nth(4).unwrap_or_default();
    format!("ext-{}", email.split('@').next().unwrap_or_default())
}

fn spoken(calls: &[Called]) -> Vec<(String, Value)> {
    let body = |called: &Called| serde_json::from_str(&called.body).unwrap_or_default();
    calls
        .iter()
        .map(|called| (called.method.clone(), body(called)))
        .collect()
}

async fn hands_in(trader: &Trader) {
    let form = Form::of("passport", "ada.pdf", &pdf("Ada"));
    form.send(&trader.http).await.expecting(201);
}

async fn decides(told: &Told, trader: &Trader, status: &str, notes: &str) {
    let client = trader.client_id.to_string();
    let command = ["clients", "kyc", &client, status, "--notes", notes];
    let output = told.world.app.run(&command).await;
    assert!(output.status.success(), "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_crms_decision_is_taken_over_at_registration() {
    let told = Told::start().await;
    told.crm.serve(knows("APPROVED"));
    let trader = told.world.trader().await;
    told.until_calls(trader.client_id, &[("link", "done")])
        .await;
    told.has_event(trader.client_id, "KycStatusChanged").await;
    let kyc = trader.http.get("/user/kyc").await.expecting(200).json();
    assert_eq!(kyc["status"], "approved");
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
    told.crm.serve(knows("rejected"));
    let rows = told
        .until_calls(trader.client_id, &[("link", "done")])
        .await;
    assert!(rows[0].attempts >= 2, "{rows:?}");
    told.has_event(trader.client_id, "KycStatusChanged").await;
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
async fn the_checks_of_the_law_are_told_in_order_and_never_in_a_circle() {
    let told = Told::start().await;
    told.crm.serve(|called| match called.method.as_str() {
        "PATCH" => Said::Other(Reply::Drop),
        _ => knows("none")(called),
    });
    let trader = told.world.trader().await;
    hands_in(&trader).await;
    let calls = [("link", "done"), ("kyc", "skipped"), ("kyc", "open")];
    told.until_calls(trader.client_id, &calls).await;
    // The CRM is away for it, and meanwhile somebody here decides.
    told.crm
        .until_called("a call that fails", |calls| {
            calls
                .iter()
                .any(|call| call.method == "PATCH")
                .then_some(())
        })
        .await;
    decides(&told, &trader, "approved", "all is well").await;
    told.crm.serve(knows("none"));
    told.hurry().await;
    let calls = [
        ("link", "done"),
        ("kyc", "skipped"),
        ("kyc", "skipped"),
        ("kyc", "done"),
    ];
    let rows = told.until_calls(trader.client_id, &calls).await;
    let calls = told.crm.calls();
    let last = calls.last().expect("there were calls");
    assert_eq!(
        last.path,
        format!("/api/service/clients/{}/kyc", trader.email)
    );
    let body: Value = serde_json::from_str(&last.body).expect("JSON");
    assert_eq!(body["kycStatus"], "approved");
    assert_eq!(body["notes"], "all is well");
    assert_eq!(body["documents"], 1);
    let said: BTreeSet<&str> = calls
        .iter()
        .filter(|call| call.method == "PATCH")
        .map(|call| call.headers["idempotency-key"].as_str())
        .collect();
    assert_eq!(said.len(), 2, "one key for each call: {rows:?}");
    // Nothing of it comes back: the book says all that it says of this by the client and by us.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(told.crm.calls().len(), calls.len());
    let patched = spoken(&calls)
        .into_iter()
        .filter(|(method, _)| method == "PATCH");
    let said: Vec<Value> = patched.map(|(_, body)| body["kycStatus"].clone()).collect();
    assert_eq!(said.last(), Some(&json!("approved")));
    assert!(
        said[..said.len() - 1].iter().all(|one| one == "pending"),
        "{said:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_the_crm_does_not_know_is_told_and_waited_for() {
    let mut told = Told::start_with(|launch| launch.set("CRM_API_TOKEN", "a former token")).await;
    told.crm.serve(|called| {
        let known = called.headers["authorization"] == "Bearer the token of now";
        if known {
            knows("none")(called)
        } else {
            Said::Json(401, json!({}))
        }
    });
    let trader = told.world.trader().await;
    told.until_failed(trader.client_id, 0, "answers 401").await;
    told.world.app.logged("CRM_API_TOKEN").await;
    let (ready, _) = told.world.app.health().await.expect("it answers");
    assert_eq!(ready, 200);
    let calls = told.crm.calls().len();
    let another = told.world.trader().await;
    told.until_calls(another.client_id, &[("link", "open")])
        .await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(
        told.crm.calls().len(),
        calls,
        "it is not asked again and again"
    );
    told.world
        .app
        .reconfigure("CRM_API_TOKEN", "the token of now");
    told.world.app.terminate().await;
    told.world.app.launch_again();
    told.world.app.ready().await;
    for client in [trader.client_id, another.client_id] {
        let rows = told.until_calls(client, &[("link", "done")]).await;
        assert_eq!(rows[0].attempts, 1, "a shut door is no try");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_a_kill_interrupts_is_repeated_under_the_same_key() {
    let mut told = Told::start().await;
    told.crm.serve(knows("none"));
    let trader = told.world.trader().await;
    told.until_calls(trader.client_id, &[("link", "done")])
        .await;
    let slow = Arc::new(AtomicBool::new(true));
    let slowly = Arc::clone(&slow);
    told.crm.serve(move |called| {
        if called.method == "PATCH" && slowly.load(Ordering::SeqCst) {
            return Said::Other(Reply::Slow(Duration::from_secs(5)));
        }
        knows("none")(called)
    });
    decides(&told, &trader, "approved", "all is well").await;
    let patched = |calls: &[Called]| -> Vec<Called> {
        let calls = calls.iter().filter(|call| call.method == "PATCH");
        calls.cloned().collect()
    };
    told.crm
        .until_called("the first try", |calls| {
            (patched(calls).len() == 1).then_some(())
        })
        .await;
    // The CRM has it, and nobody has written that down.
    told.world.app.kill().await;
    slow.store(false, Ordering::SeqCst);
    sqlx::query("update head set lease_until = now()")
        .execute(told.world.book.pool())
        .await
        .expect("the database answers");
    // Its claim would run out two minutes later: nobody holds it any more.
    told.hurry().await;
    told.world.app.launch_again();
    told.world.app.ready().await;
    let calls = [("link", "done"), ("kyc", "done")];
    told.until_calls(trader.client_id, &calls).await;
    let said = patched(&told.crm.calls());
    assert_eq!(said.len(), 2);
    assert_eq!(said[0].body, said[1].body);
    assert_eq!(
        said[0].headers["idempotency-key"],
        said[1].headers["idempotency-key"]
    );
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
