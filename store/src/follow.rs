//! Follows the book with a checkpoint of one's own: what events lead to is written down in the
//! transaction that moves it, so that it is written once, whatever is killed.

use std::time::Duration;

use sqlx::{Connection as _, PgConnection};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use crate::{error::StoreError, recorded::Recorded, store::Store};

const BATCH: i64 = 1024;
/// Events without consequence after which the checkpoint moves all the same.
const STRIDE: i64 = 10_000;
const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_LONGEST: Duration = Duration::from_secs(10);

/// What somebody makes of the book, event by event.
pub trait Follow: Send + Sync {
    /// What a batch of events leads to.
    type Effects: Send + Sync;

    /// The table whose only row is the checkpoint, `position`.
    const CHECKPOINT: &'static str;
    /// What it is read for, in logs.
    const PURPOSE: &'static str;

    /// What follows from events; none: nothing.
    ///
    /// # Errors
    /// [`StoreError`]: the batch is read again later.
    fn effects_of(
        &self,
        batch: &[Recorded],
    ) -> impl Future<Output = Result<Option<Self::Effects>, StoreError>> + Send;

    /// Writes it down, in the transaction that moves the checkpoint.
    ///
    /// # Errors
    /// [`FollowError`]: nothing is committed, and the batch is read again later.
    fn write(
        &self,
        connection: &mut PgConnection,
        effects: &Self::Effects,
    ) -> impl Future<Output = Result<(), FollowError>> + Send;

    /// It is committed.
    fn committed(&self, effects: &Self::Effects);
}

/// Why reading broke off; it is tried again from the checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The book.
    #[error("{0}")]
    Book(#[from] StoreError),
    /// Writing down.
    #[error("{0}")]
    Database(#[from] sqlx::Error),
    /// What is done beside the database.
    #[error("{0}: {1}")]
    Beside(&'static str, #[source] std::io::Error),
    /// Somebody else follows, who must not.
    #[error("another node has moved the checkpoint")]
    Moved,
}

/// Follows until told to stop; whatever fails is tried again, with pauses that grow.
pub async fn follow(store: Store, what: impl Follow, mut stopping: watch::Receiver<bool>) {
    let mut pause = RETRY_FIRST;
    loop {
        let begun = Instant::now();
        let Err(broken) = session(&store, &what, &mut stopping).await else {
            return;
        };
        tracing::error!(%broken, "reading the book for {}: trying again", purpose(&what));
        if begun.elapsed() > RETRY_LONGEST {
            pause = RETRY_FIRST;
        }
        tokio::select! {
            _told = stopping.wait_for(|stop| *stop) => return,
            () = sleep(pause) => {}
        }
        pause = RETRY_LONGEST.min(pause * 2);
    }
}

const fn purpose<F: Follow>(_: &F) -> &'static str {
    F::PURPOSE
}

/// From the checkpoint on; ends well when it is to stop.
async fn session<F: Follow>(
    store: &Store,
    what: &F,
    stopping: &mut watch::Receiver<bool>,
) -> Result<(), FollowError> {
    let at = format!("select position from public.{}", F::CHECKPOINT);
    let mut at: i64 = sqlx::query_scalar(&at).fetch_one(store.pool()).await?;
    let mut subscription = store.subscribe(at);
    loop {
        let batch = tokio::select! {
            biased;
            _told = stopping.wait_for(|stop| *stop) => return Ok(()),
            batch = subscription.next_batch(BATCH) => batch?,
        };
        let effects = what.effects_of(&batch).await?;
        let to = subscription.position();
        if effects.is_none() && to - at < STRIDE {
            continue;
        }
        write(store, what, effects.as_ref(), at, to).await?;
        at = to;
        if let Some(effects) = &effects {
            what.committed(effects);
        }
    }
}

async fn write<F: Follow>(
    store: &Store,
    what: &F,
    effects: Option<&F::Effects>,
    from: i64,
    to: i64,
) -> Result<(), FollowError> {
    let mut connection = store.pool().acquire().await?;
    let mut transaction = connection.begin().await?;
    let table = F::CHECKPOINT;
    let moved = format!("update public.{table} set position = $2 where position = $1");
    let moved = sqlx::query(&moved).bind(from).bind(to);
    if moved.execute(&mut *transaction).await?.rows_affected() != 1 {
        transaction.rollback().await?;
        return Err(FollowError::Moved);
    }
    if let Some(effects) = effects {
        what.write(&mut transaction, effects).await?;
    }
    transaction.commit().await?;
    Ok(())
}
