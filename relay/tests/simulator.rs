//! The simulator and the production feed, over real sockets.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{collections::HashSet, sync::Arc, time::Duration};

use daybook_domain::{Decimal, quote::QuoteSource};
use daybook_relay::{
    Candles, CandlesConfig, Feed, FeedStatus, Hub, Interval, RelayError, RestClient, Simulator,
    SimulatorConfig, TwelveData, staleness,
};
use serde_json::Value;
use support::{
    TestFile, feed_of, instruments, next_quote, simulator_config, soon, symbol, until_status,
};

async fn get(simulator: &Simulator, path: &str) -> Value {
    let client = reqwest_client();
    let url = format!("{}{path}", simulator.rest_url());
    let request = client.get(url).header("authorization", "apikey demo");
    let body = request.send().await.unwrap().bytes().await.unwrap();
    serde_json::from_slice(&body).unwrap()
}

fn reqwest_client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

#[tokio::test]
async fn every_seeded_instrument_is_quoted_fresh_uncrossed_and_with_its_digits() {
    let simulator = Simulator::start(simulator_config()).await.unwrap();
    let hub = Hub::new();
    let (feed, mut quotes) = Feed::start(feed_of(&simulator, &[]), hub.clone());
    let all = instruments(&[]);
    let mut missing: HashSet<_> = all.iter().map(|instrument| instrument.symbol).collect();
    while !missing.is_empty() {
        let quote = next_quote(&mut quotes).await;
        let instrument = all.iter().find(|it| it.symbol == quote.symbol).unwrap();
        assert_eq!(
            (quote.bid.scale(), quote.ask.scale()),
            (instrument.digits, instrument.digits)
        );
        assert!(quote.bid < quote.ask, "{quote:?}");
        assert_eq!(quote.source, QuoteSource::Simulator);
        assert!(!staleness::is_stale(
            &quote,
            chrono::Utc::now(),
            Duration::from_secs(30)
        ));
        missing.remove(&quote.symbol);
    }
    assert_eq!(*hub.status().borrow(), FeedStatus::Simulated);
    assert_eq!(*feed.problem().borrow(), None);
    feed.stop().await;
    simulator.stop().await;
    while quotes.recv().await.is_some() {}
}

#[tokio::test]
async fn symbols_over_several_connections_all_arrive() {
    let simulator = Simulator::start(simulator_config()).await.unwrap();
    let names = ["EURUSD", "BTCUSD", "XAUUSD"];
    let mut config = feed_of(&simulator, &names);
    let rest = RestClient::new(&simulator.rest_url(), "demo".to_owned().into());
    let (ws, source) = (simulator.ws_url(), QuoteSource::Simulator);
    config.providers = vec![Arc::new(TwelveData::new(
        ws,
        rest,
        source,
        &config.symbols,
        Some(1),
    ))];
    let hub = Hub::new();
    let (_feed, mut quotes) = Feed::start(config, hub.clone());
    let mut missing: HashSet<_> = names.map(symbol).into();
    while !missing.is_empty() {
        missing.remove(&next_quote(&mut quotes).await.symbol);
    }
    until_status(&hub, FeedStatus::Simulated).await;
}

#[tokio::test]
async fn a_feed_comes_back_after_the_provider_was_away() {
    let first = Simulator::start(simulator_config()).await.unwrap();
    let address = first.address();
    let hub = Hub::new();
    let (_feed, mut quotes) = Feed::start(feed_of(&first, &["EURUSD"]), hub.clone());
    next_quote(&mut quotes).await;
    first.stop().await;
    until_status(&hub, FeedStatus::Stale).await;
    while quotes.try_recv().is_ok() {}
    let again = SimulatorConfig {
        listen: address,
        ..simulator_config()
    };
    let _second = Simulator::start(again).await.unwrap();
    next_quote(&mut quotes).await;
    until_status(&hub, FeedStatus::Simulated).await;
}

