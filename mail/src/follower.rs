//! Reads the book and writes down which mails its events cause, with its checkpoint in one
//! transaction.

use std::{sync::Arc, time::Duration};

use daybook_domain::{AccountEvent, AccountId, ClientId};
use daybook_store::{Recorded, Store, StoreError, StreamId};
use sqlx::Connection as _;
use tokio::{
    sync::{Notify, watch},
    time::sleep,
};

use crate::{
    cause::{ACCOUNT, Cause, Effect, effect_of},
    kept::KeptMails,
    rows::{self, NewMail},
};

const BATCH: i64 = 1024;
/// Events without consequence after which the checkpoint moves all the same.
const STRIDE: i64 = 10_000;
const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_LONGEST: Duration = Duration::from_secs(10);

/// The task that reads.
pub(crate) struct Follower {
    pub(crate) store: Store,
    pub(crate) kept: KeptMails,
    /// Told when there is something to send.
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
    #[error("deleting an erased client's mails: {0}")]
    Kept(std::io::Error),
    #[error("another node has moved the checkpoint")]
    Moved,
}

/// What a batch of events leads to.
#[derive(Default)]
struct Effects {
    mails: Vec<NewMail>,
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
            tracing::error!(%broken, "reading the book for mails: trying again");
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
            let effects = self.effects_of(&batch).await?;
            let to = subscription.position();
            if effects.is_empty() && to - at < STRIDE {
                continue;
            }
            self.write(&effects, at, to).await?;
            at = to;
            if !effects.mails.is_empty() {
                self.wake.notify_one();
            }
        }
    }

    async fn effects_of(&self, batch: &[Recorded]) -> Result<Effects, StoreError> {
        let mut effects = Effects::default();
        for recorded in batch {
            let cause = match effect_of(recorded)? {
                Effect::Nothing => continue,
                Effect::Mail(cause) => cause,
                Effect::ToOwner(template, account) => Cause {
                    template,
                    client_id: self.owner_of(account).await?,
                },
                Effect::Forget(client_id) => {
                    let others = |mail: &NewMail| mail.cause.client_id != client_id;
                    effects.mails.retain(others);
                    effects.forgotten.push(client_id);
                    continue;
                }
            };
            effects.mails.push(NewMail {
                cause,
                position: recorded.position,
                recorded_at: recorded.recorded_at,
            });
        }
        Ok(effects)
    }

    /// The account's first event says whose it is.
    async fn owner_of(&self, account: AccountId) -> Result<ClientId, StoreError> {
        let stream = StreamId::new(ACCOUNT, account);
        let first = self.store.read_stream(&stream, 0, 1).await?;
        let first = first.first().map(Recorded::decode::<AccountEvent>);
        if let Some(AccountEvent::AccountOpened { client_id, .. }) = first.transpose()? {
            return Ok(client_id);
        }
        Err(StoreError::Corrupt {
            place: format!("account-{account}"),
            detail: "it was never opened".to_owned(),
        })
    }

    async fn write(&self, effects: &Effects, from: i64, to: i64) -> Result<(), Broken> {
        let mut connection = self.store.pool().acquire().await?;
        let mut transaction = connection.begin().await?;
        if !rows::move_checkpoint(&mut transaction, from, to).await? {
            transaction.rollback().await?;
            return Err(Broken::Moved);
        }
        if !effects.mails.is_empty() {
            rows::insert(&mut transaction, &effects.mails).await?;
        }
        if !effects.forgotten.is_empty() {
            rows::forget(&mut transaction, &effects.forgotten).await?;
            self.forget_kept(effects.forgotten.clone()).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Before the checkpoint has moved: whatever cannot be deleted now is tried again.
    async fn forget_kept(&self, clients: Vec<ClientId>) -> Result<(), Broken> {
        let kept = self.kept.clone();
        let forgotten = tokio::task::spawn_blocking(move || {
            clients
                .into_iter()
                .try_for_each(|client| kept.forget(client).map(drop))
        });
        let forgotten = forgotten.await.map_err(std::io::Error::other);
        forgotten.and_then(|outcome| outcome).map_err(Broken::Kept)
    }
}

impl Effects {
    fn is_empty(&self) -> bool {
        self.mails.is_empty() && self.forgotten.is_empty()
    }
}
