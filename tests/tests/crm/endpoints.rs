//! More than one endpoint, each with a filter, a secret and numbers of its own.

use std::time::Duration;

use daybook_tests::{Receiver, Reply, eventually};

use crate::support::{Told, assert_orderly};

#[tokio::test(flavor = "multi_thread")]
async fn another_endpoint_is_told_what_it_asked_for_from_then_on() {
    let told = Told::start().await;
    let trader = told.world.trader().await;
    let risk = Receiver::start().await;
    let url = format!("{}/in", risk.url());
    let made = told
        .cli(&[
            "endpoints",
            "add",
            "risk",
            "--url",
            &url,
            "--events",
            "position.opened",
        ])
        .await;
    let secret = made["secret"]
        .as_str()
        .expect("it is shown once")
        .to_owned();
    trader.market("EURUSD", "buy", "0.10").await;
    trader.market("EURUSD", "buy", "0.10").await;
    let received = risk.distinct(2).await;
    for (number, one) in (1..).zip(&received) {
        one.assert_signed(&secret, 0);
        assert_eq!(one.event(), "position.opened");
        assert_eq!(
            (one.json()["number"].as_i64(), one.client_number()),
            (Some(number), number)
        );
        assert_eq!(one.path, "/in");
    }
    told.settled().await;
    assert_orderly(&told.crm.all());
    rotate(&told, &trader, &risk, &secret).await;
    let all = told.cli(&["endpoints", "list"]).await;
    assert_eq!(all[0]["endpoint"], "crm");
    assert_eq!(all[1]["events"][0], "position.opened");
    assert!(!all.to_string().contains(&secret), "secrets are not told");
}

/// Both secrets sign until the one before is forgotten.
async fn rotate(told: &Told, trader: &daybook_tests::Trader, risk: &Receiver, before: &str) {
    let turned = told
        .cli(&["endpoints", "change", "risk", "--rotate-secret"])
        .await;
    let secret = turned["secret"]
        .as_str()
        .expect("it is shown once")
        .to_owned();
    let deal = || async {
        let known = risk.count();
        trader.market("EURUSD", "buy", "0.10").await;
        risk.until("one more", |all| {
            (all.len() > known).then(|| all[known].clone())
        })
        .await
    };
    // The dispatcher learns of the change with the outbox.
    let both = deal().await;
    both.assert_signed(&secret, 0);
    both.assert_signed(before, 1);
    told.cli(&["endpoints", "change", "risk", "--forget-previous-secret"])
        .await;
    let one = deal().await;
    one.assert_signed(&secret, 0);
    assert!(!one.headers.contains_key("x-webhook-signature-previous"));
    let stored: Vec<String> = sqlx::query_scalar(
        "select payload::text from events where aggregate_type = 'endpoint' \
         union all select command::text from operator_requests",
    )
    .fetch_all(told.world.book.pool())
    .await
    .expect("the book is readable");
    for text in stored {
        assert!(
            !text.contains(&secret) && !text.contains(before),
            "a secret rests in plain"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_endpoint_delays_no_other() {
    let told = Told::start().await;
    let dead = Receiver::start().await;
    dead.behave(|_| Reply::Slow(Duration::from_secs(60)));
    told.cli(&["endpoints", "add", "dead", "--url", &dead.url()])
        .await;
    let mut traders = Vec::new();
    for _ in 0..4 {
        traders.push(told.world.trader().await);
    }
    dead.until("it is asked", |all| (all.len() >= 4).then_some(()))
        .await;
    let started = std::time::Instant::now();
    traders[0].market("EURUSD", "buy", "0.10").await;
    told.settled().await;
    assert!(
        started.elapsed() < Duration::from_secs(8),
        "{:?}",
        started.elapsed()
    );
    assert_orderly(&told.crm.all());
    let all = told.cli(&["endpoints", "list"]).await;
    assert!(all[1]["waiting"].as_i64().expect("a number") > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_endpoint_is_told_later_and_a_filter_counts_from_its_change() {
    let told = Told::start().await;
    let trader = told.world.trader().await;
    let other = Receiver::start().await;
    told.cli(&[
        "endpoints",
        "add",
        "other",
        "--url",
        &other.url(),
        "--events",
        "order.placed",
    ])
    .await;
    told.cli(&["endpoints", "disable", "other", "--reason", "maintenance"])
        .await;
    trader.market("EURUSD", "buy", "0.10").await;
    told.settled().await;
    told.cli(&[
        "endpoints",
        "change",
        "other",
        "--events",
        "position.opened",
    ])
    .await;
    trader.market("EURUSD", "buy", "0.10").await;
    told.settled().await;
    assert_eq!(other.count(), 0);
    told.cli(&["endpoints", "enable", "other"]).await;
    let received = other.distinct(2).await;
    let names: Vec<_> = received
        .iter()
        .map(daybook_tests::Delivered::event)
        .collect();
    assert_eq!(names, ["order.placed", "position.opened"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_about_endpoints_is_refused() {
    let told = Told::start().await;
    for arguments in [
        vec!["add", "crm", "--url", "https://x.example"],
        vec!["add", "x", "--url", "ftp://x.example"],
        vec![
            "add",
            "x",
            "--url",
            "https://x.example",
            "--events",
            "order.invented",
        ],
        vec!["change", "crm", "--url", "https://x.example"],
        vec!["change", "crm", "--rotate-secret"],
        vec!["enable", "nobody"],
    ] {
        let all = [&["webhooks", "endpoints"], arguments.as_slice()].concat();
        let output = told.world.app.run(&all).await;
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    }
    let all = eventually("the endpoints", || async {
        let all = told.cli(&["endpoints", "list"]).await;
        all.as_array().cloned()
    })
    .await;
    assert_eq!(all.len(), 1);
}
