//! Market data: the feed (the provider's, or the simulator's on a local port), and the pump that
//! carries each quote to the hub, the candles and the engine.

use std::{convert::Infallible, net::Ipv4Addr, sync::Arc, time::Duration};

use anyhow::Context as _;
use daybook_domain::{Instrument, Quote, Symbol, quote::QuoteSource};
use daybook_engine::Engine;
use daybook_relay::{Candles, CandlesConfig, Feed, FeedConfig, Hub, Simulator, SimulatorConfig};
use daybook_store::Role;
use secrecy::SecretString;
use tokio::sync::{mpsc, watch};

use crate::{config::Config, out::say};

/// How long the feed's start waits to learn this node's part, so that a leader's engine sees
/// recorded ticks from the first.
const ENGINE_PATIENCE: Duration = Duration::from_secs(10);
/// How long the ready line waits for the first prices.
const PRICES_PATIENCE: Duration = Duration::from_secs(5);

/// The market as this process sees it.
pub struct Market {
    /// Newest quotes, to any number of readers.
    pub hub: Hub,
    /// Candles.
    pub candles: Candles,
    simulator: Option<Simulator>,
    feed_config: FeedConfig,
    symbols: Vec<Symbol>,
    feed: Option<Feed>,
}

impl Market {
    /// Starts the simulator where there is no provider, and makes everything but the feed.
    pub async fn prepare(config: &Config, instruments: &[Arc<Instrument>]) -> anyhow::Result<Self> {
        let settings = &config.market;
        let count = settings.symbols_max.unwrap_or(instruments.len());
        let instruments: Vec<Arc<Instrument>> = instruments.iter().take(count).cloned().collect();
        let (source, key, ws_url, rest_url, simulator) = match &settings.api_key {
            Some(key) => (
                QuoteSource::TwelveData,
                key.clone(),
                settings.ws_url.clone(),
                settings.rest_url.clone(),
                None,
            ),
            None => {
                let simulator = simulate(config, &instruments).await?;
                let address = simulator.address();
                (
                    QuoteSource::Simulator,
                    SecretString::from("simulated"),
                    format!("ws://{address}/v1/quotes/price"),
                    format!("http://{address}"),
                    Some(simulator),
                )
            }
        };
        let mut candles = CandlesConfig::new(rest_url.clone(), key.clone(), instruments.clone());
        candles.ttl = settings.history_ttl;
        let symbols = instruments.iter().map(|one| one.symbol).collect();
        let mut feed_config = FeedConfig::new(ws_url, rest_url, key, source, instruments);
        feed_config.filter = settings.filter.clone();
        feed_config.symbols_per_connection = settings.symbols_per_connection;
        Ok(Self {
            hub: Hub::new(),
            candles: Candles::new(candles),
            simulator,
            feed_config,
            symbols,
            feed: None,
        })
    }

    /// Starts the feed, says once that the server is ready, and pumps. Returns only on failure.
    pub async fn run(
        &mut self,
        config: &Config,
        mut engines: watch::Receiver<Option<Engine>>,
        role: &watch::Receiver<Role>,
        url: &str,
    ) -> anyhow::Error {
        let part = part_known(&mut engines, role.clone(), &config.advertise);
        // An engine that comes later gets the newest quotes when it comes.
        let _ = tokio::time::timeout(ENGINE_PATIENCE, part).await;
        let (feed, quotes) = Feed::start(self.feed_config.clone(), self.hub.clone());
        let problem = feed.problem();
        self.feed = Some(feed);
        let pump = self.pump(quotes, engines.clone());
        tokio::select! {
            failure = pump => failure,
            never = self.announce(config, &engines, role, url) => match never {},
            never = report(problem) => match never {},
        }
    }

