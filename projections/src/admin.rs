//! `daybook projections list|status|rebuild|verify`.

use std::{collections::HashMap, sync::Arc, time::Instant};

use chrono::{DateTime, Utc};
use daybook_store::Store;
use serde::Serialize;
use tracing::warn;

use crate::{
    error::AdminError,
    generation,
    projection::{self, Projection, all},
    rebuild::Build,
};

/// How far a rebuild or a verification has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Events applied.
    pub done: i64,
    /// Events to apply; grows when the book does.
    pub total: i64,
}

/// Told the progress, from several tasks, a few times a second at least.
pub type OnProgress = Arc<dyn Fn(Progress) + Send + Sync>;

/// How to rebuild.
#[derive(Clone)]
pub struct RebuildOptions {
    /// Workers, where the projection's partition allows more than one.
    pub parallel: usize,
    /// Compare with what is replaced, before the swap.
    pub verify: bool,
    /// Told the progress.
    pub progress: OnProgress,
}

impl Default for RebuildOptions {
    fn default() -> Self {
        Self {
            parallel: 1,
            verify: false,
            progress: Arc::new(|_| {}),
        }
    }
}

/// What a rebuild did.
#[derive(Clone, Debug, Serialize)]
pub struct RebuildReport {
    /// The projection.
    pub name: String,
    /// The generation now live.
    pub generation: i64,
    /// The position it was swapped in at.
    pub position: i64,
    /// Events applied.
    pub events: i64,
    /// Wall time.
    pub elapsed_ms: u64,
    /// Comparison with what was replaced, where asked for and possible.
    pub differences: Option<Differences>,
}

/// What a comparison found.
#[derive(Clone, Debug, Serialize)]
pub struct Differences {
    /// The projection.
    pub name: String,
    /// Both stood here.
    pub position: i64,
    /// By table.
    pub tables: Vec<TableDifferences>,
}

impl Differences {
    /// Whether the read model equals the book.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tables.iter().all(TableDifferences::is_empty)
    }
}

/// What a comparison found in one table.
#[derive(Clone, Debug, Serialize)]
pub struct TableDifferences {
    /// The table.
    pub table: String,
    /// Rows the book calls for.
    pub rows: i64,
    /// Rows that the live table lacks.
    pub missing: i64,
    /// Rows that the live table should not have.
    pub extra: i64,
    /// Rows that differ.
    pub different: i64,
    /// The first differing rows, by primary key.
    pub samples: Vec<RowDifference>,
}

impl TableDifferences {
    /// Whether there is no difference.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.missing == 0 && self.extra == 0 && self.different == 0
    }
}

/// One differing row.
#[derive(Clone, Debug, Serialize)]
pub struct RowDifference {
    /// Primary key.
    pub key: serde_json::Value,
    /// The live row; none: missing.
    pub live: Option<serde_json::Value>,
    /// What the book calls for; none: extra.
    pub rebuilt: Option<serde_json::Value>,
}

/// A projection as this program knows it.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// Name.
    pub name: &'static str,
    /// Version of its tables and rows.
    pub version: i32,
    /// Views that readers see, in the schema `read`.
    pub tables: &'static [&'static str],
    /// How a rebuild may be spread: `stream`, `client`, `global`.
    pub partition: &'static str,
}

/// A projection as it stands.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Name.
    pub name: String,
    /// Version of the live model; none: not made yet.
    pub version: Option<i32>,
    /// The live generation.
    pub generation: Option<i64>,
    /// Its checkpoint.
    pub position: i64,
    /// The book's last position.
    pub head: i64,
    /// `running`, `stopped`, `missing`.
    pub status: String,
    /// Why it stopped.
    pub error: Option<String>,
    /// Where it stopped.
    pub error_position: Option<i64>,
    /// When the checkpoint last moved.
    pub updated_at: Option<DateTime<Utc>>,
}

impl Status {
    fn missing(name: &str, head: i64) -> Self {
        Self {
            name: name.to_owned(),
            version: None,
            generation: None,
            position: 0,
            head,
            status: "missing".to_owned(),
            error: None,
            error_position: None,
            updated_at: None,
        }
    }

    /// Events behind the book.
    #[must_use]
    pub const fn lag(&self) -> i64 {
        self.head - self.position
    }
}

/// All projections of this program.
#[must_use]
pub fn list() -> Vec<Listed> {
    let projections = all();
    let listed = projections.iter().map(|projection| Listed {
        name: projection.name(),
        version: projection.version(),
        tables: projection.tables(),
        partition: projection.partition().as_str(),
    });
    listed.collect()
}

