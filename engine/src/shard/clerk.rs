//! Hands decisions to the committer and keeps each account's place in the book.
//!
//! Invariant: events of an account are submitted in the order they were decided, each numbered one
//! past the one before, and stamped with the generation of the state they were decided on.

use std::{collections::HashMap, sync::Arc};

use daybook_domain::{AccountCommand, AccountEvent, AccountId, account::Decision};
use daybook_store::{
    AppendError, Committed, IdempotencyRow, Metadata, StreamAppend, Submission,
    submission::OnOutcome,
};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::{
    note::{Note, Outcome, Settled},
    seat::{Gate, Pending, Seat},
    together::{Apart, Decided},
};
use crate::{
    desk::{Act, Cause, Ledger},
    error::EngineError,
    request::{Answer, IdempotencyRequest, Reply},
    shared::{Shared, json, metadata_of, new_event, system_origin},
    trigger_book::Kind,
};

/// Who acts when the desk acts by itself.
const SYSTEM: &str = "system";

pub(crate) struct Clerk {
    pub seats: HashMap<AccountId, Seat>,
    pub shared: Arc<Shared>,
    pub notes: mpsc::UnboundedSender<Note>,
    /// Submissions whose outcome is not known yet.
    pub in_flight: usize,
    /// Accounts that are not served until the next start.
    pub quarantined: usize,
}

impl Clerk {
    /// Submits what was decided on a command; the caller is answered when it stands in the book,
    /// or when all that the answer rests on does.
    pub fn submit_command(&mut self, pending: Pending, decision: &Decision, answer: Answer) {
        let account_id = pending.request.account_id;
        let request = &pending.request;
        let metadata = metadata_of(&request.origin, json(&request.command));
        let kept = request.idempotency.clone().filter(|_| answer.keep);
        let row = kept
            .as_ref()
            .map(|kept| answer_row(kept, account_id, &answer));
        if let (Some(row), Some(seat)) = (&row, self.seats.get_mut(&account_id)) {
            // Whoever gives a key has had the answers read.
            if let Some(answers) = &mut seat.answers {
                answers.begin(row, self.shared.clock.now());
            }
        }
        let had_events = !decision.events.is_empty();
        let notes = self.notes.clone();
        let on_outcome: OnOutcome = Box::new(move |result| {
            let outcome = tell_caller(pending, answer, result);
            let settled = Settled {
                account_id,
                had_events,
                kept,
                outcome,
            };
            // A shard that has ended needs no news.
            let _ended = notes.send(Note::Settled(Box::new(settled)));
        });
        self.submit(account_id, &decision.events, metadata, row, on_outcome);
    }

    /// Submits what was decided about several accounts, with what goes beside it.
    pub fn submit_together(
        &mut self,
        decided: Vec<Decided>,
        mut submission: Submission,
        reply: oneshot::Sender<Result<Committed, Apart>>,
    ) {
        let mut accounts = Vec::with_capacity(decided.len());
        for (account_id, events) in decided {
            let seat = self.seats.get_mut(&account_id);
            let seat = seat.expect("invariant: an account at the desk has a seat");
            submission.appends.push(append_to(seat, &events));
            seat.in_flight += 1;
            self.in_flight += 1;
            accounts.push(account_id);
        }
        let notes = self.notes.clone();
        submission.on_outcome = Box::new(move |result| {
            for account_id in accounts {
                let outcome = match &result {
                    Ok(committed) => Outcome::Committed(committed.position),
                    Err(error) => Outcome::of_error(error),
                };
                let settled = Settled {
                    account_id,
                    had_events: true,
                    kept: None,
                    outcome,
                };
                let _ended = notes.send(Note::Settled(Box::new(settled)));
            }
            let _gone = reply.send(result.map_err(Apart::Append));
        });
        self.shared.writer.submit(submission);
    }

    fn submit(
        &mut self,
        account_id: AccountId,
        events: &[AccountEvent],
        metadata: Arc<Metadata>,
        idempotency: Option<IdempotencyRow>,
        on_outcome: OnOutcome,
    ) {
        let seat = self.seats.get_mut(&account_id);
        let seat = seat.expect("invariant: an account at the desk has a seat");
        let mut submission = Submission {
            appends: Vec::new(),
            rests_on: Vec::new(),
            metadata,
            idempotency,
            uniques: Vec::new(),
            keys: Vec::new(),
            secrets: Vec::new(),
            sessions: Vec::new(),
            on_outcome,
        };
        if events.is_empty() {
            let rests_on = (seat.handle.clone(), seat.generation);
            submission.rests_on.push(rests_on);
        } else {
            submission.appends.push(append_to(seat, events));
        }
        seat.in_flight += 1;
        self.in_flight += 1;
        self.shared.writer.submit(submission);
    }
}

