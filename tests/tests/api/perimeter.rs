//! What stands before the routes: failed sign-ins, limits and blocks that nodes share, traps,
//! programs that look for holes.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use daybook_store::{
    cluster::Durability,
    testing::{TestCluster, TestDatabase},
};
use daybook_tests::{Answer, App, Feed, Http, Launch, Trader, World, client::PASSWORD, within};
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

/// What is promised, and as much again for a busy machine.
const A_SECOND: Duration = Duration::from_secs(2);

async fn sign_in(http: &Http, email: &str, password: &str) -> Answer {
    let body = json!({ "email": email, "password": password });
    http.post("/auth/login", &body).await
}

async fn wrong(http: &Http, email: &str) -> Answer {
    sign_in(http, email, "not-the-password").await
}

/// The same server, as the proxy asks for somebody at this address.
async fn from(http: &Http, address: &str, path: &str) -> Answer {
    let call = http.call(Method::GET, path);
    call.header("x-forwarded-for", address).send().await
}

fn counted(answers: &[Answer], status: u16) -> usize {
    let these = answers.iter().filter(|answer| answer.status == status);
    these.count()
}

fn blocking(launch: Launch) -> Launch {
    launch.set("LOGIN_BLOCK_AFTER", "5")
}

async fn blocked(app: &App, arguments: &[&str]) -> Value {
    let arguments = [&["blocked"], arguments, &["--json"]].concat();
    let output = app.run(&arguments).await;
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Two servers on one database, both ready: the leader and its standby.
async fn two_servers(
    configure: impl FnOnce(Launch) -> Launch,
) -> (TestDatabase, Feed, App, App, Trader) {
    let database = Box::pin(TestDatabase::start()).await;
    let feed = Feed::start().await;
    let launch = configure(Launch::on(database.url(), &feed));
    let standby = launch.beside();
    let leader = launch.start().await;
    let standby = standby.spawn();
    standby.in_role("standby").await;
    let trader = leader.http.register().await;
    (database, feed, leader, standby, trader)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_wrong_passwords_at_once_exactly_five_are_looked_at() {
    let world = World::start_with(blocking).await;
    let trader = world.trader().await;
    let tries = (0..50).map(|_| wrong(&world.app.http, &trader.email));
    let answers = join_all(tries).await;
    assert_eq!(counted(&answers, 401), 5);
    assert_eq!(counted(&answers, 429), 45);
    for answer in answers {
        if answer.status == 401 {
            answer.problem(401, "invalid_credentials");
            continue;
        }
        answer.problem(429, "sign_in_blocked");
        let seconds: u64 = answer
            .header("retry-after")
            .and_then(|text| text.parse().ok())
            .expect("seconds");
        assert!((870..=900).contains(&seconds), "{seconds}");
    }
    // The address is blocked for every account, other routes go on working.
    let other = sign_in(&world.app.http, "somebody-else@example.test", PASSWORD).await;
    other.problem(429, "sign_in_blocked");
    trader.http.get("/user/me").await.expecting(200);
    trader.market("EURUSD", "buy", "0.01").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn right_passwords_at_once_all_sign_in() {
    let world = World::start_with(blocking).await;
    let trader = world.trader().await;
    let tries = (0..12).map(|_| sign_in(&world.app.http, &trader.email, PASSWORD));
    let answers = join_all(tries).await;
    assert_eq!(counted(&answers, 200), 12, "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_to_failures_of_an_account_take_longer_and_longer() {
    let world = World::start_with(blocking).await;
    let trader = world.trader().await;
    for least_ms in [0, 250, 500, 1_000] {
        let asked = Instant::now();
        wrong(&world.app.http, &trader.email)
            .await
            .problem(401, "invalid_credentials");
        let took = asked.elapsed();
        assert!(took >= Duration::from_millis(least_ms), "{took:?}");
    }
    sign_in(&world.app.http, &trader.email, PASSWORD)
        .await
        .expecting(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_forgives_nobody() {
    let mut world = World::start_with(blocking).await;
    let trader = world.trader().await;
    for _ in 0..3 {
        wrong(&world.app.http, &trader.email).await.expecting(401);
    }
    world.app.kill().await;
    world.app.launch_again();
    world.app.ready().await;
    for _ in 0..2 {
        wrong(&world.app.http, &trader.email).await.expecting(401);
    }
    world.app.kill().await;
    world.app.launch_again();
    world.app.ready().await;
    let refused = sign_in(&world.app.http, &trader.email, PASSWORD).await;
    refused.problem(429, "sign_in_blocked");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_probes_for_holes_is_blocked_until_an_operator_relents() {
    let world = World::start().await;
    let http = &world.app.http;
    let unknown = http.get("/nowhere").await;
    let probed = http.get("/wp-login.php").await;
    let plain = |answer: &Answer| {
        let mut problem = answer.problem(404, "not_found");
        problem["requestId"] = Value::Null;
        let names: BTreeSet<_> = answer.headers.keys().map(ToString::to_string).collect();
        (problem, names)
    };
    assert_eq!(plain(&probed), plain(&unknown), "nothing tells a trap");
    for path in ["/market/symbols", "/health/live", "/nowhere", "/docs/"] {
        let refused = http.get(path).await;
        let problem = refused.problem(403, "address_blocked");
        assert!(!problem.to_string().contains("wp-login"), "{problem}");
    }
    let preflight = http.call(Method::OPTIONS, "/trading/order");
    preflight.send().await.problem(403, "address_blocked");

    let list = blocked(&world.app, &["list"]).await;
    assert_eq!(list[0]["address"], "127.0.0.1");
    assert_eq!(list[0]["reason"], "honeypot /wp-login.php");
    let removed = blocked(&world.app, &["remove", "127.0.0.1"]).await;
    assert_eq!(removed, json!({ "removed": true }));
    within(A_SECOND, "it is let in again", || async {
        (http.get("/market/symbols").await.status == 200).then_some(())
    })
    .await;
    let removed = blocked(&world.app, &["remove", "127.0.0.1"]).await;
    assert_eq!(removed, json!({ "removed": false }));
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_the_caller_is_blocked_and_never_the_proxy() {
    let world = World::start_with(|launch| launch.set("TRUSTED_PROXIES", "127.0.0.0/8")).await;
    let (app, http) = (&world.app, &world.app.http);
    from(http, "203.0.113.9", "/.env").await.expecting(404);
    from(http, "203.0.113.9", "/market/symbols")
        .await
        .problem(403, "address_blocked");
    from(http, "203.0.113.8", "/market/symbols")
        .await
        .expecting(200);
    from(http, "2001:db8::1", "/.git/config")
        .await
        .expecting(404);
    from(http, "2001:db8::ffff:2", "/market/symbols")
        .await
        .problem(403, "address_blocked");
    from(http, "2001:db8:0:1::1", "/market/symbols")
        .await
        .expecting(200);
    http.get("/phpmyadmin/").await.expecting(404);
    http.get("/market/symbols").await.expecting(200);
    let refused = app.run(&["blocked", "add", "127.0.0.1"]).await;
    assert_eq!(refused.status.code(), Some(1));

    let reason = ["add", "203.0.113.8", "--for", "1h", "--reason", "by a test"];
    blocked(app, &reason).await;
    within(A_SECOND, "the server knows", || async {
        let answer = from(http, "203.0.113.8", "/market/symbols").await;
        (answer.status == 403).then_some(())
    })
    .await;
    let list = blocked(app, &["list"]).await;
    let addresses: Vec<_> = list.as_array().into_iter().flatten().collect();
    let addresses: Vec<_> = addresses.iter().map(|one| &one["address"]).collect();
    assert_eq!(addresses, ["203.0.113.8", "2001:db8::/64", "203.0.113.9"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn traps_and_programs_can_be_let_alone() {
    let world = World::start_with(|launch| {
        launch
            .set("HONEYPOT_BLOCK", "off")
            .set("BLOCKED_USER_AGENTS", "off")
    })
    .await;
    world.app.http.get("/.env").await.expecting(404);
    let call = world.app.http.call(Method::GET, "/market/symbols");
    let call = call.header("user-agent", "sqlmap/1.8");
    call.send().await.expecting(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_that_look_for_holes_are_refused_by_name() {
    let world = World::start().await;
    let asked = async |name: &str| {
        let call = world.app.http.call(Method::GET, "/market/symbols");
        call.header("user-agent", name).send().await
    };
    for name in [
        "sqlmap/1.8#stable (https://sqlmap.org)",
        "Mozilla/5.00 (Nikto/2.5.0) (Evasions:None) (Test:Port Check)",
        "Mozilla/5.0 zgrab/0.x",
        "masscan/1.3",
        "Nuclei - Open-source project",
        "WPScan v3.8",
        "gobuster/3.6",
        "DirBuster-1.0-RC1",
        "acunetix",
    ] {
        asked(name).await.problem(403, "user_agent_blocked");
    }
    for name in [
        "curl/8.5.0",
        "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
        "",
    ] {
        asked(name).await.expecting(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_count_limits_together() {
    let (_database, _feed, leader, standby, _trader) = two_servers(|launch| {
        launch
            .set("RATE_LIMIT_CRM_MAX", "10")
            .set("RATE_LIMIT_WINDOW_MS", "3600000")
    })
    .await;
    let nodes = [&leader.http, &standby.http];
    let asks = (0..40).map(|n| nodes[n % 2].get("/crm/nothing-yet"));
    let answers = join_all(asks).await;
    assert_eq!(counted(&answers, 429), 30);
    for refused in answers.iter().filter(|answer| answer.status == 429) {
        refused.problem(429, "rate_limited");
        assert!(refused.header("retry-after").is_some());
        assert_eq!(refused.header("ratelimit-remaining"), Some("0"));
    }
    leader.http.get("/market/symbols").await.expecting(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_keeps_blocks_and_knows_failures_when_it_takes_over() {
    let (_database, _feed, mut leader, standby, trader) = two_servers(blocking).await;
    let tries = (0..50).map(|_| wrong(&leader.http, &trader.email));
    let answers = join_all(tries).await;
    assert_eq!(counted(&answers, 401), 5);
    assert_eq!(counted(&answers, 429), 45);
    let elsewhere = sign_in(&standby.http, &trader.email, PASSWORD).await;
    elsewhere.problem(503, "not_leader");
    leader.http.get("/xmlrpc.php").await.expecting(404);
    within(A_SECOND, "the standby refuses too", || async {
        let refused = standby.http.get("/health/live").await;
        (refused.status == 403).then_some(())
    })
    .await;
    let unblocked = leader.run(&["blocked", "remove", "127.0.0.1"]).await;
    assert!(unblocked.status.success(), "{unblocked:?}");
    leader.kill().await;
    standby.in_role("leader").await;
    let refused = sign_in(&standby.http, &trader.email, PASSWORD).await;
    refused.problem(429, "sign_in_blocked");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_postgres_is_away_nobody_signs_in_and_limits_hold() {
    let mut cluster = tokio::task::spawn_blocking(|| TestCluster::start(Durability::Volatile))
        .await
        .expect("a cluster");
    let server = cluster.cluster.take().expect("it runs");
    server.ensure_database("daybook").await.expect("a database");
    let feed = Feed::start().await;
    let launch = blocking(Launch::on(&server.url("daybook"), &feed)).set("RATE_LIMIT_MAX", "20");
    let app = launch.start().await;
    app.price(&feed, "EURUSD", "1.10000", "1.10010").await;
    let trader = app.http.register().await;
    let stopped = tokio::task::spawn_blocking(move || server.stop());
    stopped.await.expect("it stops");
    let refused = sign_in(&app.http, &trader.email, PASSWORD).await;
    refused.problem(503, "unavailable");
    assert!(refused.header("retry-after").is_some());
    let asks = (0..60).map(|_| app.http.get("/market/quotes?symbols=EURUSD"));
    let answers = join_all(asks).await;
    assert_eq!(counted(&answers, 200) + counted(&answers, 429), 60);
    assert!((1..=25).contains(&counted(&answers, 200)), "{answers:?}");
}
