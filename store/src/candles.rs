//! Candles kept beside the book: a cache of what the market data provider said, which may be
//! deleted at any time. Like every row it is text, times and numbers here; what a candle means is
//! known elsewhere.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use sqlx::PgPool;

use crate::{Store, error::StoreError};

/// The candles of one source. Cheap to clone.
#[derive(Clone)]
pub struct CandleTable {
    pool: PgPool,
    source: String,
}

/// One candle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct CandleRow {
    /// Where it starts.
    pub time: DateTime<Utc>,
    /// First price.
    pub open: Decimal,
    /// Highest price.
    pub high: Decimal,
    /// Lowest price.
    pub low: Decimal,
    /// Last price.
    pub close: Decimal,
    /// Volume.
    pub volume: Decimal,
}

/// Candles to keep.
#[derive(Clone, Debug)]
pub struct KeepCandles {
    /// By ascending time.
    pub rows: Vec<CandleRow>,
    /// Between these there are no others; without a start: none before either.
    pub covered: (Option<DateTime<Utc>>, DateTime<Utc>),
    /// When the newest ones were fetched; none where these are older.
    pub newest_at: Option<DateTime<Utc>>,
}

/// Candles that were kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptCandles {
    /// By ascending time.
    pub rows: Vec<CandleRow>,
    /// How far back nothing is missing; `Some(None)`: to the beginning; none: nothing is known.
    pub complete_from: Option<Option<DateTime<Utc>>>,
    /// When the newest ones were fetched.
    pub newest_at: Option<DateTime<Utc>>,
}

impl CandleTable {
    /// The candles of `source` in the book's database.
    #[must_use]
    pub fn new(store: &Store, source: impl Into<String>) -> Self {
        Self {
            pool: store.pool().clone(),
            source: source.into(),
        }
    }

