//! Candles for charts: the provider's history, kept in memory over a table, joined with what our
//! own quotes have built since.
//!
//! One fetch at a time per symbol and interval: who comes while it runs waits and shares it. What
//! is closed is the provider's; what still runs is the provider's and our newest quotes'. History
//! fetched before quotes were interrupted is fetched again, so an interruption leaves no hole. When
//! the provider is away, what is known is served and marked stale.

mod aggregate;
mod keep;
mod load;
mod series;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{TimeDelta, Utc};
use daybook_domain::{Instrument, Quote, Symbol, Timestamp, rules::SessionRule};
use metrics::counter;
use moka::future::Cache;
use secrecy::SecretString;

pub use self::keep::{CandleStore, Fetched, KeepFailed, SeriesKey, Stored};
use self::{
    load::Loader,
    series::{Asked, Entry, Series},
};
use crate::{Candle, Interval, RelayError, RestClient};

/// The longest page.
pub const CANDLES_MAX: usize = 5_000;

/// What is fetched: the sizes of charts, so that few different requests reach the provider.
const FETCH_SIZES: [usize; 3] = [500, 1_500, CANDLES_MAX];

/// Candles held in memory, of all pages together; each takes about a hundred bytes.
const CACHED_CANDLES_MAX: u64 = 400_000;

/// A page that nobody has asked for so long makes room.
const IDLE_MAX: Duration = Duration::from_secs(3_600);

/// Tells the time. A simulation brings its own.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Where history comes from and how long it is kept.
#[derive(Clone)]
pub struct CandlesConfig {
    /// The provider's REST API.
    pub rest: RestClient,
    /// Instruments that have candles.
    pub instruments: Vec<Arc<Instrument>>,
    /// How long the newest history of intervals below an hour is served before it is fetched again.
    pub ttl_minutes: Duration,
    /// The same for an hour and more.
    pub ttl_hours: Duration,
    /// Where history outlives the process; none: nowhere.
    pub store: Option<Arc<dyn CandleStore>>,
    /// Whether quotes and candles outside trading hours count.
    pub sessions: SessionRule,
    /// What time it is.
    pub clock: Clock,
}

impl CandlesConfig {
    /// The usual settings: nothing outlives the process.
    #[must_use]
    pub fn new(rest_url: String, api_key: SecretString, instruments: Vec<Arc<Instrument>>) -> Self {
        Self::of(RestClient::new(&rest_url, api_key), instruments)
    }

    /// The same, over a client that shares its budget with others.
    #[must_use]
    pub fn of(rest: RestClient, instruments: Vec<Arc<Instrument>>) -> Self {
        Self {
            rest,
            instruments,
            ttl_minutes: Duration::from_secs(60),
            ttl_hours: Duration::from_secs(3_600),
            store: None,
            sessions: SessionRule::Always,
            clock: Arc::new(Utc::now),
        }
    }
}

/// Candles of all symbols. Cloning gives another handle to the same ones.
#[derive(Clone)]
pub struct Candles {
    inner: Arc<Inner>,
}

/// Some candles of one symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CandlePage {
    /// Oldest first.
    pub candles: Vec<Candle>,
    /// The provider is away, and this is what is known.
    pub stale: bool,
}

struct Inner {
    series: HashMap<SeriesKey, Series>,
    /// From when on quotes of a symbol have been heard without a hole.
    heard_since: Mutex<HashMap<Symbol, Timestamp>>,
    pages: Cache<PageKey, Arc<Entry>>,
    loader: Loader,
    sessions: SessionRule,
    ttl: [TimeDelta; 2],
    clock: Clock,
}

/// The newest page of a series, or an older one by its end and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct PageKey {
    series: SeriesKey,
    older: Option<(Timestamp, usize)>,
}

