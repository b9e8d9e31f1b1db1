//! One connected WebSocket: subscribe, follow the plan, keep alive, and take in prices until it
//! ends.

use std::{collections::BTreeSet, convert::Infallible, sync::Arc};

use chrono::Utc;
use daybook_domain::Symbol;
use futures::{SinkExt as _, StreamExt as _};
use metrics::counter;
use tokio::time::{self, Instant, MissedTickBehavior};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use super::{
    Waits,
    line::{ConsumerGone, Line, Socket},
    provider::Heard,
};
use crate::FeedStatus;

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
    /// There is nothing left to carry.
    Unwanted,
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
            Self::Unwanted => "unwanted",
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
pub(super) async fn listen(socket: Socket, line: &mut Line) -> Ended {
    let session = Session {
        socket,
        waits: Arc::clone(&line.waits),
        line,
        subscribed: BTreeSet::new(),
        announced: BTreeSet::new(),
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
    waits: Arc<Waits>,
    line: &'a mut Line,
    /// What has been asked for on this connection.
    subscribed: BTreeSet<Symbol>,
    /// What was asked for and not yet said to be heard without a hole again.
    announced: BTreeSet<Symbol>,
    /// When anything was heard: a session that has been silent too long is half-open.
    heard_at: Instant,
    /// When a price was heard, or none was due yet.
    priced_at: Instant,
    /// Whether the line's state says so already; a tick should not cost a lock.
    delivering: bool,
}

impl Session<'_> {
    async fn run(mut self) -> Result<Infallible, Ended> {
        self.line.wanted.mark_changed();
        let mut heartbeat = time::interval(self.waits.heartbeat);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        heartbeat.tick().await; // The first is immediate, and the subscription has just been sent.
        loop {
            let silent_at = self.heard_at + self.waits.silence_max;
            let quiet_at = self.priced_at + self.waits.quiet_max;
            tokio::select! {
                changed = self.line.wanted.changed() => {
                    changed.map_err(|_| Ended::Unwanted)?;
                    self.follow().await?;
                }
                message = self.socket.next() => {
                    self.message(message).await?;
                    // After the work: while the consumer was behind, nobody listened.
                    self.heard_at = Instant::now();
                }
                _ = heartbeat.tick() => self.send(self.line.provider.heartbeat()).await?,
                () = time::sleep_until(silent_at) => return Err(Ended::Silent),
                () = time::sleep_until(quiet_at) => self.quiet(),
            }
        }
    }

    /// Subscribes to what the plan has added, and unsubscribes from what it has dropped.
    async fn follow(&mut self) -> Result<(), Ended> {
        let wanted = self.line.wanted.borrow_and_update().clone();
        if wanted.is_empty() {
            return Err(Ended::Unwanted);
        }
        let added: Vec<_> = wanted.difference(&self.subscribed).copied().collect();
        let dropped: Vec<_> = self.subscribed.difference(&wanted).copied().collect();
        if !added.is_empty() {
            self.send(self.line.provider.subscribe(&added)).await?;
            self.announced.extend(added);
        }
        if !dropped.is_empty() {
            self.send(self.line.provider.unsubscribe(&dropped)).await?;
            self.announced.retain(|symbol| wanted.contains(symbol));
        }
        self.subscribed = wanted;
        Ok(())
    }

    async fn send(&mut self, message: Message) -> Result<(), Ended> {
        let sent = self.socket.send(message);
        match time::timeout(self.waits.silence_max, sent).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Ended::Broken),
            Err(_) => Err(Ended::Silent),
        }
    }

    async fn message(&mut self, message: Option<Result<Message, WsError>>) -> Result<(), Ended> {
        match message {
            None | Some(Ok(Message::Close(_))) => Err(Ended::Closed),
            Some(Err(_)) => Err(Ended::Broken),
            Some(Ok(Message::Text(text))) => self.text(text.as_str()).await,
            // Pings are answered by the protocol layer; no provider sends binary.
            Some(Ok(
                Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_),
            )) => Ok(()),
        }
    }

    async fn text(&mut self, text: &str) -> Result<(), Ended> {
        match self.line.provider.read(text, Utc::now()) {
            Heard::Quote(quote) => {
                self.priced_at = Instant::now();
                self.delivering();
                self.line.intake.take(quote).await?;
            }
            Heard::Subscribed => {
                self.line.reporter.problem(None);
                self.line.reporter.refused(&[]);
                self.delivering();
            }
            Heard::Refused {
                symbols,
                all,
                problem,
            } => {
                // A symbol that is refused is the operator's problem; the others go on.
                self.line.reporter.problem(Some(problem));
                self.line.reporter.refused(&symbols);
                if all {
                    return Err(Ended::Refused);
                }
                self.delivering();
            }
            Heard::Nothing => {}
            Heard::Unusable(why) => {
                counter!("daybook_feed_messages_unusable_total", "why" => why).increment(1);
                tracing::debug!(why, "message skipped");
            }
        }
        Ok(())
    }

    /// The provider has granted what was asked for, or delivers already.
    fn delivering(&mut self) {
        if !self.announced.is_empty() {
            let symbols: Vec<_> = std::mem::take(&mut self.announced).into_iter().collect();
            self.line.reporter.resumed(&symbols, Utc::now());
        }
        if !self.delivering {
            self.delivering = true;
            self.line.reporter.status(self.line.provider.delivering());
        }
    }

    /// No price for long, though the connection lives. At night and at weekends that is as it
    /// should be.
    fn quiet(&mut self) {
        self.priced_at = Instant::now();
        let now = Utc::now();
        let due = self.subscribed.iter().any(|symbol| {
            let plan = self.waits.sessions.get(symbol).copied().unwrap_or_default();
            plan.is_open(now)
        });
        if due {
            self.line.reporter.status(FeedStatus::Stale);
            self.delivering = false;
        }
    }
}
