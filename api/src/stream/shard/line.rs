//! One socket: what it has been sent, and what the kernel would not take yet.
//!
//! Bytes go out in whole frames and in one order. While any wait, no quotes are added to them: the
//! peer gets the newest when it reads again, and this queue stays short.

use std::{
    cell::RefCell,
    io,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{net::TcpStream, sync::Notify};

use super::audience::Audience;

/// Answers that a peer asks for and does not read add up to no more than this.
const UNSENT_MAX: usize = 256 * 1024;
/// A peer that takes nothing for so long is gone.
const STALLED_MAX: Duration = Duration::from_secs(30);
/// Two pings without any sign of life.
const SILENCE_MAX: Duration = Duration::from_secs(75);
const PING_EVERY_MS: std::ops::Range<u64> = 20_000..30_000;

/// Why a line ended, as metrics tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// The peer closed, or its connection broke.
    Gone,
    /// It took nothing for too long.
    Stalled,
    /// It said nothing for too long.
    Silent,
    /// It asked for more than it read.
    Overfull,
    /// It broke the protocol, or sent more than is taken.
    Misbehaved,
    /// Its address was blocked.
    Blocked,
}

/// A socket of this thread.
pub(super) struct Line {
    pub(super) stream: TcpStream,
    /// Told when bytes wait, or the line is over.
    pub(super) wake: Notify,
    state: RefCell<State>,
}

struct State {
    audience: Rc<Audience>,
    mark: u64,
    unsent: Vec<u8>,
    /// When the peer last took anything, while bytes wait.
    moved_at: Instant,
    heard_at: Instant,
    ping_at: Instant,
    /// A close frame has been sent: nothing may follow it.
    closed: bool,
    over: Option<Over>,
}

impl Line {
    pub(super) fn new(stream: TcpStream, audience: Rc<Audience>, now: Instant) -> Self {
        let state = State {
            audience,
            mark: 0,
            unsent: Vec::new(),
            moved_at: now,
            heard_at: now,
            ping_at: next_ping(now),
            closed: false,
            over: None,
        };
        Self {
            stream,
            wake: Notify::new(),
            state: RefCell::new(state),
        }
    }

    pub(super) fn audience(&self) -> Rc<Audience> {
        Rc::clone(&self.state.borrow().audience)
    }

    /// The audience and how far it has been served; none while the peer has to read first.
    pub(super) fn ready(&self) -> Option<(Rc<Audience>, u64)> {
        let state = self.state.borrow();
        let ready = state.unsent.is_empty() && state.over.is_none() && !state.closed;
        ready.then(|| (Rc::clone(&state.audience), state.mark))
    }

    pub(super) fn mark(&self) -> u64 {
        self.state.borrow().mark
    }

    pub(super) fn set_mark(&self, mark: u64) {
        self.state.borrow_mut().mark = mark;
    }

    pub(super) fn set_audience(&self, audience: Rc<Audience>) {
        self.state.borrow_mut().audience = audience;
    }

    /// No more quotes and pings: what is written next is the last.
    pub(super) fn close(&self) {
        self.state.borrow_mut().closed = true;
    }

    pub(super) fn over(&self) -> Option<Over> {
        self.state.borrow().over
    }

    pub(super) fn has_unsent(&self) -> bool {
        !self.state.borrow().unsent.is_empty()
    }

    /// Writes whole frames: now, or behind what waits already.
    pub(super) fn write(&self, frames: &[u8]) {
        let mut state = self.state.borrow_mut();
        if state.over.is_some() || frames.is_empty() {
            return;
        }
        let sent = if state.unsent.is_empty() {
            self.try_write(frames, &mut state)
        } else {
            0
        };
        let rest = &frames[sent..];
        if rest.is_empty() || state.over.is_some() {
            return;
        }
        if state.unsent.is_empty() {
            state.moved_at = Instant::now();
        }
        if state.unsent.len() + rest.len() > UNSENT_MAX {
            self.end(&mut state, Over::Overfull);
            return;
        }
        state.unsent.extend_from_slice(rest);
        self.wake.notify_one();
    }

    /// Writes what waits, as far as the kernel takes it.
    pub(super) fn flush(&self) {
        let mut state = self.state.borrow_mut();
        let unsent = std::mem::take(&mut state.unsent);
        if unsent.is_empty() {
            return;
        }
        let sent = self.try_write(&unsent, &mut state);
        if sent > 0 {
            state.moved_at = Instant::now();
        }
        // Idle again, a line keeps no buffer.
        if sent < unsent.len() {
            state.unsent = unsent;
            state.unsent.drain(..sent);
        }
    }

    fn try_write(&self, bytes: &[u8], state: &mut State) -> usize {
        match self.stream.try_write(bytes) {
            Ok(sent) => sent,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(_) => {
                self.end(state, Over::Gone);
                0
            }
        }
    }

    pub(super) fn heard(&self) {
        self.state.borrow_mut().heard_at = Instant::now();
    }

    /// Pings where one is due, and ends the line of a peer that takes or says nothing.
    pub(super) fn beat(&self, now: Instant, ping: &[u8]) {
        let mut state = self.state.borrow_mut();
        if !state.unsent.is_empty() && now.duration_since(state.moved_at) > STALLED_MAX {
            self.end(&mut state, Over::Stalled);
        } else if now.duration_since(state.heard_at) > SILENCE_MAX {
            self.end(&mut state, Over::Silent);
        } else if now >= state.ping_at && !state.closed {
            state.ping_at = next_ping(now);
            drop(state);
            self.write(ping);
        }
    }

    fn end(&self, state: &mut State, over: Over) {
        state.over.get_or_insert(over);
        self.wake.notify_one();
    }
}

/// Spread, so that those who came together are not pinged together.
fn next_ping(now: Instant) -> Instant {
    now + Duration::from_millis(rand::random_range(PING_EVERY_MS))
}

impl Over {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Stalled => "stalled",
            Self::Silent => "silent",
            Self::Overfull => "overfull",
            Self::Misbehaved => "misbehaved",
            Self::Blocked => "blocked",
        }
    }
}
