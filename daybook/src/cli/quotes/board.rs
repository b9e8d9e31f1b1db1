//! The table: the newest quote of each symbol, redrawn in place.

use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat, Utc};
use daybook_domain::Decimal;
use serde::Deserialize;

use crate::{cli::table::Table, out};

/// Older quotes may not be dealt on, as the house rule is unless it is configured otherwise.
const STALE_AFTER_SEC: i64 = 10;

/// A message of the stream.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Said {
    Quote(Quote),
    Status {
        feed: String,
    },
    Error {
        code: String,
        symbol: Option<String>,
    },
    #[serde(other)]
    Other,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Quote {
    symbol: String,
    bid: Decimal,
    ask: Decimal,
    time: DateTime<Utc>,
}

impl Said {
    /// What a reader of lines should know beside the quotes.
    pub(super) fn note(&self) -> Option<String> {
        match self {
            Self::Status { feed } => Some(format!("feed: {feed}")),
            Self::Error { code, symbol } => {
                let symbol = symbol.as_deref().unwrap_or_default();
                Some(format!("{code} {symbol}").trim_end().to_owned())
            }
            Self::Quote(_) | Self::Other => None,
        }
    }
}

impl Quote {
    /// One line: time, symbol, bid, ask.
    pub(super) fn line(&self) -> String {
        let time = self.time.to_rfc3339_opts(SecondsFormat::Millis, true);
        format!("{time} {} {} {}\n", self.symbol, self.bid, self.ask)
    }
}

/// What is shown.
pub(super) struct Board {
    server: String,
    rows: Vec<Row>,
    feed: Option<String>,
    trouble: Option<String>,
    /// Lines of the last drawing, which the next one replaces.
    drawn: usize,
}

struct Row {
    symbol: String,
    quote: Option<Quote>,
    moved: &'static str,
    unknown: bool,
}

impl Board {
    pub(super) fn new(server: String, symbols: &[String]) -> Self {
        let mut rows: Vec<Row> = Vec::new();
        for symbol in symbols.iter().map(|symbol| symbol.to_uppercase()) {
            if rows.iter().all(|row| row.symbol != symbol) {
                rows.push(Row {
                    symbol,
                    quote: None,
                    moved: "",
                    unknown: false,
                });
            }
        }
        Self {
            server,
            rows,
            feed: None,
            trouble: None,
            drawn: 0,
        }
    }

    pub(super) fn take(&mut self, said: Said) {
        self.trouble = None;
        match said {
            Said::Quote(quote) => {
                let row = self.rows.iter_mut().find(|row| row.symbol == quote.symbol);
                if let Some(row) = row {
                    row.take(quote);
                }
            }
            Said::Status { feed } => self.feed = Some(feed),
            Said::Error { symbol, .. } => {
                let named = |row: &&mut Row| Some(&row.symbol) == symbol.as_ref();
                if let Some(row) = self.rows.iter_mut().find(named) {
                    row.unknown = true;
                }
            }
            Said::Other => {}
        }
    }

    pub(super) fn trouble(&mut self, text: &str) {
        self.trouble = Some(text.to_owned());
    }

    /// Draws over what was drawn before.
    pub(super) fn draw(&mut self) {
        let text = self.render(Utc::now());
        // A line that the terminal broke would be two when it is drawn over.
        let mut drawing = String::from("\x1b[?7l");
        if self.drawn > 0 {
            let _ = write!(drawing, "\x1b[{}A", self.drawn);
        }
        for line in text.lines() {
            let _ = writeln!(drawing, "\r{line}\x1b[K");
        }
        drawing.push_str("\x1b[J\x1b[?7h");
        self.drawn = text.lines().count();
        out::text(&drawing);
    }

    fn render(&self, now: DateTime<Utc>) -> String {
        let mut table = Table::new(&["SYMBOL", "BID", "ASK", "SPREAD", "", "TIME (UTC)", "AGE"]);
        for row in &self.rows {
            table.row(row.cells(now));
        }
        let mut text = table.render();
        let feed = self.feed.as_deref().unwrap_or("not known yet");
        let _ = writeln!(text, "\nfeed: {feed}   {}   Ctrl-C ends", self.server);
        if let Some(trouble) = &self.trouble {
            let _ = writeln!(text, "{trouble}");
        }
        text
    }
}

impl Row {
    fn take(&mut self, quote: Quote) {
        if let Some(last) = &self.quote {
            self.moved = match quote.bid.cmp(&last.bid) {
                std::cmp::Ordering::Greater => "▲",
                std::cmp::Ordering::Less => "▼",
                std::cmp::Ordering::Equal => self.moved,
            };
        }
        self.quote = Some(quote);
    }

    fn cells(&self, now: DateTime<Utc>) -> [String; 7] {
        let Some(quote) = &self.quote else {
            let why = if self.unknown { "unknown" } else { "no quote" };
            let mut cells = [const { String::new() }; 7];
            cells[0].clone_from(&self.symbol);
            cells[6] = why.to_owned();
            return cells;
        };
        let age = (now - quote.time).num_seconds().max(0);
        let stale = if age > STALE_AFTER_SEC { " stale" } else { "" };
        [
            self.symbol.clone(),
            quote.bid.to_string(),
            quote.ask.to_string(),
            (quote.ask - quote.bid).to_string(),
            self.moved.to_owned(),
            quote.time.format("%H:%M:%S%.3f").to_string(),
            format!("{age} s{stale}"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Said {
        serde_json::from_str(text).unwrap()
    }

    fn quote(bid: &str, second: u32) -> Said {
        said(&format!(
            r#"{{"type":"quote","symbol":"EURUSD","bid":"{bid}","ask":"1.10010","time":"2026-01-16T12:00:{second:02}.500Z","seq":7}}"#
        ))
    }

    #[test]
    fn the_table_shows_the_newest_quote_how_it_moved_and_how_old_it_is() {
        let symbols = ["eurusd", "XAUUSD", "NOSUCH", "EURUSD"].map(str::to_owned);
        let mut board = Board::new("http://127.0.0.1:8080".into(), &symbols);
        board.take(said(r#"{"type":"status","feed":"live"}"#));
        board.take(said(
            r#"{"type":"error","code":"unknown_symbol","symbol":"NOSUCH"}"#,
        ));
        board.take(quote("1.10000", 0));
        board.take(quote("1.10002", 1));
        let now = "2026-01-16T12:00:03Z".parse().unwrap();
        let expected = "\
SYMBOL  BID      ASK      SPREAD      TIME (UTC)    AGE
EURUSD  1.10002  1.10010  0.00008  ▲  12:00:01.500  1 s
XAUUSD                                              no quote
NOSUCH                                              unknown

feed: live   http://127.0.0.1:8080   Ctrl-C ends
";
        assert_eq!(board.render(now), expected);
        let later = "2026-01-16T12:00:30Z".parse().unwrap();
        assert!(board.render(later).contains("28 s stale"));
    }

    #[test]
    fn a_line_is_for_machines_that_read_lines() {
        let Said::Quote(quote) = quote("1.10000", 0) else {
            panic!("a quote");
        };
        assert_eq!(
            quote.line(),
            "2026-01-16T12:00:00.500Z EURUSD 1.10000 1.10010\n"
        );
        assert!(matches!(said(r#"{"type":"news"}"#), Said::Other));
    }
}
