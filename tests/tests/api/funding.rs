//! Deposits and withdrawals over HTTP, decided by operators from the command line.

use daybook_tests::{Answer, Socket, Trader, World};
use futures::future::join_all;
use reqwest::Method;
use rust_decimal::Decimal;
use serde_json::{Value, json};

const IBAN: &str = "DE89 3704 0044 0532 0130 00";

/// Runs a command of the program; its exit code and everything it says.
async fn run(world: &World, arguments: &[&str]) -> (Option<i32>, String) {
    let output = world.app.run(arguments).await;
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

async fn done(world: &World, arguments: &[&str]) -> String {
    let (code, text) = run(world, arguments).await;
    assert_eq!(code, Some(0), "{arguments:?}: {text}");
    text
}

/// Staff decide, and the rule refuses.
async fn refused(world: &World, verdict: &str, request: &str, code: &str) {
    let (exit, text) = run(world, &["funding", verdict, request]).await;
    assert_eq!(exit, Some(1), "{text}");
    assert!(text.contains(code), "{text}");
}

async fn decide(world: &World, verdict: &str, request: &str) {
    done(world, &["funding", verdict, request]).await;
}

/// A trader whose live account has real money.
async fn funded(world: &World, amount: &str) -> Trader {
    let trader = world.verified_trader().await;
    let live = trader.live.to_string();
    let adjust = ["accounts", "adjust", &live, amount, "--bucket", "real"];
    done(world, &adjust).await;
    trader
}

fn withdrawal(trader: &Trader, amount: &str) -> Value {
    json!({ "accountId": trader.live, "amount": amount, "currency": "USD", "destination": IBAN })
}

async fn withdraw(trader: &Trader, amount: &str) -> Answer {
    let body = withdrawal(trader, amount);
    trader.http.post("/funding/withdrawal", &body).await
}

async fn deposit(trader: &Trader, amount: &str) -> Answer {
    let body = json!({
        "accountId": trader.live, "amount": amount, "currency": "USD", "method": "card"
    });
    trader.http.post("/funding/deposit", &body).await
}

/// A request that was accepted.
fn requested(answer: Answer) -> String {
    let answer = answer.expecting(201);
    assert_eq!(answer.text_at("/status"), "requested");
    answer.uuid("/requestId").to_string()
}

async fn cancel(trader: &Trader, request: &str) -> Answer {
    trader.http.delete(&format!("/funding/{request}")).await
}

/// A read of all that the book holds: a client waits for its own commands by itself, and staff's
/// are not its own.
async fn read(world: &World, trader: &Trader, path: &str) -> Value {
    let head = world.book.head().await;
    let call = trader.http.call(Method::GET, path).min_position(head);
    call.send().await.expecting(200).json()
}

/// The client's requests, newest first.
async fn history(world: &World, trader: &Trader) -> Vec<Value> {
    let page = read(world, trader, "/funding/history").await;
    page["items"].as_array().expect("items").clone()
}

/// Real money, what is held of it, and what may be withdrawn.
async fn money(world: &World, trader: &Trader) -> [String; 3] {
    let path = format!("/trading/account?accountId={}", trader.live);
    let account = read(world, trader, &path).await;
    ["realBalance", "held", "withdrawable"]
        .map(|name| account[name].as_str().expect("money").to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deposit_is_money_once_staff_say_that_it_has_come() {
    let world = World::start().await;
    let trader = world.verified_trader().await;
    let first = requested(deposit(&trader, "500.5").await);
    let items = history(&world, &trader).await;
    assert_eq!(items.len(), 1);
    let item = &items[0];
    assert_eq!(
        (&item["requestId"], &item["accountId"], &item["method"]),
        (&json!(first), &json!(trader.live), &json!("card"))
    );
    let told = ["kind", "amount", "currency", "status"].map(|name| item[name].clone());
    assert_eq!(told, ["deposit", "500.50", "USD", "requested"]);
    assert!(item.get("reason").is_none() && item.get("destination").is_none());
    assert_eq!(item["createdAt"], item["updatedAt"]);

    let listed = done(&world, &["funding", "list"]).await;
    assert!(
        listed.contains(&first) && listed.contains("card"),
        "{listed}"
    );
    decide(&world, "approve", &first).await;
    assert_eq!(money(&world, &trader).await, ["0.00", "0.00", "0.00"]);
    refused(&world, "approve", &first, "funding_not_open").await;
    cancel(&trader, &first)
        .await
        .problem(409, "funding_not_open");
    let complete = ["funding", "complete", &first, "--reference", "TX-1"];
    done(&world, &complete).await;
    assert_eq!(money(&world, &trader).await, ["500.50", "0.00", "500.50"]);
    let item = history(&world, &trader).await.remove(0);
    assert_eq!(
        (&item["status"], &item["reference"]),
        (&json!("completed"), &json!("TX-1"))
    );
    for verdict in ["approve", "complete", "reject"] {
        refused(&world, verdict, &first, "funding_not_open").await;
    }
    cancel(&trader, &first)
        .await
        .problem(409, "funding_not_open");
    assert_eq!(money(&world, &trader).await[0], "500.50", "paid once");

    let second = requested(deposit(&trader, "1").await);
    let reject = [
        "funding",
        "reject",
        &second,
        "--reason",
        "a stranger's card",
    ];
    done(&world, &reject).await;
    let third = requested(deposit(&trader, "2").await);
    cancel(&trader, &third).await.expecting(204);
    let items = history(&world, &trader).await;
    let told: Vec<_> = items.iter().map(|item| item["status"].clone()).collect();
    assert_eq!(told, ["cancelled", "rejected", "completed"]);
    assert_eq!(items[1]["reason"], "a stranger's card");
    assert!(!done(&world, &["funding", "list"]).await.contains(&first));
    let all = done(&world, &["funding", "list", "--all", "--json"]).await;
    let all: Value = serde_json::from_str(&all).expect("JSON");
    assert_eq!(all.as_array().map(Vec::len), Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_holds_its_amount_from_its_asking_to_its_end() {
    let world = World::start().await;
    let trader = funded(&world, "1000").await;
    let paid = requested(withdraw(&trader, "400").await);
    assert_eq!(
        money(&world, &trader).await,
        ["1000.00", "400.00", "600.00"]
    );
    let back = requested(withdraw(&trader, "100").await);
    let refused_one = requested(withdraw(&trader, "50").await);
    assert_eq!(
        money(&world, &trader).await,
        ["1000.00", "550.00", "450.00"]
    );
    cancel(&trader, &back).await.expecting(204);
    decide(&world, "reject", &refused_one).await;
    assert_eq!(
        money(&world, &trader).await,
        ["1000.00", "400.00", "600.00"]
    );
    decide(&world, "approve", &paid).await;
    cancel(&trader, &paid)
        .await
        .problem(409, "funding_not_open");
    decide(&world, "complete", &paid).await;
    assert_eq!(money(&world, &trader).await, ["600.00", "0.00", "600.00"]);
    cancel(&trader, &back)
        .await
        .problem(409, "funding_not_open");
    refused(&world, "complete", &refused_one, "funding_not_open").await;
    // Completed directly.
    let direct = requested(withdraw(&trader, "600").await);
    decide(&world, "complete", &direct).await;
    assert_eq!(money(&world, &trader).await, ["0.00", "0.00", "0.00"]);
    assert_eq!(
        world.book.event_types(trader.live).await[1..],
        [
            "FundsAdjusted",
            "WithdrawalRequested",
            "WithdrawalRequested",
            "WithdrawalRequested",
            "WithdrawalCancelled",
            "WithdrawalRejected",
            "WithdrawalApproved",
            "WithdrawalCompleted",
            "WithdrawalRequested",
            "WithdrawalCompleted",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn money_that_is_not_there_is_refused_in_the_contracts_own_words() {
    let world = World::start().await;
    let trader = funded(&world, "250").await;
    let head = world.book.head().await;
    let answer = withdraw(&trader, "500").await;
    answer.problem(400, "insufficient_funds");
    let request_id = answer.header("x-request-id").expect("a request id");
    let expected = format!(
        r#"{{"type":"urn:daybook:error:insufficient_funds","title":"Insufficient funds","status":400,"detail":"250.00 USD is available, 500.00 USD is required","code":"insufficient_funds","requestId":"{request_id}","error":"Insufficient real funds for withdrawal","required":500.00,"available":250.00}}"#
    );
    assert_eq!(answer.text, expected, "byte for byte");
    assert_eq!(world.book.head().await, head, "nothing was appended");
    assert_eq!(history(&world, &trader).await, Vec::<Value>::new());

    // Completion looks again: what was held may have been lost meanwhile.
    let request = requested(withdraw(&trader, "250").await);
    let live = trader.live.to_string();
    let fee = ["accounts", "adjust", &live, "-10", "--bucket", "real"];
    done(&world, &fee).await;
    refused(&world, "complete", &request, "insufficient_funds").await;
    assert_eq!(money(&world, &trader).await, ["240.00", "250.00", "0.00"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_a_rule_is_refused_by_its_name() {
    let world = World::start().await;
    let trader = funded(&world, "100").await;
    for (path, field) in [
        ("/funding/deposit", "method"),
        ("/funding/withdrawal", "destination"),
    ] {
        let body = |changes: Value| {
            let mut body = json!({ "accountId": trader.live, "amount": "10", "currency": "USD" });
            body[field] = json!("somewhere");
            for (name, value) in changes.as_object().expect("changes") {
                body[name] = value.clone();
            }
            body
        };
        let post = async |changes: Value| trader.http.post(path, &body(changes)).await;
        post(json!({ "accountId": trader.demo }))
            .await
            .problem(422, "demo_account");
        post(json!({ "currency": "EUR" }))
            .await
            .problem(422, "currency_mismatch");
        for amount in [json!("0"), json!("-1"), json!("ten"), json!(null)] {
            post(json!({ "amount": amount }))
                .await
                .problem(400, "invalid_value");
        }
        post(json!({ "amount": "10.001" }))
            .await
            .problem(400, "invalid_amount");
        post(json!({ "currency": "usd" }))
            .await
            .problem(400, "invalid_value");
        for text in ["", "  ", "a\nb", &"x".repeat(201)] {
            let mut changes = json!({});
            changes[field] = json!(text);
            post(changes).await.problem(400, "invalid_value");
        }
        post(json!({ "comment": "x" }))
            .await
            .problem(400, "unknown_field");
        let missing = json!({ "accountId": trader.live, "amount": "10", "currency": "USD" });
        trader.http.post(path, &missing).await.any_problem(400);
        let number: Value = serde_json::from_str("10.50").expect("a number");
        requested(post(json!({ "amount": number })).await);
    }
    let amounts: Vec<_> = history(&world, &trader).await;
    assert_eq!(amounts.len(), 2);
    assert!(amounts.iter().all(|item| item["amount"] == "10.50"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_anothers_is_not_there() {
    let world = World::start().await;
    let trader = funded(&world, "100").await;
    let neighbour = world.verified_trader().await;
    let request = requested(withdraw(&trader, "10").await);
    cancel(&neighbour, &request).await.problem(404, "not_found");
    let body = withdrawal(&trader, "10");
    let theirs = neighbour.http.post("/funding/withdrawal", &body).await;
    theirs.problem(404, "not_found");
    let path = format!("/funding/history?accountId={}", trader.live);
    neighbour.http.get(&path).await.problem(404, "not_found");
    assert_eq!(history(&world, &neighbour).await, Vec::<Value>::new());
    for unknown in ["0193c0de-0000-7000-8000-000000000000", "nonsense"] {
        cancel(&trader, unknown).await.problem(404, "not_found");
    }
    let anonymous = &world.app.http;
    let path = format!("/funding/{request}");
    anonymous
        .delete(&path)
        .await
        .problem(401, "unauthenticated");
    anonymous
        .get("/funding/history")
        .await
        .problem(401, "unauthenticated");
    assert_eq!(money(&world, &trader).await[1], "10.00", "still held");
    let unknown = ["funding", "reject", "0193c0de-0000-7000-8000-000000000000"];
    assert_eq!(run(&world, &unknown).await.0, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_under_its_key_asks_once() {
    let mut world = World::start().await;
    let trader = funded(&world, "100").await;
    let ask = async |amount: &str| {
        let call = trader.http.call(Method::POST, "/funding/withdrawal");
        call.key("once")
            .json(&withdrawal(&trader, amount))
            .send()
            .await
    };
    let first = ask("60").await;
    let request = requested(first.clone());
    let again = ask("60").await;
    assert_eq!((again.status, &again.text), (201, &first.text));
    assert_eq!(again.position(), first.position());
    ask("50").await.problem(422, "idempotency_key_reused");
    world.app.kill().await;
    world.app.launch_again();
    world.app.ready().await;
    assert_eq!(ask("60").await.text, first.text, "also after a restart");
    assert_eq!(money(&world, &trader).await, ["100.00", "60.00", "40.00"]);

    let path = format!("/funding/{request}");
    let cancel = async || {
        trader
            .http
            .call(Method::DELETE, &path)
            .key("back")
            .send()
            .await
    };
    let cancelled = cancel().await.expecting(204);
    assert_eq!(
        cancel().await.expecting(204).position(),
        cancelled.position()
    );
    trader
        .http
        .delete(&path)
        .await
        .problem(409, "funding_not_open");
    assert_eq!(money(&world, &trader).await, ["100.00", "0.00", "100.00"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_at_once_hold_no_more_than_is_withdrawable() {
    let world = World::start().await;
    let trader = funded(&world, "500").await;
    let answers = join_all((0..100).map(|_| withdraw(&trader, "30"))).await;
    let mut accepted = 0;
    for answer in &answers {
        if answer.status == 201 {
            accepted += 1;
        } else {
            answer.problem(400, "insufficient_funds");
        }
    }
    assert_eq!(accepted, 16, "sixteen times 30 of 500");
    assert_eq!(money(&world, &trader).await, ["500.00", "480.00", "20.00"]);
    let mut held = Decimal::ZERO;
    for event in world.book.account(trader.live).await {
        if let Some(hold) = event.fields["funds"]["held"].as_str() {
            held += hold.parse::<Decimal>().expect("money");
            assert!(held <= Decimal::from(500), "{held} at {}", event.position);
        }
    }
    assert_eq!(held, Decimal::from(480));

    // As many decisions about one request pay once.
    let request = requested(withdraw(&trader, "20").await);
    let complete = ["funding", "complete", &request];
    let outcomes = join_all((0..4).map(|_| run(&world, &complete))).await;
    let paid = outcomes.iter().filter(|(code, _)| *code == Some(0));
    assert_eq!(paid.count(), 1, "{outcomes:?}");
    assert_eq!(money(&world, &trader).await, ["480.00", "480.00", "0.00"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_is_paged_newest_first_by_client_or_account() {
    let world = World::start().await;
    let trader = funded(&world, "100").await;
    let other = json!({ "kind": "live", "mode": "hedging", "currency": "USD" });
    let other = trader
        .http
        .post("/user/accounts", &other)
        .await
        .expecting(201);
    let other = other.text_at("/accountId");
    let mut made = Vec::new();
    for number in 1..=5 {
        made.push(requested(deposit(&trader, &number.to_string()).await));
    }
    let elsewhere = json!({
        "accountId": other, "amount": "7", "currency": "USD", "method": "card"
    });
    let elsewhere = requested(trader.http.post("/funding/deposit", &elsewhere).await);
    made.push(elsewhere.clone());
    made.reverse();
    let mut walked = Vec::new();
    let mut path = "/funding/history?limit=2".to_owned();
    loop {
        let page = read(&world, &trader, &path).await;
        let items = page["items"].as_array().expect("items");
        walked.extend(items.iter().map(|item| item["requestId"].clone()));
        let Some(cursor) = page["nextCursor"].as_str() else {
            break;
        };
        path = format!("/funding/history?limit=2&cursor={cursor}");
        // One that comes meanwhile is not on the pages that follow.
        if walked.len() == 2 {
            requested(deposit(&trader, "9").await);
        }
    }
    assert_eq!(walked, made);
    let path = format!("/funding/history?accountId={other}");
    let page = read(&world, &trader, &path).await;
    assert_eq!(page["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(page["items"][0]["requestId"], elsewhere);
    for wrong in ["limit=0", "cursor=x", "accountId=x"] {
        let answer = trader.http.get(&format!("/funding/history?{wrong}")).await;
        answer.problem(400, "invalid_value");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn destinations_rest_sealed_and_are_opened_for_their_client() {
    let world = World::start().await;
    let trader = funded(&world, "100").await;
    let token = trader.http.token().expect("a token");
    let mut socket = Socket::open(&world.app.http, &format!("/ws?token={token}")).await;
    socket.until_type("ready").await;
    let channels = json!([format!("funding:{}", trader.live)]);
    socket
        .send(&json!({ "op": "subscribe", "channels": channels }))
        .await;
    socket.until_type("subscribed").await;

    let request = requested(withdraw(&trader, "10").await);
    let push = socket.until_type("funding").await;
    assert_eq!(
        (&push["requestId"], &push["status"], &push["destination"]),
        (&json!(request), &json!("requested"), &json!(IBAN))
    );
    decide(&world, "complete", &request).await;
    let push = socket.until_type("funding").await;
    assert_eq!(
        (&push["status"], &push["amount"]),
        (&json!("completed"), &json!("10.00"))
    );
    let item = history(&world, &trader).await.remove(0);
    assert_eq!(item["destination"], IBAN);
    assert!(
        done(&world, &["funding", "list", "--all"])
            .await
            .contains(IBAN)
    );

    let sealed = |text: &str| text.starts_with("enc:v1:");
    let events = world.book.account(trader.live).await;
    for event in events
        .iter()
        .filter(|event| event.event_type.starts_with("Withdrawal"))
    {
        let destination = event.fields["destination"].as_str().expect("a destination");
        assert!(sealed(destination), "{destination}");
        let command = event.metadata.get("command").expect("a command");
        assert!(!command.contains("3704"), "{command}");
    }
    let stored: String = sqlx::query_scalar("select destination from read.funding")
        .fetch_one(world.book.pool())
        .await
        .expect("a row");
    assert!(sealed(&stored), "{stored}");
    let verify = ["projections", "verify", "funding"];
    done(&world, &verify).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn notifications_tell_of_money_too() {
    let world = World::start().await;
    let trader = world.verified_trader().await;
    let token = trader.http.token().expect("a token");
    let mut socket = Socket::open(&world.app.http, &format!("/ws?token={token}")).await;
    socket.until_type("ready").await;
    socket
        .send(&json!({ "op": "subscribe", "channels": ["notifications"] }))
        .await;
    socket.until_type("subscribed").await;
    let request = requested(deposit(&trader, "5").await);
    let push = socket.until_type("funding").await;
    assert_eq!(
        (&push["requestId"], &push["accountId"]),
        (&json!(request), &json!(trader.live))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_and_its_journal_close_with_what_is_held() {
    let world = World::start().await;
    let trader = world.verified_trader().await;
    let came = requested(deposit(&trader, "500").await);
    decide(&world, "complete", &came).await;
    let went = requested(withdraw(&trader, "120").await);
    decide(&world, "complete", &went).await;
    requested(withdraw(&trader, "80").await);
    let path = format!("/trading/statement?accountId={}", trader.live);
    let statement = read(&world, &trader, &path).await;
    let sums = ["deposits", "withdrawals", "closing"].map(|name| statement[name].clone());
    assert_eq!(sums, ["500.00", "120.00", "380.00"]);
    let entries = statement["entries"].as_array().expect("entries");
    let kinds: Vec<_> = entries.iter().map(|entry| entry["kind"].clone()).collect();
    assert_eq!(kinds, ["deposit", "withdrawal"]);
    let journal = trader.http.get(&format!("{path}&format=hledger")).await;
    let text = journal.expecting(200).text;
    for line in [
        "liabilities:client_funds_real  0.00 USD = -300.00 USD",
        "liabilities:withdrawals_held  0.00 USD = -80.00 USD",
        "assets:bank_clearing  -120.00 USD",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_has_so_many_requests_open() {
    let world = World::start_with(|launch| launch.set("DAYBOOK_FUNDING_MAX", "2")).await;
    let trader = world.verified_trader().await;
    let first = requested(deposit(&trader, "1").await);
    requested(deposit(&trader, "2").await);
    deposit(&trader, "3")
        .await
        .problem(422, "too_many_funding_requests");
    cancel(&trader, &first).await.expecting(204);
    requested(deposit(&trader, "3").await);
}