/// What follows the end of an account's stream, as it is decided.
fn append_to(seat: &mut Seat, events: &[AccountEvent]) -> StreamAppend {
    let append = StreamAppend {
        handle: seat.handle.clone(),
        generation: seat.generation,
        first_sequence: seat.sequence + 1,
        events: events
            .iter()
            .map(|event| new_event(event.event_type(), json(event)))
            .collect(),
    };
    let count = i64::try_from(events.len());
    seat.sequence += count.expect("invariant: a decision has few events");
    append
}

impl Ledger for Clerk {
    fn next_id(&mut self) -> Uuid {
        Uuid::now_v7()
    }

    fn record(&mut self, act: Act<'_>) {
        let origin = system_origin(SYSTEM, reason_of(act.cause));
        let metadata = metadata_of(&origin, json(act.command));
        let account_id = act.account_id;
        let notes = self.notes.clone();
        let on_outcome: OnOutcome = Box::new(move |result| {
            let outcome = match result {
                Ok(committed) => Outcome::Committed(committed.position),
                Err(error) => Outcome::of_error(&error),
            };
            let settled = Settled {
                account_id,
                had_events: true,
                kept: None,
                outcome,
            };
            let _ended = notes.send(Note::Settled(Box::new(settled)));
        });
        metrics::counter!("daybook_engine_acts_total", "reason" => reason_of(act.cause))
            .increment(1);
        self.submit(account_id, &act.decision.events, metadata, None, on_outcome);
    }

    fn quarantined(&mut self, account_id: AccountId, command: &AccountCommand) {
        let command = command.name();
        tracing::error!(%account_id, command, "deciding panicked: the account is quarantined");
        metrics::counter!("daybook_engine_panics_total").increment(1);
        self.quarantined += 1;
        let Some(seat) = self.seats.get_mut(&account_id) else {
            return;
        };
        seat.gate = Gate::Quarantined;
        for pending in std::mem::take(&mut seat.waiting) {
            pending.answer(Err(quarantined()));
        }
    }
}

/// What is answered for an account that is not served.
pub(super) fn quarantined() -> EngineError {
    EngineError::Corrupt("the account is quarantined: deciding on it panicked".to_owned())
}

/// Runs in the committer: answers where the outcome is the answer, and says what is left to do.
fn tell_caller(
    pending: Pending,
    answer: Answer,
    result: Result<Committed, AppendError>,
) -> Outcome {
    match result {
        Ok(committed) => {
            pending.answer(Ok(Reply {
                status: answer.status,
                body: answer.body,
                position: committed.position,
                replayed: false,
            }));
            Outcome::Committed(committed.position)
        }
        Err(AppendError::StaleGeneration(_)) if !pending.retried => {
            Outcome::DecideAgain(Box::new(pending))
        }
        Err(AppendError::IdempotencyKeyUsed) => Outcome::KeyUsed(Box::new(pending)),
        Err(error) => {
            let outcome = Outcome::of_error(&error);
            pending.answer(Err(error.into()));
            outcome
        }
    }
}

fn answer_row(
    request: &IdempotencyRequest,
    account_id: AccountId,
    answer: &Answer,
) -> IdempotencyRow {
    IdempotencyRow {
        scope: request.scope.clone(),
        key: request.key.clone(),
        aggregate_id: account_id.to_string(),
        request_hash: request.request_hash,
        status: answer.status,
        body: answer.body.clone(),
        position: 0,
    }
}

const fn reason_of(cause: Cause) -> &'static str {
    match cause {
        Cause::Trigger(Kind::Order) => "order_triggered",
        Cause::Trigger(Kind::StopLoss) => "stop_loss",
        Cause::Trigger(Kind::TakeProfit) => "take_profit",
        Cause::Trigger(Kind::Trailing) => "trailing_stop",
        Cause::Trigger(Kind::Margin) => "margin_watch",
        Cause::Expiry => "order_expired",
        Cause::Rollover => "rollover",
    }
}
