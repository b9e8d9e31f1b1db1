//! `/crm/accounts` and `/crm/funding`: balances, leverage, deposits and withdrawals.

use std::collections::BTreeSet;

use daybook_tests::{Answer, Trader};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::desk::{Desk, INES, buy};

#[tokio::test(flavor = "multi_thread")]
async fn an_adjustment_answers_in_the_shape_that_the_crm_knows() {
    let desk = Desk::start().await;
    let trader = desk.world.trader().await;
    let credit = desk
        .adjust(trader.live, "100.00", "real")
        .await
        .expecting(200);
    let debit = desk
        .adjust(trader.live, "-50.00", "real")
        .await
        .expecting(200);
    assert!(debit.position() > credit.position());
    assert_eq!(
        debit.json(),
        json!({
            "id": trader.live, "realBalance": "50.00", "demoBalance": "0.00",
            "bonusBalance": "0.00", "balance": "50.00", "leverage": 100, "currency": "USD",
            "equity": "50.00", "margin": "0.00", "marginLevel": "0.00",
            "clientId": trader.client_id,
        })
    );
    let bonus = desk
        .adjust(trader.live, "5", "bonus")
        .await
        .expecting(200)
        .json();
    assert_eq!(
        (&bonus["bonusBalance"], &bonus["balance"]),
        (&json!("5.00"), &json!("55.00"))
    );
    // A JSON number is read as it is written.
    let path = format!("/crm/accounts/{}/adjust-balance", trader.live);
    let number = desk.call(Method::POST, &path);
    let number = number.raw(r#"{"amount": 0.10, "fundType": "real", "notes": "goodwill"}"#);
    assert_eq!(
        number.send().await.expecting(200).text_at("/realBalance"),
        "50.10"
    );
    let events = desk.world.book.account(trader.live).await;
    let last = events.last().expect("an event");
    assert_eq!(
        (
            &last.fields["notes"],
            &last.fields["by"],
            last.metadata["actor"].as_str()
        ),
        (&json!("goodwill"), &json!(INES), INES)
    );
    buy(&trader, trader.demo, "0.10").await.expecting(201);
    let open = desk.adjust(trader.demo, "1", "demo").await.expecting(200);
    assert_eq!(open.text_at("/margin"), "110.01");
    assert!(open.decimal("/marginLevel") > 9_000.into(), "{}", open.text);
    assert!(open.decimal("/equity") < open.decimal("/balance"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_bucket_becomes_negative_and_nonsense_moves_nothing() {
    let desk = Desk::start().await;
    let trader = desk.world.trader().await;
    desk.adjust(trader.live, "250", "real").await.expecting(200);
    desk.adjust(trader.live, "40", "bonus").await.expecting(200);
    let head = desk.head().await;
    let refused = desk.adjust(trader.live, "-500.00", "real").await;
    let problem = refused.problem(400, "insufficient_funds");
    assert_eq!(problem["error"], "Insufficient real funds for withdrawal");
    assert!(
        refused.text.contains(r#""required":500.00"#),
        "{}",
        refused.text
    );
    assert!(
        refused.text.contains(r#""available":250.00"#),
        "{}",
        refused.text
    );
    let bonus = desk.adjust(trader.live, "-40.01", "bonus").await;
    bonus.problem(400, "insufficient_funds");
    for (amount, fund_type, code) in [
        ("0", "real", "invalid_amount"),
        ("0.001", "real", "invalid_amount"),
        ("ten", "real", "invalid_value"),
        ("1e3", "real", "invalid_value"),
        ("1", "gold", "invalid_value"),
    ] {
        let refused = desk.adjust(trader.live, amount, fund_type).await;
        refused.problem(400, code);
    }
    let path = format!("/crm/accounts/{}/adjust-balance", trader.live);
    for (body, code) in [
        (json!({}), "invalid_value"),
        (json!({ "amount": "1" }), "invalid_value"),
        (
            json!({ "amount": "1", "fundType": "real", "to": "x" }),
            "unknown_field",
        ),
        (
            json!({ "amount": "1", "fundType": "real", "notes": "a\nb" }),
            "invalid_value",
        ),
    ] {
        desk.post(&path, &body).await.problem(400, code);
    }
    for account in [Uuid::now_v7(), trader.client_id] {
        let nobody = desk.adjust(account, "1", "real").await;
        nobody.problem(404, "not_found");
    }
    Desk::assert_same(head, desk.head().await, "a refusal");
}

async fn adjust_under(desk: &Desk, account: Uuid, amount: &str, key: &str) -> Answer {
    let path = format!("/crm/accounts/{account}/adjust-balance");
    let body = json!({ "amount": amount, "fundType": "real" });
    desk.call(Method::POST, &path)
        .json(&body)
        .key(key)
        .send()
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_times_under_one_key_is_once_across_restarts_too() {
    let mut desk = Desk::start().await;
    let trader = desk.world.trader().await;
    desk.adjust(trader.live, "50.00", "real")
        .await
        .expecting(200);
    let calls = (0..100).map(|_| adjust_under(&desk, trader.live, "-50.00", "once"));
    let answers = futures::future::join_all(calls).await;
    let bodies: BTreeSet<&str> = answers.iter().map(|it| it.text.as_str()).collect();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    assert!(answers.iter().all(|it| it.status == 200));
    let firsts = answers
        .iter()
        .filter(|it| it.header("idempotency-replayed").is_none());
    assert_eq!(firsts.count(), 1);
    let adjusted = desk.world.book.event_types(trader.live).await;
    let adjusted = adjusted.iter().filter(|name| *name == "FundsAdjusted");
    assert_eq!(adjusted.count(), 2);
    let other = adjust_under(&desk, trader.live, "-49.00", "once").await;
    other.problem(422, "idempotency_key_reused");
    desk.world.app.terminate().await;
    desk.world.app.launch_again();
    desk.world.app.ready().await;
    // Decided again it would be refused: there is nothing left to take.
    let again = adjust_under(&desk, trader.live, "-50.00", "once").await;
    assert_eq!(again.expecting(200).text, answers[0].text);
}

#[tokio::test(flavor = "multi_thread")]
async fn leverage_is_the_crms_within_the_clients_limit() {
    let desk = Desk::start().await;
    let trader = desk.world.trader().await;
    let path = format!("/crm/accounts/{}/leverage", trader.demo);
    let ask = async |leverage: Value| desk.patch(&path, &json!({ "leverage": leverage })).await;
    let changed = ask(json!(200)).await.expecting(200).json();
    assert_eq!(
        (&changed["leverage"], &changed["id"]),
        (&json!(200), &json!(trader.demo))
    );
    assert_eq!(changed["marginLevel"], "0.00");
    ask(json!(500)).await.expecting(200);
    let limit = json!({ "limits": { "maxLeverage": 100 } });
    desk.change(trader.client_id, &limit).await;
    let head = desk.head().await;
    for leverage in [0, 101, 501] {
        ask(json!(leverage))
            .await
            .problem(422, "leverage_out_of_range");
    }
    for odd in [json!(-1), json!(1.5), json!("many"), Value::Null] {
        ask(odd).await.problem(400, "invalid_value");
    }
    Desk::assert_same(head, desk.head().await, "a refusal");
    buy(&trader, trader.demo, "5").await.expecting(201);
    ask(json!(1)).await.problem(422, "insufficient_margin");
    let nobody = format!("/crm/accounts/{}/leverage", Uuid::now_v7());
    let nobody = desk.patch(&nobody, &json!({ "leverage": 10 })).await;
    nobody.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_listed_as_they_stand() {
    let desk = Desk::start().await;
    let trader = desk.world.trader().await;
    buy(&trader, trader.demo, "0.10").await.expecting(201);
    let path = format!("/crm/accounts?clientId=email:{}", trader.email);
    let listed = desk.get(&path).await.expecting(200).json();
    let listed = listed.as_array().expect("a bare array");
    assert_eq!(listed.len(), 2);
    let demo = listed.iter().find(|it| it["id"] == json!(trader.demo));
    let demo = demo.expect("the demo account");
    assert_eq!(
        (&demo["kind"], &demo["margin"]),
        (&json!("demo"), &json!("110.01"))
    );
    assert_eq!(demo["clientId"], json!(trader.client_id));
    let live = listed.iter().find(|it| it["id"] == json!(trader.live));
    assert_eq!(live.expect("the live account")["marginLevel"], "0.00");
    desk.get("/crm/accounts")
        .await
        .problem(400, "invalid_value");
    let nobody = format!("/crm/accounts?clientId={}", Uuid::now_v7());
    desk.get(&nobody).await.problem(404, "not_found");
}

async fn ask_for(trader: &Trader, kind: &str, amount: &str) -> String {
    let mut body = json!({ "accountId": trader.live, "amount": amount, "currency": "USD" });
    let channel = if kind == "deposit" {
        "method"
    } else {
        "destination"
    };
    body[channel] = json!("somewhere");
    let asked = trader.http.post(&format!("/funding/{kind}"), &body).await;
    asked.expecting(201).text_at("/requestId")
}

#[tokio::test(flavor = "multi_thread")]
async fn deposits_and_withdrawals_are_moved_on_by_the_crm() {
    let desk = Desk::start().await;
    let trader = desk.world.verified_trader().await;
    let step = |request: &str, body: Value| {
        let path = format!("/crm/funding/{request}");
        let desk = &desk;
        async move { desk.patch(&path, &body).await }
    };
    let deposit = ask_for(&trader, "deposit", "100.00").await;
    step(&deposit, json!({ "status": "approved" }))
        .await
        .expecting(204);
    let done = json!({ "status": "completed", "reference": "SEPA-8841" });
    step(&deposit, done).await.expecting(204);
    let again = step(&deposit, json!({ "status": "rejected" })).await;
    again.problem(409, "funding_not_open");
    let refused = ask_for(&trader, "withdrawal", "40.00").await;
    let no = json!({ "status": "rejected", "reason": "no such bank" });
    step(&refused, no).await.expecting(204);
    let paid = ask_for(&trader, "withdrawal", "60.00").await;
    desk.adjust(trader.live, "-70.00", "real")
        .await
        .expecting(200);
    let short = step(&paid, json!({ "status": "completed" })).await;
    short.problem(400, "insufficient_funds");
    desk.adjust(trader.live, "70.00", "real")
        .await
        .expecting(200);
    step(&paid, json!({ "status": "completed" }))
        .await
        .expecting(204);
    let history = trader.items("/funding/history").await;
    let fates: Vec<(&str, &str)> = history
        .iter()
        .filter_map(|it| Some((it["kind"].as_str()?, it["status"].as_str()?)))
        .collect();
    assert_eq!(
        fates,
        [
            ("withdrawal", "completed"),
            ("withdrawal", "rejected"),
            ("deposit", "completed")
        ]
    );
    let account = format!("/trading/account?accountId={}", trader.live);
    let account = trader.http.get(&account).await;
    assert_eq!(account.text_at("/realBalance"), "40.00");
    let head = desk.head().await;
    for body in [
        json!({}),
        json!({ "status": "cancelled" }),
        json!({ "status": "approved", "reason": "" }),
    ] {
        step(&paid, body).await.problem(400, "invalid_value");
    }
    let nobody = step(&Uuid::now_v7().to_string(), json!({ "status": "approved" })).await;
    nobody.problem(404, "not_found");
    Desk::assert_same(head, desk.head().await, "a refusal");
}
