//! Recorded market days through simulator and feed: every tick, in order, to the last digit.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{io::Write as _, path::Path, time::Instant};

use daybook_domain::Decimal;
use daybook_relay::{Feed, Hub, Simulator, SimulatorConfig};
use support::{TestFile, feed_of, market_data, next_quote, simulator_config};

const EURUSD: &str = "eurusd_ticks_20140501_06_oanda.csv";
const NZDUSD: &str = "nzdusd_ticks_20140501_06_oanda.csv";

/// The half hour around the US employment report of 2014-05-02 12:30:01 UTC.
const REPORT_MS: std::ops::Range<i64> = 1_399_033_200_000..1_399_035_000_000;

/// Symbol, bid and ask of each line within a time, in the order of the file.
fn cut(path: &Path, within: &std::ops::Range<i64>) -> Vec<(i64, String)> {
    let text = std::fs::read_to_string(path).unwrap();
    let line = |line: &str| {
        let (time, tick) = line.split_once(',').unwrap();
        (time.parse().unwrap(), tick.to_owned())
    };
    let lines = text.lines().skip(1).map(line);
    lines.filter(|(time, _)| within.contains(time)).collect()
}

fn file_of(name: &str, ticks: &[(i64, String)]) -> TestFile {
    let mut text = b"timestamp_ms_utc,symbol,bid,ask\n".to_vec();
    for (time, tick) in ticks {
        writeln!(text, "{time},{tick}").unwrap();
    }
    TestFile::new(name, std::str::from_utf8(&text).unwrap())
}

/// Plays files of ticks at high speed and gives what comes out of the feed.
async fn played(files: &[TestFile], names: &[&str], count: usize) -> Vec<String> {
    let config = SimulatorConfig {
        ticks: files.iter().map(|file| file.0.clone()).collect(),
        speed: Decimal::from(2_000),
        ..simulator_config()
    };
    let simulator = Simulator::start(config).await.unwrap();
    let (feed, mut quotes) = Feed::start(feed_of(&simulator, names), Hub::new());
    let begun = Instant::now();
    let mut seen = Vec::with_capacity(count);
    let mut newest = None;
    for _ in 0..count {
        let quote = next_quote(&mut quotes).await;
        assert!(newest <= Some(quote.at), "time went back");
        newest = Some(quote.at);
        seen.push(format!("{},{},{}", quote.symbol, quote.bid, quote.ask));
    }
    eprintln!("{count} ticks in {:?}", begun.elapsed());
    feed.stop().await;
    simulator.stop().await;
    seen
}

fn assert_same(seen: &[String], expected: &[String]) {
    let differs = seen
        .iter()
        .zip(expected)
        .position(|(seen, expected)| seen != expected);
    if let Some(index) = differs {
        panic!(
            "tick {index}: {} instead of {}",
            seen[index], expected[index]
        );
    }
    assert_eq!(seen.len(), expected.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_employment_report_arrives_tick_by_tick() {
    let Some(path) = market_data(EURUSD) else {
        return;
    };
    let ticks = cut(&path, &REPORT_MS);
    assert!(ticks.len() > 3_000, "{}", ticks.len());
    assert!(
        ticks.windows(2).any(|pair| pair[0].0 == pair[1].0),
        "no shared millisecond"
    );
    let file = file_of("report.csv", &ticks);
    let expected: Vec<_> = ticks.into_iter().map(|(_, tick)| tick).collect();
    let seen = played(&[file], &["EURUSD"], expected.len()).await;
    assert_same(&seen, &expected);
    // The gap: nothing was traded between these two.
    let gap = ["EURUSD,1.38467,1.38617", "EURUSD,1.38258,1.38408"];
    assert!(seen.windows(2).any(|pair| pair == gap));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_recordings_are_merged_by_time() {
    let Some((euro, kiwi)) = market_data(EURUSD).zip(market_data(NZDUSD)) else {
        return;
    };
    let parts = [euro, kiwi].map(|path| cut(&path, &REPORT_MS));
    let files = [
        file_of("euro.csv", &parts[0]),
        file_of("kiwi.csv", &parts[1]),
    ];
    let mut expected = parts.concat();
    expected.sort_by_key(|(time, _)| *time);
    let expected: Vec<_> = expected.into_iter().map(|(_, tick)| tick).collect();
    let seen = played(&files, &["EURUSD", "NZDUSD"], expected.len()).await;
    assert_same(&seen, &expected);
}