/// How each stands.
///
/// # Errors
/// [`AdminError`] when the database is away.
pub async fn status(store: &Store) -> Result<Vec<Status>, AdminError> {
    // Before the checkpoints, which would otherwise seem to be ahead of the book.
    let rows: Vec<StatusRow> = sqlx::query_as("select * from public.projections")
        .fetch_all(store.pool())
        .await?;
    let head = store.head().await?.position;
    let mut rows: HashMap<String, StatusRow> = rows
        .into_iter()
        .map(|row| (row.name.clone(), row))
        .collect();
    let projections = all();
    let statuses = projections.iter().map(|projection| {
        let name = projection.name();
        rows.remove(name)
            .map_or_else(|| Status::missing(name, head), |row| row.status(head))
    });
    Ok(statuses.collect())
}

#[derive(sqlx::FromRow)]
struct StatusRow {
    name: String,
    version: i32,
    generation: i64,
    position: i64,
    status: String,
    error: Option<String>,
    error_position: Option<i64>,
    updated_at: DateTime<Utc>,
}

impl StatusRow {
    fn status(self, head: i64) -> Status {
        Status {
            name: self.name,
            version: Some(self.version),
            generation: Some(self.generation),
            position: self.position,
            head,
            status: self.status,
            error: self.error,
            error_position: self.error_position,
            updated_at: Some(self.updated_at),
        }
    }
}

/// Builds a new generation beside the live one and swaps it in. Readers and the runner go on.
///
/// # Errors
/// [`AdminError`]; the live model is untouched then.
pub async fn rebuild(
    store: &Store,
    name: &str,
    options: RebuildOptions,
) -> Result<RebuildReport, AdminError> {
    rebuild_projection(store, find(name)?, options).await
}

/// Rebuilds this projection.
///
/// # Errors
/// [`AdminError`]; the live model is untouched then.
pub async fn rebuild_projection(
    store: &Store,
    projection: Arc<dyn Projection>,
    options: RebuildOptions,
) -> Result<RebuildReport, AdminError> {
    let begun = Instant::now();
    let name = projection.name();
    let mut build = Build::start(store, projection, options.progress).await?;
    let swapped = load_and_swap(&mut build, options.parallel, options.verify).await;
    let generation = build.generation();
    let (differences, position) = match swapped {
        Ok(swapped) => swapped,
        Err(error) => {
            // The failure to tell is the first one; what cannot be swept now is swept next time.
            if let Err(unswept) = build.sweep().await {
                warn!(projection = name, error = %unswept, "a half-built generation stays for now");
            }
            return Err(error);
        }
    };
    build.sweep().await?;
    Ok(RebuildReport {
        name: name.to_owned(),
        generation,
        position,
        events: position,
        elapsed_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        differences,
    })
}

async fn load_and_swap(
    build: &mut Build,
    workers: usize,
    verify: bool,
) -> Result<(Option<Differences>, i64), AdminError> {
    build.load(workers).await?;
    let differences = if verify { build.compare().await? } else { None };
    let position = build.swap().await?;
    Ok((differences, position))
}

/// Rebuilds beside, compares row by row at exactly one position, and throws the rebuilt one away.
///
/// # Errors
/// [`AdminError`] when it could not be compared; differences are no error.
pub async fn verify(
    store: &Store,
    name: &str,
    progress: OnProgress,
) -> Result<Differences, AdminError> {
    verify_projection(store, find(name)?, progress).await
}

/// Verifies the live model of this projection.
///
/// # Errors
/// [`AdminError`] when it could not be compared; differences are no error.
pub async fn verify_projection(
    store: &Store,
    projection: Arc<dyn Projection>,
    progress: OnProgress,
) -> Result<Differences, AdminError> {
    let name = projection.name();
    let code = projection.version();
    let mut build = Build::start(store, projection, progress).await?;
    let compared = load_and_compare(&mut build).await;
    let swept = build.sweep().await;
    let differences = compared?;
    swept?;
    if let Some(differences) = differences {
        return Ok(differences);
    }
    let live = generation::live(store.pool(), name).await?;
    Err(AdminError::VersionDiffers {
        name: name.to_owned(),
        live: live.map_or(0, |live| live.version),
        code,
    })
}

async fn load_and_compare(build: &mut Build) -> Result<Option<Differences>, AdminError> {
    build.load(1).await?;
    build.compare().await
}

fn find(name: &str) -> Result<Arc<dyn Projection>, AdminError> {
    projection::find(name).ok_or_else(|| AdminError::Unknown(name.to_owned()))
}
