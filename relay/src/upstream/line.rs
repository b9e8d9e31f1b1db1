//! One WebSocket and what stands in for it: connect, listen, and start over, for as long as there
//! is something to carry.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use daybook_domain::{Quote, Symbol};
use metrics::counter;
use secrecy::ExposeSecret as _;
use tokio::{
    net::TcpStream,
    sync::{Mutex, mpsc, watch},
    time::{self, Instant},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{Error as WsError, protocol::WebSocketConfig},
};

use super::{Waits, backoff::Backoff, board::Reporter, poll, provider::Provider, session};
use crate::{FeedStatus, Filter, RelayError, rest};

pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Providers' messages are at most this long.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// The symbols of one connection, from their provider to the consumer.
pub(super) struct Line {
    pub(super) provider: Arc<dyn Provider>,
    pub(super) waits: Arc<Waits>,
    /// What it is meant to carry.
    pub(super) wanted: watch::Receiver<BTreeSet<Symbol>>,
    pub(super) intake: Intake,
    pub(super) reporter: Reporter,
}

/// The last step of a quote: through the filter, to the consumer. Shared by all lines, for a
/// symbol may come over two of them while one takes over from the other.
#[derive(Clone)]
pub(super) struct Intake {
    gate: Arc<Mutex<Gate>>,
}

struct Gate {
    filter: Filter,
    quotes: mpsc::Sender<Quote>,
}

/// The consumer has gone; there is nobody to work for.
#[derive(Debug)]
pub(super) struct ConsumerGone;

impl Intake {
    pub(super) fn new(filter: Filter, quotes: mpsc::Sender<Quote>) -> Self {
        Self {
            gate: Arc::new(Mutex::new(Gate { filter, quotes })),
        }
    }

    /// Filters a quote and waits until the consumer has room for it. The gate stays closed until
    /// then, so that what passed the filter first leaves first.
    pub(super) async fn take(&self, quote: Quote) -> Result<(), ConsumerGone> {
        let mut gate = self.gate.lock().await;
        match gate.filter.test(&quote) {
            crate::Verdict::Passed => gate.quotes.send(quote).await.map_err(|_| ConsumerGone),
            crate::Verdict::Held | crate::Verdict::Dropped(_) => Ok(()),
        }
    }
}

impl Line {
    /// Works until the consumer goes, or the plan's keeper does.
    pub(super) async fn run(mut self) {
        let waits = Arc::clone(&self.waits);
        let mut backoff = Backoff::new(waits.reconnect_min, waits.reconnect_max);
        while self
            .wanted
            .wait_for(|wanted| !wanted.is_empty())
            .await
            .is_ok()
        {
            let socket = match self.connect(&mut backoff).await {
                Ok(Some(socket)) => socket,
                Ok(None) => continue, // Nobody wants anything of it any more.
                Err(ConsumerGone) => return,
            };
            let connected_at = Instant::now();
            let ended = session::listen(socket, &mut self).await;
            self.reporter.status(FeedStatus::Stale);
            match ended {
                session::Ended::ConsumerGone => return,
                session::Ended::Unwanted => continue,
                session::Ended::Refused => backoff.exhaust(),
                session::Ended::Closed | session::Ended::Silent | session::Ended::Broken => {
                    // One that ends at once was no better than a refused connection.
                    if connected_at.elapsed() >= waits.heartbeat {
                        backoff.reset();
                    }
                }
            }
            counter!("daybook_feed_disconnects_total", "why" => ended.as_str()).increment(1);
            tracing::warn!(
                provider = self.provider.name(),
                why = ended.as_str(),
                "feed disconnected"
            );
            time::sleep(backoff.next()).await;
        }
    }

    /// Tries until it is connected, and asks for prices over REST when that takes long. None when
    /// nothing is wanted any more.
    async fn connect(&mut self, backoff: &mut Backoff) -> Result<Option<Socket>, ConsumerGone> {
        let wanted = self.wanted.clone();
        let mut unwanted = self.wanted.clone();
        let connected = retry(
            &*self.provider,
            &wanted,
            &self.waits,
            backoff,
            &self.reporter,
        );
        tokio::select! {
            socket = connected => Ok(Some(socket)),
            gone = poll::run(self) => Err(gone),
            _ = unwanted.wait_for(BTreeSet::is_empty) => Ok(None),
        }
    }
}

async fn retry(
    provider: &dyn Provider,
    wanted: &watch::Receiver<BTreeSet<Symbol>>,
    waits: &Waits,
    backoff: &mut Backoff,
    reporter: &Reporter,
) -> Socket {
    loop {
        let symbols: Vec<_> = wanted.borrow().iter().copied().collect();
        let wait = match open(provider, &symbols, waits.connect_timeout).await {
            Ok(socket) => return socket,
            Err(error @ RelayError::KeyRefused { .. }) => {
                counter!("daybook_feed_key_refused_total").increment(1);
                reporter.problem(Some(error.to_string()));
                backoff.exhaust();
                backoff.next()
            }
            Err(error) => {
                let wait = backoff.next();
                let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                let provider = provider.name();
                tracing::warn!(provider, %error, wait_ms, "cannot connect to the feed");
                wait
            }
        };
        counter!("daybook_feed_connects_failed_total").increment(1);
        time::sleep(wait).await;
    }
}

async fn open(
    provider: &dyn Provider,
    symbols: &[Symbol],
    timeout: Duration,
) -> Result<Socket, RelayError> {
    let limits = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    let address = provider.address(symbols);
    let connecting = connect_async_with_config(address.expose_secret(), Some(limits), true);
    match time::timeout(timeout, connecting).await {
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(error)) => Err(refused(error)),
        Err(_) => {
            let after = timeout.as_secs();
            Err(RelayError::Unreachable(format!(
                "no answer within {after} s"
            )))
        }
    }
}

/// What the provider says in place of the upgrade, or why it cannot be reached. An error about the
/// address itself is not repeated, for the address holds the key.
fn refused(error: WsError) -> RelayError {
    match error {
        WsError::Http(response) => {
            let status = response.status();
            let body = response.body().as_deref().unwrap_or_default();
            rest::refusal(status.as_u16(), body).unwrap_or_else(|| match status.as_u16() {
                code @ (401 | 403) => RelayError::KeyRefused {
                    code,
                    message: status.to_string(),
                },
                _ => RelayError::Unreachable(format!("HTTP {status} in place of an upgrade")),
            })
        }
        WsError::Url(_) | WsError::HttpFormat(_) => {
            RelayError::Unreachable("the feed's address is not a WebSocket URL".into())
        }
        error @ (WsError::ConnectionClosed
        | WsError::AlreadyClosed
        | WsError::Io(_)
        | WsError::Tls(_)
        | WsError::Capacity(_)
        | WsError::Protocol(_)
        | WsError::WriteBufferFull(_)
        | WsError::Utf8(_)
        | WsError::AttackAttempt) => RelayError::Unreachable(error.to_string()),
    }
}
