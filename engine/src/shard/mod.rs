//! A shard: one task that owns the accounts of its clients. It decides on the state in memory,
//! evolves it at once and hands the events on; no lock is held and no database read on that path.
//!
//! Quotes, news and commands take turns in bursts, so that none starves another.

mod arrivals;
mod clerk;
mod commands;
mod inspect;
mod note;
mod outcomes;
mod rollover;
mod seat;
mod sweep;
mod together;

use std::{collections::HashMap, sync::Arc, time::Duration};

use chrono::NaiveDate;
use daybook_domain::{Account, AccountId, Market, Quote, Timestamp};
use daybook_store::StreamHandle;
use tokio::{
    sync::mpsc,
    time::{Interval, MissedTickBehavior, interval},
};

use self::{
    arrivals::Arrival,
    clerk::Clerk,
    sweep::{Life, Sweep},
};
pub(crate) use self::{
    inspect::Inspection,
    note::{Note, TermsNote},
    outcomes::stored_answer,
    rollover::Rollovers,
    seat::{Pending, Seat},
    together::{Apart, Together},
};
use crate::{
    desk::{Desk, TermsHistory},
    shared::Shared,
};

/// Messages of one kind handled before the others get their turn.
const BURST: usize = 64;
/// How often time itself may expire an order.
const TICK: Duration = Duration::from_secs(1);
/// Pause between two slices of a sweep.
const SWEEP_PAUSE: Duration = Duration::from_millis(20);
/// Quotes that may wait for a shard before the feed does.
const QUOTES_MAX: usize = 1_024;

/// How the engine reaches a shard.
pub(crate) struct Outlets {
    pub commands: mpsc::Sender<Pending>,
    pub quotes: mpsc::Sender<Quote>,
    pub notes: mpsc::UnboundedSender<Note>,
}

pub(crate) struct Inlets {
    commands: mpsc::Receiver<Pending>,
    quotes: mpsc::Receiver<Quote>,
    notes: mpsc::UnboundedReceiver<Note>,
}

/// An account found at the start, with orders or positions.
pub(crate) struct Recovered {
    pub account_id: AccountId,
    pub account: Account,
    pub handle: Arc<StreamHandle>,
    pub snapshot_sequence: i64,
}

pub(crate) struct Shard {
    index: usize,
    desk: Desk,
    clerk: Clerk,
    /// Accounts being loaded, and who waits for them.
    arrivals: HashMap<AccountId, Arrival>,
    /// What waits until all of a client's accounts are here.
    gathering: Vec<Together>,
    sweep: Option<Sweep>,
    life: Life,
    /// Accounts beyond which passivation is tried again.
    passivate_above: usize,
    /// Another node writes now.
    fenced: bool,
    /// Commands that waited for a tick are executed: margin is looked at after them.
    in_tick: bool,
    /// The last rollover told to have been seen by all accounts here.
    rolled: Option<NaiveDate>,
    last_at: Timestamp,
    uses: u64,
    ticks: u64,
}

/// What every shard starts from.
#[derive(Clone)]
pub(crate) struct Start {
    pub market: Market,
    pub history: Arc<TermsHistory>,
    /// Rollovers up to this day were seen by every account before.
    pub rolled: Option<NaiveDate>,
}

/// A shard that is ready to run.
pub(crate) fn make(
    index: usize,
    start: Start,
    shared: Arc<Shared>,
    recovered: Vec<Recovered>,
) -> (Shard, Inlets, Outlets) {
    let (commands, command_inlet) = mpsc::channel(shared.config.queue_max.max(1));
    let (quotes, quote_inlet) = mpsc::channel(QUOTES_MAX);
    let (notes, note_inlet) = mpsc::unbounded_channel();
    let mut shard = Shard {
        index,
        desk: Desk::new(start.market, shared.config.rules.clone())
            .with_history(start.history, start.rolled),
        last_at: shared.clock.now(),
        clerk: Clerk {
            seats: HashMap::with_capacity(recovered.len()),
            shared,
            notes: notes.clone(),
            in_flight: 0,
            quarantined: 0,
        },
        arrivals: HashMap::new(),
        gathering: Vec::new(),
        sweep: None,
        life: Life::Running,
        passivate_above: 0,
        fenced: false,
        in_tick: false,
        rolled: None,
        uses: 0,
        ticks: 0,
    };
    for found in recovered {
        let seat = Seat::new(found.handle, found.snapshot_sequence, None);
        shard.clerk.seats.insert(found.account_id, seat);
        shard.desk.seat(found.account_id, found.account);
    }
    let inlets = Inlets {
        commands: command_inlet,
        quotes: quote_inlet,
        notes: note_inlet,
    };
    let outlets = Outlets {
        commands,
        quotes,
        notes,
    };
    (shard, inlets, outlets)
}

