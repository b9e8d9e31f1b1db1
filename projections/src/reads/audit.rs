//! Who did what: pages of the audit trail.

use daybook_domain::{AccountId, ClientId, Timestamp};
use sqlx::{FromRow, Row, postgres::PgRow};
use uuid::Uuid;

use super::{Page, PageOf, Reads};
use crate::error::ReadError;

/// One event, as the audit trail tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// Place in the book.
    pub position: i64,
    /// When it was recorded.
    pub at: Timestamp,
    /// `account-{uuid}` and its like.
    pub stream: String,
    /// Place in the stream.
    pub sequence: i64,
    /// What happened.
    pub event_type: String,
    /// Who did it.
    pub actor: Option<String>,
    /// What for.
    pub reason: Option<String>,
    /// From where, sealed under the actor's key.
    pub ip: Option<String>,
    /// With which program, sealed under the actor's key.
    pub user_agent: Option<String>,
    /// The request that caused it.
    pub correlation_id: Option<String>,
    /// The client whom it concerns.
    pub client_id: Option<ClientId>,
    /// The account whose stream it stands in.
    pub account_id: Option<AccountId>,
}

/// Which events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Of this actor.
    pub actor: Option<String>,
    /// That concern this client.
    pub client: Option<ClientId>,
    /// Of this type, or for this reason.
    pub action: Option<String>,
    /// Recorded from this instant on.
    pub from: Option<Timestamp>,
    /// Recorded before this instant.
    pub to: Option<Timestamp>,
}

impl Reads {
    /// What concerns a client, of these types of event alone, newest first.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn activity(
        &self,
        client: ClientId,
        event_types: &[&str],
        page: Page,
    ) -> Result<PageOf<AuditRow>, ReadError> {
        let query = "select position, at, stream, sequence, event_type, actor, reason, ip, \
             user_agent, correlation_id, client_id, account_id \
             from read.audit where client_id = $1 and position < $2 and event_type = any($3) \
             order by position desc limit $4";
        let rows: Vec<AuditRow> = sqlx::query_as(query)
            .bind(client.0)
            .bind(page.before())
            .bind(event_types)
            .bind(page.one_more())
            .fetch_all(self.store.pool())
            .await?;
        let rows = rows.into_iter().map(|row| (row.position, row));
        Ok(PageOf::cut(rows.collect(), page.limit))
    }

    /// The audit trail, newest first.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn audit(
        &self,
        filter: AuditFilter,
        page: Page,
    ) -> Result<PageOf<AuditRow>, ReadError> {
        let query = "select position, at, stream, sequence, event_type, actor, reason, ip, \
             user_agent, correlation_id, client_id, account_id \
             from read.audit where position < $1 \
             and ($3::text is null or actor = $3) \
             and ($4::uuid is null or client_id = $4) \
             and ($5::text is null or event_type = $5 or reason = $5) \
             and ($6::timestamptz is null or at >= $6) \
             and ($7::timestamptz is null or at < $7) \
             order by position desc limit $2";
        let rows: Vec<AuditRow> = sqlx::query_as(query)
            .bind(page.before())
            .bind(page.one_more())
            .bind(filter.actor)
            .bind(filter.client.map(|id| id.0))
            .bind(filter.action)
            .bind(filter.from)
            .bind(filter.to)
            .fetch_all(self.store.pool())
            .await?;
        let rows = rows.into_iter().map(|row| (row.position, row));
        Ok(PageOf::cut(rows.collect(), page.limit))
    }
}

impl FromRow<'_, PgRow> for AuditRow {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let client_id: Option<Uuid> = row.try_get("client_id")?;
        let account_id: Option<Uuid> = row.try_get("account_id")?;
        Ok(Self {
            position: row.try_get("position")?,
            at: row.try_get("at")?,
            stream: row.try_get("stream")?,
            sequence: row.try_get("sequence")?,
            event_type: row.try_get("event_type")?,
            actor: row.try_get("actor")?,
            reason: row.try_get("reason")?,
            ip: row.try_get("ip")?,
            user_agent: row.try_get("user_agent")?,
            correlation_id: row.try_get("correlation_id")?,
            client_id: client_id.map(ClientId),
            account_id: account_id.map(AccountId),
        })
    }
}
