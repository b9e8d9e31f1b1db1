//! Deposits and withdrawals.

use daybook_domain::{AccountId, ClientId, FundingId};

use super::{FundingRow, Page, PageOf, Reads, select};
use crate::error::ReadError;

/// Whose requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FundingOf {
    /// Of all of a client's accounts.
    Client(ClientId),
    /// Of one account.
    Account(AccountId),
    /// Everybody's.
    Everybody,
    /// Everybody's that staff have not ended yet.
    Open,
}

impl Reads {
    /// One deposit or withdrawal; its method or destination is still sealed.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn funding_request(&self, id: FundingId) -> Result<Option<FundingRow>, ReadError> {
        let query = sqlx::query_as(select!(funding, "where request_id = $1")).bind(id.0);
        Ok(query.fetch_optional(self.store.pool()).await?)
    }

    /// Deposits and withdrawals, newest first.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn funding(
        &self,
        of: FundingOf,
        page: Page,
    ) -> Result<PageOf<FundingRow>, ReadError> {
        let (query, owner) = match of {
            FundingOf::Client(id) => (
                select!(
                    funding,
                    "where client_id = $3 and created_position < $1 \
                     order by created_position desc limit $2"
                ),
                Some(id.0),
            ),
            FundingOf::Account(id) => (
                select!(
                    funding,
                    "where account_id = $3 and created_position < $1 \
                     order by created_position desc limit $2"
                ),
                Some(id.0),
            ),
            FundingOf::Everybody => (
                select!(
                    funding,
                    "where created_position < $1 order by created_position desc limit $2"
                ),
                None,
            ),
            FundingOf::Open => (
                select!(
                    funding,
                    "where status in ('requested', 'approved') and created_position < $1 \
                     order by created_position desc limit $2"
                ),
                None,
            ),
        };
        let query = sqlx::query_as(query)
            .bind(page.before())
            .bind(page.one_more());
        let query = match owner {
            Some(owner) => query.bind(owner),
            None => query,
        };
        let rows: Vec<FundingRow> = query.fetch_all(self.store.pool()).await?;
        let rows = rows.into_iter().map(|row| (row.created_position, row));
        Ok(PageOf::cut(rows.collect(), page.limit))
    }
}
