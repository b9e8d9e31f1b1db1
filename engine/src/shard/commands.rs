//! Commands: who may ask, what was answered before, and deciding.

use std::panic::{AssertUnwindSafe, catch_unwind};

use daybook_domain::{AccountId, ClientId, Timestamp, account::Decision};

use super::{
    Note, Pending, Shard,
    arrivals::Arrival,
    clerk::quarantined,
    seat::{Gate, Known},
};
use crate::{
    error::EngineError,
    request::{Answer, Outcome},
};

impl Shard {
    /// Decides a command now, or lets it wait for its account.
    pub(super) fn dispatch(&mut self, pending: Pending) {
        let account_id = pending.request.account_id;
        if self.fenced {
            return pending.answer(Err(EngineError::NotLeader));
        }
        let waiting_max = self.clerk.shared.config.queue_max.max(1);
        let waiting = if let Some(arrival) = self.arrivals.get_mut(&account_id) {
            &mut arrival.waiting
        } else if let Some(seat) = self.clerk.seats.get_mut(&account_id) {
            match seat.gate {
                Gate::Open => return self.execute(pending),
                Gate::Quarantined => return pending.answer(Err(quarantined())),
                Gate::LoadingAnswers | Gate::Draining => &mut seat.waiting,
            }
        } else if self.arrivals.len() >= waiting_max {
            return pending.answer(Err(EngineError::Overloaded));
        } else {
            self.load(account_id, Arrival::asked_for(pending));
            return;
        };
        if waiting.len() >= waiting_max {
            return pending.answer(Err(EngineError::Overloaded));
        }
        waiting.push(pending);
    }

    /// The account is hot and its gate is open.
    fn execute(&mut self, pending: Pending) {
        let account_id = pending.request.account_id;
        if !self.is_owner(&pending) {
            return pending.answer(Err(EngineError::NotFound));
        }
        let Some(pending) = self.look_up(pending) else {
            return;
        };
        let at = self.now();
        // What is due comes first: an order that has expired cannot be modified any more.
        self.desk.advance(at, &mut self.clerk);
        self.desk.prepare(account_id, at, &mut self.clerk);
        if self.desk.account(account_id).is_none() {
            return pending.answer(Err(quarantined()));
        }
        let decided = catch_unwind(AssertUnwindSafe(|| self.decide(&pending, at)));
        let Ok((decision, answer)) = decided else {
            return self.fail_safely(pending);
        };
        let outcome = decision
            .refusal
            .as_ref()
            .map_or("accepted", |refusal| refusal.code());
        metrics::counter!("daybook_engine_commands_total", "outcome" => outcome).increment(1);
        self.uses += 1;
        let uses = self.uses;
        if let Some(seat) = self.clerk.seats.get_mut(&account_id) {
            seat.last_used = uses;
        }
        self.clerk.submit_command(pending, &decision, answer);
        self.desk.settle(at, &mut self.clerk);
        if !self.in_tick {
            self.desk.evaluate(at, &mut self.clerk);
        }
    }

    fn decide(&mut self, pending: &Pending, at: Timestamp) -> (Decision, Answer) {
        let request = &pending.request;
        let decision = self.desk.execute(request.account_id, &request.command, at);
        let decision = decision.expect("invariant: an open gate has its account at the desk");
        let account = self.desk.account(request.account_id);
        let answer = (request.render)(&Outcome {
            account: account.expect("invariant: deciding unseats nobody"),
            decision: &decision,
            at,
        });
        (decision, answer)
    }

    /// A bug of ours met one command. It must not take the other accounts of the shard with it:
    /// nothing was submitted, and the account is reloaded.
    fn fail_safely(&mut self, pending: Pending) {
        let account_id = pending.request.account_id;
        tracing::error!(%account_id, command = pending.request.command.name(), "deciding panicked");
        metrics::counter!("daybook_engine_panics_total").increment(1);
        pending.answer(Err(EngineError::Corrupt("deciding panicked".to_owned())));
        self.drain(account_id);
        self.reload_when_drained(account_id);
    }

    fn is_owner(&self, pending: &Pending) -> bool {
        let account = self.desk.account(pending.request.account_id);
        let terms = account.and_then(|account| account.terms.as_ref());
        terms.is_some_and(|terms| terms.client_id == pending.request.client_id)
    }

    /// Answers a repeat. Gives the request back when it has to be decided.
    fn look_up(&mut self, pending: Pending) -> Option<Pending> {
        let account_id = pending.request.account_id;
        let Some(key) = &pending.request.idempotency else {
            return Some(pending);
        };
        let since = self.clerk.shared.answers_since();
        let seat = self.clerk.seats.get_mut(&account_id)?;
        let Some(answers) = &mut seat.answers else {
            let client_id = pending.request.client_id;
            seat.gate = Gate::LoadingAnswers;
            seat.waiting.push(pending);
            self.read_answers(client_id, account_id);
            return None;
        };
        match answers.look_up(key, since) {
            Known::New => Some(pending),
            Known::InFlight => answers.wait(pending),
            Known::Reused => {
                pending.answer(Err(EngineError::IdempotencyKeyReused));
                None
            }
            Known::Answered(reply) => {
                metrics::counter!("daybook_engine_repeats_total").increment(1);
                pending.answer(Ok(reply));
                None
            }
        }
    }

    fn read_answers(&self, client_id: ClientId, account_id: AccountId) {
        let store = self.clerk.shared.store.clone();
        let since = self.clerk.shared.answers_since();
        let notes = self.clerk.notes.clone();
        tokio::spawn(async move {
            let (caller, account) = (client_id.to_string(), account_id.to_string());
            let rows = store.idempotency_of(&caller, &account, since).await;
            let result = rows.map_err(EngineError::from);
            let _ended = notes.send(Note::AnswersRead { account_id, result });
        });
    }
}