impl Shard {
    /// Runs until told to stop.
    pub async fn run(mut self, mut inlets: Inlets) {
        let mut clock = every(TICK);
        let mut pause = every(SWEEP_PAUSE);
        while !matches!(self.life, Life::Ended) {
            let has_room = self.has_room();
            tokio::select! {
                biased;
                Some(note) = inlets.notes.recv() => self.take_note(note),
                Some(quote) = inlets.quotes.recv(), if has_room => self.quote(quote, &mut inlets),
                _ = clock.tick() => self.tick(),
                _ = pause.tick(), if self.sweep.is_some() || self.desk.is_rolling() => {
                    self.sweep_slice();
                    self.roll_over_slice();
                }
                pending = inlets.commands.recv(), if has_room && !inlets.commands.is_closed() => {
                    match pending {
                        Some(pending) => self.dispatch(pending),
                        // Every handle on the engine is gone.
                        None => self.life = Life::Stopping(None),
                    }
                }
            }
            self.take_turns(&mut inlets);
            self.advance_stop(&mut inlets);
        }
    }

    /// What has gathered meanwhile: each kind gets a burst.
    fn take_turns(&mut self, inlets: &mut Inlets) {
        for _ in 0..BURST {
            let Ok(note) = inlets.notes.try_recv() else {
                break;
            };
            self.take_note(note);
        }
        for _ in 0..BURST {
            if !self.has_room() {
                break;
            }
            let Ok(quote) = inlets.quotes.try_recv() else {
                break;
            };
            self.quote(quote, inlets);
        }
        for _ in 0..BURST {
            if !self.has_room() {
                break;
            }
            let Ok(pending) = inlets.commands.try_recv() else {
                break;
            };
            self.dispatch(pending);
        }
    }

    fn take_note(&mut self, note: Note) {
        match note {
            Note::Settled(settled) => {
                self.settled(*settled);
                self.gather_again();
            }
            Note::Arrived(arrived) => {
                self.arrived(*arrived);
                self.gather_again();
            }
            Note::AnswersRead { account_id, result } => {
                self.answers_read(account_id, result);
                self.gather_again();
            }
            Note::Together(together) => self.gather(*together),
            Note::Inspect(inspection) => self.inspect(*inspection),
            Note::Terms(note) => self.set_instrument(note),
            Note::RolledOver(day) => self.note_rolled_over(day),
            Note::Sweep(done) => self.begin_sweep(done),
            Note::Stop(done) => self.life = Life::Stopping(Some(done)),
        }
    }

    /// One tick: what the quote triggers, then the commands that were waiting where some account's
    /// margin is concerned, then margin. Commands wait for the newest tick: behind a queue of
    /// quotes they belong to the last of them.
    fn quote(&mut self, quote: Quote, inlets: &mut Inlets) {
        if self.fenced {
            return;
        }
        let at = self.now();
        self.desk.quote(quote, at, &mut self.clerk);
        if !self.desk.has_marked() {
            return;
        }
        if inlets.quotes.is_empty() {
            self.in_tick = true;
            for _ in 0..inlets.commands.len().min(BURST) {
                let Ok(pending) = inlets.commands.try_recv() else {
                    break;
                };
                self.dispatch(pending);
            }
            self.in_tick = false;
        }
        let at = self.now();
        self.desk.evaluate(at, &mut self.clerk);
    }

    fn set_instrument(&mut self, note: TermsNote) {
        let at = self.now();
        self.desk.set_instrument(&note.terms, note.history);
        if !self.fenced {
            self.desk.settle(at, &mut self.clerk);
            self.desk.evaluate(at, &mut self.clerk);
        }
    }

    fn tick(&mut self) {
        if self.fenced {
            return;
        }
        let at = self.now();
        self.desk.advance(at, &mut self.clerk);
        self.desk.evaluate(at, &mut self.clerk);
        self.tell_rolled_over();
        self.ticks += 1;
        self.housekeep();
    }

    /// Submissions in flight are bounded: beyond that commands and quotes wait where they are.
    fn has_room(&self) -> bool {
        self.clerk.in_flight < self.clerk.shared.config.queue_max.max(1)
    }

    /// Time never goes back for a shard.
    fn now(&mut self) -> Timestamp {
        self.last_at = self.last_at.max(self.clerk.shared.clock.now());
        self.last_at
    }
}

fn every(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
