//! Rate limits shared by nodes: a token bucket per caller in its GCRA form, one row each, decided
//! and written by one statement.

use std::time::Duration;

use sqlx::PgPool;

use super::{from_micros, micros};
use crate::{error::StoreError, store::Store};

/// The limits' table. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RateLimitTable {
    pool: PgPool,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    /// Whether it passes.
    pub allowed: bool,
    /// How long it takes from now until the whole limit is there again.
    pub debt: Duration,
}

impl RateLimitTable {
    /// The table of the book's database.
    #[must_use]
    pub fn new(store: &Store) -> Self {
        Self {
            pool: store.pool().clone(),
        }
    }

    /// Spends one request of `caller`, if there is one: `max` at once, each regained after
    /// `interval`. A refused request costs nothing. Exact under concurrency: the row's lock puts
    /// requests of one caller one after the other, and time never runs backwards for him.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn spend(
        &self,
        class: &str,
        caller: &str,
        interval: Duration,
        max: u32,
    ) -> Result<Spent, StoreError> {
        // `excluded` carries the instant and the interval; whoever waited for the row's lock may
        // bring an instant that is older than the row's.
        let sql = "
            insert into public.rate_limits as l (class, caller, full_at, asked_at, allowed)
            select $1, $2, now + $3::bigint, now, true
            from (select (extract(epoch from clock_timestamp()) * 1000000)::bigint as now) clock
            on conflict (class, caller) do update set
                asked_at = greatest(l.asked_at, excluded.asked_at),
                allowed = greatest(l.full_at, l.asked_at, excluded.asked_at) + $3
                    <= greatest(l.asked_at, excluded.asked_at) + $4::bigint,
                full_at = greatest(l.full_at, l.asked_at, excluded.asked_at) + case
                    when greatest(l.full_at, l.asked_at, excluded.asked_at) + $3
                        <= greatest(l.asked_at, excluded.asked_at) + $4 then $3 else 0 end
            returning l.allowed, l.full_at - l.asked_at";
        let interval = micros(interval).max(1);
        let burst = interval.saturating_mul(i64::from(max));
        let (allowed, debt): (bool, i64) = sqlx::query_as(sql)
            .bind(class)
            .bind(caller)
            .bind(interval)
            .bind(burst)
            .fetch_one(&self.pool)
            .await?;
        Ok(Spent {
            allowed,
            debt: from_micros(debt),
        })
    }
}
