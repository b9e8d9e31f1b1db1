//! Erasure: refused while something is open; afterwards nothing of the person can be read, and the
//! book still proves itself.

use std::{
    fs::{self, File},
    path::PathBuf,
    time::{Duration, SystemTime},
};

use daybook_tests::{
    App, Form, Trader, World,
    client::registration,
    eventually,
    form::{DOCUMENTS, pdf},
    officer::officer,
};
use serde_json::{Value, json};
use uuid::Uuid;

async fn run(world: &World, arguments: &[&str]) -> (Option<i32>, String) {
    let output = world.app.run(arguments).await;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    (output.status.code(), text)
}

async fn erase(world: &World, trader: &Trader) -> (Option<i32>, String) {
    let client = trader.client_id.to_string();
    let erase = ["clients", "erase", &client, "--reason", "asked to", "--yes"];
    run(world, &erase).await
}

async fn erased(world: &World, trader: &Trader) {
    let (code, text) = erase(world, trader).await;
    assert_eq!(code, Some(0), "{text}");
}

fn documents(app: &App) -> PathBuf {
    app.data_dir().join("documents")
}

fn at_rest(app: &App) -> usize {
    fs::read_dir(documents(app)).into_iter().flatten().count()
}

async fn count(world: &World, sql: &str) -> i64 {
    sqlx::query_scalar(sql)
        .fetch_one(world.book.pool())
        .await
        .expect("readable")
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_erased_while_something_is_open() {
    let world = World::start().await;
    let trader = world.trader().await;
    let opened = trader.market("EURUSD", "buy", "0.10").await;
    let (code, text) = erase(&world, &trader).await;
    assert_eq!(code, Some(1));
    assert!(
        text.contains("client_not_settled") && text.contains("1 positions"),
        "{text}"
    );
    let close = format!("/trading/close/{}", opened.text_at("/positionId"));
    trader.http.post(&close, &json!({})).await.expecting(200);

    let order = json!({
        "symbol": "EURUSD", "side": "buy", "type": "limit", "volume": "0.10",
        "limitPrice": "1.00000",
    });
    let placed = trader.order(&order).await.expecting(201);
    let (_, text) = erase(&world, &trader).await;
    assert!(text.contains("1 orders are working"), "{text}");
    let path = format!("/trading/order/{}", placed.text_at("/orderId"));
    trader.http.delete(&path).await.expecting(204);

    let live = trader.live.to_string();
    let adjust = |amount: &'static str| ["accounts", "adjust", &live, amount, "--bucket", "real"];
    run(&world, &adjust("0.01")).await;
    let (_, text) = erase(&world, &trader).await;
    assert!(text.contains("the real balance is 0.01 USD"), "{text}");
    // Refused as often as one likes, the client goes on as before.
    trader.market("EURUSD", "buy", "0.01").await;
    let all = trader.http.post("/trading/close-all", &json!({})).await;
    all.expecting(200);
    run(&world, &adjust("-0.01")).await;
    erased(&world, &trader).await;
    let (code, text) = erase(&world, &trader).await;
    assert_eq!(code, Some(0));
    assert!(text.contains("Already so"), "{text}");
    let unsure = ["clients", "erase", &live, "--reason", "x"];
    assert_eq!(run(&world, &unsure).await.0, Some(1), "nobody confirmed it");
}

async fn assert_nothing_rests(world: &World, client: &str) {
    let keys =
        format!("select count(*) from subject_keys where subject = '{client}' and wrapped is null");
    assert_eq!(count(world, &keys).await, 1);
    for table in ["secrets where subject", "unique_values where owner"] {
        let sql = format!("select count(*) from {table} = '{client}'");
        assert_eq!(count(world, &sql).await, 0, "{table}");
    }
    let told = format!(
        "select count(*) from sessions where subject = '{client}' and (address <> '' or user_agent is not null or revoked_at is null)"
    );
    assert_eq!(count(world, &told).await, 0);
}

async fn assert_proves_itself(world: &World) {
    for verification in [
        ["audit", "verify", "--all"],
        ["projections", "verify", "--all"],
    ] {
        let (code, text) = run(world, &verification).await;
        assert_eq!(code, Some(0), "{verification:?}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_it_nothing_can_be_read_and_the_book_still_proves_itself() {
    let world = World::start().await;
    let trader = world.trader().await;
    let other = world.trader().await;
    let phone = json!({ "phone": "+44 20 7946 0123" });
    trader.http.patch("/user/me", &phone).await.expecting(200);
    trader.market("EURUSD", "buy", "0.10").await;
    let all = trader.http.post("/trading/close-all", &json!({})).await;
    all.expecting(200);
    let form = Form::of("passport", "ada.pdf", &pdf("Ada"));
    let document = form
        .send(&trader.http)
        .await
        .expecting(201)
        .text_at("/documentId");
    let kept = Form::of("passport", "other.pdf", &pdf("other"));
    kept.send(&other.http).await.expecting(201);
    let client = trader.client_id.to_string();
    erased(&world, &trader).await;

    for path in [
        "/user/me",
        "/user/kyc",
        "/user/export",
        &format!("{DOCUMENTS}/{document}"),
    ] {
        trader.http.get(path).await.problem(401, "unauthenticated");
    }
    let order = trader
        .order(&daybook_tests::client::market("EURUSD", "buy", "0.01"))
        .await;
    assert!(order.status >= 400, "{order:?}");
    let sign_in = json!({ "email": trader.email, "password": daybook_tests::client::PASSWORD });
    let refused = world.app.http.post("/auth/login", &sign_in).await;
    refused.problem(401, "invalid_credentials");

    assert_nothing_rests(&world, &client).await;
    eventually("the document is deleted", || async {
        (at_rest(&world.app) == 1).then_some(())
    })
    .await;

    assert_proves_itself(&world).await;
    let rebuilt = ["projections", "rebuild", "clients", "--verify"];
    assert_eq!(run(&world, &rebuilt).await.0, Some(0));
    let (code, text) = run(&world, &["replay", "account", &trader.demo.to_string()]).await;
    assert_eq!(code, Some(0), "{text}");
    let (_, shown) = run(&world, &["clients", "show", &client]).await;
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!(shown["state"], "erased");
    for field in ["email", "firstName", "lastName", "phone", "country"] {
        assert_eq!(shown[field], Value::Null, "{field}");
    }
    assert_eq!(shown["documents"][0]["name"], Value::Null);
    other.http.get("/user/me").await.expecting(200);
    other.http.get("/user/export").await.expecting(200);

    // The address is free: whoever has it now is somebody new.
    let again = world
        .app
        .http
        .post("/auth/register", &registration(&trader.email))
        .await;
    let new = again.expecting(201).uuid("/clientId");
    assert_ne!(new, trader.client_id);
    let anew = world.app.http.sign_in(new, &trader.email).await;
    anew.http.get("/user/me").await.expecting(200);
    assert_ne!(anew.demo, trader.demo);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_a_crash_interrupted_is_finished_at_the_next_start() {
    let mut world = World::start().await;
    let trader = world.trader().await;
    let form = Form::of("passport", "ada.pdf", &pdf("Ada"));
    form.send(&trader.http).await.expecting(201);
    let sealed = documents(&world.app);
    let copy = fs::read_dir(&sealed).expect("readable").next();
    let copy = copy.expect("one document").expect("readable").path();
    let bytes = fs::read(&copy).expect("readable");
    let client = trader.client_id;
    for sql in [
        format!("create table kept as select wrapped from subject_keys where subject = '{client}'"),
        format!("create table kept_secrets as select * from secrets where subject = '{client}'"),
    ] {
        sqlx::query(&sql)
            .execute(world.book.pool())
            .await
            .expect("writable");
    }
    erased(&world, &trader).await;
    eventually("it is finished", || async {
        let done = count(&world, "select count(*) from erasures").await;
        (done == 1).then_some(())
    })
    .await;
    world.app.kill().await;
    // As if the node had ended right after the fact was in the book.
    for sql in [
        format!(
            "update subject_keys set wrapped = (select wrapped from kept), destroyed_at = null where subject = '{client}'"
        ),
        "insert into secrets select * from kept_secrets".to_owned(),
        "delete from erasures".to_owned(),
    ] {
        sqlx::query(&sql)
            .execute(world.book.pool())
            .await
            .expect("writable");
    }
    fs::write(&copy, bytes).expect("writable");
    world.app.launch_again();
    world.app.ready().await;
    eventually("it is finished again", || async {
        let done = count(&world, "select count(*) from erasures").await;
        (done == 1).then_some(())
    })
    .await;
    let keys = format!(
        "select count(*) from subject_keys where subject = '{client}' and wrapped is null and destroyed_at is not null"
    );
    assert_eq!(count(&world, &keys).await, 1);
    let secrets = format!("select count(*) from secrets where subject = '{client}'");
    assert_eq!(count(&world, &secrets).await, 0);
    assert_eq!(at_rest(&world.app), 0);
    let facts = world.book.client_event_types(client).await;
    let erasures = facts.iter().filter(|name| *name == "ClientErased").count();
    assert_eq!(erasures, 1, "the fact stands once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_forgets_the_key_within_a_moment() {
    let world = World::start().await;
    let trader = world.trader().await;
    let standby = world.app.launch().beside().spawn();
    standby.in_role("standby").await;
    let there = trader.http.at(standby.http.base());
    eventually("the standby knows the client", || async {
        (there.get("/user/me").await.status == 200).then_some(())
    })
    .await;
    erased(&world, &trader).await;
    let told = std::time::Instant::now();
    eventually("the standby has forgotten", || async {
        (there.get("/user/me").await.status == 401).then_some(())
    })
    .await;
    assert!(
        told.elapsed() < Duration::from_secs(5),
        "{:?}",
        told.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_no_event_tells_of_are_swept_after_a_day() {
    let mut world = World::start().await;
    let trader = world.trader().await;
    let form = Form::of("passport", "ada.pdf", &pdf("Ada"));
    let known = form
        .send(&trader.http)
        .await
        .expecting(201)
        .text_at("/documentId");
    world.app.kill().await;
    let directory = documents(&world.app);
    let plant = |name: &str, hours: u64| {
        let path = directory.join(name);
        if !path.exists() {
            fs::write(&path, "sealed").expect("writable");
        }
        let then = SystemTime::now() - Duration::from_secs(hours * 3600);
        let file = File::options().write(true).open(&path).expect("writable");
        file.set_modified(then).expect("its time can be set");
        path
    };
    let kept = plant(&known, 1_000);
    let young = plant(&Uuid::now_v7().to_string(), 23);
    let orphan = plant(&Uuid::now_v7().to_string(), 25);
    let half = plant(&format!("{}.part", Uuid::now_v7()), 25);
    let foreign = plant("README", 1_000);
    world.app.launch_again();
    world.app.ready().await;
    eventually("the orphans are gone", || async {
        (!orphan.exists() && !half.exists()).then_some(())
    })
    .await;
    assert!(kept.exists() && young.exists() && foreign.exists());
    trader
        .http
        .get(&format!("{DOCUMENTS}/{known}"))
        .await
        .expecting(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn compliance_reads_documents_and_erases_and_support_does_neither() {
    let world = World::start().await;
    let trader = world.trader().await;
    let form = Form::of("passport", "passport.pdf", &pdf("of Ada"));
    let handed_in = form.send(&trader.http).await.expecting(201);
    let document = format!(
        "/compliance/clients/{}/documents/{}",
        trader.client_id,
        handed_in.text_at("/documentId")
    );
    let erase = format!("/compliance/clients/{}/erase", trader.client_id);
    let body = json!({ "reason": "asked to" });
    let (_, support) = officer(&world.app, "support").await;
    support.get(&document).await.problem(403, "forbidden");
    support.post(&erase, &body).await.problem(403, "forbidden");
    let (_, compliance) = officer(&world.app, "compliance").await;
    compliance.get(&document).await.expecting(200);
    let told = compliance.post(&erase, &body).await.expecting(200).json();
    assert_eq!(told["erasedNow"], true);
    let again = compliance.post(&erase, &body).await.expecting(200).json();
    assert_eq!(again["erasedNow"], false);
    trader.http.get("/user/me").await.any_problem(401);
    compliance.get(&document).await.any_problem(404);
    let nobody = format!("/compliance/clients/{}/erase", Uuid::now_v7());
    compliance
        .post(&nobody, &body)
        .await
        .problem(404, "not_found");
}
