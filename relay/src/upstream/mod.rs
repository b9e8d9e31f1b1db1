//! The provider's feed: one subscription per symbol over as few WebSockets as possible, reconnected
//! with jittered back-off, with REST prices while a socket stays down.
//!
//! What leaves here is normalised, filtered and complete: a full channel makes the socket wait, it
//! never makes a quote vanish.

mod backoff;
mod line;
mod normalize;
mod poll;
mod session;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use daybook_domain::{Instrument, Quote, quote::QuoteSource};
use secrecy::SecretString;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

use self::line::Line;
use crate::{FeedStatus, FilterConfig, Hub};

/// The provider closes the oldest of more connections with one key.
const CONNECTIONS_MAX: usize = 3;

/// Where quotes come from, and the feed's settings. [`FeedConfig::new`] gives the usual ones.
#[derive(Clone, Debug)]
pub struct FeedConfig {
    /// `wss://ws.twelvedata.com/v1/quotes/price`, or the simulator's.
    pub ws_url: String,
    /// `https://api.twelvedata.com`, or the simulator's.
    pub rest_url: String,
    /// The provider's key.
    pub api_key: SecretString,
    /// What the quotes are marked with; decides between the states `live` and `simulated`.
    pub source: QuoteSource,
    /// What to subscribe to.
    pub symbols: Vec<Arc<Instrument>>,
    /// Settings of the feed filter.
    pub filter: FilterConfig,
    /// Symbols per WebSocket, as far as the provider's limit of three connections allows; none:
    /// all on one.
    pub symbols_per_connection: Option<usize>,
    /// Quotes that may wait for the consumer before the sockets do.
    pub queue_max: usize,
    /// Time between heartbeats.
    pub heartbeat: Duration,
    /// A socket that has not said anything for so long is half-open and is given up.
    pub silence_max: Duration,
    /// A socket that answers heartbeats but has had no price for so long makes the feed `stale`.
    pub quiet_max: Duration,
    /// Time for a connection to be made.
    pub connect_timeout: Duration,
    /// First wait before a connection is tried again.
    pub reconnect_min: Duration,
    /// Longest such wait.
    pub reconnect_max: Duration,
    /// A socket that has been down for so long is replaced by polling.
    pub poll_after: Duration,
    /// Time between two polls.
    pub poll_every: Duration,
}

impl FeedConfig {
    /// The usual settings.
    #[must_use]
    pub fn new(
        ws_url: String,
        rest_url: String,
        api_key: SecretString,
        source: QuoteSource,
        symbols: Vec<Arc<Instrument>>,
    ) -> Self {
        Self {
            ws_url,
            rest_url,
            api_key,
            source,
            symbols,
            filter: FilterConfig::default(),
            symbols_per_connection: None,
            queue_max: 4_096,
            heartbeat: Duration::from_secs(10),
            silence_max: Duration::from_secs(25),
            quiet_max: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(10),
            reconnect_min: Duration::from_millis(250),
            reconnect_max: Duration::from_secs(30),
            poll_after: Duration::from_secs(5),
            poll_every: Duration::from_secs(2),
        }
    }
}

/// The running feed. Dropping it cuts the connections; [`Feed::stop`] also waits until they are.
pub struct Feed {
    lines: JoinSet<()>,
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
        let packs = pack(&config.symbols, config.symbols_per_connection);
        let board = Arc::new(Board::new(hub, packs.len(), problem));
        let config = Arc::new(config);
        let mut lines = JoinSet::new();
        for (index, instruments) in packs.iter().enumerate() {
            let reporter = Reporter {
                board: Arc::clone(&board),
                index,
            };
            let line = Line::new(Arc::clone(&config), instruments, quotes.clone(), reporter);
            lines.spawn(line.run());
        }
        let feed = Self {
            lines,
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
        self.lines.shutdown().await;
    }
}

/// Symbols per connection: as asked for, but never more connections than the provider allows.
fn pack(
    instruments: &[Arc<Instrument>],
    per_connection: Option<usize>,
) -> Vec<Vec<Arc<Instrument>>> {
    let all = instruments.len().max(1);
    let smallest = all.div_ceil(CONNECTIONS_MAX);
    let size = per_connection.unwrap_or(all).clamp(smallest, all);
    instruments.chunks(size).map(<[_]>::to_vec).collect()
}

/// Makes one state of the feed out of its lines': the worst.
struct Board {
    hub: Hub,
    lines: Mutex<Vec<FeedStatus>>,
    problem: watch::Sender<Option<String>>,
}

impl Board {
    fn new(hub: Hub, lines: usize, problem: watch::Sender<Option<String>>) -> Self {
        hub.set_status(FeedStatus::Stale);
        Self {
            hub,
            lines: Mutex::new(vec![FeedStatus::Stale; lines]),
            problem,
        }
    }
}

/// One line's place on the board.
struct Reporter {
    board: Arc<Board>,
    index: usize,
}

impl Reporter {
    fn status(&self, status: FeedStatus) {
        let mut lines = self
            .board
            .lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        lines[self.index] = status;
        let worst = lines.iter().max().copied().unwrap_or(status);
        // Under the lock, so that two lines cannot report in the wrong order.
        self.board.hub.set_status(worst);
    }

    /// Tells the operator once per change, not once per retry.
    fn problem(&self, problem: Option<String>) {
        self.board.problem.send_if_modified(|current| {
            if *current == problem {
                return false;
            }
            if let Some(problem) = &problem {
                tracing::error!(problem, "the feed needs attention");
            }
            *current = problem;
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::instrument;

    fn sizes(symbols: usize, per_connection: Option<usize>) -> Vec<usize> {
        let euro = Arc::new(instrument("EURUSD"));
        let packs = pack(&vec![euro; symbols], per_connection);
        packs.iter().map(Vec::len).collect()
    }

    #[test]
    fn symbols_are_packed_within_the_providers_connection_limit() {
        assert_eq!(sizes(21, None), [21]);
        assert_eq!(sizes(21, Some(8)), [8, 8, 5]);
        assert_eq!(sizes(21, Some(1)), [7, 7, 7]);
        assert_eq!(sizes(2, Some(1)), [1, 1]);
        assert_eq!(sizes(2, Some(0)), [1, 1]);
        assert_eq!(sizes(0, None), [0; 0]);
    }

    #[test]
    fn the_worst_line_is_the_state_of_the_feed() {
        let hub = Hub::new();
        let status = hub.status();
        let (problem, _) = watch::channel(None);
        let board = Arc::new(Board::new(hub, 2, problem));
        let lines = [0, 1].map(|index| Reporter {
            board: Arc::clone(&board),
            index,
        });
        lines[0].status(FeedStatus::Live);
        assert_eq!(*status.borrow(), FeedStatus::Stale);
        lines[1].status(FeedStatus::Polling);
        assert_eq!(*status.borrow(), FeedStatus::Polling);
        lines[1].status(FeedStatus::Live);
        assert_eq!(*status.borrow(), FeedStatus::Live);
    }
}
