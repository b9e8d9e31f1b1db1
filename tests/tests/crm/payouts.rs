//! Deposits and withdrawals are told, opened for the receiver; a payout that the CRM refuses to take
//! note of shows on the request.

use daybook_tests::{Reply, Trader};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::Told;

const IBAN: &str = "DE89 3704 0044 0532 0130 00";

async fn requested(trader: &Trader, path: &str, body: &Value) -> String {
    let answer = trader.http.post(path, body).await.expecting(201);
    answer.uuid("/requestId").to_string()
}

async fn decide(told: &Told, verdict: &str, request: &str) {
    let output = told.world.app.run(&["funding", verdict, request]).await;
    assert!(output.status.success(), "{verdict}: {output:?}");
}

/// The newest request in the client's history.
async fn newest(told: &Told, trader: &Trader) -> Value {
    let head = told.world.book.head().await;
    let call = trader.http.call(Method::GET, "/funding/history");
    let page = call.min_position(head).send().await.expecting(200).json();
    page["items"][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn money_is_told_and_a_refused_payout_shows_on_its_request() {
    let told = Told::start().await;
    told.crm.behave(|one| match &*one.event() {
        "withdrawal.completed" => Reply::Status(422, vec![]),
        _ => Reply::Accept,
    });
    let trader = told.world.verified_trader().await;
    let (live, usd) = (trader.live, "USD");
    let deposit = json!({
        "accountId": live, "amount": "500.00", "currency": usd, "method": "card"
    });
    let deposit = requested(&trader, "/funding/deposit", &deposit).await;
    decide(&told, "approve", &deposit).await;
    decide(&told, "complete", &deposit).await;
    let withdrawal = json!({
        "accountId": live, "amount": "120.00", "currency": usd, "destination": IBAN
    });
    let withdrawal = requested(&trader, "/funding/withdrawal", &withdrawal).await;
    assert_eq!(newest(&told, &trader).await["crmRefused"], Value::Null);
    decide(&told, "complete", &withdrawal).await;
    told.settled().await;
    assert_told(&told, &deposit, &withdrawal);

    let shown = newest(&told, &trader).await;
    assert_eq!(shown["requestId"], withdrawal);
    assert_eq!(shown["crmRefused"], "422");
    let listed = told.world.app.run(&["--json", "funding", "list", "--all"]);
    let listed: Value = serde_json::from_slice(&listed.await.stdout).expect("JSON");
    assert_eq!(listed[0]["crmRefused"], "422", "{listed}");

    // Mended, it is sent again, and nothing shows any more.
    told.crm.accept();
    let (id, _) = told
        .called_for("crm")
        .await
        .into_iter()
        .find(|(_, event)| event == "withdrawal.completed")
        .expect("it is told");
    let resend = format!("/crm/webhooks/deliveries/{id}/resend");
    let resend = told.http().post(&resend, &json!({})).await;
    resend.expecting(204);
    told.until_status(id, "delivered").await;
    assert_eq!(newest(&told, &trader).await["crmRefused"], Value::Null);
}

fn assert_told(told: &Told, deposit: &str, withdrawal: &str) {
    let received = told.crm.all();
    let data = |event: &str| {
        let found = received.iter().find(|one| one.event() == event);
        found.unwrap_or_else(|| panic!("no {event}")).json()["data"].take()
    };
    let asked = data("deposit.requested");
    assert_eq!(asked["requestId"], deposit);
    assert_eq!(asked["method"], "card", "opened for the receiver");
    assert_eq!(data("deposit.updated")["status"], "approved");
    assert_eq!(data("deposit.completed")["amount"], "500.00");
    let paid = data("withdrawal.completed");
    assert_eq!(paid["requestId"], withdrawal);
    assert_eq!(paid["destination"], IBAN);
    let balances: Vec<Value> = received
        .iter()
        .filter(|one| one.event() == "balance.updated")
        .map(|one| one.json()["data"].take())
        .filter(|data| data["fundType"] == "real")
        .map(|data| json!([data["amount"], data["reason"], data["realBalance"]]))
        .collect();
    let expected = [
        json!(["500.00", "deposit", "500.00"]),
        json!(["-120.00", "withdrawal", "380.00"]),
    ];
    assert_eq!(balances, expected);
}