    async fn pump(
        &self,
        mut quotes: mpsc::Receiver<Quote>,
        mut engines: watch::Receiver<Option<Engine>>,
    ) -> anyhow::Error {
        let mut engine = None;
        engines.mark_changed();
        loop {
            tokio::select! {
                biased;
                changed = engines.changed() => {
                    if changed.is_err() {
                        return anyhow::anyhow!("the engine's holder has ended");
                    }
                    engine = engines.borrow_and_update().clone();
                    self.catch_up(engine.as_ref()).await;
                }
                quote = quotes.recv() => {
                    let Some(quote) = quote else {
                        return anyhow::anyhow!("the feed has ended by itself");
                    };
                    self.hub.publish(&quote);
                    self.candles.quote(&quote);
                    if let Some(engine) = &engine {
                        engine.quote(quote).await;
                    }
                }
            }
        }
    }

    /// An engine that has just started gets the newest quote of each symbol.
    async fn catch_up(&self, engine: Option<&Engine>) {
        let Some(engine) = engine else {
            return;
        };
        for symbol in &self.symbols {
            if let Some(quote) = self.hub.last(*symbol) {
                engine.quote(quote).await;
            }
        }
    }

    /// One line to standard output when the server can be used, and then nothing for ever.
    async fn announce(
        &self,
        config: &Config,
        engines: &watch::Receiver<Option<Engine>>,
        role: &watch::Receiver<Role>,
        url: &str,
    ) -> Infallible {
        let prices = async {
            while !self
                .symbols
                .iter()
                .any(|symbol| self.hub.last(*symbol).is_some())
            {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        // Without prices it is ready all the same: reads, registration, account.
        let _ = tokio::time::timeout(PRICES_PATIENCE, prices).await;
        let market = if config.simulated() {
            "simulated"
        } else {
            "live"
        };
        let part = match &*role.borrow() {
            _ if engines.borrow().is_some() => String::new(),
            Role::Standby { leader } => {
                let leader = leader.as_deref().unwrap_or("not known");
                format!(" as a standby (leader: {leader})")
            }
            Role::Leader { .. } | Role::Ended => " (recovering)".to_owned(),
        };
        say!("Daybook is ready{part}: {url} ({market} prices; API documentation at {url}/docs)");
        std::future::pending().await
    }

    /// Ends the feed and the simulator.
    pub async fn stop(self) {
        if let Some(feed) = self.feed {
            feed.stop().await;
        }
        if let Some(simulator) = self.simulator {
            simulator.stop().await;
        }
    }
}

/// Returns when the engine runs here, or another node is known to lead. The address in the head row
/// may be our own, from before a restart: then this node leads again in a moment.
async fn part_known(
    engines: &mut watch::Receiver<Option<Engine>>,
    mut role: watch::Receiver<Role>,
    own: &str,
) {
    let other_leads = role.wait_for(|role| match role {
        Role::Standby { leader } => leader.as_deref().is_some_and(|leader| leader != own),
        Role::Leader { .. } | Role::Ended => false,
    });
    // What fails here shows in `Node::follow`.
    tokio::select! {
        _ = engines.wait_for(Option::is_some) => {}
        _ = other_leads => {}
    }
}

async fn simulate(config: &Config, instruments: &[Arc<Instrument>]) -> anyhow::Result<Simulator> {
    let settings = &config.market.simulator;
    let simulator = Simulator::start(SimulatorConfig {
        listen: (Ipv4Addr::LOCALHOST, 0).into(),
        ticks: settings.ticks.clone(),
        speed: settings.speed,
        seed: settings.seed,
        looping: settings.looping,
        max_gap_ms: settings.max_gap_ms,
        instruments: instruments.to_vec(),
    });
    simulator.await.context("starting the market simulator")
}

/// Logs why the provider refuses us, whenever that changes.
async fn report(mut problem: watch::Receiver<Option<String>>) -> Infallible {
    loop {
        if let Some(text) = problem.borrow_and_update().as_deref() {
            tracing::error!("market data: {text}");
        }
        if problem.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}
