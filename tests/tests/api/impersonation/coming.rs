//! How they come: once, by either door, and with no more than a session of their own.

use daybook_tests::{World, mailbox::newest, python, totp};
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    ADMIN, CRM_SSO_SECRET, CRM_TOKEN, REASON, SITE, SSO_SECRET, Visit, ask, claims, consume,
    consume_crm, facts, minted, now, refusals, refused, token, world,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_the_clients_session_in_a_browser_once() {
    let world = world().await;
    let trader = world.trader().await;
    let asked = ask(&world, trader.client_id).await.expecting(200);
    assert_eq!(asked.json()["expiresIn"], 120);
    let token = asked.text_at("/ssoToken");
    let url = asked.text_at("/ssoUrl");
    assert!(
        url.ends_with(&format!("/api/v1/sso/consume?token={token}")),
        "{url}"
    );
    let path = url.strip_prefix(SITE).expect("API_URL is APP_URL here");
    let let_in = world.app.http.get(path).await.expecting(302);
    assert_eq!(
        let_in.header("location"),
        Some("http://127.0.0.1:5173/dashboard")
    );
    assert_eq!(let_in.header("cache-control"), Some("no-store"));
    assert_eq!(let_in.header("referrer-policy"), Some("no-referrer"));
    let lines: Vec<_> = let_in.headers.get_all("set-cookie").iter().collect();
    let line = lines[0].to_str().expect("text");
    for part in ["daybook_refresh=", "HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(line.contains(part), "{line}");
    }
    let visit = Visit::of(&world, &let_in).await;
    let expected = json!({ "adminId": ADMIN, "reason": REASON });
    assert_eq!(visit.session["client"]["impersonation"], expected);
    let me = visit.http.get("/user/me").await.expecting(200).json();
    assert_eq!(me["impersonation"], expected);
    assert_eq!(me["clientId"], trader.client_id.to_string());
    let own = trader.http.get("/user/me").await.expecting(200).json();
    assert!(own.get("impersonation").is_none(), "{own}");

    refused(&consume(&world, &token).await);
    assert_eq!(refusals(&world, trader.client_id).await, ["used"]);
    visit.http.get("/user/me").await.expecting(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_tls_the_cookies_are_sent_over_tls_alone() {
    let world = World::start_with(|launch| {
        launch
            .set("APP_URL", "https://trade.example.com/")
            .set("API_URL", "https://api.example.com/")
    })
    .await;
    let trader = world.trader().await;
    let asked = ask(&world, trader.client_id).await.expecting(200);
    let url = asked.text_at("/ssoUrl");
    assert!(
        url.starts_with("https://api.example.com/api/v1/sso/consume?token="),
        "{url}"
    );
    let let_in = consume(&world, &asked.text_at("/ssoToken"))
        .await
        .expecting(302);
    assert_eq!(
        let_in.header("location"),
        Some("https://trade.example.com/dashboard")
    );
    for line in let_in.headers.get_all("set-cookie") {
        assert!(
            line.to_str().expect("text").contains("; Secure"),
            "{line:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_at_one_time_one_gets_in() {
    let world = world().await;
    let trader = world.trader().await;
    let ours = token(&world, trader.client_id).await;
    let crms = minted(&claims(&trader.email), CRM_SSO_SECRET, "HS256");
    let by_ours = join_all((0..100).map(|_| consume(&world, &ours))).await;
    let by_crms = join_all((0..100).map(|_| consume_crm(&world, &crms))).await;
    for answers in [by_ours, by_crms] {
        let let_in = answers.iter().filter(|answer| answer.status == 302);
        assert_eq!(let_in.count(), 1);
        for answer in answers.iter().filter(|answer| answer.status != 302) {
            refused(answer);
        }
    }
    let consumed = facts(&world, trader.client_id, "ImpersonationConsumed").await;
    assert_eq!(consumed.len(), 2);
    let alerts = refusals(&world, trader.client_id).await;
    assert!((1..=20).contains(&alerts.len()), "{alerts:?}");
    assert!(alerts.iter().all(|alert| alert == "used"), "{alerts:?}");
    let sessions = trader
        .http
        .get("/user/sessions")
        .await
        .expecting(200)
        .json();
    assert_eq!(
        sessions.as_array().map(Vec::len),
        Some(3),
        "no refused one opened any"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_pyjwt_makes_is_good_once() {
    let world = world().await;
    let trader = world.trader().await;
    let shouted = format!("  {}", trader.email.to_uppercase());
    let token = minted(&claims(&shouted), CRM_SSO_SECRET, "HS256");
    let let_in = consume_crm(&world, &token).await.expecting(302);
    assert_eq!(
        let_in.header("location"),
        Some("http://127.0.0.1:5173/dashboard")
    );
    let visit = Visit::of(&world, &let_in).await;
    let me = visit.http.get("/user/me").await.expecting(200).json();
    assert_eq!(me["impersonation"]["adminId"], ADMIN);
    assert_eq!(me["email"], trader.email);
    refused(&consume_crm(&world, &token).await);
    assert_eq!(refusals(&world, trader.client_id).await, ["used"]);

    // The longest that one may live; and one that says why.
    let mut long = claims(&trader.email);
    long["exp"] = json!(now() + 900);
    long["iat"] = json!(now());
    long["reason"] = json!(REASON);
    let long = minted(&long, CRM_SSO_SECRET, "HS256");
    let let_in = consume_crm(&world, &long).await.expecting(302);
    let visit = Visit::of(&world, &let_in).await;
    assert_eq!(visit.session["client"]["impersonation"]["reason"], REASON);
}

#[tokio::test(flavor = "multi_thread")]
async fn ours_is_a_token_that_pyjwt_reads() {
    let world = world().await;
    let trader = world.trader().await;
    let token = token(&world, trader.client_id).await;
    let program = "import json, jwt, sys\n\
         claims = jwt.decode(sys.argv[1], sys.argv[2], algorithms=['HS256'], \
         audience='daybook-sso')\n\
         print(json.dumps(claims))";
    let told: Value =
        serde_json::from_str(&python::run(program, &[&token, SSO_SECRET])).expect("claims");
    assert_eq!(told["sub"], trader.client_id.to_string());
    assert_eq!(told["act"], ADMIN);
    let lives = told["exp"].as_i64().zip(told["iat"].as_i64());
    assert_eq!(lives.map(|(end, begin)| end - begin), Some(120));
    assert!(!told.to_string().contains(REASON), "a URL tells no reason");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_is_named_by_the_body_else_by_the_header() {
    let world = world().await;
    let trader = world.trader().await;
    for (bearer, actor, admin, comes, by) in [
        (CRM_TOKEN, Some("jane"), Some("ines"), "ines", "crm:jane"),
        (SSO_SECRET, Some("jane"), None, "jane", "crm:jane"),
        (SSO_SECRET, None, None, "crm", "crm"),
    ] {
        let mut body = json!({ "clientId": trader.client_id, "reason": REASON });
        if let Some(admin) = admin {
            body["adminId"] = json!(admin);
        }
        let http = world.app.http.bearer(bearer);
        let mut call = http.call(Method::POST, "/api/v1/sso/impersonate");
        if let Some(actor) = actor {
            call = call.header("x-crm-actor", actor);
        }
        let asked = call.json(&body).send().await.expecting(200);
        let let_in = consume(&world, &asked.text_at("/ssoToken"))
            .await
            .expecting(302);
        let visit = Visit::of(&world, &let_in).await;
        assert_eq!(visit.session["client"]["impersonation"]["adminId"], comes);
        let granted = facts(&world, trader.client_id, "ImpersonationGranted").await;
        let (fact, metadata) = granted.last().expect("a grant").clone();
        assert_eq!(
            (&fact["admin_id"], &fact["by"]),
            (&json!(comes), &json!(by))
        );
        assert_eq!(metadata["actor"], by);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_again_under_a_key_gives_the_same_token_and_keeps_it_sealed() {
    let world = world().await;
    let trader = world.trader().await;
    let body = json!({ "clientId": trader.client_id, "reason": REASON });
    let crm = world.app.http.bearer(CRM_TOKEN);
    let asked = async |body: &Value| {
        let call = crm.call(Method::POST, "/sso/impersonate").key("k-1");
        call.json(body).send().await
    };
    let first = asked(&body).await.expecting(200);
    assert_eq!(asked(&body).await.expecting(200).text, first.text);
    let other = json!({ "clientId": trader.client_id, "reason": "another" });
    asked(&other).await.problem(422, "idempotency_key_reused");
    assert_eq!(
        facts(&world, trader.client_id, "ImpersonationGranted")
            .await
            .len(),
        1
    );
    let kept: Vec<String> = sqlx::query_scalar("select i::text from idempotency i")
        .fetch_all(world.book.pool())
        .await
        .expect("the database is readable");
    let token = first.text_at("/ssoToken");
    assert!(!kept.join("\n").contains(&token), "{kept:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_and_why_is_asked_for_in_a_line_each() {
    let world = world().await;
    let trader = world.trader().await;
    let crm = world.app.http.bearer(CRM_TOKEN);
    let client_id = trader.client_id;
    for (body, code) in [
        (json!({ "clientId": client_id }), "invalid_value"),
        (
            json!({ "clientId": client_id, "reason": " " }),
            "invalid_value",
        ),
        (
            json!({ "clientId": client_id, "reason": "a\nb" }),
            "invalid_value",
        ),
        (
            json!({ "clientId": client_id, "reason": REASON, "adminId": "" }),
            "invalid_value",
        ),
        (
            json!({ "clientId": "ada", "reason": REASON }),
            "invalid_value",
        ),
        (
            json!({ "clientId": client_id, "reason": REASON, "next": "/" }),
            "unknown_field",
        ),
    ] {
        let answer = crm.post("/sso/impersonate", &body).await;
        answer.problem(400, code);
    }
    ask(&world, Uuid::now_v7()).await.problem(404, "not_found");
    assert!(
        facts(&world, client_id, "ImpersonationGranted")
            .await
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clients_second_factor_is_not_asked_for_and_no_mail_frightens_them() {
    let world = world().await;
    let trader = world.trader().await;
    let setup = trader.http.post("/auth/2fa/setup", &json!({})).await;
    let code = totp::code(&setup.text_at("/secret"), now().cast_unsigned());
    let verify = json!({ "code": code });
    trader
        .http
        .post("/auth/2fa/verify", &verify)
        .await
        .expecting(200);
    let token = token(&world, trader.client_id).await;
    let path = format!("/sso/consume?token={token}");
    let call = world.app.http.call(Method::GET, &path);
    let call = call.header("user-agent", "somebody else's browser");
    let let_in = call.send().await.expecting(302);
    Visit::of(&world, &let_in).await;
    let types = world.book.client_event_types(trader.client_id).await;
    assert!(types.iter().any(|name| name == "ImpersonationConsumed"));
    assert!(
        !types.iter().any(|name| name == "UnusualSignIn"),
        "{types:?}"
    );
    // Mails follow the book in its order: once this one is there, none is missing before it.
    let forgot = json!({ "email": trader.email });
    let asked = world.app.http.post("/auth/forgot", &forgot).await;
    asked.expecting(202);
    newest(&world.app, &trader.email, "password", 1).await;
    let mails = world.app.run(&["mail", "list", "--json"]).await;
    let mails = String::from_utf8_lossy(&mails.stdout).into_owned();
    assert!(!mails.contains("New sign-in"), "{mails}");
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_ahead_uses_no_token_up() {
    let world = world().await;
    let trader = world.trader().await;
    let token = token(&world, trader.client_id).await;
    let path = format!("/sso/consume?token={token}");
    let looked = world.app.http.call(Method::HEAD, &path).send().await;
    assert_eq!(looked.status, 405);
    assert!(looked.cookies().is_empty());
    consume(&world, &token).await.expecting(302);
}
