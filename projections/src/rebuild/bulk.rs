//! Loads the book into an empty generation: one reader, one or more workers.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use daybook_store::{Recorded, Store};
use sqlx::{Connection, PgConnection};
use tokio::{sync::mpsc, task::JoinSet};

use super::PAGE;
use crate::{
    admin::{OnProgress, Progress},
    error::{AdminError, ProjectionError},
    generation,
    projection::Projection,
    route::Router,
    runner::apply_caught,
};

/// Batches that may wait for a worker, so that reading and writing overlap.
const QUEUE: usize = 2;
/// A worker's batch, unless the book ends before.
const BATCH: usize = 4096;

/// Counts the events applied, and tells.
pub(crate) struct Counter {
    done: AtomicI64,
    total: AtomicI64,
    progress: OnProgress,
}

impl Counter {
    pub(crate) fn new(progress: OnProgress) -> Self {
        Self {
            done: AtomicI64::new(0),
            total: AtomicI64::new(0),
            progress,
        }
    }

    /// The position to reach.
    pub(crate) fn aim(&self, total: i64) {
        self.total.fetch_max(total, Ordering::Relaxed);
        self.add(0);
    }

    /// More events were applied.
    pub(crate) fn add(&self, events: i64) {
        let done = self.done.fetch_add(events, Ordering::Relaxed) + events;
        let total = self.total.load(Ordering::Relaxed).max(done);
        (self.progress)(Progress { done, total });
    }
}

/// What a bulk load needs.
pub(crate) struct Bulk<'a> {
    pub(crate) store: &'a Store,
    pub(crate) projection: &'a Arc<dyn Projection>,
    pub(crate) generation: i64,
    pub(crate) counter: &'a Arc<Counter>,
}

impl Bulk<'_> {
    /// Applies the events up to and including `target`. What is half-done after an error is of no
    /// use: the generation has to be given up.
    pub(crate) async fn load(&self, target: i64, workers: usize) -> Result<(), AdminError> {
        let partition = self.projection.partition();
        let workers = Router::workers(partition, workers);
        let mut router = Router::new(partition, workers);
        let crew = self.hire(workers).await?;
        let mut heaps: Vec<Vec<Recorded>> = vec![Vec::new(); workers];
        let mut at = 0;
        while at < target && !crew.tasks.is_empty() {
            let events = self.store.read_all(at, PAGE.min(target - at)).await?;
            let Some(last) = events.last() else {
                let detail = "the book ends before a checkpoint";
                return Err(ProjectionError::event(at, detail).into());
            };
            at = last.position;
            for event in events {
                heaps[router.worker(&event)?].push(event);
            }
            for (worker, heap) in heaps.iter_mut().enumerate() {
                if heap.len() >= BATCH && !crew.give(worker, std::mem::take(heap)).await {
                    return crew.finish().await;
                }
            }
        }
        for (worker, heap) in heaps.into_iter().enumerate() {
            if !heap.is_empty() && !crew.give(worker, heap).await {
                break;
            }
        }
        crew.finish().await
    }

    async fn hire(&self, workers: usize) -> Result<Crew, AdminError> {
        let mut crew = Crew {
            queues: Vec::with_capacity(workers),
            tasks: JoinSet::new(),
        };
        for _ in 0..workers {
            let name = self.projection.name();
            let (queue, batches) = mpsc::channel(QUEUE);
            let worker = Worker {
                connection: generation::connect(self.store, name, self.generation).await?,
                projection: Arc::clone(self.projection),
                counter: Arc::clone(self.counter),
                batches,
            };
            crew.queues.push(queue);
            crew.tasks.spawn(worker.work());
        }
        Ok(crew)
    }
}

/// The workers of one load; dropping it ends them.
struct Crew {
    queues: Vec<mpsc::Sender<Vec<Recorded>>>,
    tasks: JoinSet<Result<(), ProjectionError>>,
}

impl Crew {
    /// False: the worker has failed.
    async fn give(&self, worker: usize, batch: Vec<Recorded>) -> bool {
        self.queues[worker].send(batch).await.is_ok()
    }

    /// Waits for all workers; the first failure ends the others.
    async fn finish(mut self) -> Result<(), AdminError> {
        self.queues.clear();
        while let Some(joined) = self.tasks.join_next().await {
            joined.unwrap_or_else(|failed| Err(ProjectionError::Panicked(failed.to_string())))?;
        }
        Ok(())
    }
}

struct Worker {
    connection: PgConnection,
    projection: Arc<dyn Projection>,
    counter: Arc<Counter>,
    batches: mpsc::Receiver<Vec<Recorded>>,
}

impl Worker {
    async fn work(mut self) -> Result<(), ProjectionError> {
        while let Some(batch) = self.batches.recv().await {
            let mut transaction = self.connection.begin().await?;
            apply_caught(&*self.projection, &mut transaction, &batch).await?;
            transaction.commit().await?;
            self.counter
                .add(i64::try_from(batch.len()).unwrap_or(i64::MAX));
        }
        Ok(self.connection.close().await?)
    }
}
