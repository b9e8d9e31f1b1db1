//! Recorded market data, cut for a test.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::binary::repository;

/// Path of a recorded file beside the repository; none (and a note) when it is not there.
#[must_use]
pub fn recorded(name: &str) -> Option<PathBuf> {
    let path = repository().parent()?.join("shared/data/market").join(name);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is absent", path.display());
    None
}

/// Writes the ticks of `from..to` (UTC milliseconds) to `target`, and returns how many they are.
///
/// # Panics
/// When a file cannot be read or written.
pub fn cut(source: &Path, target: &Path, from_ms: i64, to_ms: i64) -> usize {
    let all = fs::read_to_string(source).expect("recorded ticks are readable");
    let (head, rows) = all
        .split_once('\n')
        .expect("a first line names the columns");
    let within = |row: &&str| {
        let at: Option<i64> = row.split(',').next().and_then(|ms| ms.parse().ok());
        at.is_some_and(|ms| (from_ms..to_ms).contains(&ms))
    };
    let chosen: Vec<_> = rows.lines().filter(within).collect();
    let text = format!("{head}\n{}\n", chosen.join("\n"));
    fs::write(target, text).expect("the cut can be written");
    chosen.len()
}

/// Writes ticks of a price that stands still for a while, one every 200 ms.
///
/// # Panics
/// When the file cannot be written.
pub fn steady(target: &Path, symbol: &str, bid: &str, ask: &str, seconds: i64) {
    let rows: String = (0..seconds * 5)
        .map(|tick| format!("{},{symbol},{bid},{ask}\n", 1_399_033_000_000 + tick * 200))
        .collect();
    let text = format!("timestamp_ms_utc,symbol,bid,ask\n{rows}");
    fs::write(target, text).expect("the ticks can be written");
}
