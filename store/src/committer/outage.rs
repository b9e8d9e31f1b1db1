//! When Postgres is away: find the way back, fence off what the lost connection still carries, and
//! ask what became of the append in flight before anybody is answered.

use std::{future::Future, sync::atomic::Ordering, task::Poll, time::Duration};

use sqlx::{Connection, PgConnection};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use uuid::Uuid;

use super::{Committer, Fate, Fenced};
use crate::{
    error::AppendError,
    tenure::{self, Seat},
};

/// A question that has not been answered after this time is treated as lost.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// Admitted between two looks at the answer.
const GATHERED_AT_ONCE: usize = 16;
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// When told to stop while Postgres is away, how long the fate of a batch is still looked for.
const STOPPING_MAX: Duration = Duration::from_secs(10);

/// What the head row says after a connection was lost.
enum Found {
    /// Ours, under a new epoch.
    Seated(PgConnection, Seat),
    /// Somebody else's. When the append in doubt is in the book, the position it ended at.
    Taken { committed_at: Option<i64> },
}

impl Committer {
    /// Asks Postgres something on the writer's connection, within a bound. Without a connection, or
    /// when the answer does not come, the error is one of I/O.
    pub(super) async fn ask<T: Send>(
        &mut self,
        question: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        let mut connection = self.connection.take().ok_or_else(timed_out)?;
        let answer = {
            let question = timeout(ANSWER_TIMEOUT, question(&mut connection));
            tokio::pin!(question);
            let at_once = futures::poll!(&mut question);
            // Postgres is at work: time to tell those whose turn it was before.
            self.tell();
            match at_once {
                Poll::Ready(answer) => answer,
                // The connection seems well: patience starts anew.
                Poll::Pending => self.gather_while(Instant::now(), question).await,
            }
        };
        // A connection that owes an answer is of no more use.
        let answer = answer.map_err(|_elapsed| timed_out())?;
        self.connection = Some(connection);
        answer
    }

    /// The connection is of no more use.
    pub(super) fn lost(&mut self, error: &sqlx::Error) {
        self.connection = None;
        if self.outage_since.is_none() {
            self.outage_since = Some(Instant::now());
        }
        tracing::warn!(%error, epoch = self.seat.epoch, "the writer's connection was lost");
    }

    /// Comes back to Postgres with a batch of so many events in hand. None: it is certain that the
    /// batch is not in the book, and it may be tried again; otherwise its fate is sealed.
    pub(super) async fn reconnect(&mut self, in_doubt: Option<Uuid>, events: i64) -> Option<Fate> {
        loop {
            match self.attempt(in_doubt).await {
                Ok(Found::Seated(connection, seat)) => {
                    let committed = in_doubt.is_some() && seat.batch_id == in_doubt;
                    self.read_back(in_doubt, committed);
                    self.sit_down(connection, seat);
                    if committed {
                        return Some(Fate::Committed {
                            base: seat.position - events,
                        });
                    }
                    return self.out_of_patience().then_some(Fate::Unavailable);
                }
                Ok(Found::Taken { committed_at }) => {
                    self.read_back(in_doubt, committed_at.is_some());
                    return Some(committed_at.map_or(Fate::Fenced, |position| {
                        Fate::CommittedThenFenced {
                            base: position - events,
                        }
                    }));
                }
                Err(error) => tracing::warn!(%error, "Postgres is still away"),
            }
            self.pause().await;
            if in_doubt.is_none() && self.out_of_patience() {
                return Some(Fate::Unavailable);
            }
            if *self.stop.borrow() && self.away_for() > STOPPING_MAX {
                return Some(Fate::Unknown);
            }
        }
    }

    /// Comes back with nothing in hand; one try and a pause.
    pub(super) async fn reseat(&mut self) -> Result<(), Fenced> {
        match self.attempt(None).await {
            Ok(Found::Seated(connection, seat)) => self.sit_down(connection, seat),
            Ok(Found::Taken { .. }) => return Err(Fenced),
            Err(error) => {
                tracing::warn!(%error, "Postgres is still away");
                self.pause().await;
            }
        }
        Ok(())
    }

