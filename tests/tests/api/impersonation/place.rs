//! In the client's place: what is theirs alone stays theirs, whatever is done is in the book under
//! the name of who did it, and the client shows them out.

use std::time::Duration;

use daybook_tests::{
    Socket, World,
    client::{PASSWORD, market},
    officer,
    officer::refused_within_a_second,
};
use serde_json::{Value, json};

use super::{ADMIN, SITE, Visit, facts, world};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_for_the_client_in_person_is_refused_one_by_one() {
    let world = world().await;
    let trader = world.verified_trader().await;
    let visit = Visit::to(&world, &trader).await;
    let head = world.book.head().await;
    let password = json!({ "current": PASSWORD, "password": "tuesday-kettle-nine-marbles" });
    let withdrawal = json!({
        "accountId": trader.live, "amount": "1.00", "currency": "USD", "destination": "mine",
    });
    for (path, body) in [
        ("/auth/password", password),
        ("/auth/2fa/setup", json!({})),
        ("/auth/2fa/verify", json!({ "code": "000000" })),
        (
            "/auth/2fa/disable",
            json!({ "password": PASSWORD, "code": "000000" }),
        ),
        ("/funding/withdrawal", withdrawal),
        ("/api/v1/auth/2fa/setup", json!({})),
    ] {
        let answer = visit.http.post(path, &body).await;
        answer.problem(403, "impersonation_restricted");
    }
    let email = json!({ "email": "mine@example.test" });
    visit
        .http
        .patch("/user/me", &email)
        .await
        .problem(400, "unknown_field");
    let sessions = trader
        .http
        .get("/user/sessions")
        .await
        .expecting(200)
        .json();
    let theirs = sessions.as_array().into_iter().flatten();
    let mut theirs = theirs.filter(|item| item.get("impersonatedBy").is_none());
    let theirs = theirs.next().expect("the client's own session");
    let path = format!(
        "/user/sessions/{}",
        theirs["sessionId"].as_str().expect("an id")
    );
    let answer = visit.http.delete(&path).await;
    answer.problem(403, "impersonation_restricted");
    assert_eq!(world.book.head().await, head, "nothing is in the book");
    trader.http.get("/user/me").await.expecting(200);
    // The client themselves may.
    trader
        .http
        .post("/auth/2fa/setup", &json!({}))
        .await
        .expecting(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn withdrawals_are_open_to_them_where_the_house_says_so() {
    let world = World::start_with(|launch| {
        launch
            .set("APP_URL", SITE)
            .set("IMPERSONATION_CAN_WITHDRAW", "true")
    })
    .await;
    let trader = world.verified_trader().await;
    let visit = Visit::to(&world, &trader).await;
    let body = json!({
        "accountId": trader.live, "amount": "1.00", "currency": "USD", "destination": "theirs",
    });
    let answer = visit.http.post("/funding/withdrawal", &body).await;
    answer.problem(400, "insufficient_funds");
    let setup = visit.http.post("/auth/2fa/setup", &json!({})).await;
    setup.problem(403, "impersonation_restricted");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_names_who_did_it_and_in_whose_place() {
    let world = world().await;
    let trader = world.trader().await;
    let visit = Visit::to(&world, &trader).await;
    let before = world.book.head().await;
    let place = market("EURUSD", "buy", "0.10");
    visit
        .http
        .post("/trading/order", &place)
        .await
        .expecting(201);
    let name = json!({ "firstName": "Augusta" });
    let changed = visit.http.patch("/user/me", &name).await.expecting(200);
    assert_eq!(changed.json()["impersonation"]["adminId"], ADMIN);
    let account = json!({ "kind": "demo", "mode": "netting", "currency": "EUR" });
    visit
        .http
        .post("/user/accounts", &account)
        .await
        .expecting(201);
    visit
        .http
        .post("/auth/logout", &json!({}))
        .await
        .expecting(204);
    let rows: Vec<(String, String)> = sqlx::query_as(
        "select event_type, metadata::text from events where position > $1 order by position",
    )
    .bind(before)
    .fetch_all(world.book.pool())
    .await
    .expect("the book is readable");
    assert!(rows.len() >= 6, "{rows:?}");
    for (event_type, metadata) in &rows {
        let metadata: Value = serde_json::from_str(metadata).expect("JSON");
        assert_eq!(metadata["actor"], format!("crm:{ADMIN}"), "{event_type}");
        let client = format!("client:{}", trader.client_id);
        assert_eq!(metadata["on_behalf_of"], client, "{event_type}");
        let sealed = metadata["ip"].as_str().unwrap_or_default();
        assert!(sealed.starts_with("enc:"), "{event_type}: {metadata}");
    }
    let ended = facts(&world, trader.client_id, "SessionsRevoked").await;
    assert_eq!(
        ended.last().expect("an end").0["by"],
        format!("crm:{ADMIN}")
    );

    // Compliance sees it; the client's own deeds stay theirs.
    let (_, compliance) = officer(&world.app, "compliance").await;
    let path = format!("/compliance/audit?actor=crm:{ADMIN}&limit=500");
    let audit = compliance.get(&path).await.expecting(200).json();
    let items = audit["items"].as_array().expect("items");
    // Beside them the coming itself; it was granted without a header's name.
    assert_eq!(items.len(), rows.len() + 1, "{audit}");
    for item in items {
        assert_eq!(item["clientId"], trader.client_id.to_string());
        assert_eq!(item["ip"], "127.0.0.1");
    }
    let signed_in = facts(&world, trader.client_id, "SignedIn").await;
    let client = format!("client:{}", trader.client_id);
    assert_eq!(signed_in[0].1["actor"], client);
    assert!(signed_in[0].1.get("on_behalf_of").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reason_rests_sealed() {
    let world = world().await;
    let trader = world.trader().await;
    Visit::to(&world, &trader).await;
    let kept = world.book.kept_of_clients().await;
    assert!(
        kept.contains(ADMIN),
        "who came is no secret of the client's"
    );
    assert!(!kept.contains(super::REASON), "why may be");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_sees_them_and_shows_them_out_within_a_second() {
    let world = world().await;
    let trader = world.trader().await;
    let visit = Visit::to(&world, &trader).await;
    let token = visit.http.token().expect("a token").to_owned();
    let mut socket = Socket::open(&world.app.http, &format!("/ws?token={token}")).await;
    socket.until_type("ready").await;
    let listed = visit.listed(&trader).await;
    assert_eq!(
        (&listed["current"], &listed["address"]),
        (&json!(false), &json!("127.0.0.1"))
    );
    let path = format!(
        "/user/sessions/{}",
        listed["sessionId"].as_str().expect("an id")
    );
    trader.http.delete(&path).await.expecting(204);
    refused_within_a_second(&visit.http, "/user/me").await;
    let closed = tokio::time::timeout(Duration::from_secs(1), socket.close_code()).await;
    assert_eq!(closed.expect("within a second"), Some(4401));
    visit.refresh(&world).await.problem(401, "unauthenticated");
    trader.http.get("/user/me").await.expecting(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_password_of_the_clients_shows_them_out_too() {
    let world = world().await;
    let trader = world.trader().await;
    let visit = Visit::to(&world, &trader).await;
    let body = json!({ "current": PASSWORD, "password": "tuesday-kettle-nine-marbles" });
    trader
        .http
        .post("/auth/password", &body)
        .await
        .expecting(204);
    refused_within_a_second(&visit.http, "/user/me").await;
    visit.refresh(&world).await.problem(401, "unauthenticated");
}

#[tokio::test(flavor = "multi_thread")]
async fn they_leave_by_themselves_and_the_client_stays() {
    let world = world().await;
    let trader = world.trader().await;
    let visit = Visit::to(&world, &trader).await;
    let listed = visit.listed(&trader).await;
    let path = format!(
        "/user/sessions/{}",
        listed["sessionId"].as_str().expect("an id")
    );
    visit.http.delete(&path).await.expecting(204);
    visit.http.get("/user/me").await.any_problem(401);
    trader.http.get("/user/me").await.expecting(200);
}

/// `Max-Age` of the refresh cookie.
fn max_age(answer: &daybook_tests::Answer) -> Option<i64> {
    let lines = answer.headers.get_all("set-cookie").iter();
    let mut lines = lines.filter_map(|line| line.to_str().ok());
    let line = lines.find(|line| line.starts_with("daybook_refresh="))?;
    let age = line.split("Max-Age=").nth(1)?.split(';').next()?;
    age.trim().parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mark_stays_through_refreshes_and_the_end_comes_however_often_they_ask() {
    let world = World::start_with(|launch| {
        launch
            .set("APP_URL", SITE)
            .set("IMPERSONATION_SESSION_SEC", "90")
    })
    .await;
    let trader = world.trader().await;
    let visit = Visit::to(&world, &trader).await;
    let lives = visit.session["expiresIn"].as_i64();
    assert!(
        lives.is_some_and(|lives| (60..=90).contains(&lives)),
        "{lives:?}"
    );
    let again = visit.refresh(&world).await.expecting(200);
    assert!(max_age(&again).is_some_and(|age| (60..=90).contains(&age)));
    let second = Visit::of(&world, &again).await;
    assert_eq!(second.session["client"]["impersonation"]["adminId"], ADMIN);
    let setup = second.http.post("/auth/2fa/setup", &json!({})).await;
    setup.problem(403, "impersonation_restricted");
    let ends: Vec<(bool, bool)> = sqlx::query_as(
        "select expires_at <= ends_at, ends_at <= created_at + interval '91 seconds' \
         from sessions where impersonated_by is not null",
    )
    .fetch_all(world.book.pool())
    .await
    .expect("the database is readable");
    assert_eq!(ends, [(true, true)]);
    // The end, brought nearer behind the program's back.
    sqlx::query(
        "update sessions set ends_at = now(), expires_at = now() where ends_at is not null",
    )
    .execute(world.book.pool())
    .await
    .expect("the database is writable");
    second.refresh(&world).await.problem(401, "unauthenticated");
}
