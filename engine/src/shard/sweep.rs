//! Snapshots of what has changed, passivation of what rests, and the end of a shard.
//!
//! Only committed state is kept: an account is snapshotted when nothing of it is in flight. One that
//! is never idle is folded from the book instead.

use std::collections::VecDeque;

use daybook_domain::{Account, AccountId};
use tokio::sync::oneshot;

use super::{Inlets, Shard, seat::Gate};
use crate::load::snapshot_of;

/// Accounts looked at between two turns of the shard.
const SLICE: usize = 128;
/// Snapshots that may wait for the database before a sweep pauses.
const UNSAVED_MAX: usize = 4_096;
/// Looks at a busy account before it is folded from the book.
const LOOKS_MAX: u32 = 50;
/// Ticks between two looks for answers that have expired.
const TICKS_PER_EXPIRY: u64 = 600;

/// What a shard is up to.
pub(crate) enum Life {
    Running,
    /// Finishing; somebody may wait for the end.
    Stopping(Option<oneshot::Sender<()>>),
    Ended,
}

/// A sweep under way.
pub(crate) struct Sweep {
    todo: VecDeque<(AccountId, u32)>,
    done: oneshot::Sender<()>,
}

impl Shard {
    /// Starts to snapshot every account that has changed. Accounts being reloaded count as such.
    pub(super) fn begin_sweep(&mut self, done: oneshot::Sender<()>) {
        let dirty = self.clerk.seats.iter().filter(|(_, seat)| seat.is_dirty());
        let returning = self.arrivals.iter().filter(|(_, arrival)| arrival.returns);
        let todo = dirty
            .map(|(id, _)| (*id, 0))
            .chain(returning.map(|(id, _)| (*id, 0)))
            .collect();
        self.sweep = Some(Sweep { todo, done });
    }

    /// A slice of the sweep.
    pub(super) fn sweep_slice(&mut self) {
        if self.clerk.shared.saver.waiting() > UNSAVED_MAX {
            return;
        }
        let Some(mut sweep) = self.sweep.take() else {
            return;
        };
        for _ in 0..SLICE.min(sweep.todo.len()) {
            let Some((account_id, looks)) = sweep.todo.pop_front() else {
                break;
            };
            if !self.is_busy(account_id) {
                self.snapshot(account_id);
            } else if looks < LOOKS_MAX {
                sweep.todo.push_back((account_id, looks + 1));
            } else {
                self.clerk.shared.saver.fold(account_id);
            }
        }
        if sweep.todo.is_empty() {
            // Whoever asked may have gone.
            let _gone = sweep.done.send(());
        } else {
            self.sweep = Some(sweep);
        }
    }

    /// Bounds what a load has to fold, between sweeps too.
    pub(super) fn snapshot_when_due(&mut self, account_id: AccountId) {
        let every = self.clerk.shared.config.snapshot_every;
        let Some(seat) = self.clerk.seats.get(&account_id) else {
            return;
        };
        if seat.is_settled() && seat.sequence - seat.snapshot_sequence >= every {
            self.snapshot(account_id);
        }
    }

    /// Makes room: flat accounts that were used the longest time ago leave the memory.
    pub(super) fn passivate(&mut self) {
        let config = &self.clerk.shared.config;
        let max = config
            .hot_accounts_max
            .div_ceil(config.shards.max(1))
            .max(1);
        let slack = max / 16;
        if self.clerk.seats.len() <= self.passivate_above.max(max) {
            return;
        }
        let mut idle: Vec<(u64, AccountId)> = self
            .clerk
            .seats
            .iter()
            .filter(|(_, seat)| seat.is_settled() && seat.gate == Gate::Open)
            .filter(|(id, _)| self.desk.account(**id).is_some_and(is_flat))
            .map(|(id, seat)| (seat.last_used, *id))
            .collect();
        idle.sort_unstable();
        let excess = self.clerk.seats.len().saturating_sub(max - slack);
        // The newest stays: somebody has just asked for it.
        idle.truncate(excess.min(idle.len().saturating_sub(1)));
        for (_, account_id) in idle {
            self.snapshot(account_id);
            self.clerk.seats.remove(&account_id);
            self.desk.unseat(account_id);
        }
        // Not at every arrival, when the rest cannot leave.
        self.passivate_above = self.clerk.seats.len() + slack;
    }

    /// Figures, and answers that nobody may ask for any more.
    pub(super) fn housekeep(&mut self) {
        let shard = self.index.to_string();
        let gauge = |name: &'static str, value: usize| {
            let value = u32::try_from(value).unwrap_or(u32::MAX);
            metrics::gauge!(name, "shard" => shard.clone()).set(value);
        };
        gauge("daybook_engine_hot_accounts", self.clerk.seats.len());
        gauge("daybook_engine_levels", self.desk.levels());
        gauge("daybook_engine_margin_levels", self.desk.margin_levels());
        gauge("daybook_engine_quarantined", self.clerk.quarantined);
        gauge("daybook_engine_in_flight", self.clerk.in_flight);
        if self.ticks.is_multiple_of(TICKS_PER_EXPIRY) {
            let since = self.clerk.shared.answers_since();
            for seat in self.clerk.seats.values_mut() {
                if let Some(answers) = &mut seat.answers {
                    answers.expire(since);
                }
            }
        }
    }

    /// Moves a shard that was told to stop towards its end: commands taken in are answered, what
    /// has changed is snapshotted. What waits for a load is answered by being dropped.
    pub(super) fn advance_stop(&mut self, inlets: &mut Inlets) {
        if !matches!(self.life, Life::Stopping(_)) {
            return;
        }
        inlets.commands.close();
        inlets.quotes.close();
        if !inlets.commands.is_empty() || self.clerk.in_flight > 0 {
            return;
        }
        let dirty = self.clerk.seats.iter().filter(|(_, seat)| seat.is_dirty());
        for account_id in dirty.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.snapshot(account_id);
        }
        if let Life::Stopping(Some(done)) = std::mem::replace(&mut self.life, Life::Ended) {
            let _gone = done.send(());
        }
    }

    /// Whether the state in memory is not, or not yet, what stands in the book.
    fn is_busy(&self, account_id: AccountId) -> bool {
        let seat = self.clerk.seats.get(&account_id);
        self.arrivals.contains_key(&account_id) || seat.is_some_and(|seat| !seat.is_settled())
    }

    fn snapshot(&mut self, account_id: AccountId) {
        let seat = self.clerk.seats.get_mut(&account_id);
        if let Some(seat) = &seat
            && seat.gate == Gate::Quarantined
        {
            // There is no state of it in memory; the book has it.
            return self.clerk.shared.saver.fold(account_id);
        }
        let (Some(seat), Some(account)) = (seat, self.desk.account(account_id)) else {
            return;
        };
        if !seat.is_settled() || !seat.is_dirty() {
            return;
        }
        let head = seat.handle.head();
        assert_eq!(
            head.sequence, seat.sequence,
            "invariant: what is not in flight stands in the book"
        );
        seat.snapshot_sequence = head.sequence;
        let snapshot = snapshot_of(account, &seat.handle, head);
        self.clerk.shared.saver.save(snapshot);
    }
}

fn is_flat(account: &Account) -> bool {
    account.orders.is_empty() && account.positions.is_empty()
}
