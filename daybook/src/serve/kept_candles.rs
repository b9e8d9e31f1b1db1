//! Candles in the book's database, for a relay that knows no database, and for so long as they are
//! worth keeping.

use std::{collections::BTreeMap, convert::Infallible, time::Duration};

use chrono::{TimeDelta, Utc};
use daybook_domain::Timestamp;
use daybook_relay::{Candle, CandleStore, Fetched, Interval, KeepFailed, SeriesKey, Stored};
use daybook_store::{CandleRow, CandleTable, KeepCandles, Store};
use futures::{FutureExt as _, future::BoxFuture};

/// How often candles that are too old are looked for.
const PRUNE_EVERY: Duration = Duration::from_secs(3_600);

/// Deletes candles that are older than they are kept, at once and every hour. What fails is done
/// the next time.
pub async fn prune(store: Store, kept: BTreeMap<Interval, TimeDelta>) -> Infallible {
    loop {
        for (interval, age) in &kept {
            let before = Utc::now() - *age;
            match CandleTable::prune(&store, interval.as_str(), before).await {
                Ok(0) => {}
                Ok(deleted) => tracing::info!(%interval, deleted, "old candles deleted"),
                Err(error) => tracing::warn!(%interval, %error, "old candles stay"),
            }
        }
        tokio::time::sleep(PRUNE_EVERY).await;
    }
}

/// The table, as the relay asks for it.
pub struct KeptCandles(pub CandleTable);

impl CandleStore for KeptCandles {
    fn load(
        &self,
        series: SeriesKey,
        before: Option<Timestamp>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Stored, KeepFailed>> {
        async move {
            let limit = i64::try_from(limit)?;
            let (symbol, interval) = (series.symbol.as_str(), series.interval.as_str());
            let kept = self.0.load(symbol, interval, before, limit).await?;
            Ok(Stored {
                candles: kept.rows.into_iter().map(candle).collect(),
                complete_from: kept.complete_from,
                newest_at: kept.newest_at,
            })
        }
        .boxed()
    }

    fn save(&self, series: SeriesKey, fetched: Fetched) -> BoxFuture<'_, Result<(), KeepFailed>> {
        async move {
            let candles = KeepCandles {
                rows: fetched.candles.iter().map(row).collect(),
                covered: fetched.covered,
                newest_at: fetched.newest_at,
            };
            let (symbol, interval) = (series.symbol.as_str(), series.interval.as_str());
            Ok(self.0.save(symbol, interval, candles).await?)
        }
        .boxed()
    }
}

const fn candle(row: CandleRow) -> Candle {
    Candle {
        time: row.time,
        open: row.open,
        high: row.high,
        low: row.low,
        close: row.close,
        volume: row.volume,
    }
}

const fn row(candle: &Candle) -> CandleRow {
    CandleRow {
        time: candle.time,
        open: candle.open,
        high: candle.high,
        low: candle.low,
        close: candle.close,
        volume: candle.volume,
    }
}
