//! Sessions: who is signed in where, and which refresh token is the newest.
//!
//! They begin and end in the append of an event (see [`SessionChange`]); what happens between, the
//! replacing of refresh tokens, is no event and works on every node.

use chrono::{DateTime, Utc};
use sqlx::FromRow;
use uuid::Uuid;

use crate::{error::StoreError, store::Store};

/// A session as it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSession {
    /// Names it.
    pub session_id: Uuid,
    /// Whose.
    pub subject: Uuid,
    /// `client` or `staff`.
    pub audience: &'static str,
    /// The program, sealed.
    pub user_agent: Option<String>,
    /// The address, sealed.
    pub address: String,
    /// The first refresh token.
    pub refresh_id: Uuid,
    /// When that was issued.
    pub issued_at: DateTime<Utc>,
    /// When that ends.
    pub expires_at: DateTime<Utc>,
    /// Somebody who acts in the client's place; none: the client.
    pub impersonation: Option<Impersonation>,
}

/// A session in a client's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Impersonation {
    /// Who acts.
    pub admin_id: String,
    /// Why, sealed.
    pub reason: String,
    /// When it ends, however much it is used.
    pub ends_at: DateTime<Utc>,
}

/// What an append does to sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionChange {
    /// One begins.
    Open(Box<NewSession>),
    /// Some of a subject's end.
    Revoke {
        /// Whose.
        subject: Uuid,
        /// Which; none: all.
        session_id: Option<Uuid>,
        /// The one that stays.
        kept: Option<Uuid>,
    },
}

impl SessionChange {
    pub(crate) const fn opens(&self) -> bool {
        match self {
            Self::Open(_) => true,
            Self::Revoke { .. } => false,
        }
    }
}

/// A session that has not ended.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct SessionRow {
    /// Names it.
    pub session_id: Uuid,
    /// The program, sealed.
    pub user_agent: Option<String>,
    /// The address, sealed.
    pub address: String,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it was last used, to about a minute.
    pub last_seen_at: DateTime<Utc>,
    /// Who acts in the client's place.
    pub impersonated_by: Option<String>,
}

/// The newest refresh token of a session.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct RefreshRow {
    /// Whose the session is.
    pub subject: Uuid,
    /// Names the token.
    pub refresh_id: Uuid,
    /// When it was issued.
    pub refresh_issued_at: DateTime<Utc>,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
    /// Who acts in the client's place.
    pub impersonated_by: Option<String>,
    /// Why, sealed.
    pub impersonation_reason: Option<String>,
    /// When the session ends, however much it is used; none: never.
    pub ends_at: Option<DateTime<Utc>>,
}

/// What became of a refresh token that was presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// This one takes its place, or took it a moment ago.
    Child(RefreshRow),
    /// It was replaced before: somebody has a copy of it.
    Reused {
        /// Whose the session is.
        subject: Uuid,
    },
    /// The session has ended, or there never was one.
    Gone,
}

/// A refresh token that takes another's place.
#[derive(Clone, Copy, Debug)]
pub struct Rotation {
    /// The session.
    pub session_id: Uuid,
    /// `client` or `staff`: a session of the other kind is none.
    pub audience: &'static str,
    /// The token that was presented.
    pub presented: Uuid,
    /// The one that takes its place.
    pub child: Uuid,
    /// Now.
    pub at: DateTime<Utc>,
    /// When the child ends, unless its session does before.
    pub expires_at: DateTime<Utc>,
    /// How long a session may go on; none: for ever.
    pub max_age: Option<std::time::Duration>,
    /// For so long after it was replaced, the parent gives the same child again.
    pub grace: chrono::Duration,
}

const TOKEN: &str = "subject, refresh_id, refresh_issued_at, expires_at, impersonated_by, \
     impersonation_reason, ends_at";