#[tokio::test]
async fn a_slow_consumer_makes_the_feed_wait_and_loses_nothing() {
    let lines = (0..3_000).map(|index| format!("{index},EURUSD,1.1{index:04},1.2{index:04}\n"));
    let text = format!(
        "timestamp_ms_utc,symbol,bid,ask\n{}",
        lines.collect::<String>()
    );
    let file = TestFile::new("slow.csv", &text);
    let config = SimulatorConfig {
        ticks: vec![file.0.clone()],
        speed: Decimal::from(1_000),
        ..simulator_config()
    };
    let simulator = Simulator::start(config).await.unwrap();
    let mut config = feed_of(&simulator, &["EURUSD"]);
    config.queue_max = 1;
    let (_feed, mut quotes) = Feed::start(config, Hub::new());
    for index in 0..3_000 {
        if index % 500 == 0 {
            tokio::time::sleep(Duration::from_millis(30)).await; // Being slow is the point.
        }
        let expected: Decimal = format!("1.1{index:04}").parse().unwrap();
        assert_eq!(next_quote(&mut quotes).await.bid, expected);
    }
}

#[tokio::test]
async fn after_a_recording_has_ended_its_last_price_stays_fresh() {
    let text =
        "timestamp_ms_utc,symbol,bid,ask\n0,EURUSD,1.10000,1.10010\n5,EURUSD,1.20000,1.20010\n";
    let file = TestFile::new("ended.csv", text);
    let config = SimulatorConfig {
        ticks: vec![file.0.clone()],
        ..simulator_config()
    };
    let simulator = Simulator::start(config).await.unwrap();
    let mut config = feed_of(&simulator, &["EURUSD"]);
    config.filter.jump_max = Decimal::ONE;
    let (_feed, mut quotes) = Feed::start(config, Hub::new());
    assert_eq!(next_quote(&mut quotes).await.bid.to_string(), "1.10000");
    let last = next_quote(&mut quotes).await;
    let mut repeated = next_quote(&mut quotes).await;
    while repeated.at <= last.at + chrono::TimeDelta::seconds(1) {
        repeated = next_quote(&mut quotes).await;
        assert_eq!((repeated.bid, repeated.ask), (last.bid, last.ask));
    }
}

#[tokio::test]
async fn recorded_ticks_of_an_unknown_symbol_or_without_speed_are_refused() {
    let text = "timestamp_ms_utc,symbol,bid,ask\n0,BTCUSDT,1,2\n";
    let file = TestFile::new("unknown.csv", text);
    let with = |ticks, speed| SimulatorConfig {
        ticks,
        speed,
        ..simulator_config()
    };
    let refused = Simulator::start(with(vec![file.0.clone()], Decimal::ONE)).await;
    let message = refused
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default();
    assert!(
        message.ends_with(":2: BTCUSDT is not an instrument of this house"),
        "{message}"
    );
    let refused = Simulator::start(with(Vec::new(), Decimal::ZERO)).await;
    assert!(matches!(refused.err(), Some(RelayError::Speed(_))));
}

#[tokio::test]
async fn a_taken_port_is_an_error_that_names_it() {
    let simulator = Simulator::start(simulator_config()).await.unwrap();
    let again = SimulatorConfig {
        listen: simulator.address(),
        ..simulator_config()
    };
    let refused = Simulator::start(again)
        .await
        .err()
        .map(|error| error.to_string());
    assert_eq!(
        refused,
        Some(format!("cannot listen on {}", simulator.address()))
    );
}

