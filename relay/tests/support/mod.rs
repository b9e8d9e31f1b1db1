//! What the tests of this crate share: instruments, feeds with short waits, and deadlines that a
//! slow machine meets.

#![allow(dead_code, reason = "every test binary uses its own part")]

use std::{future::Future, path::PathBuf, sync::Arc, time::Duration};

use daybook_domain::{Decimal, Instrument, Quote, Symbol, quote::QuoteSource};
use daybook_relay::{FeedConfig, FeedStatus, Hub, Simulator, SimulatorConfig};
use tokio::sync::mpsc;

/// Long enough for a machine that does other work; nothing waits this long when all is well.
pub const DEADLINE: Duration = Duration::from_secs(60);

pub fn symbol(name: &str) -> Symbol {
    Symbol::parse(name).unwrap()
}

/// Seeded instruments; all of them when none is named.
pub fn instruments(names: &[&str]) -> Vec<Arc<Instrument>> {
    let seeded = daybook_domain::instrument::seed().into_iter();
    let wanted = |it: &Instrument| names.is_empty() || names.contains(&it.symbol.as_str());
    let found: Vec<_> = seeded.filter(wanted).map(Arc::new).collect();
    assert!(
        names.is_empty() || found.len() == names.len(),
        "{names:?} are not all seeded"
    );
    found
}

pub fn simulator_config() -> SimulatorConfig {
    SimulatorConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        ticks: Vec::new(),
        speed: Decimal::ONE,
        seed: 7,
        looping: false,
        max_gap_ms: 2_000,
        control: true,
        instruments: instruments(&[]),
    }
}

/// A feed of `names` whose waits are short.
pub fn feed_config(ws_url: String, rest_url: String, names: &[&str]) -> FeedConfig {
    let key = "demo".to_owned().into();
    let source = QuoteSource::Simulator;
    FeedConfig {
        heartbeat: Duration::from_millis(200),
        silence_max: Duration::from_secs(30),
        reconnect_min: Duration::from_millis(20),
        reconnect_max: Duration::from_millis(200),
        poll_after: Duration::from_millis(100),
        poll_every: Duration::from_millis(50),
        ..FeedConfig::new(ws_url, rest_url, key, source, instruments(names))
    }
}

pub fn feed_of(simulator: &Simulator, names: &[&str]) -> FeedConfig {
    feed_config(simulator.ws_url(), simulator.rest_url(), names)
}

/// The result of something that must come about before the deadline.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let outcome = tokio::time::timeout(DEADLINE, future).await;
    outcome.unwrap_or_else(|_| panic!("not within {DEADLINE:?}: {what}"))
}

pub async fn next_quote(quotes: &mut mpsc::Receiver<Quote>) -> Quote {
    let quote = soon("a quote", quotes.recv()).await;
    quote.expect("the feed goes on")
}

pub async fn until_status(hub: &Hub, wanted: FeedStatus) {
    let mut status = hub.status();
    let reached = status.wait_for(|status| *status == wanted);
    soon(wanted.as_str(), reached).await.expect("the hub lives");
}

/// A file of recorded market data; none, said aloud, where the data are not at hand.
pub fn market_data(name: &str) -> Option<PathBuf> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/market");
    let path = PathBuf::from(folder).join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("SKIPPED: {} is not there", path.display());
    None
}

/// A file that goes with the test.
pub struct TestFile(pub PathBuf);

impl TestFile {
    pub fn new(name: &str, text: &str) -> Self {
        let name = format!("daybook-relay-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for TestFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
