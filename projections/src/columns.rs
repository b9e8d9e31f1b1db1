//! Rows on their way into a table, column by column, and rows that a batch changes on their way
//! back: what every model does alike.

use std::collections::HashSet;

use sqlx::{
    Arguments as _, Encode, FromRow, PgConnection, Postgres, Type,
    postgres::{PgArguments, PgRow},
};
use uuid::Uuid;

use crate::error::ProjectionError;

/// One statement that writes all rows: an array for each column.
pub(crate) struct Columns<'r, R> {
    table: &'static str,
    rows: &'r [R],
    names: Vec<&'static str>,
    changing: Vec<&'static str>,
    arguments: PgArguments,
}

impl<'r, R> Columns<'r, R> {
    /// Of these rows, into this table.
    pub(crate) fn new(table: &'static str, rows: &'r [R]) -> Self {
        Self {
            table,
            rows,
            names: Vec::new(),
            changing: Vec::new(),
            arguments: PgArguments::default(),
        }
    }

    /// A column that stays as it was first written. The very first one is the table's key.
    pub(crate) fn fixed<T>(mut self, name: &'static str, of: impl Fn(&'r R) -> T) -> Self
    where
        Vec<T>: Encode<'r, Postgres> + Type<Postgres> + 'r,
    {
        let values: Vec<T> = self.rows.iter().map(of).collect();
        self.arguments
            .add(values)
            .expect("invariant: our columns encode");
        self.names.push(name);
        self
    }

    /// A column that a row written again changes.
    pub(crate) fn changing<T>(mut self, name: &'static str, of: impl Fn(&'r R) -> T) -> Self
    where
        Vec<T>: Encode<'r, Postgres> + Type<Postgres> + 'r,
    {
        self.changing.push(name);
        self.fixed(name, of)
    }

    /// Writes the rows; no rows, no statement. Without a column that changes, no row may be there.
    pub(crate) async fn write(self, connection: &mut PgConnection) -> Result<(), ProjectionError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let statement = self.statement();
        sqlx::query_with(&statement, self.arguments)
            .execute(connection)
            .await?;
        Ok(())
    }

    fn statement(&self) -> String {
        let (table, names) = (self.table, self.names.join(", "));
        let numbers = (1..=self.names.len()).map(|number| format!("${number}"));
        let numbers = numbers.collect::<Vec<_>>().join(", ");
        let insert = format!("insert into {table} ({names}) select * from unnest({numbers})");
        let Some(key) = self.names.first().filter(|_| !self.changing.is_empty()) else {
            return insert;
        };
        let set = self.changing.iter();
        let set = set.map(|name| format!("{name} = excluded.{name}"));
        let set = set.collect::<Vec<_>>().join(", ");
        format!("{insert} on conflict ({key}) do update set {set}")
    }
}

/// The rows of these keys, in the state that earlier batches left them in. The query has the keys
/// as its only parameter.
pub(crate) async fn kept<R>(
    connection: &mut PgConnection,
    query: &'static str,
    keys: HashSet<Uuid>,
) -> Result<Vec<R>, ProjectionError>
where
    R: for<'r> FromRow<'r, PgRow> + Send + Unpin,
{
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let keys: Vec<Uuid> = keys.into_iter().collect();
    let rows = sqlx::query_as(query).bind(keys);
    Ok(rows.fetch_all(connection).await?)
}

#[cfg(test)]
mod tests {
    use super::Columns;

    #[test]
    fn a_row_written_again_changes_its_changing_columns_alone() {
        let rows = [1_i64, 2];
        let columns = Columns::new("numbers", &rows)
            .fixed("number", |row| *row)
            .changing("square", |row| row * row);
        assert_eq!(
            columns.statement(),
            "insert into numbers (number, square) select * from unnest($1, $2) \
             on conflict (number) do update set square = excluded.square"
        );
    }

    #[test]
    fn rows_that_never_change_are_inserted() {
        let columns = Columns::new("numbers", &[1_i64]).fixed("number", |row| *row);
        assert_eq!(
            columns.statement(),
            "insert into numbers (number) select * from unnest($1)"
        );
    }
}
