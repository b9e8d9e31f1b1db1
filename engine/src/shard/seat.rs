//! What a shard keeps of an account besides its state: its place in the book, the answers it has
//! given, and who waits for it.

use std::{collections::HashMap, sync::Arc};

use daybook_domain::Timestamp;
use daybook_store::{IdempotencyRow, StreamHandle};
use tokio::sync::oneshot;

use crate::{
    error::EngineError,
    request::{IdempotencyRequest, Reply, Request},
};

/// A request and who waits for its answer.
pub(crate) struct Pending {
    pub request: Box<Request>,
    pub reply: oneshot::Sender<Result<Reply, EngineError>>,
    /// It was decided once already, on a state that turned out not to last.
    pub retried: bool,
}

impl Pending {
    /// Answers. Whoever asked may have gone.
    pub fn answer(self, answer: Result<Reply, EngineError>) {
        let _gone = self.reply.send(answer);
    }
}

/// Whether commands may be decided now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Yes.
    Open,
    /// The answers it gave are being read: it was recovered without them.
    LoadingAnswers,
    /// An append failed: what is in flight has to come back before it is reloaded.
    Draining,
    /// Deciding panicked while nobody asked: it is not at the desk until the next start.
    Quarantined,
}

/// A hot account.
pub(crate) struct Seat {
    pub handle: Arc<StreamHandle>,
    /// Generation of the state in memory.
    pub generation: u64,
    /// Sequence of the last event decided, committed or not.
    pub sequence: i64,
    /// Submissions whose outcome is not known yet.
    pub in_flight: u32,
    pub gate: Gate,
    /// None: not read yet.
    pub answers: Option<Box<Answers>>,
    pub waiting: Vec<Pending>,
    /// Sequence that its snapshot covers.
    pub snapshot_sequence: i64,
    /// Counts the shard's uses; the least is passivated first.
    pub last_used: u64,
}

impl Seat {
    /// A seat at the committed end of `handle`.
    pub fn new(
        handle: Arc<StreamHandle>,
        snapshot_sequence: i64,
        answers: Option<Box<Answers>>,
    ) -> Self {
        Self {
            generation: handle.generation(),
            sequence: handle.head().sequence,
            handle,
            in_flight: 0,
            gate: Gate::Open,
            answers,
            waiting: Vec::new(),
            snapshot_sequence,
            last_used: 0,
        }
    }

    /// State in memory is what stands in the book.
    pub fn is_settled(&self) -> bool {
        self.in_flight == 0 && self.gate != Gate::Draining
    }

    /// There are events since the last snapshot.
    pub fn is_dirty(&self) -> bool {
        self.sequence > self.snapshot_sequence
    }
}

/// What is known about an idempotency key.
pub(crate) enum Known {
    /// Never seen: decide.
    New,
    /// Another request used it.
    Reused,
    /// Answered before.
    Answered(Reply),
    /// The first is in flight.
    InFlight,
}

/// Where the first answer to a key stands.
enum Stage {
    /// Not committed yet; these wait for it.
    InFlight(Vec<Pending>),
    /// Committed at this position.
    Committed(i64),
}

struct Kept {
    request_hash: [u8; 32],
    status: u16,
    body: Box<str>,
    at: Timestamp,
    stage: Stage,
}

/// Unexpired answers of one account, by scope and key.
#[derive(Default)]
pub(crate) struct Answers(HashMap<Box<str>, Kept>);

impl Answers {
    /// Answers read from the book. `at` stands for when they were given: they may be kept a little
    /// longer than asked, never shorter.
    pub fn of_rows(rows: Vec<IdempotencyRow>, at: Timestamp) -> Box<Self> {
        let kept = rows.into_iter().map(|row| {
            let kept = Kept {
                request_hash: row.request_hash,
                status: row.status,
                body: row.body.into(),
                at,
                stage: Stage::Committed(row.position),
            };
            (name(&row.scope, &row.key), kept)
        });
        Box::new(Self(kept.collect()))
    }

    /// Looks a key up; an answer from before `since` is forgotten.
    pub fn look_up(&mut self, request: &IdempotencyRequest, since: Timestamp) -> Known {
        let name = name(&request.scope, &request.key);
        let Some(kept) = self.0.get(&name) else {
            return Known::New;
        };
        match &kept.stage {
            Stage::Committed(_) if kept.at < since => {
                self.0.remove(&name);
                Known::New
            }
            Stage::Committed(_) | Stage::InFlight(_)
                if kept.request_hash != request.request_hash =>
            {
                Known::Reused
            }
            Stage::InFlight(_) => Known::InFlight,
            Stage::Committed(position) => Known::Answered(kept.reply(*position)),
        }
    }

    /// Remembers an answer that is on its way into the book.
    pub fn begin(&mut self, row: &IdempotencyRow, at: Timestamp) {
        let kept = Kept {
            request_hash: row.request_hash,
            status: row.status,
            body: row.body.as_str().into(),
            at,
            stage: Stage::InFlight(Vec::new()),
        };
        self.0.insert(name(&row.scope, &row.key), kept);
    }

    /// Lets a repeat wait for the first. Gives it back when there is none in flight.
    pub fn wait(&mut self, pending: Pending) -> Option<Pending> {
        let Some(request) = &pending.request.idempotency else {
            return Some(pending);
        };
        match self.0.get_mut(&name(&request.scope, &request.key)) {
            Some(Kept {
                stage: Stage::InFlight(waiting),
                ..
            }) => {
                waiting.push(pending);
                None
            }
            Some(_) | None => Some(pending),
        }
    }

    /// The answer stands in the book: those that waited get it.
    pub fn commit(&mut self, request: &IdempotencyRequest, position: i64) {
        let Some(kept) = self.0.get_mut(&name(&request.scope, &request.key)) else {
            return;
        };
        let before = std::mem::replace(&mut kept.stage, Stage::Committed(position));
        if let Stage::InFlight(waiting) = before {
            for pending in waiting {
                pending.answer(Ok(kept.reply(position)));
            }
        }
    }

    /// The answer does not stand: those that waited have to be decided themselves.
    #[must_use]
    pub fn abandon(&mut self, request: &IdempotencyRequest) -> Vec<Pending> {
        match self.0.remove(&name(&request.scope, &request.key)) {
            Some(Kept {
                stage: Stage::InFlight(waiting),
                ..
            }) => waiting,
            Some(_) | None => Vec::new(),
        }
    }

    /// Forgets answers from before `since`.
    pub fn expire(&mut self, since: Timestamp) {
        self.0.retain(|_, kept| match kept.stage {
            Stage::InFlight(_) => true,
            Stage::Committed(_) => kept.at >= since,
        });
    }
}

impl Kept {
    fn reply(&self, position: i64) -> Reply {
        Reply {
            status: self.status,
            body: self.body.to_string(),
            position,
            replayed: true,
        }
    }
}

fn name(scope: &str, key: &str) -> Box<str> {
    format!("{scope}\n{key}").into()
}
