//! Registration and sign-in.

use std::collections::BTreeSet;

use daybook_tests::{
    Answer, World,
    client::{PASSWORD, registration},
    launch::Directory,
};
use serde_json::json;
use sha1::{Digest, Sha1};

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_use_is_not_given_away() {
    let world = World::start().await;
    let trader = world.trader().await;
    let body = registration("somebody-new@example.test");
    let genuine = world.app.http.post("/auth/register", &body).await;
    let head = world.book.head().await;
    let mut shouting = registration(&trader.email.to_uppercase());
    shouting["password"] = json!("another-password-altogether");
    let again = world.app.http.post("/auth/register", &shouting).await;
    let again = again.expecting(201);
    assert_ne!(again.uuid("/clientId"), trader.client_id);
    let names = |answer: &Answer| -> BTreeSet<String> {
        answer.headers.keys().map(ToString::to_string).collect()
    };
    assert_eq!(names(&again), names(&genuine), "nor do the headers tell");
    let types = world.book.client_event_types(trader.client_id).await;
    assert_eq!(
        types.last().map(String::as_str),
        Some("RegistrationRepeated")
    );
    assert_eq!(
        world.book.head().await,
        head + 1,
        "nobody new is in the book"
    );
    // The address still belongs to its owner, with the owner's password.
    world
        .app
        .http
        .sign_in(trader.client_id, &trader.email)
        .await;
    let thief = json!({ "email": trader.email, "password": "another-password-altogether" });
    let answer = world.app.http.post("/auth/login", &thief).await;
    answer.problem(401, "invalid_credentials");
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_answers_with_a_token_and_the_client() {
    let world = World::start().await;
    let trader = world.trader().await;
    let body =
        json!({ "email": format!("  {} ", trader.email.to_uppercase()), "password": PASSWORD });
    let answer = world
        .app
        .http
        .post("/auth/login", &body)
        .await
        .expecting(200);
    assert_eq!(answer.json()["expiresIn"], 900);
    assert_eq!(
        answer.text_at("/client/clientId"),
        trader.client_id.to_string()
    );
    assert_eq!(answer.text_at("/client/email"), trader.email);
    assert_eq!(answer.text_at("/accessToken").split('.').count(), 3);
    assert!(answer.json().get("refreshToken").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_and_unknown_addresses_look_alike() {
    let world = World::start().await;
    let trader = world.trader().await;
    let try_with = async |email: &str| {
        let body = json!({ "email": email, "password": "not-the-password" });
        let answer = world.app.http.post("/auth/login", &body).await;
        let mut problem = answer.problem(401, "invalid_credentials");
        problem["requestId"] = json!(null);
        problem
    };
    assert_eq!(
        try_with(&trader.email).await,
        try_with("nobody@example.test").await
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn registrations_that_cannot_be_are_refused_field_by_field() {
    let world = World::start().await;
    let head = world.book.head().await;
    for (field, value) in [
        ("email", json!("not an address")),
        ("email", json!("")),
        ("email", json!(format!("{}@example.test", "x".repeat(400)))),
        ("password", json!("short")),
        ("password", json!("x".repeat(10_000))),
        ("firstName", json!("")),
        ("lastName", json!("x".repeat(1_000))),
        ("country", json!("Atlantis")),
    ] {
        let mut body = registration("somebody@example.test");
        body[field] = value.clone();
        let answer = world.app.http.post("/auth/register", &body).await;
        let problem = answer.any_problem(400);
        let fields: Vec<_> = problem["errors"].as_array().into_iter().flatten().collect();
        assert!(
            fields.iter().any(|error| error["field"] == field),
            "{field} = {value} is not named: {problem}"
        );
    }
    for field in ["email", "password", "firstName", "lastName"] {
        let mut body = registration("somebody@example.test");
        body.as_object_mut().expect("an object").remove(field);
        world
            .app
            .http
            .post("/auth/register", &body)
            .await
            .any_problem(400);
    }
    assert_eq!(world.book.head().await, head);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fifth_failure_blocks_signing_in_and_nothing_else() {
    let world = World::start_with(|launch| launch.set("LOGIN_BLOCK_AFTER", "5")).await;
    let trader = world.trader().await;
    let wrong = json!({ "email": trader.email, "password": "not-the-password" });
    for _ in 0..5 {
        let answer = world.app.http.post("/auth/login", &wrong).await;
        answer.problem(401, "invalid_credentials");
    }
    let right = json!({ "email": trader.email, "password": PASSWORD });
    let blocked = world.app.http.post("/auth/login", &right).await;
    blocked.problem(429, "sign_in_blocked");
    assert!(blocked.header("retry-after").is_some());
    trader.http.get("/user/me").await.expecting(200);
    trader.market("EURUSD", "buy", "0.01").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_token_of_ours_opens_the_door() {
    let world = World::start().await;
    let trader = world.trader().await;
    let head = world.book.head().await;
    let good = trader.http.token().expect("a token").to_owned();
    let (body, signature) = good.rsplit_once('.').expect("three parts");
    let mut flipped: Vec<_> = signature.chars().collect();
    flipped[0] = if flipped[0] == 'A' { 'B' } else { 'A' };
    let tampered = format!("{body}.{}", flipped.into_iter().collect::<String>());
    // {"alg":"none","typ":"JWT"} and the genuine claims.
    let claims = good.split('.').nth(1).expect("three parts");
    let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{claims}.");
    for token in ["", "nonsense", &tampered, &unsigned] {
        let http = world.app.http.bearer(token);
        for path in ["/user/me", "/trading/account", "/trading/positions"] {
            let answer = http.get(path).await;
            answer.any_problem(401);
            assert!(answer.header("www-authenticate").is_some());
        }
        let order = daybook_tests::client::market("EURUSD", "buy", "0.01");
        http.post("/trading/order", &order).await.any_problem(401);
    }
    world
        .app
        .http
        .get("/trading/account")
        .await
        .any_problem(401);
    assert_eq!(world.book.head().await, head);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_was_breached_elsewhere_is_nobodys_choice() {
    let breached = "nineteen-tuesday-lanterns";
    let folder = Directory::new();
    let file = folder.path().join("breached.txt");
    let hash = Sha1::digest(breached.as_bytes());
    let hash: String = hash.iter().map(|byte| format!("{byte:02X}")).collect();
    let lines = format!("{:040X}:2\r\n{hash}:31\r\n{}:1\r\n", 1, "F".repeat(40));
    std::fs::write(&file, lines).expect("the list can be written");
    let path = file.to_string_lossy().into_owned();
    let world = World::start_with(|launch| launch.set("BREACHED_PASSWORDS_FILE", &path)).await;
    let trader = world.trader().await;
    let mut body = registration("eve@example.test");
    body["password"] = json!(breached);
    let refused = world.app.http.post("/auth/register", &body).await;
    let problem = refused.problem(400, "weak_password");
    assert_eq!(problem["errors"][0]["field"], "password");
    let change = async |password: &str| {
        let body = json!({ "current": PASSWORD, "password": password });
        trader.http.post("/auth/password", &body).await
    };
    change(breached).await.problem(400, "weak_password");
    change("eighteen-tuesday-lanterns").await.expecting(204);
}
