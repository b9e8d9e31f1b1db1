//! Reads the book and writes down which calls its events cause, with its checkpoint in one
//! transaction.

use std::{sync::Arc, time::Duration};

use daybook_domain::ClientId;
use daybook_store::{Recorded, Store, StoreError};
use sqlx::Connection as _;
use tokio::{
    sync::{Notify, watch},
    time::sleep,
};

use crate::{
    cause::{Effect, effect_of},
    rows::{self, NewCall},
};

const BATCH: i64 = 1024;
/// Events without consequence after which the checkpoint moves all the same.
const STRIDE: i64 = 10_000;
const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_LONGEST: Duration = Duration::from_secs(10);

/// The task that reads.
pub(crate) struct Follower {
    pub(crate) store: Store,
    /// Told when there is something to call.
    pub(crate) wake: Arc<Notify>,
    pub(crate) stopping: watch::Receiver<bool>,
}

/// Why reading broke off; it is tried again from the checkpoint.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("{0}")]
    Book(#[from] StoreError),
    #[error("{0}")]
    Database(#[from] sqlx::Error),
    #[error("another node has moved the checkpoint")]
    Moved,
}

/// What a batch of events leads to.
#[derive(Default)]
struct Effects {
    calls: Vec<NewCall>,
    forgotten: Vec<ClientId>,
}

impl Follower {
    pub(crate) async fn run(mut self) {
        let mut pause = RETRY_FIRST;
        loop {
            let begun = tokio::time::Instant::now();
            let Err(broken) = self.session().await else {
                return;
            };
            tracing::error!(%broken, "reading the book for calls: trying again");
            if begun.elapsed() > RETRY_LONGEST {
                pause = RETRY_FIRST;
            }
            tokio::select! {
                _told = self.stopping.wait_for(|stop| *stop) => return,
                () = sleep(pause) => {}
            }
            pause = RETRY_LONGEST.min(pause * 2);
        }
    }

    /// Follows the book from the checkpoint on; ends well when the outbox stops.
    async fn session(&mut self) -> Result<(), Broken> {
        let mut at = rows::checkpoint(self.store.pool()).await?;
        let mut subscription = self.store.subscribe(at);
        loop {
            let batch = tokio::select! {
                biased;
                _told = self.stopping.wait_for(|stop| *stop) => return Ok(()),
                batch = subscription.next_batch(BATCH) => batch?,
            };
            let effects = effects_of(&batch)?;
            let to = subscription.position();
            if effects.is_empty() && to - at < STRIDE {
                continue;
            }
            self.write(&effects, at, to).await?;
            at = to;
            if !effects.calls.is_empty() {
                self.wake.notify_one();
            }
        }
    }

    async fn write(&self, effects: &Effects, from: i64, to: i64) -> Result<(), Broken> {
        let mut connection = self.store.pool().acquire().await?;
        let mut transaction = connection.begin().await?;
        if !rows::move_checkpoint(&mut transaction, from, to).await? {
            transaction.rollback().await?;
            return Err(Broken::Moved);
        }
        if !effects.calls.is_empty() {
            rows::insert(&mut transaction, &effects.calls).await?;
        }
        if !effects.forgotten.is_empty() {
            rows::forget(&mut transaction, &effects.forgotten).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

impl Effects {
    fn is_empty(&self) -> bool {
        self.calls.is_empty() && self.forgotten.is_empty()
    }
}

fn effects_of(batch: &[Recorded]) -> Result<Effects, StoreError> {
    let mut effects = Effects::default();
    for recorded in batch {
        match effect_of(recorded)? {
            Effect::Nothing => {}
            Effect::Call(cause) => effects.calls.push(NewCall {
                cause,
                position: recorded.position,
                recorded_at: recorded.recorded_at,
            }),
            Effect::Forget(client_id) => {
                effects
                    .calls
                    .retain(|call| call.cause.client_id != client_id);
                effects.forgotten.push(client_id);
            }
        }
    }
    Ok(effects)
}
