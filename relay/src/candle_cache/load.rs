//! Makes a page: from the table where it has all of it, else from the provider, else from whatever
//! is known.

use std::sync::Arc;

use chrono::TimeDelta;
use daybook_domain::{Timestamp, rules::SessionRule};
use metrics::counter;

use super::{
    CandleStore, Fetched, SeriesKey, Stored, aggregate,
    series::{self, Entry, Series},
};
use crate::{Candle, Interval, RelayError, RestClient, credits};

/// After a failure the provider is left alone for so long.
const FAILURE_WAIT: TimeDelta = TimeDelta::seconds(5);

/// Where pages come from.
pub(super) struct Loader {
    pub(super) rest: RestClient,
    pub(super) store: Option<Arc<dyn CandleStore>>,
    pub(super) sessions: SessionRule,
}

/// The page that is wanted.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) series: SeriesKey,
    pub(super) of: &'a Series,
    pub(super) before: Option<Timestamp>,
    pub(super) size: usize,
    /// From when on our own quotes have no hole.
    pub(super) since: Timestamp,
    pub(super) ttl: TimeDelta,
    pub(super) now: Timestamp,
}

impl Loader {
    /// Makes the page. `old` is the one it replaces, and `finer` are pages of shorter intervals,
    /// for the case that there is nothing better.
    pub(super) async fn load(
        &self,
        wanted: Wanted<'_>,
        old: Option<&Entry>,
        finer: &[(Interval, Arc<Entry>)],
    ) -> Entry {
        let stored = self.stored(wanted.series, wanted.before, wanted.size).await;
        if let Some(fetched_at) = complete(&stored, wanted) {
            return Entry {
                size: wanted.size,
                candles: stored.candles,
                fetched_at,
                failure: None,
                retry_at: wanted.now,
            };
        }
        match self.fetch(wanted).await {
            Ok(entry) => entry,
            Err(error) => {
                let (symbol, interval) = (wanted.series.symbol, wanted.series.interval);
                tracing::warn!(%symbol, %interval, %error, "no candles");
                counter!("daybook_candles_stale_total").increment(1);
                self.known(wanted, stored, old, finer, &error).await
            }
        }
    }

    async fn stored(&self, series: SeriesKey, before: Option<Timestamp>, size: usize) -> Stored {
        let Some(store) = &self.store else {
            return Stored::default();
        };
        match store.load(series, before, size).await {
            Ok(stored) => stored,
            Err(error) => {
                tracing::warn!(error, "kept candles cannot be read");
                Stored::default()
            }
        }
    }

    async fn fetch(&self, wanted: Wanted<'_>) -> Result<Entry, RelayError> {
        counter!("daybook_candles_fetches_total").increment(1);
        let Wanted { series, of, .. } = wanted;
        let (name, interval) = (&of.provider_symbol, series.interval);
        let fetching = self
            .rest
            .time_series(name, interval, wanted.size, wanted.before);
        let mut candles = fetching.await?;
        let is_all = candles.len() < wanted.size;
        let oldest = candles.first().map(|candle| candle.time);
        candles.retain(|candle| self.counts(wanted, candle));
        for candle in &mut candles {
            candle.rescale(of.digits);
        }
        // The moment before it was asked: what happened on the way may be missing.
        let settled = series::settled_until(interval, wanted.now);
        let fetched = Fetched {
            candles,
            covered: (
                oldest.filter(|_| !is_all),
                wanted.before.map_or(settled, |before| before.min(settled)),
            ),
            newest_at: wanted.before.is_none().then_some(wanted.now),
        };
        let candles = fetched.candles.clone();
        self.save(series, fetched).await;
        Ok(Entry {
            size: wanted.size,
            candles,
            fetched_at: wanted.now,
            failure: None,
            retry_at: wanted.now,
        })
    }

    fn counts(&self, wanted: Wanted<'_>, candle: &Candle) -> bool {
        match self.sessions {
            SessionRule::Always => true,
            SessionRule::Terms => {
                series::trades(wanted.of.plan, wanted.series.interval, candle.time)
            }
        }
    }

    async fn save(&self, series: SeriesKey, fetched: Fetched) {
        let Some(store) = &self.store else {
            return;
        };
        if let Err(error) = store.save(series, fetched).await {
            tracing::warn!(error, "candles cannot be kept");
        }
    }

    /// What is known while the provider is away, shorter candles included.
    async fn known(
        &self,
        wanted: Wanted<'_>,
        stored: Stored,
        old: Option<&Entry>,
        finer: &[(Interval, Arc<Entry>)],
        error: &RelayError,
    ) -> Entry {
        let mut candles = old.map(|old| old.candles.clone()).unwrap_or_default();
        // What was kept by another node may be newer than what this one remembers.
        candles = merged(candles, stored.candles);
        for (_, entry) in finer {
            let made = aggregate::aggregate(wanted.series.interval, &entry.candles);
            candles = aggregate::filled(candles, &made);
        }
        for interval in aggregate::finer(wanted.series.interval).take(FINER_KEPT) {
            let series = SeriesKey {
                interval,
                ..wanted.series
            };
            let stored = self.stored(series, wanted.before, super::CANDLES_MAX).await;
            let made = aggregate::aggregate(wanted.series.interval, &stored.candles);
            candles = aggregate::filled(candles, &made);
        }
        let skipped = candles.len().saturating_sub(wanted.size);
        Entry {
            size: wanted.size,
            candles: candles.split_off(skipped),
            fetched_at: old.map_or(Timestamp::MIN_UTC, |old| old.fetched_at),
            failure: Some(error.to_string()),
            retry_at: wanted.now + wait_after(error),
        }
    }
}

/// Shorter intervals looked for in the table while the provider is away.
const FINER_KEPT: usize = 3;

/// When the provider said all of what is wanted, if the table has it whole and young enough.
fn complete(stored: &Stored, wanted: Wanted<'_>) -> Option<Timestamp> {
    let from = stored.complete_from?;
    let reaches = match (from, stored.candles.first()) {
        (None, _) => true,
        (Some(from), Some(oldest)) => stored.candles.len() >= wanted.size && oldest.time >= from,
        (Some(_), None) => false,
    };
    let newest_at = match wanted.before {
        // What lies before a covered time does not change; it is as good as fetched now.
        Some(_) => wanted.now,
        None => stored.newest_at?,
    };
    let young = wanted.now - newest_at < wanted.ttl && newest_at >= wanted.since;
    (reaches && young).then_some(newest_at)
}

fn merged(older: Vec<Candle>, newer: Vec<Candle>) -> Vec<Candle> {
    let mut all: std::collections::BTreeMap<_, _> = older
        .into_iter()
        .map(|candle| (candle.time, candle))
        .collect();
    all.extend(newer.into_iter().map(|candle| (candle.time, candle)));
    all.into_values().collect()
}

fn wait_after(error: &RelayError) -> TimeDelta {
    match error {
        RelayError::RateLimited { .. } => {
            TimeDelta::from_std(credits::until_next_minute()).unwrap_or(FAILURE_WAIT)
        }
        RelayError::KeyRefused { .. }
        | RelayError::Refused { .. }
        | RelayError::Unreachable(_)
        | RelayError::Malformed(_)
        | RelayError::NoCandles(_)
        | RelayError::UnknownSymbol(_)
        | RelayError::Listen { .. }
        | RelayError::TicksFile { .. }
        | RelayError::TicksLine { .. }
        | RelayError::Speed(_) => FAILURE_WAIT,
    }
}
