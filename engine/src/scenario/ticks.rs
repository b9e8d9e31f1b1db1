//! Recorded ticks: CSV files `timestamp_ms_utc,symbol,bid,ask`, merged by time. Within a file their
//! order stays: what comes out of order is the feed filter's business.

use std::{fs, path::Path};

use daybook_domain::{Quote, Symbol, Timestamp, quote::QuoteSource};

use super::{ScenarioError, number};

/// Reads the files and merges them; of equal times the earlier file's comes first.
///
/// # Errors
/// [`ScenarioError`] names the file and the line.
pub(super) fn read(paths: &[impl AsRef<Path>]) -> Result<Vec<Quote>, ScenarioError> {
    let files: Result<Vec<Vec<Quote>>, _> =
        paths.iter().map(|path| read_file(path.as_ref())).collect();
    Ok(merge(files?))
}

fn merge(files: Vec<Vec<Quote>>) -> Vec<Quote> {
    let mut merged = Vec::with_capacity(files.iter().map(Vec::len).sum());
    let mut heads: Vec<_> = files
        .into_iter()
        .map(|file| file.into_iter().peekable())
        .collect();
    loop {
        let times = heads.iter_mut().enumerate();
        let next = times
            .filter_map(|(index, file)| Some((file.peek()?.at, index)))
            .min();
        let Some((_, index)) = next else {
            return merged;
        };
        merged.extend(heads[index].next());
    }
}

fn read_file(path: &Path) -> Result<Vec<Quote>, ScenarioError> {
    let text = fs::read_to_string(path).map_err(|source| ScenarioError::Read {
        path: path.to_owned(),
        source,
    })?;
    let mut quotes = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let is_header = index == 0 && line.starts_with(|first: char| first.is_alphabetic());
        if is_header || line.trim().is_empty() {
            continue;
        }
        let quote = parse_line(line).ok_or_else(|| ScenarioError::Tick {
            path: path.to_owned(),
            line: index + 1,
        })?;
        quotes.push(quote);
    }
    Ok(quotes)
}

fn parse_line(line: &str) -> Option<Quote> {
    let mut fields = line.trim().split(',');
    let at = Timestamp::from_timestamp_millis(fields.next()?.parse().ok()?)?;
    let quote = Quote {
        symbol: Symbol::parse(fields.next()?).ok()?,
        bid: number::parse(fields.next()?)?,
        ask: number::parse(fields.next()?)?,
        at,
        source: QuoteSource::Recorded,
    };
    fields.next().is_none().then_some(quote)
}
