//! Market data: the feed (the provider's, or the simulator's on a local port), and the pump that
//! carries each quote to the hub, the candles and the engine.

use std::{convert::Infallible, net::Ipv4Addr, sync::Arc, time::Duration};

use anyhow::Context as _;
use daybook_domain::{Instrument, Quote, quote::QuoteSource};
use daybook_engine::Engine;
use daybook_relay::{
    BookTicker, CandleStore, Candles, CandlesConfig, Feed, FeedConfig, Hub, Interest, Provider,
    RestClient, Simulator, SimulatorConfig, TwelveData,
};
use daybook_store::{CandleTable, Role, Store};
use secrecy::SecretString;
use tokio::sync::{mpsc, watch};

use super::{holdings, kept_candles::KeptCandles};
use crate::{
    config::{Config, MarketConfig, ProviderKind},
    out::say,
};

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
    /// Which symbols are wanted.
    pub interest: Interest,
    store: Store,
    instruments: Vec<Arc<Instrument>>,
    simulator: Option<Simulator>,
    feed_config: FeedConfig,
    feed: Option<Feed>,
}

/// Where market data comes from: given addresses, or the simulator's.
struct Sources {
    source: QuoteSource,
    ws_url: String,
    rest: RestClient,
    book_ticker: Option<BookTickerSource>,
}

/// Where the book ticker is, and as what its quotes are marked for good.
#[derive(Clone)]
struct BookTickerSource {
    source: QuoteSource,
    ws_url: String,
    rest_url: String,
}

impl Market {
    /// Starts the simulator where there is no provider, and makes everything but the feed.
    pub async fn prepare(
        config: &Config,
        store: &Store,
        instruments: &[Arc<Instrument>],
    ) -> anyhow::Result<Self> {
        let simulator = match config.simulated() {
            true => Some(simulate(config, instruments).await?),
            false => None,
        };
        let sources = Sources::of(config, simulator.as_ref());
        let interest = Interest::new(instruments, config.market.unwatched);
        let candles = Candles::new(candles_config(config, store, &sources, instruments));
        let feed_config = feed_config(config, sources, instruments, &interest, &candles);
        Ok(Self {
            hub: Hub::new(),
            candles,
            interest,
            store: store.clone(),
            instruments: instruments.to_vec(),
            simulator,
            feed_config,
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
        let holdings = holdings::follow(&self.store, &self.instruments, &self.interest);
        tokio::select! {
            failure = pump => failure,
            never = self.announce(config, &engines, role, url) => match never {},
            never = report(problem) => match never {},
            never = holdings => match never {},
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
        for terms in &self.instruments {
            if let Some(quote) = self.hub.last(terms.symbol) {
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
                .instruments
                .iter()
                .any(|terms| self.hub.last(terms.symbol).is_some())
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

impl Sources {
    fn of(config: &Config, simulator: Option<&Simulator>) -> Self {
        let settings = &config.market;
        match (&settings.api_key, simulator) {
            (Some(key), _) => Self::given(settings, key.clone()),
            (None, simulator) => Self::simulated(settings, simulator),
        }
    }

    fn given(settings: &MarketConfig, key: SecretString) -> Self {
        let rest = RestClient::new(&settings.rest_url, key);
        let ticker = settings.book_ticker.as_ref().map(|given| BookTickerSource {
            source: QuoteSource::BookTicker,
            ws_url: given.ws_url.clone(),
            rest_url: given.rest_url.clone(),
        });
        Self {
            source: QuoteSource::TwelveData,
            ws_url: settings.ws_url.clone(),
            rest: rest.with_credits_per_minute(settings.credits_per_minute),
            book_ticker: ticker,
        }
    }

    /// Both providers are the simulator, whatever else is configured.
    fn simulated(settings: &MarketConfig, simulator: Option<&Simulator>) -> Self {
        let of = |url: fn(&Simulator) -> String| simulator.map(url).unwrap_or_default();
        let rest_url = of(Simulator::rest_url);
        let rest = RestClient::new(&rest_url, "simulated".to_owned().into());
        Self {
            source: QuoteSource::Simulator,
            ws_url: of(Simulator::ws_url),
            rest: rest.with_credits_per_minute(settings.credits_per_minute),
            book_ticker: Some(BookTickerSource {
                source: QuoteSource::Simulator,
                ws_url: of(Simulator::book_ticker_url),
                rest_url,
            }),
        }
    }

    /// Whose candles these are in the table; none where they mean nothing to the next start.
    fn candles_of(&self, settings: &MarketConfig) -> Option<String> {
        match self.source {
            QuoteSource::TwelveData => Some(ProviderKind::TwelveData.as_str().to_owned()),
            QuoteSource::BookTicker => Some(ProviderKind::BookTicker.as_str().to_owned()),
            // A recording is moved to the moment of its start.
            QuoteSource::Simulator | QuoteSource::Recorded => {
                let simulator = &settings.simulator;
                let generated = simulator.ticks.is_empty();
                generated.then(|| format!("simulator-{}", simulator.seed))
            }
        }
    }
}

fn candles_config(
    config: &Config,
    store: &Store,
    sources: &Sources,
    instruments: &[Arc<Instrument>],
) -> CandlesConfig {
    let kept = sources.candles_of(&config.market).map(|source| {
        let kept = KeptCandles(CandleTable::new(store, source));
        Arc::new(kept) as Arc<dyn CandleStore>
    });
    CandlesConfig {
        ttl_minutes: config.market.history_ttl_minutes,
        ttl_hours: config.market.history_ttl_hours,
        store: kept,
        sessions: config.rules().sessions,
        ..CandlesConfig::of(sources.rest.clone(), instruments.to_vec())
    }
}

fn feed_config(
    config: &Config,
    sources: Sources,
    instruments: &[Arc<Instrument>],
    interest: &Interest,
    candles: &Candles,
) -> FeedConfig {
    let settings = &config.market;
    let mut kinds = settings.providers.clone();
    for kind in settings.routes.values().flatten() {
        if !kinds.contains(kind) {
            kinds.push(*kind);
        }
    }
    let Sources {
        source,
        ws_url,
        rest,
        book_ticker,
    } = sources;
    let providers = kinds.into_iter().filter_map(|kind| match kind {
        ProviderKind::TwelveData => {
            let per_connection = settings.symbols_per_connection;
            let (ws_url, rest) = (ws_url.clone(), rest.clone());
            let it = TwelveData::new(ws_url, rest, source, instruments, per_connection);
            Some(Arc::new(it) as Arc<dyn Provider>)
        }
        ProviderKind::BookTicker => {
            let at = book_ticker.clone()?;
            let it = BookTicker::new(at.ws_url, &at.rest_url, at.source, instruments);
            Some(Arc::new(it) as Arc<dyn Provider>)
        }
    });
    let names = |kinds: &Vec<ProviderKind>| {
        let names = kinds.iter().map(|kind| kind.as_str().to_owned());
        names.collect::<Vec<_>>()
    };
    let everywhere = names(&settings.providers);
    let routes = instruments.iter().map(|terms| {
        let own = settings.routes.get(&terms.symbol).map(names);
        (terms.symbol, own.unwrap_or_else(|| everywhere.clone()))
    });
    let candles = candles.clone();
    FeedConfig {
        routes: routes.collect(),
        interest: interest.clone(),
        symbols_max: settings.symbols_max.unwrap_or(usize::MAX),
        filter: settings.filter.clone(),
        failover_after: settings.failover,
        resumed: Arc::new(move |symbol, at| candles.resumed(symbol, at)),
        ..FeedConfig::of(providers.collect(), instruments.to_vec())
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
        control: false,
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
