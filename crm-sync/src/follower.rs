//! Which calls the book's events cause.

use std::sync::Arc;

use daybook_domain::ClientId;
use daybook_store::{
    Recorded, StoreError,
    follow::{Follow, FollowError},
};
use sqlx::PgConnection;
use tokio::sync::Notify;

use crate::{
    cause::{Effect, effect_of},
    rows::{self, NewCall},
};

/// Writes down which calls are due.
pub(crate) struct Follower {
    /// Told when there is something to call.
    pub(crate) wake: Arc<Notify>,
}

/// What a batch of events leads to.
#[derive(Default)]
pub(crate) struct Effects {
    calls: Vec<NewCall>,
    forgotten: Vec<ClientId>,
}

impl Follow for Follower {
    type Effects = Effects;

    const CHECKPOINT: &'static str = "crm_checkpoint";
    const PURPOSE: &'static str = "calls of the CRM";

    async fn effects_of(&self, batch: &[Recorded]) -> Result<Option<Effects>, StoreError> {
        let effects = effects_of(batch)?;
        Ok((!effects.is_empty()).then_some(effects))
    }

    async fn write(
        &self,
        connection: &mut PgConnection,
        effects: &Effects,
    ) -> Result<(), FollowError> {
        if !effects.calls.is_empty() {
            rows::insert(connection, &effects.calls).await?;
        }
        if !effects.forgotten.is_empty() {
            rows::forget(connection, &effects.forgotten).await?;
        }
        Ok(())
    }

    fn committed(&self, effects: &Effects) {
        if !effects.calls.is_empty() {
            self.wake.notify_one();
        }
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
