//! Market data.

use super::{embedded, names};
use crate::{config::ProviderKind, scratch::Scratch};

#[test]
fn providers_are_named_in_order_and_each_symbol_may_have_its_own() {
    let dir = Scratch::new();
    let config = embedded(&dir, &[]).unwrap();
    assert_eq!(config.market.providers, [ProviderKind::TwelveData]);
    assert_eq!(
        config.market.unwatched, None,
        "simulated quotes cost nothing"
    );
    let pairs = [
        ("MD_PROVIDERS", "twelve_data, book_ticker"),
        (
            "MD_SYMBOL_PROVIDERS",
            "BTCUSD=book_ticker/twelve_data, ETHUSD=book_ticker",
        ),
        ("MD_HISTORY_TTL_1H_SEC", "7200"),
    ];
    let market = embedded(&dir, &pairs).unwrap().market;
    let [ticker, twelve] = [ProviderKind::BookTicker, ProviderKind::TwelveData];
    assert_eq!(market.providers, [twelve, ticker]);
    assert_eq!(market.routes[&"BTCUSD".parse().unwrap()], [ticker, twelve]);
    assert_eq!(market.routes[&"ETHUSD".parse().unwrap()], [ticker]);
    assert_eq!(market.history_ttl_hours.as_secs(), 7_200);
    let key = ("TWELVEDATA_API_KEY", "key");
    let market = embedded(&dir, &[key, ("MD_UNWATCHED_SEC", "60")])
        .unwrap()
        .market;
    assert_eq!(market.unwatched.map(|it| it.as_secs()), Some(60));
}

#[test]
fn a_real_book_ticker_is_taken_beside_a_real_provider_alone() {
    let dir = Scratch::new();
    let with = |key: &str, ws: &str, rest: &str| {
        let pairs = [
            ("TWELVEDATA_API_KEY", key),
            ("MD_SYMBOL_PROVIDERS", "BTCUSD=book_ticker/twelve_data"),
            ("BOOK_TICKER_WS_URL", ws),
            ("BOOK_TICKER_REST_URL", rest),
        ];
        embedded(&dir, &pairs)
    };
    let (ws, rest) = (
        "wss://stream.example.com:9443/stream",
        "https://api.example.com",
    );
    let ticker = with("key", ws, rest).unwrap().market.book_ticker.unwrap();
    assert_eq!((&*ticker.ws_url, &*ticker.rest_url), (ws, rest));
    let both = ["BOOK_TICKER_WS_URL", "BOOK_TICKER_REST_URL"];
    assert_eq!(names(&with("key", "", "").unwrap_err()), both);
    assert_eq!(
        names(&with("key", "http://stream.example.com", rest).unwrap_err())[0],
        both[0]
    );
    assert_eq!(
        names(&with("", ws, rest).unwrap_err()),
        both,
        "beside simulated prices"
    );
    let simulated = with("", "", "").unwrap();
    assert!(simulated.simulated() && simulated.market.book_ticker.is_none());
}

#[test]
fn candles_are_kept_for_days_that_are_named_by_interval() {
    let dir = Scratch::new();
    let kept = |text: &str| {
        let market = embedded(&dir, &[("MD_CANDLES_KEPT_DAYS", text)])
            .unwrap()
            .market;
        let days = market.candles_kept.into_iter();
        days.map(|(interval, kept)| (interval.as_str(), kept.num_days()))
            .collect::<Vec<_>>()
    };
    let usual = [
        ("1m", 30),
        ("5m", 90),
        ("15m", 180),
        ("30m", 365),
        ("1h", 730),
    ];
    assert_eq!(kept(""), usual);
    assert_eq!(kept("off"), []);
    assert_eq!(
        kept("1m=7, 5m=off,1d=4000"),
        [
            ("1m", 7),
            ("15m", 180),
            ("30m", 365),
            ("1h", 730),
            ("1d", 4_000)
        ]
    );
    for nonsense in ["1m", "2m=5", "1m=0", "1m=soon", "1m=40000"] {
        let errors = embedded(&dir, &[("MD_CANDLES_KEPT_DAYS", nonsense)]);
        assert_eq!(names(&errors.unwrap_err()), ["MD_CANDLES_KEPT_DAYS"]);
    }
}

#[test]
fn nonsense_about_providers_is_told() {
    let dir = Scratch::new();
    let pairs = [
        ("MD_PROVIDERS", "twelve_data,twelve_data,reuters"),
        ("MD_SYMBOL_PROVIDERS", "BTCUSD,ETHUSD=reuters"),
        ("MD_UNWATCHED_SEC", "0"),
        ("MD_CREDITS_PER_MINUTE", "many"),
    ];
    let errors = embedded(&dir, &pairs).unwrap_err();
    let mut names = names(&errors);
    names.dedup();
    let expected = [
        "MD_PROVIDERS",
        "MD_SYMBOL_PROVIDERS",
        "MD_UNWATCHED_SEC",
        "MD_CREDITS_PER_MINUTE",
    ];
    names.sort_unstable();
    let mut sorted = expected;
    sorted.sort_unstable();
    assert_eq!(names, sorted);
}
