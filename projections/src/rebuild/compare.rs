//! Compares two generations row by row, by primary key, to the last digit.

use serde_json::Value;
use sqlx::{PgConnection, Row};

use crate::{
    admin::{RowDifference, TableDifferences},
    error::AdminError,
};

/// Differing rows shown of each table.
const SAMPLES: i64 = 10;

/// Where the two stand.
pub(crate) struct Schemas {
    pub(crate) live: String,
    pub(crate) built: String,
}

/// Compares every table of the built generation, those that readers do not see included.
pub(crate) async fn tables(
    connection: &mut PgConnection,
    schemas: &Schemas,
) -> Result<Vec<TableDifferences>, AdminError> {
    let query = "select tablename::text from pg_tables where schemaname = $1 order by 1";
    let tables: Vec<String> = sqlx::query_scalar(query)
        .bind(&schemas.built)
        .fetch_all(&mut *connection)
        .await?;
    let mut compared = Vec::with_capacity(tables.len());
    for table in &tables {
        let key = primary_key(connection, &schemas.built, table).await?;
        let join = Join::of(schemas, table, &key);
        compared.push(compare(connection, table, &join).await?);
    }
    Ok(compared)
}

async fn primary_key(
    connection: &mut PgConnection,
    schema: &str,
    table: &str,
) -> Result<Vec<String>, AdminError> {
    let query = "select a.attname::text
                 from pg_index i
                 cross join unnest(i.indkey) with ordinality as k (attnum, place)
                 join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
                 where i.indrelid = $1::regclass and i.indisprimary
                 order by k.place";
    let key: Vec<String> = sqlx::query_scalar(query)
        .bind(format!("{schema}.{table}"))
        .fetch_all(connection)
        .await?;
    assert!(
        !key.is_empty(),
        "invariant: every table of a projection has a primary key"
    );
    Ok(key)
}

/// Pieces of the queries that pair the rows of both tables.
struct Join {
    from: String,
    order: String,
    key: String,
    missing: String,
    extra: String,
}

impl Join {
    fn of(schemas: &Schemas, table: &str, key: &[String]) -> Self {
        let Schemas { live, built } = schemas;
        let each = |piece: fn(&str) -> String, separator: &str| {
            let pieces: Vec<String> = key.iter().map(|column| piece(column)).collect();
            pieces.join(separator)
        };
        let on = each(
            |column| format!("live_row.{column} = built_row.{column}"),
            " and ",
        );
        let first = &key[0];
        Self {
            from: format!("{live}.{table} live_row full join {built}.{table} built_row on {on}"),
            order: each(|c| format!("coalesce(live_row.{c}, built_row.{c})"), ", "),
            key: each(
                |c| format!("'{c}', coalesce(live_row.{c}, built_row.{c})"),
                ", ",
            ),
            missing: format!("live_row.{first} is null"),
            extra: format!("built_row.{first} is null"),
        }
    }
}

/// Rows are compared as text: `1.0` and `1.00` are the same number, but not the same row.
const DIFFERENT: &str = "live_row::text <> built_row::text";

async fn compare(
    connection: &mut PgConnection,
    table: &str,
    join: &Join,
) -> Result<TableDifferences, AdminError> {
    let Join {
        from,
        missing,
        extra,
        ..
    } = join;
    let count = format!(
        "select count(*) filter (where not {extra}) as rows,
                count(*) filter (where {missing}) as missing,
                count(*) filter (where {extra}) as extra,
                count(*) filter (where not {missing} and not {extra} and {DIFFERENT}) as different
         from {from}"
    );
    let row = sqlx::query(&count).fetch_one(&mut *connection).await?;
    let mut found = TableDifferences {
        table: table.to_owned(),
        rows: row.try_get("rows")?,
        missing: row.try_get("missing")?,
        extra: row.try_get("extra")?,
        different: row.try_get("different")?,
        samples: Vec::new(),
    };
    if !found.is_empty() {
        found.samples = samples(connection, join).await?;
    }
    Ok(found)
}

async fn samples(
    connection: &mut PgConnection,
    join: &Join,
) -> Result<Vec<RowDifference>, AdminError> {
    let Join {
        from,
        order,
        key,
        missing,
        extra,
    } = join;
    let query = format!(
        "select jsonb_build_object({key}) as key,
                case when not {missing} then to_jsonb(live_row) end as live,
                case when not {extra} then to_jsonb(built_row) end as built
         from {from}
         where {missing} or {extra} or {DIFFERENT}
         order by {order}
         limit {SAMPLES}"
    );
    let rows = sqlx::query(&query).fetch_all(connection).await?;
    let samples = rows.iter().map(|row| {
        Ok(RowDifference {
            key: row.try_get("key")?,
            live: row.try_get::<Option<Value>, _>("live")?,
            rebuilt: row.try_get::<Option<Value>, _>("built")?,
        })
    });
    Ok(samples.collect::<Result<Vec<_>, sqlx::Error>>()?)
}
