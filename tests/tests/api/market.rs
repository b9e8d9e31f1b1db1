//! Symbols, quotes and candles.

use daybook_tests::{World, answer::decimal_at, eventually};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn the_seeded_instruments_are_listed_with_their_terms() {
    let world = World::start().await;
    let symbols = world
        .app
        .http
        .get("/market/symbols")
        .await
        .expecting(200)
        .json();
    let symbols = symbols.as_array().expect("a bare array");
    let named = |name: &str| -> Value {
        let found = symbols.iter().find(|symbol| symbol["symbol"] == name);
        found
            .unwrap_or_else(|| panic!("{name} is not listed"))
            .clone()
    };
    for name in [
        "EURUSD", "GBPUSD", "AUDUSD", "NZDUSD", "USDCAD", "USDCHF", "EURGBP", "USDJPY", "EURJPY",
        "GBPJPY", "XAUUSD", "XAGUSD", "WTI", "BRENT", "US500", "US100", "DE40", "BTCUSD", "ETHUSD",
        "SOLUSD", "XRPUSD",
    ] {
        let symbol = named(name);
        for field in [
            "name",
            "class",
            "base",
            "quote",
            "contractSize",
            "minVolume",
            "maxVolume",
        ] {
            assert!(symbol[field].is_string(), "{field} of {symbol}");
        }
        for field in ["volumeStep", "swapLong", "swapShort"] {
            assert!(symbol[field].is_string(), "{field} of {symbol}");
        }
        assert_eq!(
            symbol["sessionOpen"], true,
            "DAYBOOK_SESSIONS=always: {symbol}"
        );
        assert_eq!(symbol["enabled"], true);
    }
    let gold = named("XAUUSD");
    assert_eq!(
        (&gold["digits"], &gold["maxLeverage"]),
        (&json!(2), &json!(200))
    );
    assert_eq!(decimal_at(&gold, "/contractSize"), 100.into());
    assert_eq!(named("USDJPY")["digits"], 3);
    assert_eq!(decimal_at(&named("DE40"), "/minVolume").to_string(), "0.1");

    let found = world
        .app
        .http
        .get("/market/symbols?search=gold")
        .await
        .expecting(200)
        .json();
    assert_eq!(found.as_array().map(Vec::len), Some(1), "{found}");
    let found = world
        .app
        .http
        .get("/market/symbols?search=eur")
        .await
        .expecting(200)
        .json();
    assert!(
        found
            .as_array()
            .is_some_and(|list| list.len() >= 3 && list.len() < 21)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn quotes_are_the_newest_and_only_of_what_is_asked() {
    let world = World::start().await;
    world.price("1.23456", "1.23466").await;
    let quotes = world.app.http.get("/market/quotes?symbols=EURUSD").await;
    let quotes = quotes.expecting(200).json();
    let [quote] = quotes.as_array().expect("a bare array").as_slice() else {
        panic!("one quote expected: {quotes}");
    };
    assert_eq!(quote["bid"], "1.23456");
    assert_eq!(quote["ask"], "1.23466");
    assert_eq!(quote["stale"], false);
    let time = quote["time"].as_str().expect("a time");
    assert!(
        time.len() == 24 && time.ends_with('Z'),
        "RFC 3339 with milliseconds: {time}"
    );
    let answer = world
        .app
        .http
        .get("/market/quotes?symbols=EURUSD,NOSUCH")
        .await;
    answer.problem(400, "unknown_symbol");
    world.app.http.get("/market/symbols").await.expecting(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn quotes_that_cannot_be_are_dropped_by_the_filter() {
    let world = World::start().await;
    for (bid, ask) in [
        ("1.20000", "1.10000"),
        ("0", "1.10000"),
        ("2.20000", "2.20010"),
    ] {
        // Crossed, zero, and a jump of 100 % that nothing confirms.
        world.feed.silence("EURUSD");
        world.feed.set("EURUSD", bid, ask);
        world.feed.silence("EURUSD");
        world.price("1.10000", "1.10010").await;
        let quotes = world
            .app
            .http
            .get("/market/quotes?symbols=EURUSD")
            .await
            .json();
        assert_eq!(quotes[0]["bid"], "1.10000", "after {bid}/{ask}");
    }
    // Repeated, the jump is a real one.
    world.price("2.20000", "2.20010").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn candles_grow_out_of_the_live_quotes() {
    let world = World::start().await;
    world.price("1.10500", "1.10510").await;
    world.price("1.10200", "1.10210").await;
    let path = "/market/candles?symbol=EURUSD&interval=1h&limit=10";
    let candle = eventually("a candle of this hour", || async {
        let page = world.app.http.get(path).await.expecting(200).json();
        assert_eq!(page["symbol"], "EURUSD");
        assert_eq!(page["interval"], "1h");
        page["candles"]
            .as_array()
            .and_then(|candles| candles.last().cloned())
    })
    .await;
    let [open, high, low, close] =
        ["/open", "/high", "/low", "/close"].map(|field| decimal_at(&candle, field));
    assert!(
        low <= open && open <= high && low <= close && close <= high,
        "{candle}"
    );
    assert!(candle["time"].is_string() && candle.get("volume").is_some());
    for query in [
        "symbol=EURUSD&interval=7m",
        "symbol=EURUSD&interval=1m&limit=5001",
        "symbol=EURUSD&interval=1m&limit=0",
        "symbol=EURUSD&interval=1m&before=later",
        "interval=1m",
    ] {
        world
            .app
            .http
            .get(&format!("/market/candles?{query}"))
            .await
            .any_problem(400);
    }
    let answer = world
        .app
        .http
        .get("/market/candles?symbol=NOSUCH&interval=1m")
        .await;
    answer.problem(400, "unknown_symbol");
}
