//! What the tests of the read models share: a book being written, and made-up histories.

pub mod mutant;
pub mod world;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use daybook_projections::{
    Reads, Runners,
    admin::{self, Differences},
    all,
};
use daybook_store::{
    Leadership, LeadershipConfig, Metadata, NewEvent, Role, Store, StreamAppend, StreamHandle,
    StreamId, Submission, Writer, submission::ChainHead, testing::TestDatabase,
};
use tokio::{sync::oneshot, time::timeout};
use world::{Append, World};

/// Long enough for the slowest machine; nothing waits this long unless it is broken.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A database, a node that writes its book, and the history it writes.
pub struct Book {
    pub database: TestDatabase,
    pub store: Store,
    pub reads: Reads,
    pub world: World,
    pub metadata: Metadata,
    streams: HashMap<StreamId, (Arc<StreamHandle>, i64)>,
    writer: Writer,
    _leadership: Leadership,
}

impl Book {
    pub async fn open(seed: u64) -> Self {
        let database = TestDatabase::start().await;
        let store = database.store().await;
        let config = LeadershipConfig {
            lease: Duration::from_secs(20),
            poll_every: Duration::from_millis(50),
            unavailable_after: PATIENCE,
            ..LeadershipConfig::default()
        };
        let leadership = Leadership::start_with(store.clone(), "test".into(), config);
        let writer = writer(&leadership).await;
        Self {
            reads: Reads::new(store.clone()),
            world: World::new(seed),
            metadata: Metadata::default()
                .with(Metadata::ACTOR, "client:test")
                .with(Metadata::REASON, "because")
                .with(Metadata::IP, "enc:v1:address")
                .with(Metadata::CORRELATION_ID, "request-1"),
            streams: HashMap::new(),
            database,
            store,
            writer,
            _leadership: leadership,
        }
    }

    /// Lets the world go on until this many more events are committed; returns the last position.
    pub async fn write(&mut self, events: usize) -> i64 {
        let mut written = 0;
        let mut last = None;
        while written < events {
            let submission = self.world.next();
            written += submission
                .iter()
                .map(|append| append.events.len())
                .sum::<usize>();
            last = Some(self.submit(submission));
        }
        committed(last.expect("something was written")).await
    }

    /// Commits one submission.
    pub async fn append(&mut self, appends: Vec<Append>) -> i64 {
        let told = self.submit(appends);
        committed(told).await
    }

    fn submit(&mut self, appends: Vec<Append>) -> oneshot::Receiver<i64> {
        let (tell, told) = oneshot::channel();
        let appends = appends
            .into_iter()
            .map(|append| self.place(append))
            .collect();
        let on_outcome = Box::new(move |outcome: Result<daybook_store::Committed, _>| {
            let committed = outcome.expect("appended");
            let _gone = tell.send(committed.position);
        });
        let metadata = Arc::new(self.metadata.clone());
        self.writer
            .submit(Submission::new(appends, metadata, on_outcome));
        told
    }

    fn place(&mut self, append: Append) -> StreamAppend {
        let stream = StreamId::new(append.aggregate_type, &append.aggregate_id);
        let (handle, next) = self
            .streams
            .entry(stream.clone())
            .or_insert_with(|| (StreamHandle::new(stream, ChainHead::default()), 1));
        let first_sequence = *next;
        *next += i64::try_from(append.events.len()).unwrap();
        StreamAppend {
            handle: Arc::clone(handle),
            generation: handle.generation(),
            first_sequence,
            events: append.events,
        }
    }

    pub async fn head(&self) -> i64 {
        self.store.head().await.expect("reads the head").position
    }

    /// Starts the runners of all projections.
    pub fn run(&self) -> Runners {
        Runners::start(self.store.clone(), &self.reads)
    }

    /// Waits until all projections have come to the end of the book.
    pub async fn caught_up(&self) -> i64 {
        let head = self.head().await;
        self.reads
            .wait_for(&all_names(), head, PATIENCE)
            .await
            .expect("all projections reach the end of the book");
        head
    }

    /// Rebuilds beside and compares.
    pub async fn verify(&self, name: &str) -> Differences {
        admin::verify(&self.store, name, Arc::new(|_| {}))
            .await
            .expect("verifies")
    }

    /// Asserts that every read model equals the book.
    pub async fn assert_equal_to_the_book(&self) {
        for name in all_names() {
            let differences = self.verify(name).await;
            assert!(differences.is_empty(), "{differences:#?}");
        }
    }

    /// One row of `public.projections`.
    pub async fn status(&self, name: &str) -> admin::Status {
        let statuses = admin::status(&self.store).await.expect("tells the status");
        statuses
            .into_iter()
            .find(|status| status.name == name)
            .expect("a projection of this name")
    }

    /// Waits until a projection's status is as wished for.
    pub async fn until(
        &self,
        name: &str,
        wished: impl Fn(&admin::Status) -> bool,
    ) -> admin::Status {
        let looking = async {
            loop {
                let status = self.status(name).await;
                if wished(&status) {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, looking)
            .await
            .expect("comes about in time")
    }
}

async fn writer(leadership: &Leadership) -> Writer {
    let mut role = leadership.role.clone();
    let leads = role.wait_for(|role| matches!(role, Role::Leader { .. }));
    let role = timeout(PATIENCE, leads)
        .await
        .expect("leads in time")
        .expect("campaigns");
    match &*role {
        Role::Leader { writer, .. } => writer.clone(),
        Role::Standby { .. } | Role::Ended => unreachable!(),
    }
}

async fn committed(told: oneshot::Receiver<i64>) -> i64 {
    timeout(PATIENCE, told)
        .await
        .expect("committed in time")
        .expect("committed")
}

pub fn all_names() -> Vec<&'static str> {
    all().iter().map(|projection| projection.name()).collect()
}

/// An event of any shape.
pub fn event(event_type: &'static str, payload: &str) -> NewEvent {
    NewEvent {
        event_type,
        event_version: "1.0",
        payload: payload.to_owned(),
    }
}

/// The highest progress told.
#[derive(Clone, Default)]
pub struct Heard(Arc<AtomicI64>);

impl Heard {
    pub fn listener(&self) -> admin::OnProgress {
        let heard = Arc::clone(&self.0);
        Arc::new(move |progress| {
            assert!(progress.done <= progress.total, "{progress:?}");
            heard.fetch_max(progress.done, Ordering::Relaxed);
        })
    }

    pub fn done(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}
