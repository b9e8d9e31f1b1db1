//! What operators do from the command line beside the running server.

use daybook_tests::{Socket, Trader, World, client::market};
use reqwest::Method;
use serde_json::{Value, json};

/// Runs a command and returns its exit code and output.
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

/// A read of all that the book holds now: an operator's command is not the client's own, which a
/// read would wait for by itself.
async fn read(world: &World, trader: &Trader, path: &str) -> Value {
    let head = world.book.head().await;
    let call = trader.http.call(Method::GET, path).min_position(head);
    call.send().await.expecting(200).json()
}

#[tokio::test(flavor = "multi_thread")]
async fn terms_change_while_the_server_runs() {
    let world = World::start().await;
    let trader = world.trader().await;
    let wider = [
        "instruments",
        "set",
        "EURUSD",
        "spreadMarkup=10",
        "--reason",
        "night",
        "--json",
    ];
    let told: Value = serde_json::from_str(&done(&world, &wider).await).expect("JSON");
    assert_eq!(
        told["changed"],
        json!([{ "term": "spread_markup", "from": "0", "to": "10" }])
    );
    let placed = trader.market("EURUSD", "buy", "0.10").await;
    assert_eq!(placed.text_at("/execution/price"), "1.10015");
    assert_eq!(placed.text_at("/execution/spreadMarkup"), "0.00005");
    assert_eq!(trader.positions().await[0]["currentPrice"], "1.09995");
    let again = done(&world, &["instruments", "set", "EURUSD", "spreadMarkup=10"]).await;
    assert!(again.contains("Already so"), "{again}");

    // The clients of a group deal under terms of their own.
    done(
        &world,
        &["instruments", "set", "EURUSD", "groups.vip.spreadMarkup=0"],
    )
    .await;
    done(
        &world,
        &[
            "accounts",
            "controls",
            &trader.demo.to_string(),
            "group=vip",
        ],
    )
    .await;
    let placed = trader.market("EURUSD", "buy", "0.10").await;
    assert_eq!(placed.text_at("/execution/price"), "1.10010");

    done(
        &world,
        &["instruments", "disable", "EURUSD", "--reason", "doubt"],
    )
    .await;
    let refused = trader.order(&market("EURUSD", "buy", "0.10")).await;
    refused.problem(422, "instrument_disabled");
    let (code, text) = run(&world, &["instruments", "set", "EURUSD", "minVolume=0"]).await;
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("invalid_terms"), "{text}");
    let (code, _) = run(&world, &["instruments", "set", "EURUSD", "minVolume"]).await;
    assert_eq!(code, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn controls_leverage_and_money_are_set_and_obeyed() {
    let world = World::start().await;
    let trader = world.trader().await;
    let account = trader.demo.to_string();
    done(
        &world,
        &[
            "accounts", "adjust", &account, "-9000.00", "--bucket", "demo",
        ],
    )
    .await;
    done(&world, &["accounts", "leverage", &account, "50"]).await;
    done(
        &world,
        &["accounts", "controls", &account, "closeOnly=true"],
    )
    .await;
    let seen = read(&world, &trader, "/trading/account").await;
    assert_eq!(
        (&seen["balance"], &seen["leverage"]),
        (&json!("1000.00"), &json!(50))
    );
    assert_eq!(seen["state"], "reducing");
    let refused = trader.order(&market("EURUSD", "buy", "0.01")).await;
    refused.problem(422, "close_only");
    let (code, text) = run(
        &world,
        &[
            "accounts", "adjust", &account, "-1000.01", "--bucket", "demo",
        ],
    )
    .await;
    assert_eq!(code, Some(1));
    assert!(text.contains("insufficient_funds"), "{text}");
    let shown = done(&world, &["accounts", "controls", &account]).await;
    assert!(shown.contains("\"close_only\": true"), "{shown}");
}

/// Buys at 1.10010, closes at 1.10200: 19.00 for 0.10 lots. The opening and the closing deal.
async fn round_trip(world: &World, trader: &Trader) -> (String, String) {
    let opened = trader.market("EURUSD", "buy", "0.10").await;
    world.price("1.10200", "1.10210").await;
    let close = format!("/trading/close/{}", opened.text_at("/positionId"));
    let closed = trader.http.post(&close, &json!({})).await.expecting(200);
    (
        opened.text_at("/execution/dealId"),
        closed.text_at("/dealId"),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn corrections_show_in_history_statement_and_notifications() {
    let world = World::start().await;
    let trader = world.trader().await;
    let (_, closing) = round_trip(&world, &trader).await;
    let token = trader.http.token().expect("a token");
    let mut socket = Socket::open(&world.app.http, &format!("/ws?token={token}")).await;
    socket.until_type("ready").await;
    socket
        .send(&json!({ "op": "subscribe", "channels": ["notifications"] }))
        .await;
    socket.until_type("subscribed").await;

    done(
        &world,
        &["deals", "bust", &closing, "--reason", "off-market quote"],
    )
    .await;
    let notice = socket.until_type("notification").await;
    assert_eq!(
        (&notice["kind"], &notice["amount"]),
        (&json!("deal_busted"), &json!("-19.00"))
    );
    let page = read(&world, &trader, "/trading/history").await;
    let history = page["items"].as_array().expect("items");
    assert_eq!(history.len(), 3, "what was dealt stays");
    assert_eq!(
        (&history[0]["kind"], &history[0]["realised"]),
        (&json!("bust"), &json!("-19.00"))
    );
    assert_eq!(
        (&history[0]["dealId"], &history[0]["note"]),
        (&json!(closing), &json!("off-market quote"))
    );
    assert_eq!(
        (&history[1]["kind"], &history[1]["realised"]),
        (&json!("deal"), &json!("19.00"))
    );
    let account = read(&world, &trader, "/trading/account").await;
    assert_eq!(account["balance"], "10000.00");
    let (code, text) = run(&world, &["deals", "bust", &closing, "--reason", "twice"]).await;
    assert_eq!(code, Some(1));
    assert!(text.contains("deal_busted"), "{text}");

    let open = trader
        .market("EURUSD", "buy", "0.10")
        .await
        .text_at("/execution/dealId");
    done(
        &world,
        &[
            "deals", "reprice", &open, "--price", "1.10190", "--reason", "late",
        ],
    )
    .await;
    let positions = read(&world, &trader, "/trading/positions").await;
    assert_eq!(positions["items"][0]["openPrice"], "1.10190");
    let history = read(&world, &trader, "/trading/history").await["items"].take();
    assert_eq!(
        (&history[0]["kind"], &history[0]["price"]),
        (&json!("reprice"), &json!("1.10190"))
    );
    let receipt = format!("/trading/execution/{open}");
    let receipt = trader.http.get(&receipt).await.expecting(200);
    assert_eq!(
        receipt.text_at("/price"),
        "1.10210",
        "the receipt stays as it was"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrected_account_is_replayed_in_every_form() {
    let world = World::start().await;
    let trader = world.trader().await;
    let (_, closing) = round_trip(&world, &trader).await;
    done(&world, &["deals", "bust", &closing, "--reason", "wrong"]).await;
    let account = trader.demo.to_string();
    let table = done(&world, &["replay", "account", &account]).await;
    assert!(table.contains("DealBusted"), "{table}");
    let all = done(&world, &["replay", "account", &account, "--json"]).await;
    let all: Value = serde_json::from_str(&all).expect("JSON");
    assert_eq!(all["state"]["busted"], json!([closing]));
    let journal = ["replay", "account", &account, "--format", "journal"];
    assert!(done(&world, &journal).await.contains("demo_result"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_adds_up_with_its_corrections() {
    let world = World::start().await;
    let trader = world.trader().await;
    let (_, closing) = round_trip(&world, &trader).await;
    done(&world, &["deals", "bust", &closing, "--reason", "wrong"]).await;
    let path = "/trading/statement";
    let statement = trader.http.get(path).await.expecting(200).json();
    let amounts = [
        "opening",
        "deposits",
        "withdrawals",
        "realised",
        "commission",
        "swap",
        "closing",
    ];
    let amounts = amounts.map(|name| statement[name].as_str().unwrap_or_default());
    assert_eq!(
        amounts,
        [
            "0.00", "10000.00", "0.00", "0.00", "0.00", "0.00", "10000.00"
        ]
    );
    let entries = statement["entries"].as_array().cloned().unwrap_or_default();
    let kinds: Vec<_> = entries.iter().map(|entry| entry["kind"].clone()).collect();
    assert_eq!(kinds, ["deposit", "deal", "deal", "bust"]);
    assert_eq!(
        (&entries[3]["amount"], &entries[3]["balance"]),
        (&json!("-19.00"), &json!("10000.00"))
    );
    assert_eq!(entries[3]["volume"], "0.10");

    // A later part opens with what the earlier one closed with.
    let since = entries[2]["time"].as_str().unwrap_or_default();
    let part = trader
        .http
        .get(&format!("{path}?from={since}"))
        .await
        .expecting(200);
    assert_eq!(part.text_at("/opening"), "10000.00");
    assert_eq!(part.json()["entries"].as_array().map(Vec::len), Some(2));
    let csv = trader
        .http
        .get(&format!("{path}?format=csv"))
        .await
        .expecting(200);
    assert_eq!(csv.text.lines().count(), 5);
    let ledger = trader
        .http
        .get(&format!("{path}?format=hledger"))
        .await
        .expecting(200);
    assert!(
        ledger
            .text
            .contains("liabilities:client_funds_demo  0.00 USD = -10000.00 USD")
    );
    let refused = trader.http.get(&format!("{path}?format=pdf")).await;
    assert!(
        refused.problem(400, "invalid_value")["detail"]
            .to_string()
            .contains("csv")
    );
    let backwards = format!("{path}?from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z");
    trader
        .http
        .get(&backwards)
        .await
        .problem(400, "invalid_value");
}
