//! Projections with one mistake, which verification has to find.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use daybook_projections::{Partition, Projection, ProjectionError};
use daybook_store::Recorded;
use futures::future::BoxFuture;
use sqlx::{Connection, Executor, PgConnection, postgres::PgConnectOptions};

/// What goes wrong, once.
#[derive(Clone, Debug)]
pub enum Mistake {
    /// The event is passed over.
    Skips(i64),
    /// The event is applied twice.
    Doubles(i64),
    /// The batch with the event is committed apart from its checkpoint, which is lost: the batch
    /// comes again.
    LosesCheckpoint(i64, Box<PgConnectOptions>),
    /// The event cannot be applied.
    Chokes(i64),
    /// The projection's code panics at the event.
    Panics(i64),
}

/// An honest projection with a mistake.
pub struct Mutant {
    pub honest: Arc<dyn Projection>,
    pub mistake: Mistake,
    made: AtomicBool,
}

impl Mutant {
    pub fn of(name: &str, mistake: Mistake) -> Arc<Self> {
        let mut all = daybook_projections::all().into_iter();
        Arc::new(Self {
            honest: all.find(|projection| projection.name() == name).unwrap(),
            mistake,
            made: AtomicBool::new(false),
        })
    }

    pub fn made(&self) -> bool {
        self.made.load(Ordering::Relaxed)
    }

    async fn apply_mistaken(
        &self,
        connection: &mut PgConnection,
        batch: &[Recorded],
    ) -> Result<(), ProjectionError> {
        let at = |position: i64| batch.iter().position(|event| event.position == position);
        match &self.mistake {
            Mistake::Skips(position) if let Some(index) = at(*position) => {
                self.made.store(true, Ordering::Relaxed);
                self.honest.apply(connection, &batch[..index]).await?;
                self.honest.apply(connection, &batch[index + 1..]).await
            }
            Mistake::Doubles(position) if let Some(index) = at(*position) => {
                self.made.store(true, Ordering::Relaxed);
                self.honest.apply(connection, &batch[..=index]).await?;
                self.honest.apply(connection, &batch[index..]).await
            }
            Mistake::LosesCheckpoint(position, options)
                if at(*position).is_some() && !self.made.swap(true, Ordering::Relaxed) =>
            {
                self.apply_apart(connection, options, batch).await?;
                Err(ProjectionError::Database(sqlx::Error::WorkerCrashed))
            }
            Mistake::Chokes(position) if at(*position).is_some() => {
                self.made.store(true, Ordering::Relaxed);
                Err(ProjectionError::event(*position, "cannot be swallowed"))
            }
            Mistake::Panics(position) if at(*position).is_some() => {
                self.made.store(true, Ordering::Relaxed);
                panic!("never thought of that")
            }
            Mistake::Skips(_)
            | Mistake::Doubles(_)
            | Mistake::LosesCheckpoint(..)
            | Mistake::Chokes(_)
            | Mistake::Panics(_) => self.honest.apply(connection, batch).await,
        }
    }

    /// Writes the rows through another connection, where no checkpoint moves.
    async fn apply_apart(
        &self,
        connection: &mut PgConnection,
        options: &PgConnectOptions,
        batch: &[Recorded],
    ) -> Result<(), ProjectionError> {
        let path: String = sqlx::query_scalar("show search_path")
            .fetch_one(connection)
            .await?;
        let mut apart = PgConnection::connect_with(options).await?;
        apart
            .execute(format!("set search_path = {path}").as_str())
            .await?;
        self.honest.apply(&mut apart, batch).await?;
        Ok(apart.close().await?)
    }
}

impl Projection for Mutant {
    fn name(&self) -> &'static str {
        self.honest.name()
    }

    fn version(&self) -> i32 {
        self.honest.version()
    }

    fn schema(&self) -> &'static str {
        self.honest.schema()
    }

    fn indexes(&self) -> &'static str {
        self.honest.indexes()
    }

    fn tables(&self) -> &'static [&'static str] {
        self.honest.tables()
    }

    fn partition(&self) -> Partition {
        self.honest.partition()
    }

    fn apply<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        batch: &'a [Recorded],
    ) -> BoxFuture<'a, Result<(), ProjectionError>> {
        Box::pin(self.apply_mistaken(connection, batch))
    }
}
