//! A thread that owns sockets and writes quotes to them.
//!
//! It goes round its lines for as long as there is news. Each line is sent, in one write, everything
//! it has not seen and that is still the newest; what it does not take at once is not waited for.
//! The threads are apart from those that serve requests, so that ten thousand listeners slow nobody
//! who trades, and nothing in them is locked.

mod audience;
mod board;
mod line;
mod listener;
mod scratch;

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashSet},
    io,
    rc::Rc,
    thread,
    time::{Duration, Instant},
};

use daybook_domain::Symbol;
use daybook_relay::{FeedStatus, Hub, Interest, Tap, Tapped};
use slab::Slab;
use tokio::{
    net::TcpStream,
    sync::{Notify, mpsc, watch},
    task::{LocalSet, spawn_local, yield_now},
    time::{MissedTickBehavior, interval, sleep_until},
};
use tungstenite::protocol::frame::{
    Frame,
    coding::{Data, OpCode},
};

use self::{audience::Audience, board::Board, line::Line, listener::context, scratch::Scratch};
use super::{
    gate::Permit,
    handshake::Raw,
    protocol::{status, unknown_symbol},
};
use crate::app::Shared;

/// Lines that are served before anything else has its turn: a third of a millisecond.
const LINES_AT_ONCE: usize = 64;
/// Going round more often than this gains nobody anything and costs a write a line.
const ROUND_MIN: Duration = Duration::from_millis(2);
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How long peers may take to answer a close frame.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);
/// Data that waits in the kernel is old data: the kernel is given room for a few writes and says
/// stop beyond it.
const KERNEL_BUFFER: usize = 64 * 1024;
const KERNEL_UNSENT: u32 = 16 * 1024;

/// A socket that comes to this thread.
pub(super) struct Arrival {
    pub(super) raw: Raw,
    pub(super) app: Shared,
    pub(super) permit: Permit,
    pub(super) symbols: Vec<Symbol>,
    /// Names that are no symbols, to be told so.
    pub(super) unknown: Vec<String>,
}

/// What the tasks of one thread share.
pub(super) struct Shard {
    hub: Hub,
    interest: Interest,
    /// Symbols that somebody has listened to, by their numbers.
    names: RefCell<BTreeMap<u32, Symbol>>,
    feed: watch::Receiver<FeedStatus>,
    board: RefCell<Board>,
    lines: RefCell<Slab<Rc<Line>>>,
    /// Audiences in use; equal ones are the same.
    audiences: RefCell<HashSet<Rc<Audience>>>,
    scratch: RefCell<Scratch>,
    closing: Cell<bool>,
    left: Notify,
    delivered: metrics::Counter,
    conflated: metrics::Counter,
}

