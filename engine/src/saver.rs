//! Keeps snapshots in the background, in order, until the database takes them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use daybook_domain::AccountId;
use daybook_store::{Snapshot, Store};
use tokio::sync::{mpsc, oneshot};

use crate::load::load_account;

const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Snapshots in one statement.
const BATCH: usize = 256;

enum Job {
    Save(Snapshot),
    /// An account that is never idle: what stands in the book is folded instead.
    Fold(AccountId),
    /// Told when everything before it has been kept.
    Barrier(oneshot::Sender<()>),
}

/// The way to the saver. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Saver {
    jobs: mpsc::UnboundedSender<Job>,
    waiting: Arc<AtomicUsize>,
}

impl Saver {
    /// Starts the task, which ends when the last handle is gone.
    pub fn start(store: Store) -> Self {
        let (jobs, inlet) = mpsc::unbounded_channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        tokio::spawn(run(store, inlet, waiting.clone()));
        Self { jobs, waiting }
    }

    /// Keeps a snapshot of committed state.
    pub fn save(&self, snapshot: Snapshot) {
        self.send(Job::Save(snapshot));
    }

    /// Folds an account from the book and keeps that.
    pub fn fold(&self, account_id: AccountId) {
        self.send(Job::Fold(account_id));
    }

    /// Resolves when everything handed over before has been kept.
    pub fn barrier(&self) -> oneshot::Receiver<()> {
        let (done, kept) = oneshot::channel();
        self.send(Job::Barrier(done));
        kept
    }

    /// Jobs not done yet.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    fn send(&self, job: Job) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // The task outlives its handles; only a runtime that shuts down ends it earlier.
        let _ended = self.jobs.send(job);
    }
}

async fn run(store: Store, mut jobs: mpsc::UnboundedReceiver<Job>, waiting: Arc<AtomicUsize>) {
    let mut batch = Vec::with_capacity(BATCH);
    while jobs.recv_many(&mut batch, BATCH).await > 0 {
        let count = batch.len();
        let mut snapshots = Vec::new();
        for job in batch.drain(..) {
            match job {
                Job::Save(snapshot) => snapshots.push(snapshot),
                Job::Fold(account_id) => snapshots.extend(fold(&store, account_id).await),
                Job::Barrier(done) => {
                    save(&store, &mut snapshots).await;
                    // Whoever asked may have given up waiting.
                    let _gone = done.send(());
                }
            }
        }
        save(&store, &mut snapshots).await;
        waiting.fetch_sub(count, Ordering::Relaxed);
    }
}

/// Nothing may be skipped: the floor of recovery moves on the strength of it.
async fn save(store: &Store, snapshots: &mut Vec<Snapshot>) {
    while let Err(error) = store.save_snapshots(snapshots).await {
        tracing::warn!(%error, count = snapshots.len(), "snapshots could not be kept, trying again");
        tokio::time::sleep(RETRY_AFTER).await;
    }
    snapshots.clear();
}

async fn fold(store: &Store, account_id: AccountId) -> Option<Snapshot> {
    loop {
        match load_account(store, account_id).await {
            Ok(loaded) => return loaded.map(|loaded| loaded.snapshot()),
            Err(error) => {
                tracing::warn!(%error, %account_id, "an account could not be folded, trying again");
                tokio::time::sleep(RETRY_AFTER).await;
            }
        }
    }
}
