//! Erasure: the fact stands in the book first, and what follows from it is done after it, as often
//! as it takes. A key that was destroyed never comes back.

use uuid::Uuid;

use crate::{error::StoreError, store::Store};

/// An erasure that the book tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// Whose data.
    pub client: Uuid,
    /// Position of the event that says so.
    pub position: i64,
}

/// Sessions that ended keep their times this long, so that every node learns of their end.
const SESSIONS_KEPT: &str = "interval '1 day'";

impl Store {
    /// Makes unreadable what is sealed for a subject, and deletes what is kept of them beside the
    /// book: the data key, secrets, unique values, what a session tells of device and address.
    /// Doing it again changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Database`]; nothing of it was done then.
    pub async fn erase_subject(&self, subject: Uuid) -> Result<(), StoreError> {
        let mut transaction = self.pool().begin().await?;
        for sql in [
            "update public.subject_keys set wrapped = null, destroyed_at = clock_timestamp() \
             where subject = $1 and wrapped is not null",
            "delete from public.secrets where subject = $1",
            "delete from public.unique_values where owner = $1",
            "update public.sessions set user_agent = null, address = '', \
               revoked_at = coalesce(revoked_at, clock_timestamp()) where subject = $1",
        ] {
            sqlx::query(sql)
                .bind(subject)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        self.keys().forget(subject);
        Ok(())
    }

    /// Erasures that the book tells of and that are not finished, oldest first; among them those
    /// whose key has come back, out of an older backup.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn unfinished_erasures(&self) -> Result<Vec<Erasure>, StoreError> {
        let sql = "select e.aggregate_id, e.position from public.events e \
             where e.event_type = 'ClientErased' and ( \
               not exists (select 1 from public.erasures d where d.position = e.position) \
               or exists (select 1 from public.subject_keys k \
                 where k.subject = e.aggregate_id::uuid and k.wrapped is not null)) \
             order by e.position";
        let rows: Vec<(String, i64)> = sqlx::query_as(sql).fetch_all(self.pool()).await?;
        let erasure = |(client, position): (String, i64)| match client.parse() {
            Ok(client) => Ok(Erasure { client, position }),
            Err(error) => Err(StoreError::Corrupt {
                place: format!("position {position}"),
                detail: format!("{client}: {error}"),
            }),
        };
        rows.into_iter().map(erasure).collect()
    }

    /// Notes that nothing is left to do.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn finish_erasure(&self, erasure: Erasure) -> Result<(), StoreError> {
        let sql = "insert into public.erasures (position, client) values ($1, $2) \
             on conflict do nothing";
        sqlx::query(sql)
            .bind(erasure.position)
            .bind(erasure.client)
            .execute(self.pool())
            .await?;
        Ok(())
    }

    /// Deletes what is left of the sessions of erased subjects; returns how many.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn forget_erased_sessions(&self) -> Result<u64, StoreError> {
        let sql = format!(
            "delete from public.sessions s using public.erasures e \
             where s.subject = e.client and s.revoked_at < clock_timestamp() - {SESSIONS_KEPT}"
        );
        let deleted = sqlx::query(&sql).execute(self.pool()).await?;
        Ok(deleted.rows_affected())
    }
}
