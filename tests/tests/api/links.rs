//! Links in mails: an address is verified, a forgotten password chosen anew.

use daybook_tests::{
    Answer, Trader, World,
    client::{PASSWORD, registration},
    mailbox::{newest, token},
};
use reqwest::Method;
use serde_json::json;

use crate::two_factor::Guarded;

/// A live order, which an empty account cannot pay for.
async fn live_order(trader: &Trader) -> daybook_tests::Answer {
    let order = json!({
        "accountId": trader.live, "symbol": "EURUSD", "side": "buy", "type": "market",
        "volume": "0.01",
    });
    trader.http.post("/trading/order", &order).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verified_address_opens_the_live_account() {
    let world = World::start().await;
    let (ada, eve) = (world.trader().await, world.trader().await);
    let http = &world.app.http;
    live_order(&ada).await.problem(403, "email_unverified");
    let verify = async |token: &str| {
        let body = json!({ "token": token });
        http.post("/auth/verify-email", &body).await
    };
    for forged in ["", "nonsense", "a.b.c", ada.http.token().expect("a token")] {
        verify(forged).await.problem(400, "invalid_token");
    }
    let link = token(&newest(&world.app, &ada.email, "Confirm", 1).await);
    // It is no key to anything else.
    let reset = json!({ "token": link, "password": "tuesday-kettle-nine-marbles" });
    http.post("/auth/reset", &reset)
        .await
        .problem(400, "invalid_token");
    http.bearer(&link).get("/user/me").await.any_problem(401);
    verify(&link).await.expecting(204);
    verify(&link).await.expecting(204);
    let me = ada.http.get("/user/me").await.expecting(200).json();
    assert_eq!(me["emailVerified"], true);
    live_order(&ada).await.problem(422, "insufficient_margin");
    live_order(&eve).await.problem(403, "email_unverified");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_house_asks_for_documents_the_address_is_not_enough() {
    let world = World::start_with(|launch| launch.set("LIVE_REQUIRES_KYC", "true")).await;
    let trader = world.trader().await;
    live_order(&trader).await.problem(403, "email_unverified");
    let link = token(&newest(&world.app, &trader.email, "Confirm", 1).await);
    let body = json!({ "token": link });
    world
        .app
        .http
        .post("/auth/verify-email", &body)
        .await
        .expecting(204);
    live_order(&trader).await.problem(403, "kyc_required");
    trader.market("EURUSD", "buy", "0.01").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mail_can_be_asked_for_again_and_nobody_learns_who_is_registered() {
    let world = World::start().await;
    let trader = world.trader().await;
    let ask = async |email: &str| {
        let body = json!({ "email": email });
        let answer = world
            .app
            .http
            .post("/auth/resend-verification", &body)
            .await;
        answer.expecting(202).text
    };
    assert_eq!(ask(&trader.email).await, ask("nobody@example.test").await);
    let second = newest(&world.app, &trader.email, "Confirm", 2).await;
    let body = json!({ "token": token(&second) });
    world
        .app
        .http
        .post("/auth/verify-email", &body)
        .await
        .expecting(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_signs_up_with_a_taken_address_warns_its_owner() {
    let world = World::start().await;
    let trader = world.trader().await;
    let body = registration(&trader.email);
    world
        .app
        .http
        .post("/auth/register", &body)
        .await
        .expecting(201);
    let mail = newest(&world.app, &trader.email, "", 2).await;
    assert!(!mail["text"].as_str().unwrap_or_default().contains("token="));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_password_is_chosen_anew_once() {
    let world = World::start().await;
    let trader = world.trader().await;
    let http = &world.app.http;
    let forgot = async |email: &str| {
        let body = json!({ "email": email });
        http.post("/auth/forgot", &body).await.expecting(202).text
    };
    assert_eq!(
        forgot(&trader.email).await,
        forgot("nobody@example.test").await
    );
    let first = token(&newest(&world.app, &trader.email, "password", 1).await);
    forgot(&trader.email).await;
    let second = token(&newest(&world.app, &trader.email, "password", 2).await);
    let new = "tuesday-kettle-nine-marbles";
    let reset = async |route: &str, token: &str, password: &str| {
        let body = json!({ "token": token, "password": password });
        http.post(route, &body).await
    };
    reset("/auth/reset", &first, new)
        .await
        .problem(400, "invalid_token");
    reset("/auth/reset", &second, "qwertyuiop")
        .await
        .problem(400, "weak_password");
    reset("/auth/password/reset", &second, new)
        .await
        .expecting(204);
    reset("/auth/reset", &second, "another-kettle-of-marbles")
        .await
        .problem(400, "invalid_token");
    // Nobody stays signed in, and the former password is none.
    trader.http.get("/user/me").await.any_problem(401);
    let sign_in = async |password: &str| {
        let body = json!({ "email": trader.email, "password": password });
        http.post("/auth/login", &body).await
    };
    sign_in(PASSWORD).await.problem(401, "invalid_credentials");
    sign_in(new).await.expecting(200);
    newest(&world.app, &trader.email, "changed", 1).await;
}

/// Signing in, from wherever a proxy says that somebody is.
async fn sign_in_from(world: &World, email: &str, password: &str, address: &str) -> Answer {
    let body = json!({ "email": email, "password": password });
    let call = world.app.http.call(Method::POST, "/auth/login").json(&body);
    call.header("x-forwarded-for", address).send().await
}

/// Has the account blocked from one address, and chooses another password.
async fn blocked_and_reset(world: &World, email: &str, password: &str, stranger: &str) {
    for _ in 0..5 {
        let wrong = sign_in_from(world, email, "not-the-password", stranger).await;
        wrong.problem(401, "invalid_credentials");
    }
    let blocked = sign_in_from(world, email, PASSWORD, "203.0.113.7").await;
    blocked.problem(429, "sign_in_blocked");
    let forgot = json!({ "email": email });
    let asked = world.app.http.post("/auth/forgot", &forgot).await;
    asked.expecting(202);
    let link = token(&newest(&world.app, email, "new password", 1).await);
    let body = json!({ "token": link, "password": password });
    world
        .app
        .http
        .post("/auth/reset", &body)
        .await
        .expecting(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_password_through_a_link_lifts_the_accounts_block_and_not_the_addresses() {
    let world = World::start_with(|launch| {
        launch
            .set("LOGIN_BLOCK_AFTER", "5")
            .set("LOGIN_DELAY_MS", "0")
            .set("TRUSTED_PROXIES", "127.0.0.0/8")
    })
    .await;
    let (owner, stranger) = ("203.0.113.7", "203.0.113.66");
    let new = "tuesday-kettle-nine-marbles";
    let trader = world.trader().await;
    blocked_and_reset(&world, &trader.email, new, stranger).await;
    sign_in_from(&world, &trader.email, new, owner)
        .await
        .expecting(200);
    let from_there = sign_in_from(&world, &trader.email, new, stranger).await;
    from_there.problem(429, "sign_in_blocked");
    // Failures count from none again.
    for _ in 0..4 {
        let wrong = sign_in_from(&world, &trader.email, PASSWORD, "203.0.113.8").await;
        wrong.problem(401, "invalid_credentials");
    }
    sign_in_from(&world, &trader.email, new, owner)
        .await
        .expecting(200);
}

/// Who has the mailbox alone gets no more guesses at codes than anybody else.
#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_guards_a_second_factor_outlives_another_password() {
    let world = World::start_with(|launch| {
        launch
            .set("LOGIN_BLOCK_AFTER", "5")
            .set("LOGIN_DELAY_MS", "0")
            .set("TRUSTED_PROXIES", "127.0.0.0/8")
    })
    .await;
    let new = "tuesday-kettle-nine-marbles";
    let guarded = Guarded::new(&world).await;
    blocked_and_reset(&world, &guarded.trader.email, new, "203.0.113.66").await;
    let blocked = sign_in_from(&world, &guarded.trader.email, new, "203.0.113.7").await;
    blocked.problem(429, "sign_in_blocked");
}
