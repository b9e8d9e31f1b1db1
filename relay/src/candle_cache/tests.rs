//! The candle cache against a provider that counts its requests, and can be away.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use axum::{Json, Router, extract::Query, routing::get};
use chrono::{TimeDelta, Utc};
use daybook_domain::quote::QuoteSource;
use serde_json::{Value, json};

use super::*;
use crate::testing::instrument;

/// A provider whose candles lie a minute apart and end with the running minute.
#[derive(Clone, Default)]
struct Provider {
    fetches: Arc<AtomicUsize>,
    away: Arc<AtomicBool>,
}

impl Provider {
    async fn start(&self) -> Candles {
        let provider = self.clone();
        let answer = move |Query(params): Query<HashMap<String, String>>| {
            let provider = provider.clone();
            async move { Json(provider.answer(&params)) }
        };
        let router = Router::new().route("/time_series", get(answer));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let instruments = vec![Arc::new(instrument("EURUSD"))];
        let url = format!("http://{address}");
        Candles::new(CandlesConfig::new(
            url,
            "key".to_owned().into(),
            instruments,
        ))
    }

    fn answer(&self, params: &HashMap<String, String>) -> Value {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        if self.away.load(Ordering::SeqCst) {
            return json!({"code": 500, "message": "away", "status": "error"});
        }
        let count: i32 = params["outputsize"].parse().unwrap();
        let end = params.get("end_date").map_or_else(Utc::now, |end| {
            let end = chrono::NaiveDateTime::parse_from_str(end, "%Y-%m-%d %H:%M:%S");
            end.unwrap().and_utc()
        });
        let newest = Interval::M1.start(end);
        let value = |index: i32| {
            let time = newest - TimeDelta::minutes(index.into());
            let datetime = time.format("%Y-%m-%d %H:%M:%S").to_string();
            json!({
                "datetime": datetime, "open": "1.1", "high": "1.2", "low": "1.0", "close": "1.15",
            })
        };
        let values: Vec<_> = (0..count).map(value).collect();
        json!({"values": values, "status": "ok"})
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

fn euro() -> Symbol {
    Symbol::parse("EURUSD").unwrap()
}

async fn page(candles: &Candles, limit: usize, before: Option<Timestamp>) -> CandlePage {
    candles
        .page(euro(), Interval::M1, limit, before)
        .await
        .unwrap()
}

fn quote(bid: &str, at: Timestamp) -> Quote {
    Quote {
        symbol: euro(),
        bid: bid.parse().unwrap(),
        ask: "9".parse().unwrap(),
        at,
        source: QuoteSource::Simulator,
    }
}

#[tokio::test]
async fn history_is_oldest_first_and_fetched_once_for_many() {
    let provider = Provider::default();
    let candles = provider.start().await;
    let askers = (0..20).map(|_| page(&candles, 100, None));
    for page in futures::future::join_all(askers).await {
        assert_eq!(page.candles.len(), 100);
        assert!(page.candles.is_sorted_by_key(|candle| candle.time));
        assert!(!page.stale);
        assert_eq!(page.candles[0].open.to_string(), "1.10000");
    }
    assert_eq!(provider.fetches(), 1);
}

#[tokio::test]
async fn the_newest_candle_follows_our_quotes() {
    let provider = Provider::default();
    let candles = provider.start().await;
    let history = page(&candles, 10, None).await;
    let newest = history.candles[9];
    candles.quote(&quote("1.90000", newest.time + TimeDelta::seconds(70)));
    candles.quote(&quote("1.80000", newest.time + TimeDelta::seconds(71)));
    let joined = page(&candles, 10, None).await;
    assert_eq!(joined.candles[..9], history.candles[1..]);
    let live = joined.candles[9];
    assert_eq!(live.time, newest.time + TimeDelta::seconds(60));
    let prices = [live.open, live.high, live.low, live.close].map(|p| p.to_string());
    assert_eq!(prices, ["1.90000", "1.90000", "1.80000", "1.80000"]);
}

#[tokio::test]
async fn a_candle_that_both_know_is_joined() {
    let provider = Provider::default();
    let candles = provider.start().await;
    let known = page(&candles, 2, None).await.candles[1];
    candles.quote(&quote("1.30000", known.time + TimeDelta::seconds(1)));
    let joined = page(&candles, 2, None).await.candles[1];
    let prices = [joined.open, joined.high, joined.low, joined.close].map(|p| p.to_string());
    assert_eq!(prices, ["1.10000", "1.30000", "1.00000", "1.30000"]);
}

#[tokio::test]
async fn older_pages_end_before_the_asked_time_and_are_fetched_once() {
    let provider = Provider::default();
    let candles = provider.start().await;
    let before = Interval::M1.start(Utc::now()) - TimeDelta::days(30);
    for _ in 0..3 {
        let older = page(&candles, 50, Some(before)).await;
        assert_eq!(older.candles.len(), 50);
        assert_eq!(older.candles[49].time, before - TimeDelta::minutes(1));
    }
    assert_eq!(provider.fetches(), 1);
    // One that lies within the newest history is cut out of it.
    let newest = page(&candles, 500, None).await;
    let before = newest.candles[300].time;
    let within = page(&candles, 100, Some(before)).await;
    assert_eq!(within.candles[..], newest.candles[200..300]);
    assert_eq!(provider.fetches(), 2);
}

#[tokio::test]
async fn what_is_known_is_served_stale_while_the_provider_is_away() {
    let provider = Provider::default();
    let candles = provider.start().await;
    let history = page(&candles, 100, None).await;
    provider.away.store(true, Ordering::SeqCst);
    // More than was fetched before, so that the cache cannot answer.
    let stale = page(&candles, 1_000, None).await;
    assert!(stale.stale);
    assert_eq!(stale.candles.last(), history.candles.last());
    assert_eq!(stale.candles.len(), 500);
    // The provider is left alone for a while.
    let fetches = provider.fetches();
    assert!(page(&candles, 1_000, None).await.stale);
    assert_eq!(provider.fetches(), fetches);
    assert!(!page(&candles, 100, None).await.stale);
}

#[tokio::test]
async fn nothing_known_and_nobody_there_is_an_error_and_our_own_candles_are_something() {
    let provider = Provider::default();
    provider.away.store(true, Ordering::SeqCst);
    let candles = provider.start().await;
    let refused = candles.page(euro(), Interval::M1, 10, None).await;
    assert!(
        matches!(refused, Err(RelayError::Refused { code: 500, .. })),
        "{refused:?}"
    );
    candles.quote(&quote("1.3", Utc::now()));
    let live = page(&candles, 10, None).await;
    assert!(live.stale && live.candles.len() == 1);
}

#[tokio::test]
async fn an_unknown_symbol_has_no_candles() {
    let candles = Provider::default().start().await;
    let unknown = Symbol::parse("GBPUSD").unwrap();
    let refused = candles.page(unknown, Interval::M1, 10, None).await;
    assert!(matches!(refused, Err(RelayError::UnknownSymbol(symbol)) if symbol == unknown));
}
