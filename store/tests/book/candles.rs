//! Candles kept beside the book.

use chrono::{DateTime, TimeDelta, Utc};
use daybook_store::{CandleRow, CandleTable, KeepCandles, KeptCandles};

use crate::support::Node;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// A candle each minute from `from` on, `count` of them, at this price.
fn minutes(from: &str, count: i64, price: &str) -> Vec<CandleRow> {
    let price = price.parse().unwrap();
    let row = |minute| CandleRow {
        time: at(from) + TimeDelta::minutes(minute),
        open: price,
        high: price,
        low: price,
        close: price,
        volume: 0.into(),
    };
    (0..count).map(row).collect()
}

fn keep(rows: Vec<CandleRow>, from: Option<&str>, until: &str, newest: bool) -> KeepCandles {
    KeepCandles {
        rows,
        covered: (from.map(at), at(until)),
        newest_at: newest.then(|| at(until)),
    }
}

#[tokio::test]
async fn candles_come_back_as_they_were_kept_and_newer_ones_replace_them() {
    let node = Node::start().await;
    let table = CandleTable::new(&node.store, "one");
    let load = async |before: Option<&str>, limit| {
        let before = before.map(at);
        table.load("EURUSD", "1m", before, limit).await.unwrap()
    };
    assert_eq!(load(None, 10).await, KeptCandles::default());
    let rows = minutes("2026-01-16T12:00:00Z", 5, "1.10500");
    let from = Some("2026-01-16T12:00:00Z");
    let first = keep(rows.clone(), from, "2026-01-16T12:04:00Z", true);
    table.save("EURUSD", "1m", first).await.unwrap();
    let kept = load(None, 3).await;
    assert_eq!(kept.rows, rows[2..]);
    assert_eq!(kept.rows[0].open.to_string(), "1.10500");
    assert_eq!(kept.newest_at, Some(at("2026-01-16T12:04:00Z")));
    assert_eq!(kept.complete_from, Some(Some(rows[0].time)));
    // The one that ran is over now.
    let over = minutes("2026-01-16T12:04:00Z", 2, "1.20000");
    let from = Some("2026-01-16T12:04:00Z");
    let next = keep(over.clone(), from, "2026-01-16T12:05:00Z", true);
    table.save("EURUSD", "1m", next).await.unwrap();
    let kept = load(None, 10).await;
    assert_eq!(kept.rows, [&rows[..4], &over].concat());
    assert_eq!(
        kept.complete_from,
        Some(Some(rows[0].time)),
        "what touches is one range"
    );
    for (source, symbol, interval) in [
        ("two", "EURUSD", "1m"),
        ("one", "GBPUSD", "1m"),
        ("one", "EURUSD", "5m"),
    ] {
        let other = CandleTable::new(&node.store, source);
        let other = other.load(symbol, interval, None, 10).await.unwrap();
        assert_eq!(other, KeptCandles::default());
    }
}

#[tokio::test]
async fn what_is_missing_between_two_ranges_is_known_until_it_is_filled() {
    let node = Node::start().await;
    let table = CandleTable::new(&node.store, "one");
    let complete_from = async |before: &str| {
        let kept = table
            .load("EURUSD", "1m", Some(at(before)), 500)
            .await
            .unwrap();
        kept.complete_from
    };
    let early = minutes("2026-01-16T10:00:00Z", 60, "1");
    table
        .save(
            "EURUSD",
            "1m",
            keep(early, None, "2026-01-16T11:00:00Z", false),
        )
        .await
        .unwrap();
    let late = minutes("2026-01-16T12:00:00Z", 60, "2");
    let from = Some("2026-01-16T12:00:00Z");
    table
        .save(
            "EURUSD",
            "1m",
            keep(late, from, "2026-01-16T13:00:00Z", true),
        )
        .await
        .unwrap();
    assert_eq!(complete_from("2026-01-16T11:00:00Z").await, Some(None));
    assert_eq!(complete_from("2026-01-16T12:00:00Z").await, None);
    assert_eq!(
        complete_from("2026-01-16T12:30:00Z").await,
        Some(from.map(at))
    );
    let between = minutes("2026-01-16T11:00:00Z", 60, "3");
    let from = Some("2026-01-16T11:00:00Z");
    let filling = keep(between, from, "2026-01-16T12:00:00Z", false);
    table.save("EURUSD", "1m", filling).await.unwrap();
    assert_eq!(complete_from("2026-01-16T12:30:00Z").await, Some(None));
    let all = table.load("EURUSD", "1m", None, 500).await.unwrap();
    assert_eq!(all.rows.len(), 180);
    assert_eq!(
        all.newest_at,
        Some(at("2026-01-16T13:00:00Z")),
        "older candles leave it alone"
    );
    // An answer without candles covers too, and an empty range does no harm.
    let nothing = keep(
        Vec::new(),
        Some("2026-01-16T15:00:00Z"),
        "2026-01-16T14:00:00Z",
        false,
    );
    table.save("EURUSD", "1m", nothing).await.unwrap();
}

#[tokio::test]
async fn what_is_too_old_is_deleted_and_known_to_be_missing() {
    let node = Node::start().await;
    let [one, two] = ["one", "two"].map(|source| CandleTable::new(&node.store, source));
    let rows = minutes("2026-01-16T10:00:00Z", 180, "1");
    for table in [&one, &two] {
        let whole = keep(rows.clone(), None, "2026-01-16T13:00:00Z", true);
        table.save("EURUSD", "1m", whole.clone()).await.unwrap();
        table.save("EURUSD", "5m", whole).await.unwrap();
    }
    let gone = keep(
        minutes("2026-01-10T10:00:00Z", 5, "1"),
        None,
        "2026-01-10T10:05:00Z",
        true,
    );
    one.save("GBPUSD", "1m", gone).await.unwrap();

    let before = at("2026-01-16T12:00:00Z");
    let deleted = CandleTable::prune(&node.store, "1m", before).await;
    assert_eq!(deleted.unwrap(), 120 + 120 + 5);
    for table in [&one, &two] {
        let kept = table.load("EURUSD", "1m", None, 500).await.unwrap();
        assert_eq!(kept.rows, rows[120..]);
        assert_eq!(kept.complete_from, Some(Some(before)));
        assert_eq!(kept.newest_at, Some(at("2026-01-16T13:00:00Z")));
        let longer = table.load("EURUSD", "5m", None, 500).await.unwrap();
        assert_eq!((longer.rows.len(), longer.complete_from), (180, Some(None)));
    }
    let nothing = one.load("GBPUSD", "1m", None, 500).await.unwrap();
    assert_eq!(nothing, KeptCandles::default());
    let again = CandleTable::prune(&node.store, "1m", before).await;
    assert_eq!(again.unwrap(), 0);

    // What is fetched again later is kept again.
    let early = minutes("2026-01-16T11:00:00Z", 60, "1");
    let from = Some("2026-01-16T11:00:00Z");
    one.save(
        "EURUSD",
        "1m",
        keep(early, from, "2026-01-16T12:00:00Z", false),
    )
    .await
    .unwrap();
    let kept = one.load("EURUSD", "1m", None, 500).await.unwrap();
    assert_eq!(
        (kept.rows.len(), kept.complete_from),
        (120, Some(from.map(at)))
    );
}
