//! The feed: one subscription per symbol over as few WebSockets as possible, reconnected with
//! jittered back-off, with REST prices while a socket stays down, and with another provider where
//! one is away.
//!
//! What leaves here is normalised, filtered and complete: a full channel makes the socket wait, it
//! never makes a quote vanish.

mod backoff;
mod board;
pub(crate) mod book_ticker;
mod line;
mod normalize;
mod overflow;
mod plan;
mod poll;
mod provider;
mod session;
mod twelve_data;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use daybook_domain::{
    Instrument, Quote, Symbol, Timestamp, quote::QuoteSource, session::SessionPlan,
};
use secrecy::SecretString;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

use self::{
    board::{Board, Reporter},
    line::{Intake, Line},
    overflow::Overflow,
    plan::{Lines, Planner},
};
pub use self::{
    book_ticker::BookTicker,
    provider::{Heard, Limits, Provider, delivering},
    twelve_data::TwelveData,
};
use crate::{Filter, FilterConfig, Hub, Interest, RestClient};

/// Told of each symbol from when on its quotes are heard without a hole: at the start, and after
/// every interruption.
pub type Resumed = Arc<dyn Fn(Symbol, Timestamp) + Send + Sync>;

/// Where quotes come from, and the feed's settings. [`FeedConfig::new`] and [`FeedConfig::of`]
/// give the usual ones.
#[derive(Clone)]
pub struct FeedConfig {
    /// Who sells quotes, the preferred one first.
    pub providers: Vec<Arc<dyn Provider>>,
    /// Symbols with an order of their own: names of providers, the preferred one first.
    pub routes: HashMap<Symbol, Vec<String>>,
    /// What may be subscribed to.
    pub symbols: Vec<Arc<Instrument>>,
    /// Who wants what of it.
    pub interest: Interest,
    /// Most symbols subscribed to at one time; further ones are polled.
    pub symbols_max: usize,
    /// Settings of the feed filter.
    pub filter: FilterConfig,
    /// Quotes that may wait for the consumer before the sockets do.
    pub queue_max: usize,
    /// Time between heartbeats.
    pub heartbeat: Duration,
    /// A socket that has not said anything for so long is half-open and is given up.
    pub silence_max: Duration,
    /// A socket that answers heartbeats but has had no price for so long, though a market is open,
    /// makes the feed `stale`.
    pub quiet_max: Duration,
    /// Time for a connection to be made.
    pub connect_timeout: Duration,
    /// First wait before a connection is tried again.
    pub reconnect_min: Duration,
    /// Longest such wait.
    pub reconnect_max: Duration,
    /// A socket that has been down for so long is replaced by polling.
    pub poll_after: Duration,
    /// Time between two polls, where the provider's budget allows.
    pub poll_every: Duration,
    /// A provider that has not delivered for so long is replaced by the next one.
    pub failover_after: Duration,
    /// Told when quotes of a symbol begin to be heard.
    pub resumed: Resumed,
}

impl FeedConfig {
    /// The usual settings for Twelve Data, or the simulator of it.
    #[must_use]
    pub fn new(
        ws_url: String,
        rest_url: String,
        api_key: SecretString,
        source: QuoteSource,
        symbols: Vec<Arc<Instrument>>,
    ) -> Self {
        let rest = RestClient::new(&rest_url, api_key);
        let provider = TwelveData::new(ws_url, rest, source, &symbols, None);
        Self::of(vec![Arc::new(provider)], symbols)
    }

    /// The usual settings for these providers, the preferred one first.
    #[must_use]
    pub fn of(providers: Vec<Arc<dyn Provider>>, symbols: Vec<Arc<Instrument>>) -> Self {
        Self {
            providers,
            routes: HashMap::new(),
            interest: Interest::new(&symbols, None),
            symbols_max: usize::MAX,
            symbols,
            filter: FilterConfig::default(),
            queue_max: 4_096,
            heartbeat: Duration::from_secs(10),
            silence_max: Duration::from_secs(25),
            quiet_max: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(10),
            reconnect_min: Duration::from_millis(250),
            reconnect_max: Duration::from_secs(30),
            poll_after: Duration::from_secs(5),
            poll_every: Duration::from_secs(2),
            failover_after: Duration::from_secs(10),
            resumed: Arc::new(|_, _| {}),
        }
    }

