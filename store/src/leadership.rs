//! One writer at a time: a lease and a fencing epoch in the head row.

use std::time::Duration;

use futures::FutureExt;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, timeout},
};
use uuid::Uuid;

use crate::{
    committer::{Committer, Writer},
    store::Store,
    tenure::{self, Candidate, Holder},
};

/// What this node is now.
#[derive(Clone)]
pub enum Role {
    /// Another node writes; `leader` is its advertised address, if known.
    Standby {
        /// Address.
        leader: Option<String>,
    },
    /// This node writes.
    Leader {
        /// Fencing epoch at which it began to; each reconnection raises it further.
        epoch: i64,
        /// The way in.
        writer: Writer,
    },
    /// This node wrote and was fenced off, or was told to stop: it must never write again.
    Ended,
}

/// Times and limits of leading; the defaults are what Daybook runs with.
#[derive(Clone, Copy, Debug)]
pub struct LeadershipConfig {
    /// How long a leader that is not heard of keeps the seat, by the database's clock.
    pub lease: Duration,
    /// How often an idle leader renews; appends renew as well.
    pub renew_every: Duration,
    /// How often a standby looks.
    pub poll_every: Duration,
    /// How long submissions wait for Postgres to come back before they are refused.
    pub unavailable_after: Duration,
    /// Submissions in the queue at most.
    pub queue_max: usize,
    /// Submissions, or events, from which a batch takes no more.
    pub batch_max: usize,
    /// Bytes from which a batch takes no more.
    pub batch_bytes_max: usize,
}

impl Default for LeadershipConfig {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(3),
            renew_every: Duration::from_secs(1),
            poll_every: Duration::from_millis(300),
            unavailable_after: Duration::from_secs(5),
            queue_max: 16_384,
            batch_max: 1_000,
            batch_bytes_max: 4 << 20,
        }
    }
}

/// Campaigns in the background, renews the lease, and tells the role. Dropping it without
/// [`Leadership::resign`] stops it where it stands, like a crash.
pub struct Leadership {
    /// The role now and at each change.
    pub role: watch::Receiver<Role>,
    task: Task,
    stop: watch::Sender<bool>,
}

/// Ends with its handle.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Leadership {
    /// Starts campaigning. `advertise` is this node's address for the others to show.
    #[must_use]
    pub fn start(store: Store, advertise: String) -> Self {
        Self::start_with(store, advertise, LeadershipConfig::default())
    }

    /// As [`Leadership::start`], with other times and limits.
    #[must_use]
    pub fn start_with(store: Store, advertise: String, config: LeadershipConfig) -> Self {
        let (role_sender, role) = watch::channel(Role::Standby { leader: None });
        let (stop, stopped) = watch::channel(false);
        let campaign = Campaign {
            store,
            advertise,
            config,
            role: role_sender,
            stop: stopped,
        };
        let task = Task(tokio::spawn(campaign.run()));
        Self { role, task, stop }
    }

    /// Drains the committer, gives the lease back so that a standby takes over at once, and ends.
    pub async fn resign(mut self) {
        self.stop.send_replace(true);
        if let Err(error) = (&mut self.task.0).await {
            tracing::error!(%error, "the writer's task failed");
        }
    }
}

struct Campaign {
    store: Store,
    advertise: String,
    config: LeadershipConfig,
    role: watch::Sender<Role>,
    stop: watch::Receiver<bool>,
}

impl Drop for Campaign {
    /// However it ends, by a panic too: whoever watches learns that this node writes no more.
    fn drop(&mut self) {
        self.role.send_replace(Role::Ended);
    }
}

impl Campaign {
    async fn run(mut self) {
        while !*self.stop.borrow() {
            match self.stand().await {
                Ok(Some((committer, writer, epoch))) => {
                    tracing::info!(epoch, "this node is the writer");
                    let _writing = self.store.begin_writing();
                    self.role.send_replace(Role::Leader { epoch, writer });
                    return committer.run().boxed().await;
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "campaigning: trying again"),
            }
            // Woken early when told to stop.
            let _elapsed = timeout(self.config.poll_every, self.stop.changed()).await;
        }
    }

    /// Takes the seat if it is free.
    async fn stand(&mut self) -> Result<Option<(Committer, Writer, i64)>, sqlx::Error> {
        let holder = tenure::holder(self.store.pool()).await?;
        if !holder.expired {
            self.stand_by(holder);
            return Ok(None);
        }
        let candidate = Candidate {
            // New for each try: if the answer to this one is lost, we are not mistaken for it.
            leader_id: Uuid::now_v7(),
            address: self.advertise.clone(),
            lease: self.config.lease,
        };
        let taken_at = Instant::now();
        let options = self.store.options();
        let Some(seated) = tenure::take_over(options, &candidate, &holder).await? else {
            return Ok(None);
        };
        let epoch = seated.1.epoch;
        let (store, stop) = (self.store.clone(), self.stop.clone());
        let (committer, writer) =
            Committer::new(store, self.config, candidate, seated, taken_at, stop);
        Ok(Some((committer, writer, epoch)))
    }

    fn stand_by(&self, holder: Holder) {
        self.role.send_if_modified(|role| {
            let known = matches!(role, Role::Standby { leader } if *leader == holder.address);
            if !known {
                *role = Role::Standby {
                    leader: holder.address,
                };
            }
            !known
        });
    }
}
