//! Outcomes of submissions: answers that stand, and speculation that has to be thrown away.

use daybook_domain::AccountId;

use super::{
    Pending, Shard,
    arrivals::Arrival,
    note::{Outcome, Settled},
    seat::{Gate, Seat},
};
use crate::{
    error::EngineError,
    request::{IdempotencyRequest, Reply},
};

impl Shard {
    /// The outcome of a submission is known.
    pub(super) fn settled(&mut self, settled: Settled) {
        let account_id = settled.account_id;
        self.clerk.in_flight -= 1;
        let seat = self.seat_mut(account_id);
        seat.in_flight -= 1;
        if let Outcome::Committed(position) = settled.outcome {
            if let (Some(kept), Some(answers)) = (&settled.kept, &mut seat.answers) {
                answers.commit(kept, position);
            }
        } else {
            self.failed(settled);
        }
        self.reload_when_drained(account_id);
        self.snapshot_when_due(account_id);
    }

    fn failed(&mut self, settled: Settled) {
        let account_id = settled.account_id;
        let seat = self.seat_mut(account_id);
        let mut is_stale = settled.had_events || seat.handle.generation() != seat.generation;
        let mut again = Vec::new();
        if let (Some(kept), Some(answers)) = (&settled.kept, &mut seat.answers) {
            again = answers.abandon(kept);
        }
        match settled.outcome {
            Outcome::Committed(_) | Outcome::Failed => {}
            Outcome::DecideAgain(mut pending) => {
                pending.retried = true;
                again.insert(0, *pending);
                is_stale = true;
            }
            Outcome::KeyUsed(pending) => self.answer_from_book(*pending),
            Outcome::Fenced => self.fenced = true,
        }
        if is_stale {
            self.drain(account_id);
        }
        for pending in again {
            self.dispatch(pending);
        }
    }

    /// The state in memory never was: nothing of it is watched any longer, and nothing decided.
    pub(super) fn drain(&mut self, account_id: AccountId) {
        let seat = self.seat_mut(account_id);
        if seat.gate == Gate::Draining {
            return;
        }
        let was_quarantined = seat.gate == Gate::Quarantined;
        seat.gate = Gate::Draining;
        self.clerk.quarantined -= usize::from(was_quarantined);
        self.desk.unseat(account_id);
        metrics::counter!("daybook_engine_reloads_total").increment(1);
    }

    /// With the last outcome back, what stands in the book is known: load it.
    pub(super) fn reload_when_drained(&mut self, account_id: AccountId) {
        let Some(seat) = self.clerk.seats.get(&account_id) else {
            return;
        };
        if seat.gate != Gate::Draining || seat.in_flight > 0 {
            return;
        }
        let Some(seat) = self.clerk.seats.remove(&account_id) else {
            return;
        };
        if self.fenced {
            for pending in seat.waiting {
                pending.answer(Err(EngineError::NotLeader));
            }
            return;
        }
        let arrival = Arrival {
            waiting: seat.waiting,
            returns: true,
        };
        self.load(account_id, arrival);
    }

    /// The key was used before the answers in memory reach back: the book has the answer.
    fn answer_from_book(&self, pending: Pending) {
        let store = self.clerk.shared.store.clone();
        tokio::spawn(async move {
            let Some(key) = pending.request.idempotency.clone() else {
                return pending.answer(Err(EngineError::Unavailable));
            };
            let answer = stored_answer(&store, &key).await;
            pending.answer(answer);
        });
    }

    fn seat_mut(&mut self, account_id: AccountId) -> &mut Seat {
        let seat = self.clerk.seats.get_mut(&account_id);
        seat.expect("invariant: a seat stays until everything in flight is back")
    }
}

/// The stored answer to a key that is known to have been used.
pub(crate) async fn stored_answer(
    store: &daybook_store::Store,
    key: &IdempotencyRequest,
) -> Result<Reply, EngineError> {
    match store.idempotency(&key.scope, &key.key).await? {
        Some(row) if row.request_hash == key.request_hash => Ok(Reply {
            status: row.status,
            body: row.body,
            position: row.position,
            replayed: true,
        }),
        Some(_) => Err(EngineError::IdempotencyKeyReused),
        // Expired between the two statements.
        None => Err(EngineError::Unavailable),
    }
}
