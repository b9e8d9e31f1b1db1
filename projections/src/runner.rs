//! Runs each projection as a task of its own.
//!
//! A batch's writes and the move of the checkpoint are one transaction, which first claims the
//! checkpoint by compare-and-set: whoever lost it, to a swap or to another node, writes nothing. An
//! event that cannot be applied stops its projection alone; a database that is away is waited for.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use daybook_store::{Recorded, Store, StoreError, Subscription};
use futures::FutureExt;
use sqlx::{Connection, PgConnection};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tracing::{error, info, warn};

use crate::{
    admin::{self, RebuildOptions},
    board::Feeder,
    error::{AdminError, ProjectionError},
    generation,
    projection::{Projection, all},
    reads::Reads,
    telemetry,
};

const BATCH_MIN: i64 = 256;
const BATCH_MAX: i64 = 4096;
/// A transaction longer than this keeps a swap waiting: the next batch is smaller.
const BATCH_SLOW: Duration = Duration::from_millis(400);
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_LONGEST: Duration = Duration::from_secs(5);
/// How often a stopped projection looks whether it has been rebuilt.
const STOPPED_LOOK: Duration = Duration::from_secs(2);
const LAG_EVERY: Duration = Duration::from_secs(1);
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// The running projections. Leader only. Dropping it stops them, too.
pub struct Runners {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Runners {
    /// Starts all projections; `reads` learns their checkpoints without asking the database.
    #[must_use]
    pub fn start(store: Store, reads: &Reads) -> Self {
        Self::start_with(store, reads, all())
    }

    /// Starts these projections.
    #[must_use]
    pub fn start_with(store: Store, reads: &Reads, projections: Vec<Arc<dyn Projection>>) -> Self {
        let (stop, stopping) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let names = projections.iter().map(|projection| projection.name());
        tasks.spawn(tell_lag(
            store.clone(),
            reads.clone(),
            names.collect(),
            stopping.clone(),
        ));
        for projection in projections {
            let runner = Runner {
                feeder: reads.board().feed(projection.name()),
                store: store.clone(),
                projection,
                stopping: stopping.clone(),
            };
            tasks.spawn(runner.run());
        }
        Self { stop, tasks }
    }

    /// Stops them after the batch they are at.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        let ended = timeout(STOP_PATIENCE, async {
            while self.tasks.join_next().await.is_some() {}
        });
        if ended.await.is_err() {
            warn!("projections did not stop in time: their transactions are given up");
        }
    }

    /// Ends them where they are, as a crash would; nothing half-done stays.
    pub async fn abort(mut self) {
        self.tasks.shutdown().await;
    }
}

/// Why a session of a runner ended.
enum Ended {
    /// The runners stop.
    Stopping,
    /// The checkpoint is no longer what this session thought: look again.
    Moved,
    /// Stopped at an event of this generation.
    Poisoned(i64),
}

/// Why a session broke off; it is tried again after a pause.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Projection(#[from] ProjectionError),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error("rebuild: {0}")]
    Rebuild(#[from] AdminError),
}

struct Runner {
    store: Store,
    projection: Arc<dyn Projection>,
    feeder: Feeder,
    stopping: watch::Receiver<bool>,
}

impl Runner {
    async fn run(mut self) {
        let name = self.projection.name();
        let mut pause = RETRY_FIRST;
        loop {
            let begun = Instant::now();
            match self.session().await {
                Ok(Ended::Stopping) => return,
                Ok(Ended::Moved) => {}
                Ok(Ended::Poisoned(generation)) => self.await_rebuild(generation).await,
                Err(broken) => {
                    warn!(projection = name, error = %broken, "projection: trying again");
                    telemetry::retried(name);
                    pause = if begun.elapsed() > RETRY_LONGEST {
                        RETRY_FIRST
                    } else {
                        pause
                    };
                    self.rest(pause).await;
                    pause = RETRY_LONGEST.min(pause * 2);
                }
            }
            if *self.stopping.borrow() {
                return;
            }
        }
    }

    /// Follows the book from the live checkpoint on, on one connection and one generation.
    async fn session(&mut self) -> Result<Ended, Broken> {
        let projection = Arc::clone(&self.projection);
        let name = projection.name();
        let live = generation::ensure_live(&self.store, &*projection).await?;
        if live.version != projection.version() {
            info!(
                projection = name,
                from = live.version,
                to = projection.version(),
                "new version"
            );
            let options = RebuildOptions::default();
            admin::rebuild_projection(&self.store, projection, options).await?;
            return Ok(Ended::Moved);
        }
        let connection = generation::connect(&self.store, name, live.generation).await?;
        let mut desk = Desk {
            projection,
            connection,
            generation: live.generation,
            at: live.position,
        };
        self.feeder.set(desk.at);
        let mut subscription = self.store.subscribe(desk.at);
        let mut limit = BATCH_MIN;
        loop {
            let batch = match self.next_batch(&mut subscription, limit).await {
                Some(Ok(batch)) => batch,
                Some(Err(corrupt)) => return self.stopped(&desk, desk.at + 1, &corrupt).await,
                None => return Ok(Ended::Stopping),
            };
            let begun = Instant::now();
            if let Some(ended) = self.apply_all(&mut desk, &batch).await? {
                return Ok(ended);
            }
            limit = next_limit(limit, batch.len(), begun.elapsed());
        }
    }

    /// The next events; none when the runners stop.
    async fn next_batch(
        &mut self,
        subscription: &mut Subscription,
        limit: i64,
    ) -> Option<Result<Vec<Recorded>, StoreError>> {
        tokio::select! {
            biased;
            _told = self.stopping.wait_for(|stop| *stop) => None,
            batch = subscription.next_batch(limit) => Some(batch),
        }
    }

