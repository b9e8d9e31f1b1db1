//! The candle cache against a provider that counts its requests, and can be away.

mod provider;

use std::sync::atomic::Ordering;

use daybook_domain::quote::QuoteSource;

use self::provider::{Provider, Table};
use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn euro() -> Symbol {
    Symbol::parse("EURUSD").unwrap()
}

async fn page(candles: &Candles, limit: usize, before: Option<Timestamp>) -> CandlePage {
    of(candles, Interval::M1, limit, before).await
}

async fn of(
    candles: &Candles,
    interval: Interval,
    limit: usize,
    before: Option<Timestamp>,
) -> CandlePage {
    candles.page(euro(), interval, limit, before).await.unwrap()
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

fn prices(candle: &Candle) -> [String; 4] {
    [candle.open, candle.high, candle.low, candle.close].map(|price| price.to_string())
}

/// Times of a page that do not follow the one before at the interval's distance.
fn holes(page: &CandlePage, interval: Interval) -> Vec<String> {
    let pairs = page.candles.windows(2);
    let apart = pairs.filter(|pair| interval.end(pair[0].time) != pair[1].time);
    apart.map(|pair| pair[1].time.to_string()).collect()
}

#[tokio::test]
async fn a_thousand_askers_of_any_size_cause_one_request() {
    let provider = Provider::default();
    let candles = provider.start().await;
    let askers = (0..1_000).map(|number| page(&candles, 1 + number % 500, None));
    for (number, page) in futures::future::join_all(askers)
        .await
        .into_iter()
        .enumerate()
    {
        assert_eq!(page.candles.len(), 1 + number % 500);
        assert!(page.candles.is_sorted_by_key(|candle| candle.time));
        assert!(!page.stale);
        assert_eq!(page.candles[0].open.to_string(), "1.10000");
    }
    assert_eq!(provider.fetches(), 1);
    // A larger page is another request; the smaller ones are cut out of it from then on.
    assert_eq!(page(&candles, 1_000, None).await.candles.len(), 1_000);
    assert_eq!(page(&candles, 10, None).await.candles.len(), 10);
    assert_eq!(provider.fetches(), 2);
}

#[tokio::test]
async fn the_newest_candle_follows_our_quotes_until_the_provider_corrects_it() {
    let provider = Provider::default();
    let candles = provider.start().await;
    let history = page(&candles, 10, None).await;
    let newest = history.candles[9];
    provider.wait(40);
    candles.quote(&quote("1.30000", newest.time + TimeDelta::seconds(59)));
    candles.quote(&quote("1.90000", newest.time + TimeDelta::seconds(70)));
    candles.quote(&quote("1.80000", newest.time + TimeDelta::seconds(71)));
    let joined = page(&candles, 10, None).await;
    assert_eq!(joined.candles[..8], history.candles[1..9]);
    let both = &joined.candles[8];
    assert_eq!(prices(both), ["1.10000", "1.30000", "1.00000", "1.30000"]);
    let live = &joined.candles[9];
    assert_eq!(live.time, newest.time + TimeDelta::seconds(60));
    assert_eq!(prices(live), ["1.90000", "1.90000", "1.80000", "1.80000"]);
    assert_eq!(provider.fetches(), 1);
    // Past its life it is fetched again: what is over is as the provider says.
    provider.wait(60);
    let corrected = page(&candles, 10, None).await;
    assert_eq!(provider.fetches(), 2);
    let over = corrected
        .candles
        .iter()
        .find(|it| it.time == newest.time)
        .unwrap();
    assert_eq!(prices(over), ["1.10000", "1.20000", "1.00000", "1.15000"]);
}

#[tokio::test]
async fn hours_live_longer_than_minutes() {
    let provider = Provider::default();
    let candles = provider.start().await;
    of(&candles, Interval::H1, 10, None).await;
    provider.wait(1_800);
    of(&candles, Interval::H1, 10, None).await;
    assert_eq!(provider.fetches(), 1);
    provider.wait(1_801);
    of(&candles, Interval::H1, 10, None).await;
    assert_eq!(provider.fetches(), 2);
}

#[tokio::test]
async fn what_nobody_heard_during_an_interruption_is_fetched() {
    let provider = Provider::default();
    let candles = provider.start().await;
    candles.quote(&quote("1.10000", provider.now()));
    for interval in [Interval::M1, Interval::H1] {
        of(&candles, interval, 10, None).await;
    }
    // An hour and a half without quotes; hours are still young enough by their age.
    provider.wait(3_500);
    candles.resumed(euro(), provider.now());
    candles.quote(&quote("1.10000", provider.now()));
    for interval in [Interval::M1, Interval::H1] {
        let page = of(&candles, interval, 100, None).await;
        assert!(!page.stale);
        assert_eq!(holes(&page, interval), [""; 0]);
    }
    assert_eq!(provider.fetches(), 4);
}

#[tokio::test]
async fn older_pages_end_before_the_asked_time_and_are_fetched_once() {
    let provider = Provider::default();
    let candles = provider.start().await;
    let before = at("2025-12-01T00:00:00Z");
    for _ in 0..3 {
        let older = page(&candles, 50, Some(before)).await;
        assert_eq!(older.candles.len(), 50);
        assert_eq!(older.candles[49].time, before - TimeDelta::minutes(1));
    }
    // Within a candle: that one starts before.
    let within = page(&candles, 50, Some(before + TimeDelta::seconds(1))).await;
    assert_eq!(within.candles[49].time, before);
    assert_eq!(provider.fetches(), 2);
    provider.wait(86_400);
    page(&candles, 500, Some(before)).await;
    assert_eq!(provider.fetches(), 2, "the past does not change");
    for far in [Timestamp::MIN_UTC, Timestamp::MAX_UTC] {
        let _ = candles.page(euro(), Interval::W1, 5, Some(far)).await;
    }
}

#[tokio::test]
async fn a_chart_is_followed_back_to_the_beginning_without_a_hole() {
    let provider = Provider::default();
    provider
        .begins
        .store(at("2026-01-15T00:00:00Z").timestamp(), Ordering::SeqCst);
    let candles = provider.start().await;
    let (mut all, mut before) = (Vec::new(), None);
    loop {
        let mut older = page(&candles, 700, before).await.candles;
        let Some(oldest) = older.first() else { break };
        before = Some(oldest.time);
        older.append(&mut all);
        all = older;
    }
    let whole = CandlePage {
        candles: all,
        stale: false,
    };
    assert_eq!(whole.candles.len(), 36 * 60 + 1);
    assert_eq!(holes(&whole, Interval::M1), [""; 0]);
}

#[tokio::test]
async fn what_is_known_is_served_stale_while_the_provider_is_away() {
    let provider = Provider::default();
    let candles = provider.start().await;
    let history = page(&candles, 100, None).await;
    provider.go_away(true);
    provider.wait(90);
    candles.quote(&quote("1.17000", provider.now()));
    let stale = page(&candles, 1_000, None).await;
    assert!(stale.stale);
    assert_eq!(stale.candles.len(), 501);
    assert_eq!(prices(&stale.candles[500])[0], "1.17000");
    assert_eq!(stale.candles[499], history.candles[99]);
    // The provider is left alone for a while, and asked again after it.
    let fetches = provider.fetches();
    assert!(page(&candles, 1_000, None).await.stale);
    assert_eq!(provider.fetches(), fetches);
    provider.go_away(false);
    provider.wait(6);
    let back = page(&candles, 1_000, None).await;
    assert!(!back.stale && back.candles.len() == 1_000);
    assert_eq!(holes(&back, Interval::M1), [""; 0]);
}

#[tokio::test]
async fn longer_candles_are_made_of_shorter_ones_while_the_provider_is_away() {
    let provider = Provider::default();
    let candles = provider.start().await;
    page(&candles, 500, None).await;
    provider.go_away(true);
    let quarters = of(&candles, Interval::M15, 100, None).await;
    assert!(quarters.stale);
    // 500 minutes are 34 quarters and the end of another, which is left out.
    assert_eq!(quarters.candles.len(), 34);
    assert_eq!(holes(&quarters, Interval::M15), [""; 0]);
    assert_eq!(
        prices(&quarters.candles[0]),
        ["1.10000", "1.20000", "1.00000", "1.15000"]
    );
}

#[tokio::test]
async fn nothing_known_and_nobody_there_is_an_error_and_our_own_candles_are_something() {
    let provider = Provider::default();
    provider.go_away(true);
    let candles = provider.start().await;
    let refused = candles.page(euro(), Interval::M1, 10, None).await;
    assert!(
        matches!(&refused, Err(RelayError::NoCandles(why)) if why.contains("code 500")),
        "{refused:?}"
    );
    candles.quote(&quote("1.3", provider.now()));
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

#[tokio::test]
async fn the_table_answers_for_the_past_and_for_another_node_of_the_same_minute() {
    let (provider, table) = (Provider::default(), Arc::new(Table::default()));
    let one = provider.start_over(Some(table.clone())).await;
    let two = provider.start_over(Some(table.clone())).await;
    let before = at("2025-12-01T00:00:00Z");
    let older = page(&one, 100, Some(before)).await;
    let newest = page(&one, 100, None).await;
    assert_eq!(provider.fetches(), 2);
    assert_eq!(page(&two, 100, Some(before)).await, older);
    assert_eq!(page(&two, 100, None).await, newest);
    assert_eq!(provider.fetches(), 2);
    // One that has just started has not heard what happened before, and asks.
    provider.wait(1);
    let late = provider.start_over(Some(table)).await;
    assert_eq!(page(&late, 100, Some(before)).await, older);
    page(&late, 100, None).await;
    assert_eq!(provider.fetches(), 3);
}

#[tokio::test]
async fn the_table_answers_when_the_provider_is_away_after_a_restart() {
    let (provider, table) = (Provider::default(), Arc::new(Table::default()));
    let first = provider.start_over(Some(table.clone())).await;
    let history = page(&first, 500, None).await;
    provider.go_away(true);
    provider.wait(600);
    let again = provider.start_over(Some(table)).await;
    let stale = page(&again, 500, None).await;
    assert!(stale.stale);
    assert_eq!(stale.candles, history.candles);
    let made = of(&again, Interval::M5, 50, None).await;
    assert!(made.stale && made.candles.len() == 50);
}

#[tokio::test]
async fn where_trading_hours_count_the_weekend_has_no_candles() {
    let provider = Provider::default();
    let clock = provider.clone();
    let always = provider.start().await;
    let inner = Arc::try_unwrap(always.inner).ok().unwrap();
    let loader = Loader {
        sessions: SessionRule::Terms,
        ..inner.loader
    };
    let candles = Candles {
        inner: Arc::new(Inner {
            sessions: SessionRule::Terms,
            loader,
            ..inner
        }),
    };
    // Saturday noon.
    clock.wait(86_400);
    candles.quote(&quote("1.30000", clock.now()));
    let page = of(&candles, Interval::H1, 40, None).await;
    let newest = page.candles.last().unwrap().time;
    assert_eq!(
        newest,
        at("2026-01-16T21:00:00Z"),
        "the week ends at 22:00 UTC in winter"
    );
    // Sunday night: the week has begun an hour ago, at 17:00 New York.
    clock.wait(130_000);
    assert!(clock.now() > at("2026-01-18T23:00:00Z"));
    candles.quote(&quote("1.30000", clock.now()));
    let page = of(&candles, Interval::H1, 40, None).await;
    let times: Vec<_> = page
        .candles
        .iter()
        .rev()
        .take(4)
        .map(|it| it.time)
        .collect();
    let expected = [
        "2026-01-19T00:00:00Z",
        "2026-01-18T23:00:00Z",
        "2026-01-18T22:00:00Z",
        "2026-01-16T21:00:00Z",
    ];
    assert_eq!(times, expected.map(at));
}
