//! Rollovers in slices, and telling when every account has seen one.
//!
//! A day is noted in the store only when all that was decided about it stands in the book: a start
//! after it does not ask about it again.

use std::sync::{Mutex, PoisonError};

use chrono::NaiveDate;
use daybook_store::Submission;

use super::{Note, Shard, seat::Gate};
use crate::shared::{metadata_of, system_origin};

/// How far each shard has come.
pub(crate) struct Rollovers {
    days: Mutex<Vec<Option<NaiveDate>>>,
}

impl Rollovers {
    pub fn new(shards: usize) -> Self {
        Self {
            days: Mutex::new(vec![None; shards.max(1)]),
        }
    }

    /// Notes that a shard has seen `day`. The day that all have seen, if it is this one.
    fn note(&self, shard: usize, day: NaiveDate) -> Option<NaiveDate> {
        let mut days = self.days.lock().unwrap_or_else(PoisonError::into_inner);
        days[shard] = Some(day);
        let all = days.iter().copied().min().flatten();
        all.filter(|all| *all == day)
    }
}

impl Shard {
    /// Goes on with a rollover that is under way.
    pub(super) fn roll_over_slice(&mut self) {
        if self.fenced || !self.desk.is_rolling() || !self.has_room() {
            return;
        }
        let at = self.now();
        self.desk.advance(at, &mut self.clerk);
        self.desk.evaluate(at, &mut self.clerk);
        self.tell_rolled_over();
    }

    /// When every account here has seen a rollover: asks the committer to say when what was
    /// decided about it is in the book.
    pub(super) fn tell_rolled_over(&mut self) {
        let Some(day) = self.desk.rolled_through() else {
            return;
        };
        if self.rolled.is_some_and(|rolled| rolled >= day) || self.is_somebody_away() {
            return;
        }
        self.rolled = Some(day);
        let notes = self.clerk.notes.clone();
        let origin = system_origin("system", "rollover");
        let barrier = Submission::new(
            Vec::new(),
            metadata_of(&origin, String::new()),
            Box::new(move |result| {
                if result.is_ok() {
                    let _ended = notes.send(Note::RolledOver(day));
                }
            }),
        );
        self.clerk.shared.writer.submit(barrier);
    }

    /// What this shard decided about a day stands in the book.
    pub(super) fn note_rolled_over(&mut self, day: NaiveDate) {
        if self.is_somebody_away() {
            // What was decided for them failed: they will see the day when they are back.
            self.rolled = None;
            return;
        }
        let shared = self.clerk.shared.clone();
        let Some(day) = shared.rollovers.note(self.index, day) else {
            return;
        };
        tokio::spawn(async move {
            // Not noted, the next start asks about the day again, and nothing is charged twice.
            if let Err(error) = shared.store.set_rolled_through(day).await {
                tracing::warn!(%error, %day, "the rollover could not be noted");
            }
        });
    }

    /// Whether an account that may have positions is not at the desk.
    fn is_somebody_away(&self) -> bool {
        let mut seats = self.clerk.seats.values();
        self.clerk.quarantined > 0
            || self.arrivals.values().any(|arrival| arrival.returns)
            || seats.any(|seat| seat.gate == Gate::Draining)
    }
}
