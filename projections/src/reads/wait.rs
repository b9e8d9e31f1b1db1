//! Read your own writes: waiting until a read model has reached a position.

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use super::Reads;
use crate::{error::ReadError, generation};

/// Between two looks at the database, where no runner of this process tells: first and longest.
const LOOK_FIRST: Duration = Duration::from_millis(5);
const LOOK_LONGEST: Duration = Duration::from_millis(80);

impl Reads {
    /// Waits until these projections have reached `position`. Where runners of this process feed
    /// them no query is made; on a standby the checkpoints are looked up.
    ///
    /// # Errors
    /// [`ReadError::Behind`] after the time-out.
    pub async fn wait_for(
        &self,
        names: &[&str],
        position: i64,
        timeout: Duration,
    ) -> Result<(), ReadError> {
        if position <= 0 {
            return Ok(());
        }
        let deadline = Instant::now() + timeout;
        for name in names {
            self.wait_for_one(name, position, deadline).await?;
        }
        Ok(())
    }

    async fn wait_for_one(
        &self,
        name: &str,
        wanted: i64,
        deadline: Instant,
    ) -> Result<(), ReadError> {
        let mut place = self.board().watch(name);
        let mut pause = LOOK_FIRST;
        loop {
            let told = *place.borrow_and_update();
            let reached = match told {
                Some(reached) => reached,
                None => self.stored_checkpoint(name).await?.unwrap_or(0),
            };
            if reached >= wanted {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(ReadError::Behind {
                    name: name.to_owned(),
                    reached,
                    wanted,
                });
            }
            let look = match told {
                Some(_) => deadline,
                None => deadline.min(Instant::now() + pause),
            };
            if let Ok(Err(_closed)) = timeout_at(look, place.changed()).await {
                sleep_until(look).await;
            }
            pause = LOOK_LONGEST.min(pause * 2);
        }
    }

    /// A projection's checkpoint.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn checkpoint(&self, name: &str) -> Result<i64, ReadError> {
        if let Some(position) = *self.board().watch(name).borrow() {
            return Ok(position);
        }
        self.stored_checkpoint(name)
            .await?
            .ok_or_else(|| ReadError::Unknown(name.to_owned()))
    }

    async fn stored_checkpoint(&self, name: &str) -> Result<Option<i64>, ReadError> {
        let live = generation::live(self.store.pool(), name).await?;
        Ok(live.map(|live| live.position))
    }
}
