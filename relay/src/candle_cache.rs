//! Candles for charts: the provider's history, kept for a while, joined with what our own quotes
//! have built since.
//!
//! One fetch at a time per symbol and interval: who comes while it runs waits and shares it. When
//! the provider is away, what is known is served and marked stale.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use daybook_domain::{Instrument, Quote, Symbol, Timestamp};
use metrics::counter;
use secrecy::SecretString;
use tokio::{sync::Mutex as AsyncMutex, time::Instant};

use crate::{Candle, Interval, RelayError, candle::LiveCandles, catalogue, rest::RestClient};

/// The longest page.
pub const CANDLES_MAX: usize = 5_000;

/// What is fetched of the newest history: the sizes of charts, so that few different requests
/// reach the provider.
const FETCH_SIZES: [usize; 3] = [500, 1_500, CANDLES_MAX];

/// Older pages kept per symbol and interval. They do not change any more.
const OLDER_PAGES_MAX: usize = 16;

/// After a failure the provider is left alone for so long.
const FAILURE_WAIT: Duration = Duration::from_secs(5);

/// The provider counts its credits by the minute.
const RATE_LIMIT_WAIT: Duration = Duration::from_secs(60);

/// Where history comes from and how long it is kept.
#[derive(Clone, Debug)]
pub struct CandlesConfig {
    /// Base address of the provider's REST API.
    pub rest_url: String,
    /// Its key.
    pub api_key: SecretString,
    /// Instruments that have candles.
    pub instruments: Vec<Arc<Instrument>>,
    /// How long the newest history is served before it is fetched again.
    pub ttl: Duration,
}

