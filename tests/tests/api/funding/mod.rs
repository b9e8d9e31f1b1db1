//! Deposits and withdrawals over HTTP, decided by operators from the command line.

mod mails;
mod rules;
mod shown;
mod steps;

use daybook_tests::{Answer, Trader, World};
use reqwest::Method;
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
