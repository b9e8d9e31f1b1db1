//! Claims what is due and hands it to the worker, so many at one time; stands still while the CRM
//! does not let us in.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, watch},
    task::{JoinError, JoinSet},
    time::{Instant, sleep},
};

use crate::{
    rows, telemetry,
    worker::{CLAIM, Door, Worker},
};

/// Calls under way at one time.
const CONCURRENCY: usize = 4;
/// Looks at the table without being told after this time.
const LOOK: Duration = Duration::from_secs(5);
const LOOK_SOONEST: Duration = Duration::from_millis(20);
const RETRY: Duration = Duration::from_secs(1);
/// How long a shut door is waited at before one call knocks again.
const KNOCK: Duration = Duration::from_secs(60);

/// The task that calls.
pub(crate) struct Dispatcher {
    pub(crate) worker: Arc<Worker>,
    pub(crate) wake: Arc<Notify>,
    pub(crate) stopping: watch::Receiver<bool>,
    /// Since the CRM has refused our token: when to knock again.
    pub(crate) shut_until: Option<Instant>,
}

impl Dispatcher {
    pub(crate) async fn run(mut self) {
        let mut under_way = JoinSet::new();
        while !*self.stopping.borrow() {
            let pause = match self.claim(&mut under_way).await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::warn!(%error, "looking for calls to the CRM: trying again");
                    RETRY
                }
            };
            let ended = tokio::select! {
                _told = self.stopping.wait_for(|stop| *stop) => None,
                ended = under_way.join_next(), if !under_way.is_empty() => ended,
                () = self.wake.notified() => None,
                () = sleep(pause) => None,
            };
            if let Some(ended) = ended {
                self.learn(ended);
            }
        }
        while let Some(ended) = under_way.join_next().await {
            self.learn(ended);
        }
    }

    /// Takes on as much as there is room for; returns when to look again.
    async fn claim(&self, under_way: &mut JoinSet<Door>) -> Result<Duration, sqlx::Error> {
        let pool = self.worker.store.pool();
        let most = match self.shut_until {
            Some(until) if until > Instant::now() => return Ok(until - Instant::now()),
            Some(_) => 1,
            None => CONCURRENCY,
        };
        let room = most.saturating_sub(under_way.len());
        if room == 0 {
            // The end of one of them tells.
            return Ok(LOOK);
        }
        for due in rows::claim(pool, room, CLAIM).await? {
            under_way.spawn(Arc::clone(&self.worker).handle(due));
        }
        telemetry::waiting(rows::waiting(pool).await?);
        let due_in = rows::next_due_in(pool).await?;
        Ok(due_in.map_or(LOOK, |due_in| due_in.clamp(LOOK_SOONEST, LOOK)))
    }

    /// A panic loses its task alone: the claim runs out, and the call is made again.
    fn learn(&mut self, ended: Result<Door, JoinError>) {
        match ended {
            Ok(Door::Open) => self.shut_until = None,
            Ok(Door::Shut) => self.shut_until = Some(Instant::now() + KNOCK),
            Ok(Door::Unknown) => {}
            Err(error) => tracing::error!(%error, "calling the CRM has failed"),
        }
        telemetry::shut(self.shut_until.is_some());
    }
}
