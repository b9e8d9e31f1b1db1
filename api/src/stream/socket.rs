//! One WebSocket: small buffers, writes that time out, pings that find out who has gone.

use std::time::{Duration, Instant};

use axum::{
    body::Bytes,
    extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade},
};
use daybook_relay::QuoteMessage;
use futures::SinkExt;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

/// A peer that takes nothing for so long is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Whoever is cut off has no longer.
const CUT_TIMEOUT: Duration = Duration::from_millis(100);
/// Spread, so that those who came together are not pinged together.
const PING_EVERY_MS: std::ops::Range<u64> = 20_000..30_000;
/// Two pings without any sign of life.
const SILENCE_MAX: Duration = Duration::from_secs(75);
/// What a client may say at once.
pub(super) const MESSAGE_MAX: usize = 16 * 1024;
/// Symbols that a client may name at once.
pub(super) const SYMBOLS_MAX: usize = 500;
/// An idle connection keeps these, so they are small; a batch of quotes may exceed the second.
const READ_BUFFER: usize = 1024;
const WRITE_BUFFER: usize = 4 * 1024;
const WRITE_BUFFER_MAX: usize = 256 * 1024;

/// Close codes of RFC 6455, and ours from 4000 on.
pub(super) mod close {
    pub(in crate::stream) const AWAY: u16 = 1001;
    pub(in crate::stream) const POLICY: u16 = 1008;
    pub(in crate::stream) const TRY_AGAIN_LATER: u16 = 1013;
    pub(in crate::stream) const UNAUTHENTICATED: u16 = 4401;
    pub(in crate::stream) const AUTH_TIMEOUT: u16 = 4408;
}

/// The peer is gone, or has to be.
#[derive(Debug)]
pub(super) struct Gone;

/// Sets the buffers of a socket to be.
pub(super) fn limited(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_write_buffer_size(WRITE_BUFFER_MAX)
        .max_message_size(MESSAGE_MAX)
        .max_frame_size(MESSAGE_MAX)
}

/// A socket with its heartbeat.
pub(super) struct Peer {
    socket: WebSocket,
    heard_at: Instant,
    heartbeat: Interval,
}

impl Peer {
    pub(super) fn new(socket: WebSocket) -> Self {
        let every = Duration::from_millis(rand::random_range(PING_EVERY_MS));
        let mut heartbeat = interval(every);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            socket,
            heard_at: Instant::now(),
            heartbeat,
        }
    }

    /// Writes all of them and flushes once.
    pub(super) async fn say(
        &mut self,
        messages: impl IntoIterator<Item = Utf8Bytes>,
    ) -> Result<(), Gone> {
        let writing = async {
            for message in messages {
                self.socket.feed(Message::Text(message)).await?;
            }
            self.socket.flush().await
        };
        match timeout(WRITE_TIMEOUT, writing).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Gone),
        }
    }

    /// Writes one message.
    pub(super) async fn say_one(&mut self, message: String) -> Result<(), Gone> {
        self.say([Utf8Bytes::from(message)]).await
    }

    /// The next text message. Pings its peer meanwhile. Cancel-safe.
    pub(super) async fn hear(&mut self) -> Result<Utf8Bytes, Gone> {
        loop {
            tokio::select! {
                message = self.socket.recv() => {
                    self.heard_at = Instant::now();
                    match message {
                        Some(Ok(Message::Text(text))) => return Ok(text),
                        // Pongs are written by the library.
                        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_))) => {}
                        Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Gone),
                    }
                }
                _ = self.heartbeat.tick() => {
                    if self.heard_at.elapsed() > SILENCE_MAX {
                        return Err(Gone);
                    }
                    let ping = self.socket.send(Message::Ping(Bytes::new()));
                    if !matches!(timeout(WRITE_TIMEOUT, ping).await, Ok(Ok(()))) {
                        return Err(Gone);
                    }
                }
            }
        }
    }

    /// Says why, and ends; a peer that does not take it at once ends all the same.
    pub(super) async fn cut(self, code: u16, reason: &'static str) {
        if timeout(CUT_TIMEOUT, self.close(code, reason))
            .await
            .is_err()
        {
            tracing::debug!("a socket did not take its close frame");
        }
    }

    /// Says why, and ends.
    pub(super) async fn close(mut self, code: u16, reason: &'static str) {
        let frame = CloseFrame {
            code,
            reason: Utf8Bytes::from_static(reason),
        };
        let closing = self.socket.send(Message::Close(Some(frame)));
        if timeout(WRITE_TIMEOUT, closing).await.is_err() {
            tracing::debug!("a socket did not take its close frame");
        }
    }
}

/// A message of the hub: JSON, encoded once for everybody.
pub(super) fn utf8(message: &QuoteMessage) -> Option<Utf8Bytes> {
    Utf8Bytes::try_from(message.text()).ok()
}