impl Shard {
    /// Starts the thread. It ends after `closing`, or when nobody can send arrivals any more.
    pub(super) fn start(
        number: usize,
        hub: &Hub,
        interest: Interest,
        closing: watch::Receiver<bool>,
        arrivals: mpsc::Receiver<Arrival>,
    ) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (hub, tap) = (hub.clone(), hub.tap());
        let run = move || {
            let shard = Rc::new(Self::new(hub, interest));
            LocalSet::new().block_on(&runtime, shard.run(tap, arrivals, closing));
        };
        let name = format!("quotes-{number}");
        thread::Builder::new().name(name).spawn(run).map(drop)
    }

    fn new(hub: Hub, interest: Interest) -> Self {
        Self {
            feed: hub.status(),
            hub,
            interest,
            names: RefCell::default(),
            board: RefCell::default(),
            lines: RefCell::default(),
            audiences: RefCell::default(),
            scratch: RefCell::default(),
            closing: Cell::new(false),
            left: Notify::new(),
            delivered: metrics::counter!("daybook_quotes_delivered_total"),
            conflated: metrics::counter!("daybook_quotes_conflated_total"),
        }
    }

    async fn run(
        self: Rc<Self>,
        tap: Tap,
        mut arrivals: mpsc::Receiver<Arrival>,
        mut closing: watch::Receiver<bool>,
    ) {
        let tasks = [
            spawn_local(Rc::clone(&self).serve_all(tap)),
            spawn_local(Rc::clone(&self).beat()),
            spawn_local(Rc::clone(&self).tell_status()),
        ];
        loop {
            tokio::select! {
                arrival = arrivals.recv() => match arrival {
                    Some(arrival) => self.admit(arrival),
                    None => break,
                },
                // The gate that told of it is gone: so is everybody who could come.
                _ = closing.wait_for(|closing| *closing) => break,
            }
        }
        arrivals.close();
        self.close_all().await;
        for task in tasks {
            task.abort();
        }
    }

    /// Goes round for as long as there is news.
    async fn serve_all(self: Rc<Self>, mut tap: Tap) {
        let mut tapped = Vec::new();
        let mut next = 0;
        loop {
            tap.arrived().await;
            let started = Instant::now();
            let mut to_go = 0;
            loop {
                if self.take_in(&mut tap, &mut tapped) {
                    to_go = self.lines.borrow().capacity();
                }
                if to_go == 0 {
                    break;
                }
                let places = LINES_AT_ONCE.min(to_go);
                next = self.serve_some(next, places);
                to_go -= places;
                // Who reads, answers, comes or goes has a turn.
                yield_now().await;
            }
            sleep_until((started + ROUND_MIN).into()).await;
        }
    }

    /// Whether there was news.
    fn take_in(&self, tap: &mut Tap, tapped: &mut Vec<Tapped>) -> bool {
        tap.drain(tapped);
        let news = !tapped.is_empty();
        let mut board = self.board.borrow_mut();
        for (symbol, message) in tapped.drain(..) {
            board.take_in(symbol, message);
        }
        news
    }

    /// Serves the lines in so many places, and says where to go on.
    fn serve_some(&self, from: usize, places: usize) -> usize {
        let lines = self.lines.borrow();
        let mut place = from;
        for _ in 0..places {
            if place >= lines.capacity() {
                place = 0;
            }
            if let Some(line) = lines.get(place) {
                self.serve(line);
            }
            place += 1;
        }
        place
    }

    /// Writes what the line has not seen, unless its peer has to read first.
    fn serve(&self, line: &Line) {
        let Some((audience, mark)) = line.ready() else {
            return;
        };
        let board = self.board.borrow();
        let mut scratch = self.scratch.borrow_mut();
        let (frames, tally) = scratch.frames(&board, &audience, mark);
        line.set_mark(board.end());
        self.conflated.increment(tally.conflated);
        if tally.delivered > 0 {
            line.write(frames);
            self.delivered.increment(tally.delivered);
        }
    }

    fn admit(self: &Rc<Self>, arrival: Arrival) {
        let Arrival {
            raw,
            app,
            permit,
            symbols,
            unknown,
        } = arrival;
        let Ok(stream) = TcpStream::from_std(raw.stream) else {
            return;
        };
        let socket = socket2::SockRef::from(&stream);
        let small = socket
            .set_send_buffer_size(KERNEL_BUFFER)
            .and_then(|()| socket.set_tcp_notsent_lowat(KERNEL_UNSENT));
        if let Err(error) = small {
            tracing::debug!(%error, "a socket keeps the system's buffers");
        }
        let line = Line::new(stream, self.audience(Audience::default()), Instant::now());
        let line = Rc::new(line);
        let place = self.lines.borrow_mut().insert(Rc::clone(&line));
        line.write(&text_frame(&status(*self.feed.borrow())));
        for name in unknown {
            line.write(&text_frame(&unknown_symbol(&name)));
        }
        self.follow(&line, &symbols);
        let socket = context(&raw.read);
        // What the task keeps it keeps for as long as the peer is there.
        drop((raw.read, symbols));
        let shard = Rc::clone(self);
        spawn_local(async move {
            let cut = permit.cut();
            let over = shard.listen(&line, &app, socket, cut).await;
            shard.lines.borrow_mut().remove(place);
            shard.left.notify_one();
            drop(permit);
            if over != line::Over::Gone {
                let reason = [("reason", over.as_str())];
                metrics::counter!("daybook_sockets_dropped_total", &reason).increment(1);
            }
        });
    }

    /// The one audience of these symbols.
    fn audience(&self, audience: Audience) -> Rc<Audience> {
        let mut audiences = self.audiences.borrow_mut();
        if let Some(known) = audiences.get(&audience) {
            return Rc::clone(known);
        }
        let audience = Rc::new(audience);
        audiences.insert(Rc::clone(&audience));
        audience
    }

    /// Listens to these too, and sends the last quote of each at once.
    fn add(&self, line: &Line, symbols: &[u32]) {
        let old = line.audience();
        let new: Vec<u32> = symbols
            .iter()
            .copied()
            .filter(|one| !old.has(*one))
            .collect();
        if new.is_empty() {
            return;
        }
        // What it is owed of the others first: its mark holds for all of its symbols.
        let mut frames = Vec::new();
        let board = self.board.borrow();
        let owed = board.compose(&old, line.mark(), &mut frames);
        let last = board.compose_last(&Audience::of(&new), &mut frames);
        line.set_mark(board.end());
        drop(board);
        line.set_audience(self.audience(old.with(&new)));
        line.write(&frames);
        self.delivered.increment(owed.delivered + last.delivered);
        self.conflated.increment(owed.conflated);
    }

    fn remove(&self, line: &Line, symbols: &[u32]) {
        let old = line.audience();
        line.set_audience(self.audience(old.without(symbols)));
    }

    async fn beat(self: Rc<Self>) {
        let mut ticks = interval(HEARTBEAT);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let ping = bytes_of(Frame::ping(Vec::new()));
        loop {
            ticks.tick().await;
            self.forget_audiences();
            self.keep_wanted();
            let now = Instant::now();
            for (_, line) in self.lines.borrow().iter() {
                line.beat(now, &ping);
            }
        }
    }

    /// Forgets audiences that nobody is in any more. Pieces hold theirs, and where the last line has
    /// gone none would take their place.
    fn forget_audiences(&self) {
        self.scratch.borrow_mut().clear();
        let mut audiences = self.audiences.borrow_mut();
        audiences.retain(|audience| Rc::strong_count(audience) > 1);
    }

    /// Says of every symbol that somebody listens to that it is wanted, whatever nobody else does.
    fn keep_wanted(&self) {
        let audiences = self.audiences.borrow();
        for (number, symbol) in self.names.borrow().iter() {
            if audiences.iter().any(|audience| audience.has(*number)) {
                self.interest.touch(*symbol);
            }
        }
    }

    async fn tell_status(self: Rc<Self>) {
        let mut feed = self.feed.clone();
        while feed.changed().await.is_ok() {
            let frame = text_frame(&status(*feed.borrow_and_update()));
            for (_, line) in self.lines.borrow().iter() {
                line.write(&frame);
            }
        }
    }

    /// Tells every peer that this is the end, and waits for them a little.
    async fn close_all(&self) {
        self.closing.set(true);
        for (_, line) in self.lines.borrow().iter() {
            line.wake.notify_one();
        }
        let all_left = async {
            while !self.lines.borrow().is_empty() {
                self.left.notified().await;
            }
        };
        // Who has not answered by then is cut off with the thread.
        let _ = tokio::time::timeout(CLOSE_PATIENCE, all_left).await;
    }
}

fn text_frame(text: &str) -> Vec<u8> {
    bytes_of(Frame::message(
        text.as_bytes().to_vec(),
        OpCode::Data(Data::Text),
        true,
    ))
}

fn bytes_of(frame: Frame) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(frame.len());
    frame
        .format(&mut bytes)
        .expect("invariant: writing to a vector cannot fail");
    bytes
}
