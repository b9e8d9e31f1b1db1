//! What clients and staff are shown: history, pushes, statements.

use daybook_tests::{Socket, World};
use serde_json::json;

use super::{IBAN, decide, deposit, done, funded, history, read, requested, withdraw};

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
