//! What can go wrong while read models are written, read or rebuilt.

use daybook_store::StoreError;

/// A batch could not be applied.
#[derive(Debug, thiserror::Error)]
pub enum ProjectionError {
    /// An event cannot be applied, now or ever: the projection stops there.
    #[error("position {position}: {detail}")]
    Event {
        /// Where.
        position: i64,
        /// Why.
        detail: String,
    },
    /// Postgres is away, or refused the rows.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The projection's own code failed an assertion.
    #[error("panicked: {0}")]
    Panicked(String),
}

impl ProjectionError {
    /// An event that cannot follow what came before it.
    #[must_use]
    pub fn event(position: i64, detail: impl Into<String>) -> Self {
        Self::Event {
            position,
            detail: detail.into(),
        }
    }

    /// Whether trying again later can help: the database's state, not the data, is to blame.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Event { .. } | Self::Panicked(_) => false,
            Self::Database(error) => !is_refusal(error),
        }
    }
}

/// Whether Postgres refused the data itself: a data exception (22), a broken constraint (23), a
/// syntax or rule violation (42). Everything else is worth another try.
fn is_refusal(error: &sqlx::Error) -> bool {
    if let sqlx::Error::Database(refusal) = error {
        let code = refusal.code().unwrap_or_default();
        return ["22", "23", "42"]
            .iter()
            .any(|class| code.starts_with(class));
    }
    is_undecodable(error) || matches!(error, sqlx::Error::Encode(_))
}

fn is_undecodable(error: &sqlx::Error) -> bool {
    matches!(
        error,
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_)
    )
}

/// Whether Postgres gave up waiting for a lock, or chose this transaction to end a deadlock.
pub(crate) fn is_lock_conflict(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(refusal) = error else {
        return false;
    };
    matches!(refusal.code().as_deref(), Some("55P03" | "40P01"))
}

/// A read model could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Postgres is away.
    #[error("database")]
    Database(#[source] sqlx::Error),
    /// The read model has not reached the position in time.
    #[error("read model {name} stands at {reached}, {wanted} was asked for")]
    Behind {
        /// Which.
        name: String,
        /// Where it stands.
        reached: i64,
        /// What was asked for.
        wanted: i64,
    },
    /// No projection of this name.
    #[error("there is no read model {0}")]
    Unknown(String),
    /// A row does not decode: the model must be rebuilt.
    #[error("read model row: {0}")]
    Corrupt(String),
}

impl From<sqlx::Error> for ReadError {
    fn from(error: sqlx::Error) -> Self {
        if is_undecodable(&error) {
            Self::Corrupt(error.to_string())
        } else {
            Self::Database(error)
        }
    }
}

/// A read model could not be rebuilt, verified or shown.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// No projection of this name.
    #[error("there is no projection {0}")]
    Unknown(String),
    /// Another rebuild or verification of the same projection runs.
    #[error("projection {0} is being rebuilt or verified by somebody else")]
    Busy(String),
    /// The live model has another version: there is nothing to compare with.
    #[error("projection {name} stands at version {live}, this program makes version {code}")]
    VersionDiffers {
        /// Which.
        name: String,
        /// Version of the live model.
        live: i32,
        /// Version of this program.
        code: i32,
    },
    /// The live model was replaced while this one was being built.
    #[error("projection {0} was replaced by somebody else")]
    Replaced(String),
    /// The live model could not be locked for the swap within the time allowed.
    #[error("projection {0} could not be locked for the swap")]
    SwapTimedOut(String),
    /// An event could not be applied.
    #[error("projection")]
    Projection(#[from] ProjectionError),
    /// The book could not be read.
    #[error("store")]
    Store(#[from] StoreError),
    /// Postgres is away or refused.
    #[error("database")]
    Database(#[from] sqlx::Error),
}
