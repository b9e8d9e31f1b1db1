//! Who tries to get in with what is not theirs, not good, or not for this door.

use daybook_tests::{Trader, World, officer::refused_within_a_second};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    ADMIN, CRM_SSO_SECRET, CRM_TOKEN, REASON, SSO_SECRET, claims, consume, consume_crm, facts,
    minted, now, refusals, refused, token, world,
};

/// The claims of a token of ours.
fn ours(trader: &Trader) -> Value {
    json!({
        "sub": trader.client_id, "iss": "daybook", "aud": "daybook-sso", "typ": "sso",
        "jti": "01997d0a-5a3e-7d31-9a53-0a4f2f1c7a00", "act": ADMIN,
        "iat": now(), "nbf": now(), "exp": now() + 120,
    })
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

/// A token with its key's name, as ours have it.
fn minted_like_ours(claims: &Value, like: &str) -> String {
    let program = "import json, jwt, sys\n\
         kid = jwt.get_unverified_header(sys.argv[3])['kid']\n\
         print(jwt.encode(json.loads(sys.argv[1]), sys.argv[2], 'HS256', {'kid': kid}))";
    let arguments = [&*claims.to_string(), SSO_SECRET, like];
    daybook_tests::python::run(program, &arguments)
        .trim()
        .to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_crm_alone_may_ask() {
    let world = world().await;
    let trader = world.trader().await;
    let http = &world.app.http;
    let own = token(&world, trader.client_id).await;
    let soon = json!({ "exp": now() + 60 });
    let crm_token = minted(&claims(&trader.email), CRM_SSO_SECRET, "HS256");
    let body = json!({ "clientId": trader.client_id, "reason": REASON });
    http.post("/sso/impersonate", &body)
        .await
        .problem(401, "unauthenticated");
    for stranger in [
        "guess",
        "",
        trader.http.token().expect("a token"),
        // A token that lets somebody in is none that asks for more of them.
        &own,
        &minted(&soon, SSO_SECRET, "HS256"),
        &crm_token,
        CRM_SSO_SECRET,
    ] {
        let answer = http.bearer(stranger).post("/sso/impersonate", &body).await;
        answer.problem(401, "unauthenticated");
    }
    assert_eq!(
        facts(&world, trader.client_id, "ImpersonationGranted")
            .await
            .len(),
        1
    );
    for ours in [CRM_TOKEN, SSO_SECRET, &*minted(&soon, CRM_TOKEN, "HS256")] {
        http.bearer(ours)
            .post("/sso/impersonate", &body)
            .await
            .expecting(200);
    }
    // Neither opens the CRM's other doors.
    let crm = http.bearer(SSO_SECRET).get("/crm/events").await;
    crm.problem(401, "unauthenticated");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_made_opens_nothing_and_leaves_the_client_alone() {
    let world = world().await;
    let trader = world.trader().await;
    let before = world.book.head().await;
    let good = claims(&trader.email);
    let signed = minted(&good, CRM_SSO_SECRET, "HS256");
    let mut tampered = signed.clone();
    let middle = tampered.find('.').expect("a payload") + 9;
    let other = if tampered[middle..].starts_with('A') {
        "B"
    } else {
        "A"
    };
    tampered.replace_range(middle..=middle, other);
    for forged in [
        minted(&good, "a guess of thirty-two characters", "HS256"),
        minted(&good, "", "none"),
        minted(&good, CRM_SSO_SECRET, "HS512"),
        minted(
            &with(good.clone(), "aud", json!("another site")),
            CRM_SSO_SECRET,
            "HS256",
        ),
        minted(
            &with(good.clone(), "impersonatedBy", Value::Null),
            CRM_SSO_SECRET,
            "HS256",
        ),
        minted(
            &with(good.clone(), "impersonatedBy", json!("")),
            CRM_SSO_SECRET,
            "HS256",
        ),
        minted(
            &with(good.clone(), "impersonatedBy", json!("a\nb")),
            CRM_SSO_SECRET,
            "HS256",
        ),
        minted(
            &with(good.clone(), "clientEmail", json!(7)),
            CRM_SSO_SECRET,
            "HS256",
        ),
        minted(
            &json!({ "clientEmail": trader.email, "impersonatedBy": ADMIN }),
            CRM_SSO_SECRET,
            "HS256",
        ),
        minted(&claims("nobody@example.test"), CRM_SSO_SECRET, "HS256"),
        minted(&ours(&trader), CRM_SSO_SECRET, "HS256"),
        minted(&good, SSO_SECRET, "HS256"),
        tampered,
        signed[..signed.len() - 1].to_owned(),
        trader.http.token().expect("a token").to_owned(),
        "nonsense".to_owned(),
        "a.b.c".to_owned(),
        String::new(),
    ] {
        refused(&consume_crm(&world, &forged).await);
        refused(&consume(&world, &forged).await);
    }
    for path in ["/sso/consume", "/sso/impersonate"] {
        refused(&world.app.http.get(path).await);
    }
    assert_eq!(world.book.head().await, before, "nothing is in the book");
    world.app.logged("an SSO token was refused").await;
    consume_crm(&world, &signed).await.expecting(302);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_genuine_token_of_the_crm_that_is_not_good_is_a_fact() {
    let world = world().await;
    let trader = world.trader().await;
    for (iat, exp, refusal) in [
        (now() - 600, now() - 300, "expired"),
        (now(), now() + 901, "lifetime"),
        (now() - 86_400, now() + 86_400, "lifetime"),
        (now() + 60, now(), "lifetime"),
        (now() + 600, now() + 660, "early"),
        (i64::MIN / 4, i64::MIN / 4 + 60, ""),
        (-8_334_601_228_000, -8_334_601_227_990, ""),
    ] {
        let claims = with(
            with(claims(&trader.email), "iat", json!(iat)),
            "exp",
            json!(exp),
        );
        let token = minted(&claims, CRM_SSO_SECRET, "HS256");
        refused(&consume_crm(&world, &token).await);
        let told = refusals(&world, trader.client_id).await;
        if !refusal.is_empty() {
            assert_eq!(told.last().map(String::as_str), Some(refusal), "{claims}");
        }
    }
    let noted = facts(&world, trader.client_id, "ImpersonationRefused").await;
    for (fact, metadata) in noted {
        assert_eq!(fact["admin_id"], ADMIN);
        assert_eq!(metadata["actor"], format!("crm:{ADMIN}"));
        assert_eq!(
            metadata["on_behalf_of"],
            format!("client:{}", trader.client_id)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_like_ours_that_was_never_granted_opens_nothing() {
    let world = world().await;
    let (ada, eve) = (world.trader().await, world.trader().await);
    let genuine = token(&world, eve.client_id).await;
    let like = |claims: Value| minted_like_ours(&claims, &genuine);
    for (name, value) in [
        ("aud", json!("daybook-api")),
        ("aud", json!(["daybook-staff"])),
        ("typ", json!("access")),
        ("iss", json!("somebody")),
        ("sub", Value::Null),
        ("jti", json!("1")),
    ] {
        let token = like(with(ours(&ada), name, value));
        refused(&consume(&world, &token).await);
    }
    // Whoever has the secret still needs a grant, and that of the same client.
    refused(&consume(&world, &like(ours(&ada))).await);
    let programs = "import jwt, sys; print(jwt.decode(sys.argv[1], \
         options={'verify_signature': False})['jti'])";
    let grant = daybook_tests::python::run(programs, &[&genuine]);
    let foreign = like(with(ours(&ada), "jti", json!(grant.trim())));
    refused(&consume(&world, &foreign).await);
    assert_eq!(
        refusals(&world, ada.client_id).await,
        ["expired", "expired"]
    );
    consume(&world, &genuine).await.expecting(302);
    // Nor is it a key to anything else.
    let access = world.app.http.bearer(&genuine).get("/user/me").await;
    access.any_problem(401);
    let body = json!({ "refreshToken": genuine });
    let refresh = world.app.http.post("/auth/refresh", &body).await;
    refresh.any_problem(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_led_anywhere_but_to_the_site() {
    let world = world().await;
    let trader = world.trader().await;
    for extra in ["next", "redirect", "redirect_uri", "returnTo", "url"] {
        let token = token(&world, trader.client_id).await;
        let path = format!("/sso/consume?token={token}&{extra}=https://evil.example");
        let answer = world.app.http.get(&path).await;
        answer.problem(400, "unknown_field");
        let call = world
            .app
            .http
            .call(Method::GET, &format!("/sso/consume?token={token}"));
        let call = call
            .header("x-forwarded-host", "evil.example")
            .header("origin", "https://evil.example")
            .header("referer", "https://evil.example/");
        let let_in = call.send().await.expecting(302);
        assert_eq!(
            let_in.header("location"),
            Some("http://127.0.0.1:5173/dashboard")
        );
    }
}

async fn operator(world: &World, arguments: &[&str]) {
    let output = world.app.run(arguments).await;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_comes_to_whoever_is_suspended_or_erased() {
    let world = world().await;
    let trader = world.trader().await;
    let client = trader.client_id.to_string();
    let (first, second) = (
        token(&world, trader.client_id).await,
        token(&world, trader.client_id).await,
    );
    let visited = super::Visit::to(&world, &trader).await;
    operator(
        &world,
        &["clients", "suspend", &client, "--reason", "doubt"],
    )
    .await;
    refused_within_a_second(&visited.http, "/user/me").await;
    refused(&consume(&world, &first).await);
    let crm = minted(&claims(&trader.email), CRM_SSO_SECRET, "HS256");
    refused(&consume_crm(&world, &crm).await);
    assert_eq!(
        refusals(&world, trader.client_id).await,
        ["suspended", "suspended"]
    );
    let asked = super::ask(&world, trader.client_id).await;
    asked.problem(403, "client_suspended");
    operator(
        &world,
        &["clients", "erase", &client, "--reason", "asked to", "--yes"],
    )
    .await;
    refused(&consume(&world, &second).await);
    let crm = minted(&claims(&trader.email), CRM_SSO_SECRET, "HS256");
    refused(&consume_crm(&world, &crm).await);
    super::ask(&world, trader.client_id)
        .await
        .problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn during_a_rotation_the_former_secrets_are_good_still() {
    let world = World::start_with(|launch| {
        launch
            .set("CRM_SSO_SECRET", "the-crm's-new-secret-0123456789abcdef")
            .set("CRM_SSO_SECRET_PREVIOUS", CRM_SSO_SECRET)
            .set(
                "SSO_IMPERSONATION_SECRET",
                "our-new-secret-0123456789abcdef",
            )
            .set("SSO_IMPERSONATION_SECRET_PREVIOUS", SSO_SECRET)
    })
    .await;
    let trader = world.trader().await;
    let body = json!({ "clientId": trader.client_id, "reason": REASON });
    for secret in [SSO_SECRET, "our-new-secret-0123456789abcdef"] {
        let http = world.app.http.bearer(secret);
        let asked = http.post("/sso/impersonate", &body).await.expecting(200);
        consume(&world, &asked.text_at("/ssoToken"))
            .await
            .expecting(302);
    }
    for secret in [CRM_SSO_SECRET, "the-crm's-new-secret-0123456789abcdef"] {
        let claims = with(claims(&trader.email), "jti", json!(secret));
        let token = minted(&claims, secret, "HS256");
        consume_crm(&world, &token).await.expecting(302);
    }
}
