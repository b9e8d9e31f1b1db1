//! Starts and stops it: one task reads the book for what is to be called, one calls. They run on
//! the node that leads.

use std::{sync::Arc, time::Duration};

use daybook_store::{Store, follow::follow};
use secrecy::SecretString;
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
    time::timeout,
};

use crate::{
    dispatcher::Dispatcher,
    follower::Follower,
    service::Service,
    telemetry,
    worker::{Book, Worker},
};

const STOP_PATIENCE: Duration = Duration::from_secs(8);

/// Where the CRM is.
#[derive(Clone, Debug)]
pub struct CrmSyncConfig {
    /// Its address, without the path of the API.
    pub base_url: String,
    /// Our bearer token there.
    pub token: SecretString,
    /// It may be in a private network.
    pub allow_private: bool,
}

/// The running client. Dropping it ends it where it is.
pub struct CrmSync {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl CrmSync {
    /// Starts reading and calling.
    ///
    /// # Errors
    /// When the CRM's address is none.
    pub fn start(
        store: &Store,
        config: &CrmSyncConfig,
        book: Arc<dyn Book>,
    ) -> Result<Self, &'static str> {
        telemetry::begin();
        let token = config.token.clone();
        let service = Service::try_new(&config.base_url, token, config.allow_private)?;
        let (stop, stopping) = watch::channel(false);
        let wake = Arc::new(Notify::new());
        let follower = Follower {
            wake: Arc::clone(&wake),
        };
        let following = follow(store.clone(), follower, stopping.clone());
        let dispatcher = Dispatcher {
            worker: Arc::new(Worker {
                store: store.clone(),
                service,
                book,
            }),
            wake,
            stopping,
            shut_until: None,
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(following);
        tasks.spawn(dispatcher.run());
        Ok(Self { stop, tasks })
    }

    /// Stops after the calls that are under way.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        let ended = timeout(STOP_PATIENCE, async {
            while self.tasks.join_next().await.is_some() {}
        });
        if ended.await.is_err() {
            tracing::warn!("the CRM did not answer in time: what is under way is said again later");
        }
    }
}
