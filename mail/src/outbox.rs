//! The outbox: reads the book for events that cause mails, and delivers what is due. It runs on the
//! node that leads.

use std::{path::PathBuf, sync::Arc, time::Duration};

use daybook_store::{Store, follow::follow};
use secrecy::SecretString;
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
    time::timeout,
};

use crate::{
    compose::Composer,
    courier::{Courier, Post},
    dispatcher::Dispatcher,
    follower::Follower,
    kept::KeptMails,
    link::Links,
    smtp::{Sender, Smtp, SmtpUrl},
    telemetry,
};

const STOP_PATIENCE: Duration = Duration::from_secs(8);

/// What the outbox needs to know.
#[derive(Clone, Debug)]
pub struct OutboxConfig {
    /// The mail server; none: mails are kept in the data directory.
    pub smtp: Option<SmtpUrl>,
    /// Who mails are from.
    pub from: Sender,
    /// Public address of the site, for links.
    pub app_url: String,
    /// Where kept mails are.
    pub data_dir: PathBuf,
    /// Signs links, by a key derived from it.
    pub access_secret: SecretString,
    /// Verifies links during a rotation.
    pub access_secret_previous: Option<SecretString>,
    /// How fast, and how often again.
    pub pace: Pace,
}

/// How fast mails are sent, and when again after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Mails under way at one time.
    pub concurrency: usize,
    /// Pause after the first failure; it doubles with each further one.
    pub retry_first: Duration,
    /// Longest pause.
    pub retry_longest: Duration,
    /// A mail that is under way for so long was lost with its node, and is tried again.
    pub claim: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            concurrency: 4,
            retry_first: Duration::from_secs(30),
            retry_longest: Duration::from_secs(6 * 60 * 60),
            claim: Duration::from_secs(120),
        }
    }
}

/// The running outbox. Dropping it ends it where it is.
pub struct Outbox {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    post: Arc<Post>,
}

impl Outbox {
    /// Starts reading and sending.
    ///
    /// # Errors
    /// When the mail server's URL is not usable.
    pub fn start(store: &Store, config: &OutboxConfig) -> Result<Self, &'static str> {
        telemetry::begin();
        let kept = KeptMails::of(&config.data_dir);
        let post = Arc::new(match &config.smtp {
            Some(url) => {
                let from = config.from.clone();
                Post::Server(Smtp::new(url, from, config.pace.concurrency)?)
            }
            None => {
                let directory = kept.directory().display();
                tracing::info!("no SMTP_URL: mails are kept in {directory}");
                Post::Directory(kept.clone())
            }
        });
        let secret = &config.access_secret;
        let links = Links::new(secret, config.access_secret_previous.as_ref());
        let composer = Composer {
            store: store.clone(),
            links: Arc::new(links),
            app_url: config.app_url.trim_end_matches('/').to_owned(),
        };
        let (stop, stopping) = watch::channel(false);
        let wake = Arc::new(Notify::new());
        let follower = Follower {
            store: store.clone(),
            kept,
            wake: Arc::clone(&wake),
        };
        let following = follow(store.clone(), follower, stopping.clone());
        let dispatcher = Dispatcher {
            pool: store.pool().clone(),
            courier: Arc::new(Courier {
                pool: store.pool().clone(),
                composer,
                post: Arc::clone(&post),
                pace: config.pace,
            }),
            pace: config.pace,
            wake,
            stopping,
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(following);
        tasks.spawn(dispatcher.run());
        Ok(Self { stop, tasks, post })
    }

    /// Stops after the mails that are under way.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        let ended = timeout(STOP_PATIENCE, async {
            while self.tasks.join_next().await.is_some() {}
            self.post.close().await;
        });
        if ended.await.is_err() {
            tracing::warn!("mails under way did not arrive in time: they are sent again later");
        }
    }

    /// Ends it where it is, as a crash would.
    pub async fn abort(mut self) {
        self.tasks.shutdown().await;
    }
}