    /// Applies a batch, in smaller and smaller parts where an event in it cannot be applied, so
    /// that all before that event are.
    async fn apply_all(
        &self,
        desk: &mut Desk,
        batch: &[Recorded],
    ) -> Result<Option<Ended>, Broken> {
        let mut rest = batch;
        let mut size = rest.len();
        while !rest.is_empty() {
            let part = &rest[..size.min(rest.len())];
            match desk.apply(part).await {
                Ok(true) => {
                    self.feeder.set(desk.at);
                    telemetry::applied(desk.projection.name(), part.len());
                    rest = &rest[part.len()..];
                }
                Ok(false) => return Ok(Some(Ended::Moved)),
                Err(error) if error.is_transient() => return Err(error.into()),
                Err(error) if part.len() == 1 => {
                    let ended = self.stopped(desk, part[0].position, &error).await?;
                    return Ok(Some(ended));
                }
                Err(_somewhere_in_it) => size = part.len() / 2,
            }
        }
        Ok(None)
    }

    /// Says loudly that an event cannot be applied.
    async fn stopped(
        &self,
        desk: &Desk,
        position: i64,
        cause: &(dyn std::error::Error + Sync),
    ) -> Result<Ended, Broken> {
        let name = desk.projection.name();
        let cause = cause.to_string();
        error!(
            projection = name,
            position,
            error = cause,
            "projection stopped"
        );
        telemetry::stopped(name, true);
        generation::mark_stopped(&self.store, name, desk.generation, position, &cause).await?;
        Ok(Ended::Poisoned(desk.generation))
    }

    /// Waits until another generation is live: a rebuild by a program that can apply the event.
    async fn await_rebuild(&mut self, generation: i64) {
        let name = self.projection.name();
        loop {
            self.rest(STOPPED_LOOK).await;
            if *self.stopping.borrow() {
                return;
            }
            let live = generation::live(self.store.pool(), name).await;
            if live.is_ok_and(|live| live.is_none_or(|live| live.generation != generation)) {
                return;
            }
        }
    }

    /// Sleeps, unless the runners stop.
    async fn rest(&mut self, pause: Duration) {
        tokio::select! {
            _told = self.stopping.wait_for(|stop| *stop) => {}
            () = sleep(pause) => {}
        }
    }
}

/// Where a session writes: its connection, its generation, and how far it has come.
struct Desk {
    projection: Arc<dyn Projection>,
    connection: PgConnection,
    generation: i64,
    at: i64,
}

impl Desk {
    /// One transaction: claims the checkpoint, writes, commits. False: the checkpoint was lost.
    async fn apply(&mut self, part: &[Recorded]) -> Result<bool, ProjectionError> {
        let (Some(first), Some(last)) = (part.first(), part.last()) else {
            return Ok(true);
        };
        assert_eq!(
            first.position,
            self.at + 1,
            "invariant: no event is skipped"
        );
        let name = self.projection.name();
        let to = last.position;
        let begun = Instant::now();
        let mut transaction = self.connection.begin().await?;
        let generation = self.generation;
        if !generation::move_checkpoint(&mut transaction, name, generation, self.at, to).await? {
            transaction.rollback().await?;
            return Ok(false);
        }
        let applied = apply_caught(&*self.projection, &mut transaction, part).await;
        if let Err(error) = applied {
            transaction.rollback().await?;
            return Err(error);
        }
        transaction.commit().await?;
        self.at = to;
        telemetry::batch_took(name, begun.elapsed());
        telemetry::stopped(name, false);
        Ok(true)
    }
}

/// Applies a batch; a panic within becomes an error, so that it is told and not lost with a task.
pub(crate) async fn apply_caught(
    projection: &dyn Projection,
    connection: &mut PgConnection,
    batch: &[Recorded],
) -> Result<(), ProjectionError> {
    let applied = AssertUnwindSafe(projection.apply(connection, batch))
        .catch_unwind()
        .await;
    applied.unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(ProjectionError::Panicked(text.unwrap_or_default()))
    })
}

/// Larger batches while there is much to read, smaller ones while they take long.
fn next_limit(limit: i64, read: usize, took: Duration) -> i64 {
    if took > BATCH_SLOW {
        return BATCH_MIN.max(limit / 2);
    }
    if i64::try_from(read).is_ok_and(|read| read >= limit) {
        return BATCH_MAX.min(limit * 2);
    }
    limit
}

/// Tells how far each projection is behind, also those that have stopped.
async fn tell_lag(
    store: Store,
    reads: Reads,
    names: Vec<&'static str>,
    mut stopping: watch::Receiver<bool>,
) {
    let committed = store.committed();
    loop {
        for name in &names {
            if let Some(position) = *reads.board().watch(name).borrow() {
                telemetry::lag(name, position, *committed.borrow());
            }
        }
        tokio::select! {
            _told = stopping.wait_for(|stop| *stop) => return,
            () = sleep(LAG_EVERY) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{BATCH_MAX, BATCH_MIN, next_limit};

    const FAST: Duration = Duration::from_millis(5);
    const SLOW: Duration = Duration::from_secs(1);

    #[test]
    fn batches_grow_while_they_come_full_and_stay_within_bounds() {
        let mut limit = BATCH_MIN;
        for _ in 0..10 {
            limit = next_limit(limit, usize::try_from(limit).unwrap(), FAST);
        }
        assert_eq!(limit, BATCH_MAX);
        assert_eq!(next_limit(limit, 3, FAST), BATCH_MAX);
    }

    #[test]
    fn batches_shrink_while_they_take_long() {
        assert_eq!(next_limit(1024, 1024, SLOW), 512);
        assert_eq!(next_limit(BATCH_MIN, 1, SLOW), BATCH_MIN);
    }
}
