//! Keyset pages: newest first, stable under inserts.
//!
//! Every listed row was born at a position of the book that no other row of its table shares, so
//! "older than that position" is all that a cursor needs to say.

use std::{fmt, str::FromStr};

use daybook_domain::{Symbol, Timestamp};

/// Where a page ended. Opaque to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor(pub(crate) i64);

/// The text is not one of our cursors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor")]
pub struct CursorError;

const PREFIX: &str = "c1";

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{:x}", self.0)
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix(PREFIX).ok_or(CursorError)?;
        if digits.starts_with(['+', '-']) {
            return Err(CursorError);
        }
        i64::from_str_radix(digits, 16)
            .map(Self)
            .map_err(|_| CursorError)
    }
}

/// Which page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Rows at most.
    pub limit: i64,
    /// Where the page before ended; none: the first page.
    pub cursor: Option<Cursor>,
}

impl Page {
    /// One row more than asked for tells whether there is another page.
    #[must_use]
    pub const fn one_more(self) -> i64 {
        self.limit.saturating_add(1)
    }

    /// Rows born before this position, or sequence.
    #[must_use]
    pub fn before(self) -> i64 {
        self.cursor.map_or(i64::MAX, |cursor| cursor.0)
    }
}

/// One page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageOf<T> {
    /// Newest first.
    pub items: Vec<T>,
    /// Where to go on; none: this was the last page.
    pub next_cursor: Option<Cursor>,
}

impl<T> PageOf<T> {
    /// Cuts a page from up to `limit + 1` rows with the positions they were born at.
    #[must_use]
    pub fn cut(mut rows: Vec<(i64, T)>, limit: i64) -> Self {
        let limit = usize::try_from(limit.max(0)).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = rows.last().filter(|_| more).map(|(born, _)| Cursor(*born));
        let items = rows.into_iter().map(|(_, item)| item).collect();
        Self { items, next_cursor }
    }
}

/// Which deals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DealFilter {
    /// From this instant on.
    pub from: Option<Timestamp>,
    /// Before this instant.
    pub to: Option<Timestamp>,
    /// Of this instrument.
    pub symbol: Option<Symbol>,
}

#[cfg(test)]
mod tests {
    use super::{Cursor, PageOf};

    #[test]
    fn a_cursor_reads_back_what_it_wrote() {
        for position in [0, 1, 42, i64::MAX] {
            let text = Cursor(position).to_string();
            assert_eq!(text.parse(), Ok(Cursor(position)));
        }
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        for text in ["", "c1", "42", "c1-1", "c1+1", "c1zz", "c1ffffffffffffffff"] {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_page_says_where_to_go_on_only_when_there_is_more() {
        let rows = vec![(9, 'a'), (7, 'b'), (4, 'c')];
        let page = PageOf::cut(rows.clone(), 2);
        assert_eq!(
            (page.items, page.next_cursor),
            (vec!['a', 'b'], Some(Cursor(7)))
        );
        let page = PageOf::cut(rows, 3);
        assert_eq!((page.items.len(), page.next_cursor), (3, None));
    }
}
