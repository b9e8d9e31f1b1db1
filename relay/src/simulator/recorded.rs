//! Recorded ticks: read from files, checked, and merged by time.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
};

use daybook_domain::{Decimal, Symbol};

use crate::RelayError;

const HEADER: &str = "timestamp_ms_utc,symbol,bid,ask";

/// One recorded tick, its prices with the digits of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordedTick {
    pub at_ms: i64,
    pub symbol: Symbol,
    pub bid: Decimal,
    pub ask: Decimal,
}

/// Reads all files and merges them by time; ticks of one millisecond keep the order of the file,
/// and of the files.
///
/// # Errors
/// A file that cannot be read, a line that is not a tick, time that goes back, or a symbol that
/// `known` does not have.
pub(super) fn load(
    files: &[PathBuf],
    known: &HashMap<Symbol, u32>,
) -> Result<Vec<RecordedTick>, RelayError> {
    let mut ticks = Vec::new();
    for file in files {
        load_file(file, known, &mut ticks)?;
    }
    // Stable, which is what keeps the order within a millisecond.
    ticks.sort_by_key(|tick| tick.at_ms);
    Ok(ticks)
}

fn load_file(
    path: &Path,
    known: &HashMap<Symbol, u32>,
    ticks: &mut Vec<RecordedTick>,
) -> Result<(), RelayError> {
    let unreadable = |source| RelayError::TicksFile {
        path: path.to_owned(),
        source,
    };
    let at_line = |line: usize, problem: String| RelayError::TicksLine {
        path: path.to_owned(),
        line,
        problem,
    };
    let file = File::open(path).map_err(unreadable)?;
    let mut newest_ms = i64::MIN;
    let mut lines = 0;
    for (index, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(unreadable)?;
        let line = line.trim_end();
        lines += 1;
        if index == 0 {
            if line != HEADER {
                let problem = format!("not a file of ticks: the first line must be `{HEADER}`");
                return Err(at_line(1, problem));
            }
            continue;
        }
        let tick = parse(line, known).map_err(|problem| at_line(index + 1, problem))?;
        if tick.at_ms < newest_ms {
            return Err(at_line(
                index + 1,
                "its time is before that of the line above".into(),
            ));
        }
        newest_ms = tick.at_ms;
        ticks.push(tick);
    }
    if lines < 2 {
        return Err(at_line(lines + 1, "there are no ticks".into()));
    }
    Ok(())
}

fn parse(line: &str, known: &HashMap<Symbol, u32>) -> Result<RecordedTick, String> {
    let fields: Vec<_> = line.split(',').collect();
    let [time, symbol, bid, ask] = fields[..] else {
        return Err(format!(
            "{} fields where there should be four",
            fields.len()
        ));
    };
    let at_ms = time
        .parse()
        .map_err(|_| format!("`{time}` is not a time in milliseconds"))?;
    let symbol = Symbol::parse(symbol).map_err(|error| format!("`{symbol}`: {error}"))?;
    if !known.contains_key(&symbol) {
        return Err(format!("{symbol} is not an instrument of this house"));
    }
    let price = |text: &str| {
        let price = text.parse::<Decimal>();
        price.map_err(|_| format!("`{text}` is not a price"))
    };
    Ok(RecordedTick {
        at_ms,
        symbol,
        bid: price(bid)?,
        ask: price(ask)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct TestFile(PathBuf);

    impl TestFile {
        fn new(name: &str, text: &str) -> Self {
            let name = format!("daybook-recorded-{}-{name}.csv", std::process::id());
            let path = std::env::temp_dir().join(name);
            std::fs::write(&path, text).unwrap();
            Self(path)
        }
    }

    impl Drop for TestFile {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    fn known() -> HashMap<Symbol, u32> {
        ["EURUSD", "NZDUSD"]
            .map(|name| (Symbol::parse(name).unwrap(), 5))
            .into()
    }

    fn problem(name: &str, text: &str) -> String {
        let file = TestFile::new(name, text);
        let error = load(std::slice::from_ref(&file.0), &known())
            .unwrap_err()
            .to_string();
        let place = file.0.display().to_string();
        error.strip_prefix(&place).unwrap_or(&error).to_owned()
    }

    #[test]
    fn files_are_merged_by_time_and_keep_the_order_within_a_millisecond() {
        let euro = TestFile::new(
            "euro",
            &format!("{HEADER}\n1,EURUSD,1.10,1.2\n3,EURUSD,1.3,1.4\n3,EURUSD,1.5,1.6\n"),
        );
        let kiwi = TestFile::new(
            "kiwi",
            &format!("{HEADER}\r\n2,NZDUSD,0.1,0.2\r\n3,NZDUSD,0.3,0.4\r\n"),
        );
        let ticks = load(&[euro.0.clone(), kiwi.0.clone()], &known()).unwrap();
        let bids: Vec<_> = ticks.iter().map(|tick| tick.bid.to_string()).collect();
        assert_eq!(bids, ["1.10", "0.1", "1.3", "1.5", "0.3"]);
    }

    #[test]
    fn what_is_not_a_tick_is_named_with_its_line() {
        let body = |line: &str| format!("{HEADER}\n1,EURUSD,1.1,1.2\n{line}\n");
        assert!(problem("a", "timestamp_ms_utc,symbol,bid_open\n").starts_with(":1: not a file"));
        assert!(problem("b", &body("2,EURUSD,1.1")).starts_with(":3: 3 fields"));
        assert!(problem("c", &body("x,EURUSD,1.1,1.2")).starts_with(":3: `x` is not a time"));
        assert!(problem("d", &body("2,EURUSD,1.1,y")).starts_with(":3: `y` is not a price"));
        assert!(problem("e", &body("0,EURUSD,1.1,1.2")).starts_with(":3: its time is before"));
        assert!(problem("f", &body("2,BTCUSDT,1,2")).starts_with(":3: BTCUSDT is not an"));
        assert!(problem("g", HEADER).starts_with(":2: there are no ticks"));
        assert!(problem("h", "").starts_with(":1: there are no ticks"));
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = load(&["/nowhere/ticks.csv".into()], &known()).unwrap_err();
        assert_eq!(error.to_string(), "cannot read /nowhere/ticks.csv");
    }
}
