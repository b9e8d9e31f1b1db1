//! Which trading days have been rolled over for everybody.

use chrono::NaiveDate;

use crate::{error::StoreError, store::Store};

impl Store {
    /// The last trading day whose rollover every account has seen; none before the first.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn rolled_through(&self) -> Result<Option<NaiveDate>, StoreError> {
        let sql = "select max(day) from public.rollovers";
        Ok(sqlx::query_scalar(sql).fetch_one(self.pool()).await?)
    }

    /// Notes that every account has seen the rollovers up to `day`. Each is committed by then.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn set_rolled_through(&self, day: NaiveDate) -> Result<(), StoreError> {
        let sql = "insert into public.rollovers (day) values ($1) on conflict do nothing";
        sqlx::query(sql).bind(day).execute(self.pool()).await?;
        Ok(())
    }
}
