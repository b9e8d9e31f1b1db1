//! Aligned columns for people.

use crate::out;
use std::fmt::Write as _;

/// Rows under headings. Columns that hold numbers alone are aligned to the right.
pub struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(headings: &[&'static str]) -> Self {
        Self {
            headings: headings.to_vec(),
            rows: Vec::new(),
        }
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<String> = cells.into_iter().collect();
        assert_eq!(
            cells.len(),
            self.headings.len(),
            "Invariant: a cell for each column"
        );
        self.rows.push(cells);
    }

    pub fn print(&self) {
        out::text(&self.render());
    }

    /// The table as text.
    pub fn render(&self) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            cells
                .chain([self.headings[column].len()])
                .max()
                .unwrap_or(0)
        };
        let numeric = |column: usize| {
            let number = |text: &str| text.parse::<daybook_domain::Decimal>().is_ok();
            !self.rows.is_empty() && self.rows.iter().all(|row| number(&row[column]))
        };
        let columns: Vec<(usize, bool)> = (0..self.headings.len())
            .map(|column| (width(column), numeric(column)))
            .collect();
        let mut text = String::new();
        let headings: Vec<String> = self.headings.iter().map(ToString::to_string).collect();
        for row in std::iter::once(&headings).chain(&self.rows) {
            let mut line = String::new();
            for (cell, (width, right)) in row.iter().zip(&columns) {
                if *right {
                    let _ = write!(line, "{cell:>width$}  ");
                } else {
                    let _ = write!(line, "{cell:<width$}  ");
                }
            }
            let _ = writeln!(text, "{}", line.trim_end());
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_numbers_stand_to_the_right() {
        let mut table = Table::new(&["NAME", "LAG"]);
        table.row(["accounts".to_owned(), "0".to_owned()]);
        table.row(["journal".to_owned(), "1200".to_owned()]);
        assert_eq!(
            table.render(),
            "NAME       LAG\naccounts     0\njournal   1200\n"
        );
    }
}
