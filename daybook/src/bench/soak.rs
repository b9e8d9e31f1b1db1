//! A day, or a weekend, on a virtual clock: every price of every instrument through the provider's
//! words, the filter, the hub, the candles and the engine, as the server has them, with charts that
//! are looked at and accounts that trade. What is measured is what must not grow: memory.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use anyhow::Context as _;
use axum::{Json, Router, extract::Query, routing::get};
use chrono::{DateTime, NaiveDateTime, TimeDelta};
use daybook_domain::{
    Decimal, Instrument, Quote, Rules, Symbol, Timestamp, instrument, quote::QuoteSource,
    rules::SessionRule,
};
use daybook_engine::{Engine, EngineConfig, clock::Clock};
use daybook_relay::{
    Candles, CandlesConfig, Filter, FilterConfig, Hub, Interval, RestClient, TwelveData, Verdict,
    simulator::VirtualMarket,
    upstream::{Heard, Provider as _},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{
    arena::{Arena, resident_bytes},
    ours::{self, Accounts},
    report::Report,
};

/// A Friday, two hours before New York closes for the week: the first day has a rollover, the end
/// of a week, and the weekend; the third has the beginning of the next.
const START: &str = "2026-01-16T20:00:00Z";
/// Every account has a position, and one of them moves money each simulated minute.
const ACCOUNTS: usize = 50;
const LISTENERS: usize = 20;
const CHARTS: usize = 5;
/// Growth that is none: the allocator's own ups and downs, and the idempotency keys of the day. One
/// byte kept of each quote would be 200 KiB.
const KIB_PER_HOUR_MAX: f64 = 512.0;
/// The same for a run that ends while the newest candles of every interval are still filling.
const KIB_PER_HOUR_MAX_EARLY: f64 = 2_048.0;
const EARLY_HOURS: u32 = 12;
/// Caches and pools fill for so much of the run before growth counts.
const WARM_UP: f64 = 0.4;

/// The time of everybody here, in microseconds.
#[derive(Clone)]
struct VirtualClock(Arc<AtomicI64>);

impl VirtualClock {
    fn time(&self) -> Timestamp {
        let micros = self.0.load(Ordering::Relaxed);
        DateTime::from_timestamp_micros(micros).unwrap_or_default()
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.time()
    }
}

/// Everything that a quote passes through.
struct World {
    clock: VirtualClock,
    provider: TwelveData,
    filter: Filter,
    hub: Hub,
    candles: Candles,
    engine: Engine,
    accounts: Accounts,
    symbols: Vec<Symbol>,
    quotes: u64,
}

/// Simulates so many hours.
///
/// # Errors
/// When memory grows, or nothing can be measured.
pub async fn run(hours: u32) -> anyhow::Result<Report> {
    let arena = Arena::bare().await?;
    let book = arena.book("soak").await?;
    let instruments: Vec<_> = instrument::seed().into_iter().map(Arc::new).collect();
    let start: Timestamp = START.parse()?;
    let clock = VirtualClock(Arc::new(AtomicI64::new(start.timestamp_micros())));
    let accounts = Accounts::fill(&book.writer, ACCOUNTS, 2).await?;
    let config = EngineConfig {
        rules: Rules::default(),
        ..EngineConfig::default()
    };
    let (store, writer) = (book.store.clone(), book.writer.clone());
    let engine = Engine::start_with_clock(store, writer, config, Arc::new(clock.clone())).await?;
    let rest = provider(clock.clone()).await?;
    let ticking = clock.clone();
    let candles = Candles::new(CandlesConfig {
        sessions: SessionRule::Terms,
        clock: Arc::new(move || ticking.time()),
        ..CandlesConfig::of(rest.clone(), instruments.clone())
    });
    let source = QuoteSource::Simulator;
    let mut world = World {
        provider: TwelveData::new("ws://127.0.0.1:1".into(), rest, source, &instruments, None),
        filter: Filter::new(FilterConfig::default(), &instruments),
        symbols: instruments.iter().map(|it| it.symbol).collect(),
        clock,
        hub: Hub::new(),
        candles,
        engine,
        accounts,
        quotes: 0,
    };
    let started = std::time::Instant::now();
    let samples = world.live(hours, start, &instruments).await?;
    let report = told(&world, &samples, hours, started.elapsed());
    world.engine.shutdown().await;
    book.close().await;
    report
}

impl World {
    /// Lives through the hours, and notes the memory in use four times in each.
    async fn live(
        &mut self,
        hours: u32,
        start: Timestamp,
        instruments: &[Arc<Instrument>],
    ) -> anyhow::Result<Vec<(f64, f64)>> {
        let mut market = VirtualMarket::new(1, instruments, start)?;
        let mut listeners: Vec<_> = (0..LISTENERS)
            .map(|_| self.hub.subscribe(&self.symbols))
            .collect();
        let mut samples = Vec::new();
        for minute in 0..hours * 60 {
            for second in 0..60 {
                let now = start + TimeDelta::seconds(i64::from(minute * 60 + second + 1));
                self.clock
                    .0
                    .store(now.timestamp_micros(), Ordering::Relaxed);
                loop {
                    let messages = market.due(now);
                    if messages.is_empty() {
                        break;
                    }
                    for message in &messages {
                        self.hear(message, now).await;
                    }
                }
            }
            for listener in &mut listeners {
                listener.next().await;
            }
            self.look(minute).await;
            if minute % 15 == 14 {
                let hour = f64::from(minute + 1) / 60.0;
                samples.push((hour, resident_bytes()? as f64 / 1_024.0));
            }
        }
        Ok(samples)
    }

    async fn hear(&mut self, message: &str, now: Timestamp) {
        let Heard::Quote(quote) = self.provider.read(message, now) else {
            return;
        };
        // The provider's times are of whole seconds.
        let quote = Quote { at: now, ..quote };
        if self.filter.test(&quote) == Verdict::Passed {
            self.hub.publish(&quote);
            self.candles.quote(&quote);
            self.engine.quote(quote).await;
            self.quotes += 1;
        }
    }

    /// Somebody looks at charts, and an account does something.
    async fn look(&self, minute: u32) {
        let number = minute as usize;
        // A few symbols at every interval, now and some days before: what fills the cache is known
        // before growth counts.
        let symbol = self.symbols[number % CHARTS];
        let interval = Interval::ALL[number % Interval::ALL.len()];
        let earlier = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        for before in [None, Some(earlier)] {
            let _some_symbols_have_none = self.candles.page(symbol, interval, 500, before).await;
        }
        let owner = self.accounts.pick(u64::from(minute));
        if number < ACCOUNTS {
            let _closed_for_the_week = ours::market_order(&self.engine, owner).await;
        }
        let _counted_elsewhere = ours::adjust(&self.engine, owner).await;
    }
}

/// The provider's REST API on the virtual clock: a price that never moves.
async fn provider(clock: VirtualClock) -> anyhow::Result<RestClient> {
    let answer = move |Query(params): Query<HashMap<String, String>>| {
        let clock = clock.clone();
        async move { Json(series(&params, clock.time()).unwrap_or_default()) }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let router = Router::new().route("/time_series", get(answer));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(RestClient::new(
        &format!("http://{address}"),
        "soak".to_owned().into(),
    ))
}

fn series(params: &HashMap<String, String>, now: Timestamp) -> Option<Value> {
    let named =
        |it: &Interval| Some(it.provider_name()) == params.get("interval").map(String::as_str);
    let interval = Interval::ALL.into_iter().find(named)?;
    let count: i64 = params.get("outputsize")?.parse().ok()?;
    let end = params
        .get("end_date")
        .and_then(|end| NaiveDateTime::parse_from_str(end, "%Y-%m-%d %H:%M:%S").ok());
    let newest = interval.start(end.map_or(now, |end| end.and_utc()));
    let value = |index: i64| {
        let time = newest - TimeDelta::seconds(interval.seconds() * index);
        let time = time.format("%Y-%m-%d %H:%M:%S").to_string();
        json!({"datetime": time, "open": "1.1", "high": "1.2", "low": "1.0", "close": "1.15"})
    };
    Some(json!({"values": (0..count).map(value).collect::<Vec<_>>(), "status": "ok"}))
}

fn told(
    world: &World,
    samples: &[(f64, f64)],
    hours: u32,
    took: std::time::Duration,
) -> anyhow::Result<Report> {
    let settled = &samples[(samples.len() as f64 * WARM_UP) as usize..];
    let slope = slope(settled).context("too short to see a slope: at least one hour")?;
    let mut report = Report::default();
    report.figure("simulated hours", f64::from(hours), "h");
    report.figure("quotes", world.quotes as f64, "quotes");
    report.figure(
        "quotes a second",
        world.quotes as f64 / took.as_secs_f64(),
        "quotes/s",
    );
    let last = settled.last().map_or(0.0, |(_, kib)| kib / 1_024.0);
    report.figure("resident memory at the end", last, "MiB");
    let limit = match hours {
        0..EARLY_HOURS => KIB_PER_HOUR_MAX_EARLY,
        _ => KIB_PER_HOUR_MAX,
    };
    report.at_most("growth of resident memory", slope, limit, "KiB/h");
    let last = world
        .hub
        .last(Symbol::parse("BTCUSD")?)
        .context("no quotes")?;
    anyhow::ensure!(last.bid > Decimal::ZERO, "a market without prices");
    anyhow::ensure!(
        slope <= limit,
        "memory grows by {slope:.0} KiB in each simulated hour"
    );
    Ok(report)
}

/// Slope of the least-squares line.
fn slope(samples: &[(f64, f64)]) -> Option<f64> {
    if samples.len() < 2 {
        return None;
    }
    let count = samples.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| samples.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|it| it.0), mean(|it| it.1));
    let covariance: f64 = samples.iter().map(|it| (it.0 - x) * (it.1 - y)).sum();
    let variance: f64 = samples.iter().map(|it| (it.0 - x) * (it.0 - x)).sum();
    Some(covariance / variance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_of_a_line_is_its_own() {
        let line: Vec<_> = (0..10)
            .map(|hour| (f64::from(hour), 5.0 + 3.0 * f64::from(hour)))
            .collect();
        assert!((slope(&line).unwrap() - 3.0).abs() < 1e-9);
        assert_eq!(slope(&line[..1]), None);
    }
}
