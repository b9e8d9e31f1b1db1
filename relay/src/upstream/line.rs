//! One WebSocket and what stands in for it: connect, listen, and start over, for ever.

use std::{sync::Arc, time::Duration};

use daybook_domain::{Instrument, Quote};
use metrics::counter;
use secrecy::ExposeSecret as _;
use tokio::{
    net::TcpStream,
    sync::mpsc,
    time::{self, Instant},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{Error as WsError, protocol::WebSocketConfig},
};

use super::{FeedConfig, Reporter, backoff::Backoff, normalize::Normalizer, poll::Poller, session};
use crate::{FeedStatus, Filter, RelayError, rest};

pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The provider's messages are at most this long.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// The symbols of one connection, from the provider to the consumer.
pub(super) struct Line {
    config: Arc<FeedConfig>,
    pub(super) normalizer: Normalizer,
    pub(super) intake: Intake,
    pub(super) reporter: Reporter,
    poller: Poller,
}

/// The last step of a quote: through the filter, to the consumer.
pub(super) struct Intake {
    filter: Filter,
    quotes: mpsc::Sender<Quote>,
}

/// The consumer has gone; there is nobody to work for.
#[derive(Debug)]
pub(super) struct ConsumerGone;

impl Intake {
    /// Filters a quote and waits until the consumer has room for it.
    pub(super) async fn take(&mut self, quote: Quote) -> Result<(), ConsumerGone> {
        match self.filter.test(&quote) {
            crate::Verdict::Passed => self.quotes.send(quote).await.map_err(|_| ConsumerGone),
            crate::Verdict::Held | crate::Verdict::Dropped(_) => Ok(()),
        }
    }
}

impl Line {
    pub(super) fn new(
        config: Arc<FeedConfig>,
        instruments: &[Arc<Instrument>],
        quotes: mpsc::Sender<Quote>,
        reporter: Reporter,
    ) -> Self {
        let normalizer = Normalizer::new(config.source, instruments);
        Self {
            poller: Poller::new(&config, normalizer.clone()),
            normalizer,
            intake: Intake {
                filter: Filter::new(config.filter.clone(), instruments),
                quotes,
            },
            reporter,
            config,
        }
    }

    /// Works until the consumer goes.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::new(self.config.reconnect_min, self.config.reconnect_max);
        loop {
            let Ok(socket) = self.connect(&mut backoff).await else {
                return;
            };
            let connected_at = Instant::now();
            let config = Arc::clone(&self.config);
            let ended = session::listen(socket, &config, &mut self).await;
            self.reporter.status(FeedStatus::Stale);
            counter!("daybook_feed_disconnects_total", "why" => ended.as_str()).increment(1);
            match ended {
                session::Ended::ConsumerGone => return,
                session::Ended::Refused => backoff.exhaust(),
                session::Ended::Closed | session::Ended::Silent | session::Ended::Broken => {
                    // One that ends at once was no better than a refused connection.
                    if connected_at.elapsed() >= self.config.heartbeat {
                        backoff.reset();
                    }
                }
            }
            tracing::warn!(why = ended.as_str(), "feed disconnected");
            time::sleep(backoff.next()).await;
        }
    }

    /// Tries until it is connected, and asks for prices over REST when that takes long.
    async fn connect(&mut self, backoff: &mut Backoff) -> Result<Socket, ConsumerGone> {
        let connected = retry(&self.config, backoff, &self.reporter);
        let polled = self.poller.run(&mut self.intake, &self.reporter);
        tokio::select! {
            socket = connected => Ok(socket),
            gone = polled => Err(gone),
        }
    }
}

async fn retry(config: &FeedConfig, backoff: &mut Backoff, reporter: &Reporter) -> Socket {
    loop {
        let wait = match open(config).await {
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
                tracing::warn!(%error, wait_ms, "cannot connect to the feed");
                wait
            }
        };
        counter!("daybook_feed_connects_failed_total").increment(1);
        time::sleep(wait).await;
    }
}

async fn open(config: &FeedConfig) -> Result<Socket, RelayError> {
    let address = format!(
        "{}?apikey={}",
        config.ws_url,
        config.api_key.expose_secret()
    );
    let limits = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    let connecting = connect_async_with_config(address, Some(limits), true);
    let connected = time::timeout(config.connect_timeout, connecting).await;
    match connected {
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(error)) => Err(refused(error)),
        Err(_) => Err(timed_out(config.connect_timeout)),
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

fn timed_out(after: Duration) -> RelayError {
    RelayError::Unreachable(format!("no answer within {} s", after.as_secs()))
}
