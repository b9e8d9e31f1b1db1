//! Claims what is due and hands it to the courier, so many at one time.

use std::{sync::Arc, time::Duration};

use sqlx::PgPool;
use tokio::{
    sync::{Notify, watch},
    task::{JoinError, JoinSet},
    time::sleep,
};

use crate::{courier::Courier, outbox::Pace, rows};

/// Looks at the table without being told after this time.
const LOOK: Duration = Duration::from_secs(15);
const LOOK_SOONEST: Duration = Duration::from_millis(20);
const RETRY: Duration = Duration::from_secs(1);

/// The task that sends.
pub(crate) struct Dispatcher {
    pub(crate) pool: PgPool,
    pub(crate) courier: Arc<Courier>,
    pub(crate) pace: Pace,
    pub(crate) wake: Arc<Notify>,
    pub(crate) stopping: watch::Receiver<bool>,
}

impl Dispatcher {
    pub(crate) async fn run(mut self) {
        let mut under_way = JoinSet::new();
        while !*self.stopping.borrow() {
            let pause = match self.claim(&mut under_way).await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::warn!(%error, "looking for mails to send: trying again");
                    RETRY
                }
            };
            tokio::select! {
                _told = self.stopping.wait_for(|stop| *stop) => {}
                Some(ended) = under_way.join_next() => note(ended),
                () = self.wake.notified() => {}
                () = sleep(pause) => {}
            }
        }
        while let Some(ended) = under_way.join_next().await {
            note(ended);
        }
    }

    /// Takes on as much as there is room for; returns when to look again.
    async fn claim(&self, under_way: &mut JoinSet<()>) -> Result<Duration, sqlx::Error> {
        let room = self.pace.concurrency.saturating_sub(under_way.len());
        if room == 0 {
            // The end of one of them tells.
            return Ok(LOOK);
        }
        for due in rows::claim(&self.pool, room, self.pace.claim).await? {
            under_way.spawn(Arc::clone(&self.courier).handle(due));
        }
        let due_in = rows::next_due_in(&self.pool).await?;
        Ok(due_in.map_or(LOOK, |due_in| due_in.clamp(LOOK_SOONEST, LOOK)))
    }
}

/// A panic loses its task alone: the claim runs out, and the mail is tried again.
fn note(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "sending a mail has failed");
    }
}