#[tokio::test]
async fn rest_answers_as_the_provider_does() {
    let simulator = Simulator::start(simulator_config()).await.unwrap();
    let series = get(
        &simulator,
        "/time_series?symbol=EUR/USD&interval=1min&outputsize=3",
    )
    .await;
    assert_eq!(series["status"], "ok");
    assert_eq!(series["meta"]["symbol"], "EUR/USD");
    let values = series["values"].as_array().unwrap();
    assert_eq!(values.len(), 3);
    assert!(values[0]["datetime"].as_str() > values[1]["datetime"].as_str());
    assert!(values[0]["open"].is_string());
    let price = get(&simulator, "/price?symbol=EUR/USD").await;
    assert!(
        price["price"].as_str().unwrap().starts_with("1."),
        "{price}"
    );
    let prices = get(&simulator, "/price?symbol=EUR/USD,BTC/USD,FOO/BAR&dp=1").await;
    assert_eq!(prices["EUR/USD"]["price"].as_str().unwrap().len(), 3);
    assert!(prices["BTC/USD"]["price"].is_string());
    assert_eq!(prices["FOO/BAR"]["code"], 404);
    let quote = get(&simulator, "/quote?symbol=XAU/USD").await;
    assert_eq!(quote["currency"], "USD");
    for path in [
        "/forex_pairs",
        "/cryptocurrencies",
        "/commodities",
        "/symbol_search?symbol=eur",
    ] {
        let listed = get(&simulator, path).await;
        assert!(!listed["data"].as_array().unwrap().is_empty(), "{path}");
    }
    let indicators = get(&simulator, "/technical_indicators").await;
    assert_eq!(indicators, serde_json::json!({"data": {}, "status": "ok"}));
}

#[tokio::test]
async fn rest_refuses_as_the_provider_does() {
    let simulator = Simulator::start(simulator_config()).await.unwrap();
    for (path, code) in [
        ("/time_series?symbol=EUR/USD", 400),
        ("/time_series?symbol=EUR/USD&interval=7min", 400),
        (
            "/time_series?symbol=EUR/USD&interval=1min&outputsize=5001",
            400,
        ),
        (
            "/time_series?symbol=EUR/USD&interval=1min&end_date=soon",
            400,
        ),
        (
            "/time_series?symbol=EUR/USD&interval=1min&timezone=Asia/Tokyo",
            400,
        ),
        ("/price?symbol=EUR/USD&dp=99", 400),
        ("/price?symbol=NONE", 404),
        ("/price", 404),
        ("/nowhere", 404),
    ] {
        let refused = get(&simulator, path).await;
        assert_eq!(
            (&refused["code"], &refused["status"]),
            (&code.into(), &"error".into()),
            "{path}"
        );
    }
    let client = reqwest_client();
    let url = format!("{}/price?symbol=EUR/USD", simulator.rest_url());
    let refused = client.get(&url).send().await.unwrap();
    assert_eq!(refused.status(), 401);
    let allowed = client
        .get(format!("{url}&apikey=demo"))
        .send()
        .await
        .unwrap();
    assert_eq!(allowed.status(), 200);
}

#[tokio::test]
async fn candles_join_history_and_live_quotes_without_a_step() {
    let simulator = Simulator::start(simulator_config()).await.unwrap();
    let key = "demo".to_owned().into();
    let config = CandlesConfig::new(simulator.rest_url(), key, instruments(&["EURUSD"]));
    let candles = Candles::new(config);
    let (_feed, mut quotes) = Feed::start(feed_of(&simulator, &["EURUSD"]), Hub::new());
    for _ in 0..8 {
        candles.quote(&next_quote(&mut quotes).await);
    }
    for interval in Interval::ALL {
        let page = candles.page(symbol("EURUSD"), interval, 1_000, None);
        let page = soon("a page", page).await.unwrap();
        assert!(!page.stale);
        // A candle of ours may lie beyond the provider's newest, when the minute has just changed.
        assert_eq!(page.candles.len(), 1_000, "{interval}");
        for pair in page.candles.windows(2) {
            assert_eq!(interval.end(pair[0].time), pair[1].time);
            assert!(pair[0].high >= pair[0].low);
        }
        let last_two = &page.candles[998..];
        let step = (last_two[1].open - last_two[0].close).abs();
        assert!(
            step <= "0.0005".parse().unwrap(),
            "{interval}: {last_two:?}"
        );
    }
}