impl Candles {
    /// Candles of the given instruments; none is fetched before somebody asks.
    #[must_use]
    pub fn new(config: CandlesConfig) -> Self {
        let keys = config.instruments.iter().flat_map(|instrument| {
            Interval::ALL.map(|interval| (Arc::clone(instrument), interval))
        });
        let series = keys.map(|(instrument, interval)| {
            let (symbol, series) = (instrument.symbol, Series::new(&instrument));
            (SeriesKey { symbol, interval }, series)
        });
        let now = (config.clock)();
        let since = config.instruments.iter().map(|it| (it.symbol, now));
        let seconds = |ttl| TimeDelta::from_std(ttl).unwrap_or(TimeDelta::MAX);
        let pages = Cache::builder()
            .max_capacity(CACHED_CANDLES_MAX)
            .weigher(|_, page: &Arc<Entry>| {
                // Also an empty page takes its place.
                u32::try_from(page.candles.len() + 8).unwrap_or(u32::MAX)
            })
            .time_to_idle(IDLE_MAX);
        let inner = Inner {
            series: series.collect(),
            heard_since: Mutex::new(since.collect()),
            pages: pages.build(),
            loader: Loader {
                rest: config.rest,
                store: config.store,
                sessions: config.sessions,
            },
            sessions: config.sessions,
            ttl: [seconds(config.ttl_minutes), seconds(config.ttl_hours)],
            clock: config.clock,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Builds the newest candle of every interval. A quote of an unknown symbol is ignored, and so
    /// is one outside trading hours, where those count.
    pub fn quote(&self, quote: &Quote) {
        for interval in Interval::ALL {
            let symbol = quote.symbol;
            let series = self.inner.series.get(&SeriesKey { symbol, interval });
            if let Some(series) = series {
                series.take(interval, quote, self.inner.sessions);
            }
        }
    }

    /// Quotes of a symbol are heard without a hole from `at` on. What was fetched before may lack
    /// what nobody heard, and is fetched again when somebody asks.
    pub fn resumed(&self, symbol: Symbol, at: Timestamp) {
        self.inner.heard_since().insert(symbol, at);
    }

    /// The newest `limit` candles (1 to 5,000) that start before `before`, or the newest of all.
    ///
    /// # Errors
    /// [`RelayError::UnknownSymbol`]; [`RelayError::NoCandles`] when the provider is away and
    /// nothing is known.
    pub async fn page(
        &self,
        symbol: Symbol,
        interval: Interval,
        limit: usize,
        before: Option<Timestamp>,
    ) -> Result<CandlePage, RelayError> {
        let limit = limit.clamp(1, CANDLES_MAX);
        let key = SeriesKey { symbol, interval };
        let series = self.inner.series.get(&key);
        let series = series.ok_or(RelayError::UnknownSymbol(symbol))?;
        let asked = Asked {
            limit,
            before: before.map(|before| interval.start_at_or_after(before)),
        };
        let entry = self.inner.entry(key, series, asked).await;
        let candles = series.joined(interval, &entry, asked);
        match &entry.failure {
            Some(failure) if candles.is_empty() => Err(RelayError::NoCandles(failure.clone())),
            failure => Ok(CandlePage {
                candles,
                stale: failure.is_some(),
            }),
        }
    }
}

impl Inner {
    /// The page that holds what was asked for: the one in memory while it is fresh, else a new one,
    /// made once for all who ask at the same time.
    async fn entry(&self, series: SeriesKey, of: &Series, asked: Asked) -> Arc<Entry> {
        let larger = FETCH_SIZES.into_iter().find(|size| *size >= asked.limit);
        let size = larger.unwrap_or(CANDLES_MAX);
        let key = PageKey {
            series,
            older: asked.before.map(|before| (before, size)),
        };
        loop {
            let usable = |entry: &Arc<Entry>| self.is_fresh(series, asked, entry);
            let old = self.pages.get(&key).await;
            if let Some(entry) = old.as_ref().filter(|entry| usable(entry)) {
                return Arc::clone(entry);
            }
            let before = asked.before;
            let since = self.since(series.symbol);
            let load = async {
                counter!("daybook_candles_loads_total").increment(1);
                let known = self.known_finer(series, asked).await;
                let loading = load::Wanted {
                    series,
                    of,
                    before,
                    size,
                    since,
                    ttl: self.ttl(series.interval),
                    now: (self.clock)(),
                };
                Arc::new(self.loader.load(loading, old.as_deref(), &known).await)
            };
            let selected = self.pages.entry(key);
            let entry = selected
                .or_insert_with_if(load, |entry| !usable(entry))
                .await;
            let entry = entry.into_value();
            // Who waited for somebody else's smaller page asks again.
            if entry.size >= asked.limit {
                return entry;
            }
        }
    }

    /// Pages in memory from which candles of this interval can be made, should the provider be
    /// away.
    async fn known_finer(&self, series: SeriesKey, asked: Asked) -> Vec<(Interval, Arc<Entry>)> {
        let mut known = Vec::new();
        if asked.before.is_some() {
            return known;
        }
        for interval in aggregate::finer(series.interval) {
            let series = SeriesKey { interval, ..series };
            let key = PageKey {
                series,
                older: None,
            };
            if let Some(entry) = self.pages.get(&key).await {
                known.push((interval, entry));
            }
        }
        known
    }

    fn is_fresh(&self, series: SeriesKey, asked: Asked, entry: &Entry) -> bool {
        let now = (self.clock)();
        if entry.size < asked.limit {
            return false;
        }
        if entry.failure.is_some() {
            return now < entry.retry_at;
        }
        let settled = series::settled_until(series.interval, entry.fetched_at);
        if asked.before.is_some_and(|before| before <= settled) {
            return true; // It does not change any more.
        }
        let young = now - entry.fetched_at < self.ttl(series.interval);
        young && entry.fetched_at >= self.since(series.symbol)
    }

    fn ttl(&self, interval: Interval) -> TimeDelta {
        let [minutes, hours] = self.ttl;
        if interval < Interval::H1 {
            minutes
        } else {
            hours
        }
    }

    fn since(&self, symbol: Symbol) -> Timestamp {
        let since = self.heard_since().get(&symbol).copied();
        since.unwrap_or(Timestamp::MIN_UTC)
    }

    fn heard_since(&self) -> MutexGuard<'_, HashMap<Symbol, Timestamp>> {
        self.heard_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
