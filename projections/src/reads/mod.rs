//! Queries of the read models. Always through the views of the schema `read`, so that a rebuild's
//! swap goes unnoticed.

mod audit;
mod decode;
mod funding;
mod page;
mod rows;
mod wait;

pub use audit::{AuditFilter, AuditRow};
use std::collections::HashSet;

use daybook_domain::{
    AccountId, ClientId, DealId, DocumentId, OrderId, PositionId, account::Position,
};
use daybook_store::Store;
pub use funding::FundingOf;
pub use page::{Cursor, CursorError, DealFilter, Page, PageOf};
pub use rows::{
    AccountRow, ClientRow, DealKind, DealRow, DocumentRow, FundingRow, OrderRow, OrderStatus,
    PositionState,
};
use uuid::Uuid;

use crate::{board::Board, error::ReadError, models::positions::PositionRow};

/// What is selected, column by column: a model of a later version may have more, and a prepared
/// `select *` would fail when that is swapped in.
macro_rules! select {
    (clients, $rest:literal) => {
        concat!(
            "select client_id, email, first_name, last_name, phone, country, email_verified, \
             kyc_status, kyc_notes, two_factor, tier, external_id, trading_disabled, flags, limits, \
             suspended, erased, default_account_id, registered_at, position \
             from read.clients ",
            $rest
        )
    };
    (documents, $rest:literal) => {
        concat!(
            "select document_id, client_id, kind, format, size, sha256, name, uploaded_at, \
             position \
             from read.documents ",
            $rest
        )
    };
    (accounts, $rest:literal) => {
        concat!(
            "select account_id, client_id, number, kind, mode, currency, leverage, real, demo, \
             bonus, held, controls, margin_called, opened_at, opened_position, sequence, position \
             from read.accounts ",
            $rest
        )
    };
    (positions, $rest:literal) => {
        concat!(
            "select position_id, account_id, client_id, order_id, symbol, side, volume, \
             open_price, cost, contract_size, notional_per_lot, margin_rate, max_leverage, \
             hedged_contract_size, commission, swap, swap_day, stop_loss, take_profit, \
             trailing_distance, opened_at, closed_at, \
             opened_position, last_position \
             from read.positions ",
            $rest
        )
    };
    (orders, $rest:literal) => {
        concat!(
            "select order_id, account_id, client_id, symbol, side, order_type, volume, \
             limit_price, stop_price, stop_loss, take_profit, trailing_distance, time_in_force, \
             expires_at, \
             oco_group, client_order_id, status, triggered, reason, position_id, \
             created_at, updated_at, created_position, position \
             from read.orders ",
            $rest
        )
    };
    (funding, $rest:literal) => {
        concat!(
            "select request_id, account_id, client_id, kind, amount, currency, status, method, \
             destination, reason, reference, created_at, updated_at, created_position, position \
             from read.funding ",
            $rest
        )
    };
    (deals, $rest:literal) => {
        concat!(
            "select deal_id, account_id, client_id, order_id, position_id, symbol, side, volume, \
             price, currency, realised, commission, swap, reason, at, stream, sequence, \
             position, kind, note \
             from read.deals ",
            $rest
        )
    };
}

use select;

/// The read side. Cheap to clone.
#[derive(Clone)]
pub struct Reads {
    store: Store,
    board: Board,
}

impl Reads {
    /// Reads from this store's pool.
    #[must_use]
    pub fn new(store: Store) -> Self {
        let board = Board::default();
        Self { store, board }
    }

    /// Where runners of this process tell their checkpoints.
    pub(crate) const fn board(&self) -> &Board {
        &self.board
    }

