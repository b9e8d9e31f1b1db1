//! A provider and a table, both in memory.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicI64, AtomicUsize},
};

use axum::{Json, Router, extract::Query, routing::get};
use chrono::NaiveDateTime;
use futures::{FutureExt as _, future::BoxFuture};
use serde_json::{Value, json};

use super::{super::*, Ordering, at};
use crate::testing::instrument;

/// A Friday noon.
const START: &str = "2026-01-16T12:00:30Z";

/// A provider whose candles have no gap and end with the running one, and the time it is.
#[derive(Clone, Default)]
pub(super) struct Provider {
    fetches: Arc<AtomicUsize>,
    away: Arc<AtomicBool>,
    /// Milliseconds since `START`.
    elapsed: Arc<AtomicI64>,
    /// Candles before this do not exist, in UNIX seconds.
    pub(super) begins: Arc<AtomicI64>,
}

/// A table in memory.
#[derive(Default)]
pub(super) struct Table {
    kept: Mutex<BTreeMap<SeriesKey, Kept>>,
}

#[derive(Default)]
struct Kept {
    candles: BTreeMap<Timestamp, Candle>,
    covered: Vec<(Option<Timestamp>, Timestamp)>,
    newest_at: Option<Timestamp>,
}

impl CandleStore for Table {
    fn load(
        &self,
        series: SeriesKey,
        before: Option<Timestamp>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Stored, KeepFailed>> {
        let kept = self.kept.lock().unwrap();
        let Some(kept) = kept.get(&series) else {
            return async { Ok(Stored::default()) }.boxed();
        };
        let wanted = kept
            .candles
            .values()
            .filter(|it| before.is_none_or(|end| it.time < end));
        let mut candles: Vec<_> = wanted.copied().collect();
        let skipped = candles.len().saturating_sub(limit);
        let covers = |range: &&(Option<Timestamp>, Timestamp)| match before {
            Some(before) => range.1 >= before && range.0.is_none_or(|from| from < before),
            None => true,
        };
        let stored = Stored {
            candles: candles.split_off(skipped),
            complete_from: kept
                .covered
                .iter()
                .filter(covers)
                .max_by_key(|it| it.1)
                .map(|it| it.0),
            newest_at: kept.newest_at,
        };
        async { Ok(stored) }.boxed()
    }

    fn save(&self, series: SeriesKey, fetched: Fetched) -> BoxFuture<'_, Result<(), KeepFailed>> {
        let mut kept = self.kept.lock().unwrap();
        let kept = kept.entry(series).or_default();
        kept.candles
            .extend(fetched.candles.iter().map(|it| (it.time, *it)));
        kept.covered.push(fetched.covered);
        kept.newest_at = fetched.newest_at.or(kept.newest_at);
        async { Ok(()) }.boxed()
    }
}

impl Provider {
    pub(super) async fn start(&self) -> Candles {
        self.start_over(None).await
    }

    pub(super) async fn start_over(&self, store: Option<Arc<dyn CandleStore>>) -> Candles {
        let provider = self.clone();
        let answer = move |Query(params): Query<HashMap<String, String>>| {
            let provider = provider.clone();
            async move { Json(provider.answer(&params)) }
        };
        let router = Router::new().route("/time_series", get(answer));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let instruments = vec![Arc::new(instrument("EURUSD"))];
        let (url, clock) = (format!("http://{address}"), self.clone());
        Candles::new(CandlesConfig {
            store,
            clock: Arc::new(move || clock.now()),
            ..CandlesConfig::new(url, "key".to_owned().into(), instruments)
        })
    }

    fn answer(&self, params: &HashMap<String, String>) -> Value {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        if self.away.load(Ordering::SeqCst) {
            return json!({"code": 500, "message": "away", "status": "error"});
        }
        let named = |it: &Interval| it.provider_name() == params["interval"];
        let interval = Interval::ALL.into_iter().find(named).unwrap();
        let count: i64 = params["outputsize"].parse().unwrap();
        let end = params.get("end_date").map_or_else(
            || self.now(),
            |end| {
                let end = NaiveDateTime::parse_from_str(end, "%Y-%m-%d %H:%M:%S");
                end.unwrap().and_utc()
            },
        );
        let newest = interval.start(end);
        let begins = self.begins.load(Ordering::SeqCst);
        let values = (0..count).filter_map(|index| {
            let time = newest - TimeDelta::seconds(interval.seconds() * index);
            let datetime = time.format("%Y-%m-%d %H:%M:%S").to_string();
            (time.timestamp() >= begins).then(|| json!({
                "datetime": datetime, "open": "1.1", "high": "1.2", "low": "1.0", "close": "1.15",
            }))
        });
        json!({"values": values.collect::<Vec<_>>(), "status": "ok"})
    }

    pub(super) fn now(&self) -> Timestamp {
        at(START) + TimeDelta::milliseconds(self.elapsed.load(Ordering::SeqCst))
    }

    pub(super) fn wait(&self, seconds: i64) {
        self.elapsed.fetch_add(seconds * 1_000, Ordering::SeqCst);
    }

    pub(super) fn go_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    pub(super) fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}
