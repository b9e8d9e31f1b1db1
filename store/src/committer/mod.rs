//! Group commit: gathers what was submitted and appends it in one statement.
//!
//! While one append is in flight the next batch gathers and is hashed, as if the one in flight were
//! committed already; nothing is ever held back to wait for company. A submission is told its
//! outcome when that outcome is certain, and only then.

mod append;
mod batch;
mod outage;
mod refusal;
mod statement;
mod writer;

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering},
};

use chrono::{DateTime, SubsecRound, Utc};
use sqlx::PgConnection;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

pub use self::writer::{Writer, WriterStats};
use self::{
    batch::{Batch, Heads},
    refusal::Refusal,
    writer::Counters,
};
use crate::{
    error::AppendError,
    leadership::LeadershipConfig,
    store::Store,
    submission::Submission,
    tenure::{Candidate, Seat},
};

/// Another node writes now.
#[derive(Debug)]
struct Fenced;

/// What became of a batch.
enum Fate {
    /// In the book, after this position.
    Committed { base: i64 },
    /// In the book, but somebody else has the seat since.
    CommittedThenFenced { base: i64 },
    /// Not in the book: a row was refused.
    Refused(Refusal),
    /// Not in the book: Postgres is away.
    Unavailable,
    /// Not in the book: fenced off.
    Fenced,
    /// Told to stop before it could be found out.
    Unknown,
}

/// The task that appends.
pub(crate) struct Committer {
    store: Store,
    config: LeadershipConfig,
    candidate: Candidate,
    seat: Seat,
    connection: Option<PgConnection>,
    queue: mpsc::Receiver<Submission>,
    stop: watch::Receiver<bool>,
    counters: Arc<Counters>,
    /// Until then the lease is ours by our own clock, which started before the database's.
    lease_until: Instant,
    renew_at: Instant,
    /// Since when nothing has come through; none while all is well.
    outage_since: Option<Instant>,
    /// When the newest batch says that it was recorded.
    recorded_at: DateTime<Utc>,
    /// Ends of the streams that the append in flight writes to.
    flying: Heads,
    /// What gathers behind it.
    next: Batch,
    /// False while parts of a refused batch are tried: they come before whatever is queued.
    gathering: bool,
    /// In the book, and its callers do not know it yet: they are told while Postgres is at work on
    /// the next.
    untold: Option<(Batch, i64)>,
}

impl Committer {
    pub(crate) fn new(
        store: Store,
        config: LeadershipConfig,
        candidate: Candidate,
        (connection, seat): (PgConnection, Seat),
        taken_at: Instant,
        stop: watch::Receiver<bool>,
    ) -> (Self, Writer) {
        let (sender, queue) = mpsc::channel(config.queue_max);
        let counters = Arc::new(Counters::default());
        let writer = Writer {
            queue: sender,
            counters: counters.clone(),
        };
        store.advance_committed(seat.position);
        let mut committer = Self {
            store,
            config,
            candidate,
            seat,
            connection: Some(connection),
            queue,
            stop,
            counters,
            lease_until: taken_at,
            renew_at: taken_at,
            outage_since: None,
            recorded_at: seat.recorded_at,
            flying: Heads::default(),
            next: Batch::new(seat.recorded_at),
            gathering: true,
            untold: None,
        };
        committer.lease_prolonged(taken_at);
        (committer, writer)
    }

    /// Runs until told to stop or fenced off; then nothing is left unanswered that can be known.
    pub(crate) async fn run(mut self) {
        if let Err(Fenced) = self.work().await {
            metrics::counter!("daybook_store_fenced_total").increment(1);
            tracing::error!(
                epoch = self.seat.epoch,
                "fenced off: another node is the writer"
            );
        }
        self.tell();
        self.take_next().fail(&AppendError::Fenced);
        self.queue.close();
        while let Some(refused) = self.queue.recv().await {
            refused.fail(AppendError::Fenced);
        }
    }

    async fn work(&mut self) -> Result<(), Fenced> {
        while !*self.stop.borrow() {
            if self.connection.is_none() {
                self.reseat().await?;
                continue;
            }
            // Before the queue: a load that appends nothing must not let the lease run out.
            if Instant::now() >= self.renew_at {
                self.renew().await?;
                continue;
            }
            if self.next.is_empty() && !self.await_first().await {
                continue;
            }
            self.commit_next().await?;
        }
        self.drain().await
    }

    /// Waits for something to append. False: there is something else to do first.
    async fn await_first(&mut self) -> bool {
        self.tell();
        let first = tokio::select! {
            biased;
            // An error means that nobody can tell us any more: stop as well.
            _ = self.stop.changed() => None,
            first = self.queue.recv() => first,
            () = sleep_until(self.renew_at) => None,
        };
        let Some(first) = first else {
            return false;
        };
        self.admit(first);
        // Whoever was just told may ask the next thing before this batch leaves; nobody is waited
        // for when there is nobody.
        tokio::task::yield_now().await;
        true
    }