    async fn attempt(&mut self, in_doubt: Option<Uuid>) -> Result<Found, sqlx::Error> {
        self.counters.reconnects.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("daybook_store_reconnects_total").increment(1);
        let (store, candidate) = (self.store.clone(), self.candidate.clone());
        let epoch = self.seat.epoch;
        let attempt = async move {
            let mut connection = tenure::open(store.options()).await?;
            if let Some(seat) = tenure::reclaim(&mut connection, &candidate).await? {
                return Ok(Found::Seated(connection, seat));
            }
            let committed_at = match in_doubt {
                Some(batch) => tenure::fate_before_takeover(&mut connection, epoch, batch).await?,
                None => None,
            };
            // A courtesy to the server; what matters has been read.
            let _closed = connection.close().await;
            Ok(Found::Taken { committed_at })
        };
        let attempt = timeout(ATTEMPT_TIMEOUT, attempt);
        self.refuse_while(self.silent_since(), attempt)
            .await
            .unwrap_or_else(|_| Err(timed_out()))
    }

    fn sit_down(&mut self, connection: PgConnection, seat: Seat) {
        tracing::info!(
            epoch = seat.epoch,
            position = seat.position,
            "the writer is connected again"
        );
        self.connection = Some(connection);
        self.seat = seat;
        self.store.advance_committed(seat.position);
        // Renews at once: only something that comes through ends the outage.
        self.renew_at = Instant::now();
    }

    fn read_back(&self, in_doubt: Option<Uuid>, committed: bool) {
        if in_doubt.is_none() {
            return;
        }
        let (counter, outcome) = if committed {
            (&self.counters.read_back_committed, "committed")
        } else {
            (&self.counters.read_back_lost, "lost")
        };
        counter.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("daybook_store_read_back_total", "outcome" => outcome).increment(1);
    }

    fn silent_since(&self) -> Instant {
        self.outage_since.unwrap_or_else(Instant::now)
    }

    fn away_for(&self) -> Duration {
        self.silent_since().elapsed()
    }

    fn out_of_patience(&self) -> bool {
        self.away_for() >= self.config.unavailable_after
    }

    pub(super) async fn pause(&mut self) {
        let pause = (self.away_for() / 8).clamp(PAUSE_MIN, PAUSE_MAX);
        self.refuse_while(self.silent_since(), sleep(pause)).await;
    }

    /// Waits for `future` while the next batch gathers; once there has been nothing since `since`
    /// for too long, whoever waits is refused.
    async fn gather_while<F: Future + Unpin>(
        &mut self,
        since: Instant,
        mut future: F,
    ) -> F::Output {
        let patience = sleep_until(since + self.config.unavailable_after);
        tokio::pin!(patience);
        loop {
            let room = self.gathering && self.next.has_room(&self.config);
            tokio::select! {
                biased;
                output = &mut future => return output,
                Some(submission) = self.queue.recv(), if room => {
                    self.admit(submission);
                    self.fill(GATHERED_AT_ONCE);
                }
                () = &mut patience => return self.refuse_until(future).await,
            }
        }
    }

    /// Waits for `future` with the queue left alone; once there has been nothing since `since` for
    /// too long, whoever waits is refused.
    async fn refuse_while<F: Future>(&mut self, since: Instant, future: F) -> F::Output {
        tokio::pin!(future);
        tokio::select! {
            output = &mut future => output,
            () = sleep_until(since + self.config.unavailable_after) => {
                self.refuse_until(future).await
            }
        }
    }

    /// Patience has run out: until `future` is there, whoever submits is told so.
    async fn refuse_until<F: Future + Unpin>(&mut self, mut future: F) -> F::Output {
        self.take_next().fail(&AppendError::Unavailable);
        loop {
            tokio::select! {
                biased;
                output = &mut future => return output,
                Some(refused) = self.queue.recv() => refused.fail(AppendError::Unavailable),
            }
        }
    }
}

fn timed_out() -> sqlx::Error {
    sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())
}
