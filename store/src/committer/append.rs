//! One batch on its way into the book, and the lease that it prolongs.

use sqlx::Row;
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    Committer, Fate, Fenced,
    batch::Batch,
    refusal::Failure,
    statement::{self, Signature},
};
use crate::tenure;

impl Committer {
    /// Appends one batch; through lost connections, until its fate is certain.
    pub(super) async fn append(&mut self, batch: &mut Batch) -> Fate {
        let barrier = !batch.parts().any();
        if barrier && Instant::now() < self.lease_until {
            return Fate::Committed {
                base: self.seat.position,
            };
        }
        let mut in_doubt = None;
        let mut tries = 0;
        loop {
            if self.connection.is_none() {
                if tries > 1 {
                    self.pause().await;
                }
                if let Some(fate) = self.reconnect(in_doubt.take(), batch.events()).await {
                    return fate;
                }
            }
            tries += 1;
            let batch_id = Uuid::now_v7();
            let tried = if barrier {
                self.confirm().await.map_err(Failure::NotAppended)
            } else {
                self.try_append(batch, batch_id).await
            };
            match tried {
                Ok(Some(base)) => return Fate::Committed { base },
                Ok(None) => return Fate::Fenced,
                Err(Failure::Data(refusal)) => return Fate::Refused(refusal),
                Err(Failure::NotAppended(error)) => self.lost(&error),
                Err(Failure::Unknown(error)) => {
                    self.lost(&error);
                    in_doubt = Some(batch_id);
                }
            }
        }
    }

    /// One try. The position before the batch, or none when fenced off.
    async fn try_append(
        &mut self,
        batch: &mut Batch,
        batch_id: Uuid,
    ) -> Result<Option<i64>, Failure> {
        let signature = Signature {
            epoch: self.seat.epoch,
            batch_id,
            lease_ms: self.candidate.lease_ms(),
            recorded_at: batch.recorded_at(),
        };
        let arguments = statement::arguments(batch, signature).map_err(Failure::of)?;
        let query = sqlx::query_with(batch.parts().sql(), arguments);
        let started = Instant::now();
        let answer = self
            .ask(async |connection| query.fetch_optional(connection).await)
            .await;
        let row = answer.map_err(Failure::of)?;
        self.lease_prolonged(started);
        self.measure(batch, started);
        let base = row
            .map(|row| row.try_get::<i64, _>(0))
            .transpose()
            .map_err(Failure::of)?;
        let expected = self.seat.position;
        assert!(
            base.is_none_or(|base| base == expected),
            "invariant: nobody else moved the head"
        );
        Ok(base)
    }

    /// Confirms that the lease is still ours, for answers that append nothing.
    async fn confirm(&mut self) -> Result<Option<i64>, sqlx::Error> {
        let (epoch, lease_ms) = (self.seat.epoch, self.candidate.lease_ms());
        let started = Instant::now();
        let ours = self
            .ask(async |connection| tenure::renew(connection, epoch, lease_ms).await)
            .await?;
        self.lease_prolonged(started);
        Ok(ours.then_some(self.seat.position))
    }

    pub(super) async fn renew(&mut self) -> Result<(), Fenced> {
        match self.confirm().await {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(Fenced),
            Err(error) => {
                self.lost(&error);
                Ok(())
            }
        }
    }

    /// Something came through at `since` or later: the lease runs from there, and all is well.
    pub(super) fn lease_prolonged(&mut self, since: Instant) {
        self.lease_until = since + self.candidate.lease;
        self.renew_at = since + self.config.renew_every;
        self.outage_since = None;
    }

    fn measure(&self, batch: &Batch, started: Instant) {
        metrics::histogram!("daybook_store_append_seconds").record(started.elapsed().as_secs_f64());
        metrics::histogram!("daybook_store_batch_events").record(batch.events() as f64);
        metrics::gauge!("daybook_store_queue_depth").set(self.queue.len() as f64);
    }

    pub(super) async fn release(&mut self) {
        let epoch = self.seat.epoch;
        let released = self
            .ask(async |connection| tenure::release(connection, epoch).await)
            .await;
        if let Err(error) = released {
            tracing::warn!(%error, "the lease could not be given back and will run out");
        }
    }
}
