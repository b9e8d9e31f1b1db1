//! Sessions: refresh tokens that are replaced with every use, tabs that ask at the same time,
//! thieves who come late, and ends that are felt everywhere at once.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use daybook_tests::{Answer, Http, Socket, Trader, World, client::PASSWORD, within};
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

async fn sign_in(http: &Http, trader: &Trader) -> Answer {
    let body = json!({ "email": trader.email, "password": PASSWORD });
    http.post("/auth/login", &body).await.expecting(200)
}

async fn refresh(http: &Http, token: &str) -> Answer {
    let body = json!({ "refreshToken": token });
    http.post("/auth/refresh", &body).await
}

async fn sessions(http: &Http) -> Vec<Value> {
    let answer = http.get("/user/sessions").await.expecting(200).json();
    answer.as_array().expect("a bare array").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_is_replaced_with_every_use() {
    let world = World::start().await;
    let trader = world.trader().await;
    let http = &world.app.http;
    let first = sign_in(http, &trader).await;
    let parent = first.text_at("/refreshToken");
    let second = refresh(http, &parent).await.expecting(200);
    let child = second.text_at("/refreshToken");
    assert_ne!(child, parent);
    assert_eq!(
        second.text_at("/client/clientId"),
        trader.client_id.to_string()
    );
    let access = second.text_at("/accessToken");
    http.bearer(&access).get("/user/me").await.expecting(200);
    let third = refresh(http, &child).await.expecting(200);
    assert_ne!(third.text_at("/refreshToken"), child);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_that_ask_at_once_are_never_signed_out() {
    let world = World::start().await;
    let trader = world.trader().await;
    let http = &world.app.http;
    let mut token = sign_in(http, &trader).await.text_at("/refreshToken");
    for _ in 0..3 {
        let answers = join_all((0..50).map(|_| refresh(http, &token))).await;
        let children: BTreeSet<String> = answers
            .into_iter()
            .map(|answer| answer.expecting(200).text_at("/refreshToken"))
            .collect();
        assert_eq!(children.len(), 1, "one family: {children:?}");
        token = children.into_iter().next().expect("one child");
    }
    // One by the registration's sign-in, one by ours.
    assert_eq!(sessions(&trader.http).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_comes_back_late_ends_the_session_for_the_thief_and_the_owner() {
    let world = World::start().await;
    let trader = world.trader().await;
    let http = &world.app.http;
    let stolen = sign_in(http, &trader).await.text_at("/refreshToken");
    let child = refresh(http, &stolen).await.expecting(200);
    let child = child.text_at("/refreshToken");
    let grandchild = refresh(http, &child).await.expecting(200);
    let replayed = refresh(http, &stolen).await;
    replayed.problem(401, "refresh_reused");
    let newest = grandchild.text_at("/refreshToken");
    refresh(http, &newest).await.any_problem(401);
    let access = http.bearer(&grandchild.text_at("/accessToken"));
    within(Duration::from_secs(1), "the end of the session", || async {
        (access.get("/user/me").await.status == 401).then_some(())
    })
    .await;
    let types = world.book.client_event_types(trader.client_id).await;
    assert_eq!(types.last().map(String::as_str), Some("SessionsRevoked"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_parent_gives_its_child_for_ten_seconds_and_not_longer() {
    let world = World::start().await;
    let trader = world.trader().await;
    let http = &world.app.http;
    let parent = sign_in(http, &trader).await.text_at("/refreshToken");
    let child = refresh(http, &parent).await.text_at("/refreshToken");
    let again = refresh(http, &parent).await.expecting(200);
    assert_eq!(again.text_at("/refreshToken"), child);
    tokio::time::sleep(Duration::from_secs(11)).await;
    let late = refresh(http, &parent).await;
    late.problem(401, "refresh_reused");
    refresh(http, &child).await.any_problem(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_ends_the_tokens_of_this_session_alone() {
    let world = World::start().await;
    let trader = world.trader().await;
    let http = &world.app.http;
    let session = sign_in(http, &trader).await;
    let signed_in = http.bearer(&session.text_at("/accessToken"));
    signed_in
        .post("/auth/logout", &json!({}))
        .await
        .expecting(204);
    signed_in
        .get("/user/me")
        .await
        .problem(401, "unauthenticated");
    let token = session.text_at("/refreshToken");
    refresh(http, &token).await.problem(401, "unauthenticated");
    trader.http.get("/user/me").await.expecting(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_signs_out_too_and_nobody_signs_out_quietly() {
    let world = World::start().await;
    let trader = world.trader().await;
    let http = &world.app.http;
    let token = sign_in(http, &trader).await.text_at("/refreshToken");
    let body = json!({ "refreshToken": token });
    http.post("/auth/logout", &body).await.expecting(204);
    refresh(http, &token).await.any_problem(401);
    let head = world.book.head().await;
    http.post("/auth/logout", &body).await.expecting(204);
    assert_eq!(world.book.head().await, head, "it ends once");
    http.post("/auth/logout", &json!({})).await.expecting(204);
    let nonsense = json!({ "refreshToken": "nonsense" });
    http.post("/auth/logout", &nonsense).await.expecting(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_listed_and_ended_by_their_owner_alone() {
    let world = World::start().await;
    let (ada, eve) = (world.trader().await, world.trader().await);
    let http = &world.app.http;
    let other = sign_in(http, &ada).await;
    let other = http.bearer(&other.text_at("/accessToken"));
    let listed = sessions(&ada.http).await;
    assert_eq!(listed.len(), 2);
    let theirs = listed.iter().find(|item| item["current"] == false);
    let theirs = theirs.expect("the other session");
    assert_eq!(theirs["address"], "127.0.0.1");
    for member in ["device", "createdAt", "lastSeenAt"] {
        assert!(theirs[member].is_string(), "{member} in {theirs}");
    }
    let path = format!(
        "/user/sessions/{}",
        theirs["sessionId"].as_str().expect("an id")
    );
    eve.http.delete(&path).await.problem(404, "not_found");
    ada.http.delete(&path).await.expecting(204);
    other.get("/user/me").await.any_problem(401);
    ada.http.delete(&path).await.problem(404, "not_found");
    assert_eq!(sessions(&ada.http).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_session_takes_its_socket_along_within_a_second() {
    let world = World::start().await;
    let trader = world.trader().await;
    let http = &world.app.http;
    let session = sign_in(http, &trader).await;
    let token = session.text_at("/accessToken");
    let mut socket = Socket::open(http, &format!("/ws?token={token}")).await;
    socket.until_type("ready").await;
    http.bearer(&token)
        .post("/auth/logout", &json!({}))
        .await
        .expecting(204);
    let closed = tokio::time::timeout(Duration::from_secs(1), socket.close_code()).await;
    assert_eq!(closed.expect("within a second"), Some(4401));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_password_ends_all_other_sessions() {
    let world = World::start().await;
    let trader = world.trader().await;
    let http = &world.app.http;
    let other = sign_in(http, &trader).await;
    let new = "tuesday-kettle-nine-marbles";
    let change = async |current: &str, password: &str| {
        let body = json!({ "current": current, "password": password });
        trader.http.post("/auth/password", &body).await
    };
    change("not-the-password", new)
        .await
        .problem(401, "invalid_credentials");
    change(PASSWORD, "password12")
        .await
        .problem(400, "weak_password");
    change(PASSWORD, new).await.expecting(204);
    trader.http.get("/user/me").await.expecting(200);
    let other_access = http.bearer(&other.text_at("/accessToken"));
    other_access.get("/user/me").await.any_problem(401);
    refresh(http, &other.text_at("/refreshToken"))
        .await
        .any_problem(401);
    let login = async |password: &str| {
        let body = json!({ "email": trader.email, "password": password });
        http.post("/auth/login", &body).await
    };
    login(PASSWORD).await.problem(401, "invalid_credentials");
    login(new).await.expecting(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_passes_for_another() {
    let world = World::start().await;
    let trader = world.trader().await;
    let http = &world.app.http;
    let session = sign_in(http, &trader).await;
    let as_access = http.bearer(&session.text_at("/refreshToken"));
    as_access
        .get("/user/me")
        .await
        .problem(401, "unauthenticated");
    let access = session.text_at("/accessToken");
    refresh(http, &access).await.problem(401, "unauthenticated");
    http.post("/auth/refresh", &json!({}))
        .await
        .problem(401, "unauthenticated");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_outlive_the_server() {
    let mut world = World::start().await;
    let trader = world.trader().await;
    let session = sign_in(&world.app.http, &trader).await;
    let ended = sign_in(&world.app.http, &trader).await;
    let ended = ended.text_at("/accessToken");
    let leaving = world.app.http.bearer(&ended);
    leaving
        .post("/auth/logout", &json!({}))
        .await
        .expecting(204);
    world.app.kill().await;
    world.app.launch_again();
    world.app.ready().await;
    let http = &world.app.http;
    let access = session.text_at("/accessToken");
    http.bearer(&access).get("/user/me").await.expecting(200);
    refresh(http, &session.text_at("/refreshToken"))
        .await
        .expecting(200);
    within(Duration::from_secs(1), "the end of before", || async {
        (http.bearer(&ended).get("/user/me").await.status == 401).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_keeps_its_refresh_token_where_no_script_and_no_other_site_gets_at_it() {
    let site = "http://127.0.0.1:5173";
    let world = World::start_with(|launch| launch.set("APP_URL", site)).await;
    let trader = world.trader().await;
    let http = &world.app.http;
    let body = json!({ "email": trader.email, "password": PASSWORD });
    let login = http
        .call(Method::POST, "/auth/login")
        .header("x-client", "web");
    let login = login.json(&body).send().await.expecting(200);
    assert_eq!(login.json()["refreshToken"], Value::Null);
    let lines: Vec<_> = login.headers.get_all("set-cookie").iter().collect();
    let line = lines[0].to_str().expect("text");
    for part in ["daybook_refresh=", "HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(line.contains(part), "{line}");
    }
    assert!(!line.contains("Secure"), "loopback has no TLS: {line}");
    let cookies = login.cookies();
    let cookie = cookies
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    let cookie = cookie.collect::<Vec<_>>().join("; ");
    let csrf = cookies.iter().find(|(name, _)| name == "daybook_csrf");
    let csrf = csrf.expect("a value to repeat").1.clone();
    let ask = async |path: &str, headers: &[(&str, &str)]| {
        let mut call = http.call(Method::POST, path).header("cookie", &cookie);
        for (name, value) in headers {
            call = call.header(name, value);
        }
        call.send().await
    };
    for forged in [
        &[("origin", site)][..],
        &[("origin", site), ("x-csrf-token", "guess")],
        &[("origin", "https://evil.example"), ("x-csrf-token", &csrf)],
    ] {
        ask("/auth/refresh", forged)
            .await
            .problem(403, "csrf_failed");
        ask("/auth/logout", forged)
            .await
            .problem(403, "csrf_failed");
    }
    let ours = [("origin", site), ("x-csrf-token", csrf.as_str())];
    let refreshed = ask("/auth/refresh", &ours).await.expecting(200);
    assert_eq!(refreshed.json()["refreshToken"], Value::Null);
    assert_eq!(refreshed.cookies().len(), 2);
    // The former cookie once more, as a second tab would.
    let second = ask("/auth/refresh", &ours).await.expecting(200);
    assert_eq!(second.cookies(), refreshed.cookies());
    let left = ask("/auth/logout", &ours).await.expecting(204);
    assert!(left.cookies().iter().all(|(_, value)| value.is_empty()));
    ask("/auth/refresh", &ours).await.any_problem(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_tls_cookies_are_sent_over_tls_alone() {
    let site = "https://trade.example.com";
    let world = World::start_with(|launch| launch.set("APP_URL", site)).await;
    let trader = world.trader().await;
    let body = json!({ "email": trader.email, "password": PASSWORD });
    let login = world.app.http.call(Method::POST, "/auth/login");
    let login = login.header("x-client", "web").json(&body).send().await;
    for line in login.expecting(200).headers.get_all("set-cookie") {
        assert!(line.to_str().expect("text").contains("Secure"), "{line:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_anew_on_a_browser_ends_the_session_that_it_had() {
    let world = World::start().await;
    let (ada, eve) = (world.trader().await, world.trader().await);
    let login = async |trader: &Trader, cookie: &str, kind: &str| {
        let body = json!({ "email": trader.email, "password": PASSWORD });
        let call = world.app.http.call(Method::POST, "/auth/login").json(&body);
        let call = call.header("x-client", kind).header("cookie", cookie);
        call.send().await.expecting(200)
    };
    let cookie = |answer: &Answer| {
        let (name, value) = answer.cookies().swap_remove(0);
        format!("{name}={value}")
    };
    let is_over = async |session: &Answer| {
        let http = world.app.http.bearer(&session.text_at("/accessToken"));
        http.get("/user/me").await.status == 401
    };
    let first = login(&ada, "", "web").await;
    // A program has no cookies to be replaced, and a forged one ends nobody's session.
    login(&ada, &cookie(&first), "program").await;
    login(&ada, "daybook_refresh=a.b.c", "web").await;
    assert!(!is_over(&first).await);
    let second = login(&ada, &cookie(&first), "web").await;
    assert!(is_over(&first).await);
    assert!(!is_over(&second).await);
    login(&eve, &cookie(&second), "web").await;
    assert!(is_over(&second).await);
    ada.http.get("/user/me").await.expecting(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_after_its_time_however_much_it_is_used() {
    let world = World::start_with(|launch| launch.set("SESSION_MAX_AGE_SEC", "6")).await;
    let trader = world.trader().await;
    let http = &world.app.http;
    let begun = Instant::now();
    let mut session = sign_in(http, &trader).await.expecting(200);
    let mut refreshed = 0;
    let over = loop {
        let lifetime = session.json()["expiresIn"].as_u64().expect("seconds");
        assert!(lifetime <= 6, "no access beyond the end: {lifetime}");
        tokio::time::sleep(Duration::from_millis(500)).await;
        let answer = refresh(http, &session.text_at("/refreshToken")).await;
        if answer.status != 200 {
            break answer;
        }
        session = answer;
        refreshed += 1;
    };
    over.any_problem(401);
    assert!(refreshed > 0 && begun.elapsed() >= Duration::from_secs(5));
    let access = http.bearer(&session.text_at("/accessToken"));
    // Clocks of nodes may differ by some seconds.
    within(Duration::from_secs(20), "the end of access", || async {
        (access.get("/user/me").await.status == 401).then_some(())
    })
    .await;
    sign_in(http, &trader).await.expecting(200);
}