    /// The newest `limit` that start before `before`, or the newest of all.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn load(
        &self,
        symbol: &str,
        interval: &str,
        before: Option<DateTime<Utc>>,
        limit: i64,
    ) -> Result<KeptCandles, StoreError> {
        // The range that reaches up to `before`, or the one that reaches furthest.
        let sql = r#"
            select s.newest_at, r is not null, lower(r)
            from public.candle_series s
            left join lateral (
                select r from unnest(s.covered) r
                where case when $4::timestamptz is null then upper(r) = upper(s.covered)
                      else r @> ($4::timestamptz - interval '1 microsecond') end
            ) reach on true
            where s.source = $1 and s.symbol = $2 and s."interval" = $3"#;
        type Series = (Option<DateTime<Utc>>, bool, Option<DateTime<Utc>>);
        let series: Option<Series> = sqlx::query_as(sql)
            .bind(&self.source)
            .bind(symbol)
            .bind(interval)
            .bind(before)
            .fetch_optional(&self.pool)
            .await?;
        let Some((newest_at, reaches, from)) = series else {
            return Ok(KeptCandles::default());
        };
        let sql = r#"
            select time, open, high, low, close, volume from public.candles
            where source = $1 and symbol = $2 and "interval" = $3
              and time < coalesce($4, 'infinity'::timestamptz)
            order by time desc limit $5"#;
        let mut rows: Vec<CandleRow> = sqlx::query_as(sql)
            .bind(&self.source)
            .bind(symbol)
            .bind(interval)
            .bind(before)
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        rows.reverse();
        Ok(KeptCandles {
            rows,
            complete_from: reaches.then_some(from),
            newest_at,
        })
    }

    /// Deletes what is older than it is worth keeping: candles of `interval` that start before
    /// `before`, of every source and symbol. What is left is known to begin there. Returns how many
    /// candles were deleted.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn prune(
        store: &Store,
        interval: &str,
        before: DateTime<Utc>,
    ) -> Result<u64, StoreError> {
        // A series of which nothing is covered may have its last, running candle still.
        let sql = r#"
            select source, symbol from public.candle_series
            where "interval" = $1
              and (isempty(covered) or not covered <@ tstzmultirange(tstzrange($2, null)))
            order by source, symbol"#;
        let series: Vec<(String, String)> = sqlx::query_as(sql)
            .bind(interval)
            .bind(before)
            .fetch_all(store.pool())
            .await?;
        let mut deleted = 0;
        for (source, symbol) in series {
            deleted += prune_one(store.pool(), [&source, &symbol, interval], before).await?;
        }
        Ok(deleted)
    }

    /// Keeps candles; those of the same times are replaced.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn save(
        &self,
        symbol: &str,
        interval: &str,
        candles: KeepCandles,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        // (`least` would take a missing start for the end.)
        // The series first: its lock puts savers of the same candles one after the other.
        let (from, until) = candles.covered;
        let sql = r#"
            insert into public.candle_series as s (source, symbol, "interval", covered, newest_at)
            values ($1, $2, $3, tstzmultirange(tstzrange(
                case when $4 < $5 then $4 when $4 >= $5 then $5 end, $5)), $6)
            on conflict (source, symbol, "interval") do update set
                covered = s.covered + excluded.covered,
                newest_at = greatest(s.newest_at, excluded.newest_at)"#;
        sqlx::query(sql)
            .bind(&self.source)
            .bind(symbol)
            .bind(interval)
            .bind(from)
            .bind(until)
            .bind(candles.newest_at)
            .execute(&mut *transaction)
            .await?;
        let column = |of: fn(&CandleRow) -> Decimal| candles.rows.iter().map(of).collect();
        let times: Vec<_> = candles.rows.iter().map(|row| row.time).collect();
        let prices: [Vec<Decimal>; 5] = [
            column(|row| row.open),
            column(|row| row.high),
            column(|row| row.low),
            column(|row| row.close),
            column(|row| row.volume),
        ];
        let [open, high, low, close, volume] = prices;
        let sql = r#"
            insert into public.candles
                (source, symbol, "interval", time, open, high, low, close, volume)
            select $1, $2, $3, * from unnest(
                $4::timestamptz[], $5::numeric[], $6::numeric[], $7::numeric[], $8::numeric[],
                $9::numeric[])
            on conflict (source, symbol, "interval", time) do update set
                open = excluded.open, high = excluded.high, low = excluded.low,
                close = excluded.close, volume = excluded.volume"#;
        sqlx::query(sql)
            .bind(&self.source)
            .bind(symbol)
            .bind(interval)
            .bind(times)
            .bind(open)
            .bind(high)
            .bind(low)
            .bind(close)
            .bind(volume)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// One series at a time, so that whoever keeps candles of it waits for no other.
async fn prune_one(
    pool: &PgPool,
    [source, symbol, interval]: [&str; 3],
    before: DateTime<Utc>,
) -> Result<u64, StoreError> {
    let mut transaction = pool.begin().await?;
    // The series first, as where candles are kept.
    let sql = r#"
        update public.candle_series
        set covered = covered * tstzmultirange(tstzrange($4, null))
        where source = $1 and symbol = $2 and "interval" = $3"#;
    sqlx::query(sql)
        .bind(source)
        .bind(symbol)
        .bind(interval)
        .bind(before)
        .execute(&mut *transaction)
        .await?;
    let sql = r#"
        delete from public.candles
        where source = $1 and symbol = $2 and "interval" = $3 and time < $4"#;
    let deleted = sqlx::query(sql)
        .bind(source)
        .bind(symbol)
        .bind(interval)
        .bind(before)
        .execute(&mut *transaction)
        .await?;
    // One of which nothing is known any more.
    let sql = r#"
        delete from public.candle_series s
        where source = $1 and symbol = $2 and "interval" = $3 and isempty(covered)
          and not exists (
              select from public.candles c
              where c.source = s.source and c.symbol = s.symbol and c."interval" = s."interval")"#;
    sqlx::query(sql)
        .bind(source)
        .bind(symbol)
        .bind(interval)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(deleted.rows_affected())
}
