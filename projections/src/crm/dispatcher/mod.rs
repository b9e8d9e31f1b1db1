//! Gets deliveries to their receivers: at least once, in order for each client.
//!
//! One clerk alone speaks to the database: it takes in what the outbox holds, leases queues, hands
//! each to a task that sends from its head, and writes down what came of it. No transaction spans an
//! HTTP call. A queue's lease carries the epoch of its node, so that a node that leads later takes
//! over at once; what was sent and not yet written down is sent again, under the same identifier.

mod clerk;
mod control;
mod courier;
mod desk;
mod intake;
mod lane;
mod lease;
mod notices;
mod record;

use std::{sync::Arc, time::Duration};

use daybook_store::Store;
use futures::future::BoxFuture;
use secrecy::SecretString;
use tokio::{sync::watch, task::JoinHandle, time::timeout};

use self::clerk::Clerk;
use crate::{projection::names, reads::Reads};

const STOP_PATIENCE: Duration = Duration::from_secs(12);

/// How deliveries are made.
#[derive(Clone, Debug)]
pub struct DispatcherConfig {
    /// Signs for endpoints without a secret of their own.
    pub secret: SecretString,
    /// Signs too during a rotation.
    pub secret_previous: Option<SecretString>,
    /// Whether deliveries may go to private networks.
    pub allow_private: bool,
    /// Queues of one endpoint that are worked on at one time.
    pub lanes_max: usize,
}

impl DispatcherConfig {
    /// The defaults around the environment's secret.
    #[must_use]
    pub const fn new(secret: SecretString) -> Self {
        Self {
            secret,
            secret_previous: None,
            allow_private: false,
            lanes_max: 64,
        }
    }
}

/// Writes into the book that a receiver wants nothing more.
pub trait DisableEndpoint: Send + Sync + 'static {
    /// Disables an endpoint, for this reason. What fails is tried again with the next delivery.
    fn disable(&self, endpoint: String, reason: String) -> BoxFuture<'static, ()>;
}

/// The running dispatcher. Leader only. Dropping it stops it where it is, like a crash.
pub struct Dispatcher {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Dispatcher {
    /// Starts it; `epoch` is that of this node's leadership.
    #[must_use]
    pub fn start(
        store: Store,
        reads: &Reads,
        epoch: i64,
        config: DispatcherConfig,
        control: Arc<dyn DisableEndpoint>,
    ) -> Self {
        let (stop, stopping) = watch::channel(false);
        let outbox = reads.board().watch(names::OUTBOX);
        let clerk = Clerk::new(store, outbox, epoch, config, control, stopping);
        let task = tokio::spawn(clerk.run());
        Self { stop, task }
    }

    /// Leases nothing more, waits for what is under way, and writes down what came of it.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        if timeout(STOP_PATIENCE, &mut self.task).await.is_err() {
            tracing::warn!("deliveries did not end in time: they are made again");
        }
    }
}

impl Drop for Dispatcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}