impl CandlesConfig {
    /// The usual settings: history is kept for a minute.
    #[must_use]
    pub fn new(rest_url: String, api_key: SecretString, instruments: Vec<Arc<Instrument>>) -> Self {
        Self {
            rest_url,
            api_key,
            instruments,
            ttl: Duration::from_secs(60),
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
    rest: RestClient,
    ttl: Duration,
    series: HashMap<(Symbol, Interval), Series>,
}

/// One symbol at one interval.
struct Series {
    provider_symbol: String,
    digits: u32,
    live: Mutex<LiveCandles>,
    /// Held while fetching, which makes the fetch single.
    history: AsyncMutex<History>,
}

#[derive(Default)]
struct History {
    newest: Option<Fetched>,
    /// By what they end before, and how many were asked for.
    older: BTreeMap<(Timestamp, usize), Vec<Candle>>,
    /// No fetch before this: the provider has just failed.
    retry_at: Option<Instant>,
}

struct Fetched {
    at: Instant,
    /// What was asked for; fewer candles mean that there are no older ones.
    size: usize,
    candles: Vec<Candle>,
}

impl Candles {
    /// Candles of the given instruments; none is fetched before somebody asks.
    #[must_use]
    pub fn new(config: CandlesConfig) -> Self {
        let keys = config.instruments.iter().flat_map(|instrument| {
            Interval::ALL.map(|interval| (Arc::clone(instrument), interval))
        });
        let series = keys.map(|(instrument, interval)| {
            let series = Series {
                provider_symbol: catalogue::listing(&instrument).provider_symbol,
                digits: instrument.digits,
                live: Mutex::default(),
                history: AsyncMutex::default(),
            };
            ((instrument.symbol, interval), series)
        });
        let inner = Inner {
            rest: RestClient::new(&config.rest_url, config.api_key),
            ttl: config.ttl,
            series: series.collect(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Builds the newest candle of every interval. A quote of an unknown symbol is ignored.
    pub fn quote(&self, quote: &Quote) {
        for interval in Interval::ALL {
            if let Some(series) = self.inner.series.get(&(quote.symbol, interval)) {
                series.live().take(interval, quote);
            }
        }
    }

    /// The newest `limit` candles (1 to 5,000) that start before `before`, or the newest of all.
    ///
    /// # Errors
    /// [`RelayError::UnknownSymbol`]; any other when the provider is away and nothing is known.
    pub async fn page(
        &self,
        symbol: Symbol,
        interval: Interval,
        limit: usize,
        before: Option<Timestamp>,
    ) -> Result<CandlePage, RelayError> {
        let limit = limit.clamp(1, CANDLES_MAX);
        let series = self.inner.series.get(&(symbol, interval));
        let series = series.ok_or(RelayError::UnknownSymbol(symbol))?;
        let asked = Asked {
            interval,
            limit,
            before,
        };
        let (history, failure) = self.inner.history(series, asked).await;
        let candles = series.joined(history, asked);
        match failure {
            Some(error) if candles.is_empty() => Err(error),
            failure => Ok(CandlePage {
                candles,
                stale: failure.is_some(),
            }),
        }
    }
}

/// What a page was asked for.
#[derive(Clone, Copy)]
struct Asked {
    interval: Interval,
    limit: usize,
    before: Option<Timestamp>,
}

impl Inner {
    /// What is known of the provider's history, and why it is not newer or longer, if so.
    async fn history(&self, series: &Series, asked: Asked) -> (Vec<Candle>, Option<RelayError>) {
        let mut history = series.history.lock().await;
        let fetched = match asked.before {
            None => self.refresh(&mut history, series, asked).await,
            Some(before) => self.older(&mut history, series, asked, before).await,
        };
        match fetched {
            Ok(candles) => (candles, None),
            Err(error) => {
                counter!("daybook_candles_stale_total").increment(1);
                (history.known(asked), Some(error))
            }
        }
    }

    async fn refresh(
        &self,
        history: &mut History,
        series: &Series,
        asked: Asked,
    ) -> Result<Vec<Candle>, RelayError> {
        let fresh = history
            .newest
            .as_ref()
            .filter(|newest| newest.at.elapsed() < self.ttl && newest.size >= asked.limit);
        if fresh.is_none() {
            let larger = FETCH_SIZES.into_iter().find(|size| *size >= asked.limit);
            let size = larger.unwrap_or(CANDLES_MAX);
            let candles = self
                .fetch(history, series, asked.interval, size, None)
                .await?;
            history.newest = Some(Fetched {
                at: Instant::now(),
                size,
                candles,
            });
        }
        Ok(history.known(asked))
    }

    async fn older(
        &self,
        history: &mut History,
        series: &Series,
        asked: Asked,
        before: Timestamp,
    ) -> Result<Vec<Candle>, RelayError> {
        if history
            .newest
            .as_ref()
            .is_some_and(|newest| newest.covers(before, asked.limit))
        {
            return Ok(history.known(asked));
        }
        let key = (before, asked.limit);
        if let Some(page) = history.older.get(&key) {
            return Ok(page.clone());
        }
        let (interval, limit) = (asked.interval, asked.limit);
        let page = self
            .fetch(history, series, interval, limit, Some(before))
            .await?;
        // A page that touches the present still changes.
        if page
            .last()
            .is_some_and(|last| interval.end(last.time) < chrono::Utc::now())
        {
            if history.older.len() == OLDER_PAGES_MAX {
                history.older.pop_first();
            }
            history.older.insert(key, page.clone());
        }
        Ok(page)
    }

    async fn fetch(
        &self,
        history: &mut History,
        series: &Series,
        interval: Interval,
        size: usize,
        before: Option<Timestamp>,
    ) -> Result<Vec<Candle>, RelayError> {
        if history
            .retry_at
            .is_some_and(|retry_at| Instant::now() < retry_at)
        {
            let message = "it has just failed, and is left alone for a moment";
            return Err(RelayError::Unreachable(message.into()));
        }
        counter!("daybook_candles_fetches_total").increment(1);
        let symbol = &series.provider_symbol;
        match self.rest.time_series(symbol, interval, size, before).await {
            Ok(mut candles) => {
                history.retry_at = None;
                for candle in &mut candles {
                    candle.rescale(series.digits);
                }
                Ok(candles)
            }
            Err(error) => {
                tracing::warn!(symbol, interval = interval.as_str(), %error, "no candles");
                let rate_limited = matches!(error, RelayError::RateLimited { .. });
                let wait = if rate_limited {
                    RATE_LIMIT_WAIT
                } else {
                    FAILURE_WAIT
                };
                history.retry_at = Some(Instant::now() + wait);
                Err(error)
            }
        }
    }
}

impl Fetched {
    /// Whether a page that ends before `before` lies within.
    fn covers(&self, before: Timestamp, limit: usize) -> bool {
        let reaches_back = self.candles.partition_point(|candle| candle.time < before) >= limit;
        let reaches_forth = self
            .candles
            .last()
            .is_some_and(|newest| newest.time >= before);
        reaches_back && reaches_forth
    }
}

impl History {
    /// The part of the newest history that was asked for.
    fn known(&self, asked: Asked) -> Vec<Candle> {
        let candles = self.newest.as_ref().map(|newest| newest.candles.as_slice());
        let candles = candles.unwrap_or_default();
        let wanted = |candle: &Candle| asked.before.is_none_or(|before| candle.time < before);
        let end = candles.partition_point(wanted);
        candles[end.saturating_sub(asked.limit)..end].to_vec()
    }
}

impl Series {
    /// A panic elsewhere cannot leave candles half-built in a way that a chart would notice.
    fn live(&self) -> MutexGuard<'_, LiveCandles> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The provider's candles and ours as one row, oldest first, cut to what was asked for.
    fn joined(&self, history: Vec<Candle>, asked: Asked) -> Vec<Candle> {
        let mut candles: BTreeMap<_, _> = history.into_iter().map(|it| (it.time, it)).collect();
        for live in self.live().iter() {
            if asked.before.is_some_and(|before| live.time >= before) {
                continue;
            }
            let joined = candles
                .get(&live.time)
                .map_or(*live, |known| known.joined(live));
            candles.insert(live.time, joined);
        }
        let skipped = candles.len().saturating_sub(asked.limit);
        candles.into_values().skip(skipped).collect()
    }
}

#[cfg(test)]
mod tests;
