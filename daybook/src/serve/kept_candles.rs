//! Candles in the book's database, for a relay that knows no database.

use daybook_domain::Timestamp;
use daybook_relay::{Candle, CandleStore, Fetched, KeepFailed, SeriesKey, Stored};
use daybook_store::{CandleRow, CandleTable, KeepCandles};
use futures::{FutureExt as _, future::BoxFuture};

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