    /// Appends what was submitted until now, and gives the seat back.
    async fn drain(&mut self) -> Result<(), Fenced> {
        self.queue.close();
        loop {
            self.fill(usize::MAX);
            if self.next.is_empty() {
                break;
            }
            self.commit_next().await?;
        }
        self.tell();
        self.release().await;
        Ok(())
    }

    /// Takes up to `most` that wait in the queue into the next batch.
    fn fill(&mut self, most: usize) {
        for _ in 0..most {
            if !self.next.has_room(&self.config) {
                return;
            }
            let Ok(submission) = self.queue.try_recv() else {
                return;
            };
            self.admit(submission);
        }
    }

    fn admit(&mut self, submission: Submission) {
        if self.next.is_empty() {
            self.next = self.new_batch();
        }
        self.next.admit(submission, &self.flying);
    }

    /// Recorded now, in microseconds as Postgres keeps them; never before what is recorded already.
    fn new_batch(&mut self) -> Batch {
        self.recorded_at = Utc::now().trunc_subsecs(6).max(self.recorded_at);
        Batch::new(self.recorded_at)
    }

    fn take_next(&mut self) -> Batch {
        std::mem::replace(&mut self.next, Batch::new(self.recorded_at))
    }

    /// Appends what has gathered; meanwhile the next gathers.
    async fn commit_next(&mut self) -> Result<(), Fenced> {
        self.fill(usize::MAX);
        let mut parts = VecDeque::new();
        let mut batch = self.take_next();
        loop {
            self.gathering = parts.is_empty();
            if !batch.is_empty() {
                self.flying = batch.take_heads();
                let fate = self.append(&mut batch).await;
                if self.settle(batch, fate, &mut parts).is_err() {
                    parts
                        .into_iter()
                        .flatten()
                        .for_each(|rest| rest.fail(AppendError::Fenced));
                    return Err(Fenced);
                }
            }
            self.gathering = true;
            let Some(part) = parts.pop_front() else {
                return Ok(());
            };
            batch = self.new_batch();
            for submission in part {
                batch.admit(submission, &self.flying);
            }
        }
    }

    /// What follows from the fate of a batch. `parts` are tried next, in order.
    fn settle(
        &mut self,
        batch: Batch,
        fate: Fate,
        parts: &mut VecDeque<Vec<Submission>>,
    ) -> Result<(), Fenced> {
        let flying = std::mem::take(&mut self.flying);
        self.tell();
        match fate {
            Fate::Committed { base } => {
                flying.land();
                self.committed(batch, base);
            }
            Fate::CommittedThenFenced { base } => {
                flying.land();
                batch.succeed(base);
                return Err(Fenced);
            }
            Fate::Refused(refusal) => {
                self.set_aside(parts);
                self.divide(batch.into_submissions(), refusal, parts);
            }
            Fate::Unavailable => {
                self.set_aside(parts);
                batch.fail(&AppendError::Unavailable);
            }
            Fate::Fenced => {
                batch.fail(&AppendError::Fenced);
                return Err(Fenced);
            }
            Fate::Unknown => {
                self.set_aside(parts);
                tracing::error!("stopped before the fate of a batch was known");
            }
        }
        Ok(())
    }

    /// What gathered behind a batch took it for committed: it is admitted anew, after the rest.
    fn set_aside(&mut self, parts: &mut VecDeque<Vec<Submission>>) {
        parts.push_back(self.take_next().into_submissions());
    }

    /// Tells the callers of what is in the book.
    fn tell(&mut self) {
        if let Some((batch, base)) = self.untold.take() {
            batch.succeed(base);
        }
    }

    fn committed(&mut self, batch: Batch, base: i64) {
        let events = batch.events();
        self.seat.position = base + events;
        if batch.parts().any() {
            self.counters.batches.fetch_add(1, Ordering::Relaxed);
            self.counters
                .events
                .fetch_add(events.unsigned_abs(), Ordering::Relaxed);
        }
        self.store.advance_committed(self.seat.position);
        self.untold = Some((batch, base));
    }

    /// One bad submission never takes others with it: halves are tried apart, in order.
    fn divide(
        &self,
        mut submissions: Vec<Submission>,
        refusal: Refusal,
        parts: &mut VecDeque<Vec<Submission>>,
    ) {
        if submissions.len() > 1 {
            self.counters.bisected.fetch_add(1, Ordering::Relaxed);
            let second = submissions.split_off(submissions.len() / 2);
            parts.push_front(second);
            parts.push_front(submissions);
        } else if let Some(one) = submissions.pop() {
            let error = refusal.into_error(&one);
            tracing::debug!(%error, "a submission was refused");
            one.fail(error);
        }
    }
}