    /// One client; personal fields are still sealed.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn client(&self, id: ClientId) -> Result<Option<ClientRow>, ReadError> {
        let query = sqlx::query_as(select!(clients, "where client_id = $1")).bind(id.0);
        Ok(query.fetch_optional(self.store.pool()).await?)
    }

    /// Documents that a client handed in, oldest first; names are still sealed.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn documents_of(&self, client: ClientId) -> Result<Vec<DocumentRow>, ReadError> {
        let query = select!(documents, "where client_id = $1 order by position");
        let query = sqlx::query_as(query).bind(client.0);
        Ok(query.fetch_all(self.store.pool()).await?)
    }

    /// One document.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn document(&self, id: DocumentId) -> Result<Option<DocumentRow>, ReadError> {
        let query = sqlx::query_as(select!(documents, "where document_id = $1")).bind(id.0);
        Ok(query.fetch_optional(self.store.pool()).await?)
    }

    /// Which of these documents the book tells of.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn known_documents(
        &self,
        ids: &[DocumentId],
    ) -> Result<HashSet<DocumentId>, ReadError> {
        let query = "select document_id from read.documents where document_id = any($1)";
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let known: Vec<Uuid> = sqlx::query_scalar(query)
            .bind(ids)
            .fetch_all(self.store.pool())
            .await?;
        Ok(known.into_iter().map(DocumentId).collect())
    }

    /// Clients after one, in the order of their identifiers; personal fields are still sealed.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn clients_after(
        &self,
        after: Option<ClientId>,
        limit: i64,
    ) -> Result<Vec<ClientRow>, ReadError> {
        let query = select!(
            clients,
            "where $1::uuid is null or client_id > $1 order by client_id limit $2"
        );
        let query = sqlx::query_as(query).bind(after.map(|id| id.0)).bind(limit);
        Ok(query.fetch_all(self.store.pool()).await?)
    }

    /// A client's accounts, oldest first.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn accounts_of(&self, client: ClientId) -> Result<Vec<AccountRow>, ReadError> {
        let query = select!(accounts, "where client_id = $1 order by opened_position");
        let query = sqlx::query_as(query).bind(client.0);
        Ok(query.fetch_all(self.store.pool()).await?)
    }

    /// One account.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn account(&self, id: AccountId) -> Result<Option<AccountRow>, ReadError> {
        let query = sqlx::query_as(select!(accounts, "where account_id = $1")).bind(id.0);
        Ok(query.fetch_optional(self.store.pool()).await?)
    }

    /// All open positions of an account, oldest first: for its figures.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn positions(&self, account: AccountId) -> Result<Vec<Position>, ReadError> {
        let query = select!(
            positions,
            "where account_id = $1 and closed_at is null order by opened_position"
        );
        let query = sqlx::query_as(query).bind(account.0);
        let rows: Vec<PositionRow> = query.fetch_all(self.store.pool()).await?;
        Ok(rows.into_iter().map(|row| row.position).collect())
    }

    /// Open positions, newest first.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn positions_page(
        &self,
        account: AccountId,
        page: Page,
    ) -> Result<PageOf<Position>, ReadError> {
        let query = select!(
            positions,
            "where account_id = $1 and closed_at is null and opened_position < $2 \
             order by opened_position desc limit $3"
        );
        let rows: Vec<PositionRow> = sqlx::query_as(query)
            .bind(account.0)
            .bind(page.before())
            .bind(page.one_more())
            .fetch_all(self.store.pool())
            .await?;
        let rows = rows
            .into_iter()
            .map(|row| (row.opened_position, row.position));
        Ok(PageOf::cut(rows.collect(), page.limit))
    }

    /// Whose a position is; also of closed ones.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn position_account(
        &self,
        id: PositionId,
    ) -> Result<Option<(AccountId, ClientId)>, ReadError> {
        let query = "select account_id, client_id from read.positions where position_id = $1";
        let owner: Option<(Uuid, Uuid)> = sqlx::query_as(query)
            .bind(id.0)
            .fetch_optional(self.store.pool())
            .await?;
        Ok(owner.map(|(account, client)| (account.into(), client.into())))
    }

    /// One position, open or closed (its volume is zero then).
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn position(&self, id: PositionId) -> Result<Option<PositionState>, ReadError> {
        let query = sqlx::query_as(select!(positions, "where position_id = $1"));
        let row: Option<PositionRow> = query.bind(id.0).fetch_optional(self.store.pool()).await?;
        Ok(row.map(|row| PositionState {
            position: row.position,
            account_id: row.account_id,
            client_id: row.client_id,
            closed_at: row.closed_at,
        }))
    }

    /// One order.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn order(&self, id: OrderId) -> Result<Option<OrderRow>, ReadError> {
        let query = sqlx::query_as(select!(orders, "where order_id = $1")).bind(id.0);
        Ok(query.fetch_optional(self.store.pool()).await?)
    }

    /// An account's orders, newest first.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn orders(
        &self,
        account: AccountId,
        working_only: bool,
        page: Page,
    ) -> Result<PageOf<OrderRow>, ReadError> {
        // Two texts, so that the partial index of working orders is found with a generic plan too.
        let query = if working_only {
            select!(
                orders,
                "where account_id = $1 and created_position < $2 and status = 'working' \
             order by created_position desc limit $3"
            )
        } else {
            select!(
                orders,
                "where account_id = $1 and created_position < $2 \
             order by created_position desc limit $3"
            )
        };
        let rows: Vec<OrderRow> = sqlx::query_as(query)
            .bind(account.0)
            .bind(page.before())
            .bind(page.one_more())
            .fetch_all(self.store.pool())
            .await?;
        let rows = rows.into_iter().map(|row| (row.created_position, row));
        Ok(PageOf::cut(rows.collect(), page.limit))
    }

    /// An account's deals, newest first.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn deals(
        &self,
        account: AccountId,
        filter: DealFilter,
        page: Page,
    ) -> Result<PageOf<DealRow>, ReadError> {
        let query = select!(
            deals,
            "where account_id = $1 and position < $2 \
             and ($4::timestamptz is null or at >= $4) \
             and ($5::timestamptz is null or at < $5) \
             and ($6::text is null or symbol = $6) \
             order by position desc limit $3"
        );
        let rows: Vec<DealRow> = sqlx::query_as(query)
            .bind(account.0)
            .bind(page.before())
            .bind(page.one_more())
            .bind(filter.from)
            .bind(filter.to)
            .bind(filter.symbol.map(|symbol| symbol.to_string()))
            .fetch_all(self.store.pool())
            .await?;
        let rows = rows.into_iter().map(|row| (row.position, row));
        Ok(PageOf::cut(rows.collect(), page.limit))
    }

    /// One deal, as it was dealt.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn deal(&self, id: DealId) -> Result<Option<DealRow>, ReadError> {
        let query =
            sqlx::query_as(select!(deals, "where deal_id = $1 and kind = 'deal'")).bind(id.0);
        Ok(query.fetch_optional(self.store.pool()).await?)
    }
}
