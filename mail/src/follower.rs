//! Which mails the book's events cause.

use std::sync::Arc;

use daybook_domain::{AccountEvent, AccountId, ClientId};
use daybook_store::{
    Recorded, Store, StoreError, StreamId,
    follow::{Follow, FollowError},
};
use sqlx::PgConnection;
use tokio::sync::Notify;

use crate::{
    cause::{ACCOUNT, Cause, Effect, effect_of},
    kept::KeptMails,
    rows::{self, NewMail},
};

/// Writes down which mails are due.
pub(crate) struct Follower {
    pub(crate) store: Store,
    pub(crate) kept: KeptMails,
    /// Told when there is something to send.
    pub(crate) wake: Arc<Notify>,
}

/// What a batch of events leads to.
#[derive(Default)]
pub(crate) struct Effects {
    mails: Vec<NewMail>,
    forgotten: Vec<ClientId>,
}

impl Follow for Follower {
    type Effects = Effects;

    const CHECKPOINT: &'static str = "mail_checkpoint";
    const PURPOSE: &'static str = "mails";

    async fn effects_of(&self, batch: &[Recorded]) -> Result<Option<Effects>, StoreError> {
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
        Ok((!effects.is_empty()).then_some(effects))
    }

    async fn write(
        &self,
        connection: &mut PgConnection,
        effects: &Effects,
    ) -> Result<(), FollowError> {
        if !effects.mails.is_empty() {
            rows::insert(connection, &effects.mails).await?;
        }
        if !effects.forgotten.is_empty() {
            rows::forget(connection, &effects.forgotten).await?;
            self.forget_kept(effects.forgotten.clone()).await?;
        }
        Ok(())
    }

    fn committed(&self, effects: &Effects) {
        if !effects.mails.is_empty() {
            self.wake.notify_one();
        }
    }
}

impl Follower {
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

    /// Before the checkpoint has moved: whatever cannot be deleted now is tried again.
    async fn forget_kept(&self, clients: Vec<ClientId>) -> Result<(), FollowError> {
        let kept = self.kept.clone();
        let forgotten = tokio::task::spawn_blocking(move || {
            clients
                .into_iter()
                .try_for_each(|client| kept.forget(client).map(drop))
        });
        let forgotten = forgotten.await.map_err(std::io::Error::other);
        let forgotten = forgotten.and_then(|outcome| outcome);
        let failed = |error| FollowError::Beside("deleting an erased client's mails", error);
        forgotten.map_err(failed)
    }
}

impl Effects {
    fn is_empty(&self) -> bool {
        self.mails.is_empty() && self.forgotten.is_empty()
    }
}
