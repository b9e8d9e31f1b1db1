//! Captchas, against a provider of the test's own.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use axum::{Form, Json, Router, routing::post};
use daybook_tests::{
    World,
    client::{PASSWORD, registration},
    eventually,
};
use serde_json::{Value, json};

/// A captcha's provider that knows one good token, which works once.
async fn provider() -> String {
    static GOOD: AtomicUsize = AtomicUsize::new(0);
    let verify = |Form(form): Form<HashMap<String, String>>| async move {
        assert_eq!(form["secret"], "captcha-secret");
        assert_eq!(form["remoteip"], "127.0.0.1");
        let first = || GOOD.fetch_add(1, Ordering::Relaxed) == 0;
        let good = form["response"] == "good token" || form["response"] == "once" && first();
        Json(match good {
            true => json!({ "success": true, "hostname": "example.test" }),
            false => json!({ "success": false, "error-codes": ["timeout-or-duplicate"] }),
        })
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    let router = Router::new().route("/siteverify", post(verify));
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}/siteverify")
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_captcha_only_people_register_and_sign_in() {
    let url = provider().await;
    let world = World::start_with(|launch| {
        launch
            .set("RECAPTCHA_SECRET", "captcha-secret")
            .set("RECAPTCHA_URL", &url)
    })
    .await;
    let http = &world.app.http;
    let head = world.book.head().await;
    let with = |body: &Value, token: Value| {
        let mut body = body.clone();
        body["captchaToken"] = token;
        body
    };
    let register = registration("ada@example.test");
    let login = json!({ "email": "ada@example.test", "password": PASSWORD });
    for (path, body) in [("/auth/register", &register), ("/auth/login", &login)] {
        http.post(path, body).await.problem(400, "captcha_failed");
        for token in [
            json!(null),
            json!(""),
            json!("bad"),
            json!("x".repeat(9_000)),
        ] {
            let answer = http.post(path, &with(body, token)).await;
            answer.problem(400, "captcha_failed");
        }
    }
    assert_eq!(world.book.head().await, head);
    let registered = http
        .post("/auth/register", &with(&register, json!("once")))
        .await;
    registered.expecting(201);
    let again = http.post("/auth/login", &with(&login, json!("once"))).await;
    again.problem(400, "captcha_failed");
    let signed_in = http
        .post("/auth/login", &with(&login, json!("good token")))
        .await;
    signed_in.expecting(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_captcha_whose_provider_is_away_lets_nobody_in() {
    let world = World::start_with(|launch| {
        launch
            .set("RECAPTCHA_SECRET", "captcha-secret")
            .set("RECAPTCHA_URL", "http://127.0.0.1:9/siteverify")
    })
    .await;
    let mut body = registration("ada@example.test");
    body["captchaToken"] = json!("token");
    let refused = world.app.http.post("/auth/register", &body).await;
    refused.problem(503, "captcha_unavailable");
    assert!(refused.header("retry-after").is_some());
    eventually("it is in the log, without the secret", || async {
        let log = world.app.stderr();
        assert!(!log.contains("captcha-secret"));
        log.contains("captcha").then_some(())
    })
    .await;
}
