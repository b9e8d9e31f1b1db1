//! What the tests of the book share: a node that leads, streams with one owner, and a proxy.

pub mod held;
pub mod proxy;

use std::{sync::Arc, time::Duration};

use daybook_store::{
    AppendError, Committed, IdempotencyRow, Leadership, LeadershipConfig, Metadata, NewEvent,
    Recorded, Role, Store, StreamAppend, StreamHandle, StreamId, Submission, Writer,
    testing::TestDatabase, verify::verify_all,
};
use tokio::{sync::oneshot, time::timeout};
use uuid::Uuid;

/// Long enough for the slowest machine; nothing waits this long unless it is broken.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A database, and a node that leads on it.
pub struct Node {
    pub database: TestDatabase,
    pub store: Store,
    pub leadership: Leadership,
    pub writer: Writer,
}

impl Node {
    pub async fn start() -> Self {
        let database = TestDatabase::start().await;
        let store = database.store().await;
        let leadership = Leadership::start_with(store.clone(), "first".into(), patient());
        let writer = writer(&leadership).await;
        Self {
            database,
            store,
            leadership,
            writer,
        }
    }
}

/// As in life, but with a lease that a stalled test machine does not lose by accident.
pub fn patient() -> LeadershipConfig {
    LeadershipConfig {
        lease: Duration::from_secs(20),
        poll_every: Duration::from_millis(50),
        unavailable_after: PATIENCE,
        ..LeadershipConfig::default()
    }
}

/// Waits until the node leads.
pub async fn writer(leadership: &Leadership) -> Writer {
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

/// Waits until the node is told that it must not write again.
pub async fn ended(leadership: &Leadership) {
    let mut role = leadership.role.clone();
    let ended = role.wait_for(|role| matches!(role, Role::Ended));
    timeout(PATIENCE, ended)
        .await
        .expect("ends in time")
        .expect("campaigns");
}

pub type Outcome = Result<Committed, AppendError>;

/// The outcome of what was submitted.
pub struct Pending(oneshot::Receiver<Outcome>);

impl Pending {
    pub async fn outcome(self) -> Outcome {
        timeout(PATIENCE, self.0)
            .await
            .expect("answered in time")
            .expect("answered")
    }

    pub fn failed_with(&mut self, error: &AppendError) -> bool {
        matches!(self.0.try_recv(), Ok(Err(refused)) if refused == *error)
    }

    pub fn is_open(&mut self) -> bool {
        matches!(self.0.try_recv(), Err(oneshot::error::TryRecvError::Empty))
    }
}

/// An empty submission and its outcome to be.
pub fn submission() -> (Submission, Pending) {
    let (tell, told) = oneshot::channel();
    let metadata = Metadata::default().with(Metadata::ACTOR, "test");
    let on_outcome = Box::new(move |outcome| {
        let _gone = tell.send(outcome);
    });
    (
        Submission::new(Vec::new(), Arc::new(metadata), on_outcome),
        Pending(told),
    )
}

pub fn noted(number: u64) -> NewEvent {
    NewEvent {
        event_type: "Noted",
        event_version: "1.0",
        payload: format!(r#"{{"Noted":{{"number":{number}}}}}"#),
    }
}

/// What [`noted`] wrote.
pub fn number(event: &Recorded) -> u64 {
    let payload: serde_json::Value = serde_json::from_str(&event.payload).unwrap();
    payload["Noted"]["number"].as_u64().unwrap()
}

/// A stream as its one owner holds it.
pub struct Stream {
    pub handle: Arc<StreamHandle>,
    pub generation: u64,
    pub next: i64,
}

impl Stream {
    pub fn new() -> Self {
        Self::named(Uuid::now_v7())
    }

    pub fn named(id: Uuid) -> Self {
        Self::on(StreamHandle::new(
            StreamId::new("note", id),
            Default::default(),
        ))
    }

    pub fn on(handle: Arc<StreamHandle>) -> Self {
        Self {
            generation: handle.generation(),
            next: handle.head().sequence + 1,
            handle,
        }
    }

    pub fn id(&self) -> &StreamId {
        &self.handle.stream
    }

    /// The events at the speculative end.
    pub fn append(&mut self, events: Vec<NewEvent>) -> StreamAppend {
        let first_sequence = self.next;
        self.next += i64::try_from(events.len()).unwrap();
        let (handle, generation) = (self.handle.clone(), self.generation);
        StreamAppend {
            handle,
            generation,
            first_sequence,
            events,
        }
    }

    /// Submits one event.
    pub fn note(&mut self, writer: &Writer, number: u64) -> Pending {
        let (mut submission, pending) = submission();
        submission.appends.push(self.append(vec![noted(number)]));
        writer.submit(submission);
        pending
    }

    /// Throws the speculation away, as after a failure.
    pub async fn reload(&mut self, store: &Store) {
        let loaded = store.load(self.id(), 1).await.expect("loads");
        *self = Self::on(loaded.handle);
    }
}

/// The whole book, proved on the way.
pub async fn whole_book(store: &Store) -> Vec<Recorded> {
    let report = verify_all(store, |_| {}).await.expect("walks");
    assert_eq!(report.broken, None);
    let events = store.read_all(0, i64::MAX).await.expect("reads");
    assert_eq!(events.len() as i64, store.head().await.unwrap().position);
    events
}

/// An answer to keep.
pub fn answer(key: &str, aggregate_id: &str) -> IdempotencyRow {
    IdempotencyRow {
        scope: "caller route".into(),
        key: key.into(),
        aggregate_id: aggregate_id.into(),
        request_hash: [7; 32],
        status: 201,
        body: "{}".into(),
        position: 0,
    }
}