    fn waits(&self) -> Waits {
        Waits {
            heartbeat: self.heartbeat,
            silence_max: self.silence_max,
            quiet_max: self.quiet_max,
            connect_timeout: self.connect_timeout,
            reconnect_min: self.reconnect_min,
            reconnect_max: self.reconnect_max,
            poll_after: self.poll_after,
            poll_every: self.poll_every,
            sessions: self
                .symbols
                .iter()
                .map(|it| (it.symbol, it.session))
                .collect(),
        }
    }

    /// Numbers of the providers of each symbol, the preferred one first.
    fn routed(&self) -> HashMap<Symbol, Vec<usize>> {
        let all: Vec<_> = (0..self.providers.len()).collect();
        let number = |name: &String| {
            let named = |provider: &Arc<dyn Provider>| provider.name() == name;
            self.providers.iter().position(named)
        };
        let route = |it: &Arc<Instrument>| {
            let own = self.routes.get(&it.symbol);
            let own = own.map(|names| names.iter().filter_map(number).collect());
            (it.symbol, own.unwrap_or_else(|| all.clone()))
        };
        self.symbols.iter().map(route).collect()
    }
}

/// What every line has to know of time.
struct Waits {
    heartbeat: Duration,
    silence_max: Duration,
    quiet_max: Duration,
    connect_timeout: Duration,
    reconnect_min: Duration,
    reconnect_max: Duration,
    poll_after: Duration,
    poll_every: Duration,
    sessions: HashMap<Symbol, SessionPlan>,
}

/// The running feed. Dropping it cuts the connections; [`Feed::stop`] also waits until they are.
pub struct Feed {
    tasks: JoinSet<()>,
    problem: watch::Receiver<Option<String>>,
}

impl Feed {
    /// Connects in the background, reports the state of the feed to `hub`, and gives every quote
    /// that passes the filter: in order, unconflated, waiting while the receiver is behind.
    #[must_use]
    pub fn start(config: FeedConfig, hub: Hub) -> (Self, mpsc::Receiver<Quote>) {
        // Whoever builds the first TLS client installs the one provider of the process.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (quotes, receiver) = mpsc::channel(config.queue_max);
        let (problem, problems) = watch::channel(None);
        let count = config
            .providers
            .iter()
            .map(|it| it.limits().connections_max)
            .sum();
        let board = Arc::new(Board::new(hub, Arc::clone(&config.resumed), count, problem));
        let intake = Intake::new(Filter::new(config.filter.clone(), &config.symbols), quotes);
        let waits = Arc::new(config.waits());
        let (mut tasks, mut packs, mut first) = (JoinSet::new(), Vec::new(), 0);
        for provider in &config.providers {
            let limits = provider.limits();
            let mut lines = Lines {
                first,
                limits,
                wanted: Vec::new(),
            };
            for line in first..first + limits.connections_max {
                let (plan, wanted) = watch::channel(BTreeSet::new());
                lines.wanted.push(plan);
                let line = Line {
                    provider: Arc::clone(provider),
                    waits: Arc::clone(&waits),
                    wanted,
                    intake: intake.clone(),
                    reporter: Reporter {
                        board: Arc::clone(&board),
                        line,
                    },
                };
                tasks.spawn(line.run());
            }
            first += limits.connections_max;
            packs.push(lines);
        }
        let (polled, wanted) = watch::channel(BTreeSet::new());
        let overflow = Overflow {
            providers: config.providers.clone(),
            routes: config.routed(),
            wanted,
            intake,
            every: config.poll_every,
        };
        tasks.spawn(overflow.run());
        let planner = Planner {
            polled,
            routes: config.routed(),
            interest: config.interest,
            symbols_max: config.symbols_max,
            providers: config.providers,
            lines: packs,
            board,
            patience: config.failover_after,
        };
        tasks.spawn(planner.run());
        let feed = Self {
            tasks,
            problem: problems,
        };
        (feed, receiver)
    }

    /// What keeps the feed from working that an operator must mend (a refused key, a refused
    /// symbol); none when all is well or a retry may help.
    #[must_use]
    pub fn problem(&self) -> watch::Receiver<Option<String>> {
        self.problem.clone()
    }

    /// Cuts the connections. The receiver then ends after what it still holds.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}
