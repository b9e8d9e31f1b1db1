//! One connected WebSocket: subscribe, keep alive, and take in prices until it ends.

use std::sync::Arc;

use chrono::Utc;
use daybook_domain::quote::QuoteSource;
use futures::{SinkExt as _, StreamExt as _};
use metrics::counter;
use tokio::time::{self, Instant, MissedTickBehavior};
use tokio_tungstenite::tungstenite::Message;

use super::{
    FeedConfig,
    line::{ConsumerGone, Line, Socket},
};
use crate::{
    FeedStatus,
    wire::{self, Event, Price, SubscribeStatus},
};

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The provider closed it.
    Closed,
    /// The network broke it.
    Broken,
    /// Nothing was heard for too long: half-open.
    Silent,
    /// The provider would give none of the symbols.
    Refused,
    /// Nobody takes the quotes any more.
    ConsumerGone,
}

impl Ended {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Broken => "broken",
            Self::Silent => "silent",
            Self::Refused => "refused",
            Self::ConsumerGone => "consumer_gone",
        }
    }
}

impl From<ConsumerGone> for Ended {
    fn from(_: ConsumerGone) -> Self {
        Self::ConsumerGone
    }
}

/// Subscribes, then takes in prices until the session ends.
pub(super) async fn listen(socket: Socket, config: &Arc<FeedConfig>, line: &mut Line) -> Ended {
    let session = Session {
        socket,
        config: Arc::clone(config),
        line,
        heard_at: Instant::now(),
        priced_at: Instant::now(),
        delivering: false,
    };
    match session.run().await {
        Ok(never) => match never {},
        Err(ended) => ended,
    }
}

struct Session<'a> {
    socket: Socket,
    config: Arc<FeedConfig>,
    line: &'a mut Line,
    /// When anything was heard: a session that has been silent too long is half-open.
    heard_at: Instant,
    /// When a price was heard, or none was due yet.
    priced_at: Instant,
    /// Whether the line's state says so already; a tick should not cost a lock.
    delivering: bool,
}

impl Session<'_> {
    async fn run(mut self) -> Result<std::convert::Infallible, Ended> {
        let symbols = self.line.normalizer.provider_symbols().join(",");
        let subscribe = format!(r#"{{"action":"subscribe","params":{{"symbols":"{symbols}"}}}}"#);
        self.send(subscribe).await?;
        let mut heartbeat = time::interval(self.config.heartbeat);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        heartbeat.tick().await; // The first is immediate, and the subscription has just been sent.
        loop {
            let silent_at = self.heard_at + self.config.silence_max;
            let quiet_at = self.priced_at + self.config.quiet_max;
            tokio::select! {
                message = self.socket.next() => {
                    self.message(message).await?;
                    // After the work: while the consumer was behind, nobody listened.
                    self.heard_at = Instant::now();
                }
                _ = heartbeat.tick() => self.send(r#"{"action":"heartbeat"}"#.to_owned()).await?,
                () = time::sleep_until(silent_at) => return Err(Ended::Silent),
                () = time::sleep_until(quiet_at) => {
                    self.line.reporter.status(FeedStatus::Stale);
                    self.delivering = false;
                    self.priced_at = Instant::now();
                }
            }
        }
    }

    async fn send(&mut self, text: String) -> Result<(), Ended> {
        let sent = self.socket.send(Message::text(text));
        match time::timeout(self.config.silence_max, sent).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Ended::Broken),
            Err(_) => Err(Ended::Silent),
        }
    }

    async fn message(
        &mut self,
        message: Option<Result<Message, tokio_tungstenite::tungstenite::Error>>,
    ) -> Result<(), Ended> {
        match message {
            None | Some(Ok(Message::Close(_))) => Err(Ended::Closed),
            Some(Err(_)) => Err(Ended::Broken),
            Some(Ok(Message::Text(text))) => self.text(text.as_str()).await,
            // Pings are answered by the protocol layer; the provider sends no binary.
            Some(Ok(
                Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_),
            )) => Ok(()),
        }
    }

    async fn text(&mut self, text: &str) -> Result<(), Ended> {
        match wire::parse(text) {
            Ok(Event::Price(price)) => self.price(&price).await,
            Ok(Event::Subscribed(status)) => self.subscribed(&status),
            Ok(Event::Other) => Ok(()),
            Err(error) => {
                counter!("daybook_feed_messages_unusable_total", "why" => "malformed").increment(1);
                tracing::debug!(%error, "unreadable message skipped");
                Ok(())
            }
        }
    }

    async fn price(&mut self, price: &Price<'_>) -> Result<(), Ended> {
        match self.line.normalizer.quote(price, Utc::now()) {
            Ok(quote) => {
                self.priced_at = Instant::now();
                self.delivering();
                self.line.intake.take(quote).await?;
            }
            Err(unusable) => {
                let why = unusable.as_str();
                counter!("daybook_feed_messages_unusable_total", "why" => why).increment(1);
                tracing::debug!(symbol = %price.symbol, why, "price skipped");
            }
        }
        Ok(())
    }

    /// A symbol that is refused is the operator's problem; the others go on.
    fn subscribed(&mut self, status: &SubscribeStatus<'_>) -> Result<(), Ended> {
        if let Some(fails) = status.fails {
            let problem = format!("the provider refuses symbols: {fails}");
            self.line.reporter.problem(Some(problem));
        } else if status.status == "error" {
            let message = status.message.as_deref().unwrap_or("no reason given");
            let problem = format!("the provider refuses the subscription: {message}");
            self.line.reporter.problem(Some(problem));
        } else {
            self.line.reporter.problem(None);
        }
        if status.status == "error" {
            return Err(Ended::Refused);
        }
        self.delivering();
        Ok(())
    }

    fn delivering(&mut self) {
        if self.delivering {
            return;
        }
        self.delivering = true;
        let status = match self.config.source {
            QuoteSource::TwelveData => FeedStatus::Live,
            QuoteSource::Simulator | QuoteSource::Recorded => FeedStatus::Simulated,
        };
        self.line.reporter.status(status);
    }
}
