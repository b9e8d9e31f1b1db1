//! `POST /crm/users`: whom the CRM knows becomes a client once, whatever the order of things.

use std::collections::BTreeSet;

use daybook_tests::{Trader, mailbox};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::desk::{Desk, INES, address, person};

/// Signs in as somebody whom the CRM has made a client.
async fn sign_in(desk: &Desk, client: Uuid, email: &str) -> Trader {
    let mail = mailbox::newest(&desk.world.app, email, "Your account", 1).await;
    let http = &desk.world.app.http;
    let chosen =
        json!({ "token": mailbox::token(&mail), "password": daybook_tests::client::PASSWORD });
    http.post("/auth/reset", &chosen).await.expecting(204);
    let again = http.post("/auth/reset", &chosen).await;
    again.problem(400, "invalid_token");
    http.sign_in(client, email).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_of_the_crms_becomes_a_client_who_chooses_a_password() {
    let desk = Desk::start().await;
    let email = address();
    let mut body = person("C-1/ä", &email);
    body["phone"] = json!("+44 20 7946 0000");
    body["flags"] = json!({ "swapFree": true });
    body["limits"] = json!({ "maxLeverage": 30, "dailyLoss": 250.5 });
    let made = desk.post("/crm/users", &body).await.expecting(201);
    assert_eq!(made.json()["created"], true);
    let client = made.uuid("/clientId");
    let names: Vec<_> = desk.actors(client).await;
    let expected = [
        "ClientRegistered",
        "ExternalIdLinked",
        "PasswordResetRequested",
        "LimitsChanged",
    ];
    assert_eq!(
        names,
        expected.map(|name| (name.to_owned(), INES.to_owned()))
    );
    let accounts = desk.get(&format!("/crm/accounts?clientId={client}")).await;
    let accounts = accounts.expecting(200).json();
    let kinds: BTreeSet<_> = accounts
        .as_array()
        .expect("accounts")
        .iter()
        .filter_map(|account| account["kind"].as_str())
        .collect();
    assert_eq!(kinds, BTreeSet::from(["demo", "live"]));
    let trader = sign_in(&desk, client, &email).await;
    let me = trader.http.get("/user/me").await.expecting(200).json();
    assert_eq!(me["emailVerified"], true, "the invitation went there");
    assert_eq!(me["firstName"], "Grace");
    for account in [trader.demo, trader.live] {
        let opened = desk.world.book.account(account).await;
        let controls = opened.last().expect("controls");
        assert_eq!(controls.event_type, "ControlsChanged");
        assert_eq!(controls.fields["controls"]["swap_free"], true);
        assert_eq!(controls.fields["controls"]["limits"]["max_leverage"], 30);
        assert_eq!(controls.fields["controls"]["limits"]["daily_loss"], "250.5");
    }
    let shown = desk.user("external:C-1%2F%C3%A4").await;
    assert_eq!(shown["clientId"], json!(client));
    assert_eq!(
        (&shown["flags"]["swapFree"], &shown["limits"]["dailyLoss"]),
        (&json!(true), &json!("250.5"))
    );
    let kept = desk.world.book.kept_of_clients().await;
    for personal in ["C-1/ä", "Hopper", &email, "7946"] {
        assert!(!kept.contains(personal), "{personal} rests in plain text");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_again_it_is_brought_up_to_date() {
    let desk = Desk::start().await;
    let email = address();
    let body = person("C-2", &email);
    let client = desk.post("/crm/users", &body).await.uuid("/clientId");
    let head = desk.head().await;
    let same = desk.post("/crm/users", &body).await.expecting(200);
    assert_eq!(same.json(), json!({ "clientId": client, "created": false }));
    assert_eq!(desk.head().await, head, "nothing was new");
    let mut other = person("C-2", &email.to_uppercase());
    other["lastName"] = json!("Murray");
    other["limits"] = json!({ "maxOpenOrders": 3 });
    desk.post("/crm/users", &other).await.expecting(200);
    let shown = desk.user(client).await;
    assert_eq!(shown["lastName"], "Murray");
    assert_eq!(shown["limits"]["maxOpenOrders"], 3);
    assert_eq!(shown["externalId"], "C-2");
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_at_once_make_one_client() {
    let desk = Desk::start().await;
    for (round, key) in [(1, None), (2, Some("once"))] {
        let body = person(&format!("C-{round}"), &address());
        let calls = (0..20).map(|_| {
            let call = desk.call(Method::POST, "/crm/users").json(&body);
            key.map_or(call, |_| {
                desk.call(Method::POST, "/crm/users")
                    .json(&body)
                    .key("once")
            })
            .send()
        });
        let answers = futures::future::join_all(calls).await;
        let clients: BTreeSet<_> = answers.iter().map(|it| it.uuid("/clientId")).collect();
        assert_eq!(clients.len(), 1);
        let created = answers.iter().filter(|it| it.status == 201);
        let made = answers
            .iter()
            .filter(|it| it.header("idempotency-replayed").is_none() && it.status == 201);
        assert_eq!(made.count(), 1, "{answers:?}");
        assert!(created.count() >= 1);
        assert!(answers.iter().all(|it| matches!(it.status, 200 | 201)));
    }
    let registered: i64 =
        sqlx::query_scalar("select count(*) from events where event_type = 'ClientRegistered'")
            .fetch_one(desk.world.book.pool())
            .await
            .expect("the book is readable");
    assert_eq!(registered, 2);
    desk.world.book.assert_contiguous().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_without_a_name_is_linked_and_one_with_another_is_not() {
    let desk = Desk::start().await;
    let (ada, eve) = (desk.world.trader().await, desk.world.trader().await);
    let linked = desk.post("/crm/users", &person("C-3", &ada.email)).await;
    let linked = linked.expecting(200);
    assert_eq!(linked.uuid("/clientId"), ada.client_id);
    let me = ada.http.get("/user/me").await.expecting(200).json();
    assert_eq!(me["lastName"], "Hopper", "the CRM's word is taken over");
    desk.post("/crm/users", &person("C-4", &eve.email))
        .await
        .expecting(200);
    let head = desk.head().await;
    for (external_id, email) in [
        ("C-5", ada.email.as_str()),
        ("C-3", eve.email.as_str()),
        ("C-3", "nobody@example.test"),
    ] {
        let refused = desk.post("/crm/users", &person(external_id, email)).await;
        refused.problem(409, "conflict");
    }
    Desk::assert_same(head, desk.head().await, "a conflict");
    let by_name = desk.user("external:C-3").await;
    let by_address = desk
        .user(format!("email:{}", ada.email.replace('@', "%40")))
        .await;
    assert_eq!(by_name, by_address);
    assert_eq!(by_name, desk.user(ada.client_id).await);
}

/// One that names what cannot be asked, and why it is refused.
fn nonsense() -> Vec<(Value, &'static str)> {
    let with = |name: &str, value: Value| {
        let mut body = person("C-9", "c9@example.test");
        body[name] = value;
        body
    };
    let without = |name: &str| {
        let mut body = person("C-9", "c9@example.test");
        body.as_object_mut().expect("an object").remove(name);
        body
    };
    vec![
        (without("externalId"), "invalid_value"),
        (without("email"), "invalid_value"),
        (without("lastName"), "invalid_value"),
        (with("externalId", json!("")), "invalid_value"),
        (with("externalId", json!("x".repeat(129))), "invalid_value"),
        (with("email", json!("no address")), "invalid_value"),
        (with("firstName", json!(" ")), "invalid_value"),
        (with("country", json!("Britain")), "invalid_value"),
        (with("password", json!("secret")), "unknown_field"),
        (with("flags", json!({ "fast": true })), "unknown_field"),
        (with("limits", json!({ "maxLeverage": 0 })), "invalid_value"),
        (
            with("limits", json!({ "maxLeverage": 501 })),
            "invalid_value",
        ),
        (
            with("limits", json!({ "dailyLoss": "-1" })),
            "invalid_value",
        ),
        (
            with("limits", json!({ "maxVolume": "1e3" })),
            "invalid_value",
        ),
        (json!([]), "malformed"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_makes_no_client() {
    let desk = Desk::start().await;
    let head = desk.head().await;
    for (body, code) in nonsense() {
        desk.post("/crm/users", &body).await.problem(400, code);
    }
    Desk::assert_same(head, desk.head().await, "nonsense");
    let nobody = Uuid::now_v7();
    for id in [
        nobody.to_string(),
        "external:nobody".to_owned(),
        "email:nobody%40example.test".to_owned(),
        "me".to_owned(),
        "external:".to_owned(),
        "%FF".to_owned(),
        "external:%00".to_owned(),
        "email:%00".to_owned(),
    ] {
        let path = format!("/crm/users/{id}");
        desk.get(&path).await.problem(404, "not_found");
        let change = desk.patch(&path, &json!({ "tier": "gold" })).await;
        change.problem(404, "not_found");
        let comment = json!({ "comment": "x" });
        let note = desk.post(&format!("{path}/notes"), &comment).await;
        note.problem(404, "not_found");
        let activity = desk.get(&format!("{path}/activity")).await;
        activity.problem(404, "not_found");
    }
    for path in ["/crm/force-logout", "/crm/password-reset"] {
        let refused = desk.post(path, &json!({ "clientId": nobody })).await;
        refused.problem(404, "not_found");
        desk.post(path, &json!({}))
            .await
            .problem(400, "invalid_value");
    }
    Desk::assert_same(head, desk.head().await, "nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_the_crm_gets_in() {
    let desk = Desk::start().await;
    let trader = desk.world.trader().await;
    let head = desk.head().await;
    let user = format!("/crm/users/{}", trader.client_id);
    let account = format!("/crm/accounts/{}", trader.live);
    let http = &desk.world.app.http;
    for stranger in [http.clone(), http.bearer("guess"), trader.http.clone()] {
        for (method, path) in [
            (Method::POST, "/crm/users".to_owned()),
            (Method::GET, user.clone()),
            (Method::PATCH, user.clone()),
            (Method::POST, format!("{user}/notes")),
            (Method::GET, format!("{user}/activity")),
            (Method::POST, "/crm/force-logout".to_owned()),
            (Method::POST, "/crm/password-reset".to_owned()),
            (Method::GET, "/crm/accounts?clientId=x".to_owned()),
            (Method::POST, format!("{account}/adjust-balance")),
            (Method::PATCH, format!("{account}/leverage")),
            (
                Method::PATCH,
                format!("/api/v1/crm/funding/{}", Uuid::nil()),
            ),
        ] {
            let asked = stranger.call(method, &path).json(&json!({})).send().await;
            asked.problem(401, "unauthenticated");
        }
    }
    Desk::assert_same(head, desk.head().await, "a stranger");
}
