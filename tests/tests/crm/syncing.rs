//! What is decided and written down here is told to the CRM: in order for each client, once where it
//! counts, and never in a circle.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use daybook_tests::{Called, Form, Reply, Said, Trader, form::pdf};
use serde_json::{Value, json};

use crate::{calls::knows, support::Told};

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
async fn what_the_crm_says_is_not_told_back_to_it_and_a_note_of_ours_is() {
    let told = Told::start().await;
    told.crm.serve(knows("none"));
    let trader = told.world.trader().await;
    let client = trader.client_id;
    told.until_calls(client, &[("link", "done")]).await;
    let http = told.http();
    let user = format!("/crm/users/{client}");
    let change = json!({ "kycStatus": "approved", "kycNotes": "all is well" });
    http.patch(&user, &change).await.expecting(204);
    let note = json!({ "comment": "called back" });
    http.post(&format!("{user}/notes"), &note).await;
    told.has_event(client, "NoteAdded").await;
    // Whatever is read after it says that it was read too.
    hands_in(&trader).await;
    told.until_calls(client, &[("link", "done"), ("kyc", "done")])
        .await;
    // The book has no way yet for a note that is not the CRM's: this one shall be none.
    sqlx::query(
        "insert into crm_calls (position, kind, client_id, created_at, due_at) \
         select position, 'note', $1::uuid, recorded_at, now() from events \
         where event_type = 'NoteAdded' and aggregate_id = $1::text",
    )
    .bind(client.to_string())
    .execute(told.world.book.pool())
    .await
    .expect("the database answers");
    told.crm
        .until_called("the note", |calls| {
            let last = calls.last()?;
            let body: Value = serde_json::from_str(&last.body).ok()?;
            (last.method == "POST" && body["comment"] == "called back").then_some(())
        })
        .await;
    let methods: Vec<String> = told
        .crm
        .calls()
        .into_iter()
        .map(|call| call.method)
        .collect();
    assert_eq!(methods, ["GET", "PATCH", "POST"]);
}