impl Store {
    /// Replaces a session's refresh token, once: of several that present the same token at the same
    /// time one replaces it, and all are given what it was replaced by.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn rotate_refresh(&self, rotation: Rotation) -> Result<Refreshed, StoreError> {
        // The row's lock makes the second of two see what the first has done.
        let sql = format!(
            "update public.sessions set parent_id = refresh_id, refresh_id = $3, \
               refresh_issued_at = $4, last_seen_at = $4, \
               expires_at = least($5, ends_at, created_at + make_interval(secs => $7)) \
             where session_id = $1 and refresh_id = $2 and audience = $6 \
               and revoked_at is null \
               and least(expires_at, created_at + make_interval(secs => $7)) > $4 \
             returning {TOKEN}"
        );
        let replaced: Option<RefreshRow> = sqlx::query_as(&sql)
            .bind(rotation.session_id)
            .bind(rotation.presented)
            .bind(rotation.child)
            .bind(rotation.at)
            .bind(rotation.expires_at)
            .bind(rotation.audience)
            .bind(rotation.max_age.map(|age| age.as_secs_f64()))
            .fetch_optional(self.pool())
            .await?;
        match replaced {
            Some(row) => Ok(Refreshed::Child(row)),
            None => self.replaced_before(rotation).await,
        }
    }

    async fn replaced_before(&self, rotation: Rotation) -> Result<Refreshed, StoreError> {
        let sql = format!(
            "select {TOKEN}, parent_id from public.sessions where session_id = $1 \
             and audience = $2 and revoked_at is null \
             and least(expires_at, created_at + make_interval(secs => $4)) > $3"
        );
        #[derive(FromRow)]
        struct Row {
            #[sqlx(flatten)]
            token: RefreshRow,
            parent_id: Option<Uuid>,
        }
        let row: Option<Row> = sqlx::query_as(&sql)
            .bind(rotation.session_id)
            .bind(rotation.audience)
            .bind(rotation.at)
            .bind(rotation.max_age.map(|age| age.as_secs_f64()))
            .fetch_optional(self.pool())
            .await?;
        Ok(match row {
            None => Refreshed::Gone,
            Some(Row { token, parent_id })
                if parent_id == Some(rotation.presented)
                    && rotation.at - token.refresh_issued_at <= rotation.grace =>
            {
                Refreshed::Child(token)
            }
            Some(Row { token, .. }) => Refreshed::Reused {
                subject: token.subject,
            },
        })
    }

    /// Ends a session at once, without an event: where a token was stolen, on a node that does not
    /// write the book.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn end_session(&self, session_id: Uuid) -> Result<(), StoreError> {
        let sql = "update public.sessions set revoked_at = clock_timestamp() \
             where session_id = $1 and revoked_at is null";
        sqlx::query(sql)
            .bind(session_id)
            .execute(self.pool())
            .await?;
        Ok(())
    }

    /// A subject's sessions that have not ended, the newest first.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn sessions_of(
        &self,
        subject: Uuid,
        at: DateTime<Utc>,
    ) -> Result<Vec<SessionRow>, StoreError> {
        let sql = "select session_id, user_agent, address, created_at, last_seen_at, \
               impersonated_by from public.sessions \
             where subject = $1 and revoked_at is null and expires_at > $2 \
             order by created_at desc, session_id desc";
        let query = sqlx::query_as(sql).bind(subject).bind(at);
        Ok(query.fetch_all(self.pool()).await?)
    }

    /// Who acts in a client's place in this session, and why (sealed); none: the client.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn impersonation_of(
        &self,
        session_id: Uuid,
    ) -> Result<Option<(String, String)>, StoreError> {
        let sql = "select impersonated_by, impersonation_reason from public.sessions \
             where session_id = $1 and impersonated_by is not null \
               and impersonation_reason is not null";
        let query = sqlx::query_as(sql).bind(session_id);
        Ok(query.fetch_optional(self.pool()).await?)
    }

    /// Sessions that ended since, on whichever node.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn sessions_revoked_since(
        &self,
        since: DateTime<Utc>,
    ) -> Result<Vec<(Uuid, DateTime<Utc>)>, StoreError> {
        let sql = "select session_id, revoked_at from public.sessions where revoked_at >= $1";
        let query = sqlx::query_as(sql).bind(since);
        Ok(query.fetch_all(self.pool()).await?)
    }

    /// Notes when sessions were last used.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn sessions_seen(&self, seen: &[(Uuid, DateTime<Utc>)]) -> Result<(), StoreError> {
        let (ids, times): (Vec<Uuid>, Vec<DateTime<Utc>>) = seen.iter().copied().unzip();
        let sql = "update public.sessions s set last_seen_at = t.at \
             from unnest($1::uuid[], $2::timestamptz[]) as t(id, at) \
             where s.session_id = t.id and s.last_seen_at < t.at";
        sqlx::query(sql)
            .bind(ids)
            .bind(times)
            .execute(self.pool())
            .await?;
        Ok(())
    }

    /// Forgets sessions that ended before; returns how many.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn forget_sessions(&self, before: DateTime<Utc>) -> Result<u64, StoreError> {
        let sql = "delete from public.sessions where expires_at < $1";
        let done = sqlx::query(sql).bind(before).execute(self.pool()).await?;
        Ok(done.rows_affected())
    }

    /// Keeps a secret that is no part of an event yet, replacing an older one.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn keep_secret(
        &self,
        subject: Uuid,
        name: &str,
        value: &str,
    ) -> Result<(), StoreError> {
        let sql = "insert into public.secrets (subject, name, value, changed_at) \
             values ($1, $2, $3, clock_timestamp()) on conflict (subject, name) do update \
             set value = excluded.value, changed_at = excluded.changed_at";
        sqlx::query(sql)
            .bind(subject)
            .bind(name)
            .bind(value)
            .execute(self.pool())
            .await?;
        Ok(())
    }
}
