//! What a projection is.

use std::sync::Arc;

use daybook_store::Recorded;
use futures::future::BoxFuture;
use sqlx::PgConnection;

use crate::{
    crm::outbox::Outbox,
    error::ProjectionError,
    models::{
        accounts::Accounts, audit::Audit, clients::Clients, deals::Deals, funding::Funding,
        journal::Journal, orders::Orders, positions::Positions,
    },
};

/// Names of the projections, for `Reads::wait_for` and the command line.
pub mod names {
    /// Funds, terms and state of accounts.
    pub const ACCOUNTS: &str = "accounts";
    /// All orders.
    pub const ORDERS: &str = "orders";
    /// Positions, open and closed.
    pub const POSITIONS: &str = "positions";
    /// Deals: fills that opened, reduced or closed a position.
    pub const DEALS: &str = "deals";
    /// Clients, personal fields sealed.
    pub const CLIENTS: &str = "clients";
    /// Deposits and withdrawals, their method and destination sealed.
    pub const FUNDING: &str = "funding";
    /// Postings.
    pub const JOURNAL: &str = "journal";
    /// Who did what.
    pub const AUDIT: &str = "audit";
    /// Webhooks to be sent, personal fields sealed.
    pub const OUTBOX: &str = "outbox";
}

/// How far events depend on one another, and so how a rebuild may be spread over workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partition {
    /// Rows depend on events of one stream only.
    Stream,
    /// Rows depend on the events of one client and of its accounts.
    Client,
    /// Rows may depend on anything before them: one worker.
    Global,
}

impl Partition {
    /// `stream`, `client` or `global`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Client => "client",
            Self::Global => "global",
        }
    }
}

/// A read model: pure bookkeeping from events to rows.
pub trait Projection: Send + Sync + 'static {
    /// Unique, `snake_case`: it becomes part of a schema's name.
    fn name(&self) -> &'static str;

    /// Raised with every change of tables or rows; another version means a rebuild.
    fn version(&self) -> i32;

    /// Statements that create the tables, each with a primary key, in the current schema.
    fn schema(&self) -> &'static str;

    /// Statements that create what only readers need; run after a bulk load.
    fn indexes(&self) -> &'static str {
        ""
    }

    /// The tables readers see, as views of the same names in the schema `read`.
    fn tables(&self) -> &'static [&'static str];

    /// How a rebuild may be spread.
    fn partition(&self) -> Partition;

    /// Writes what `batch` means. Runs inside the transaction that moves the checkpoint; the
    /// search path is the generation's schema. Rows must follow from the events alone.
    fn apply<'a>(
        &'a self,
        conn: &'a mut PgConnection,
        batch: &'a [Recorded],
    ) -> BoxFuture<'a, Result<(), ProjectionError>>;
}

/// All projections, in the order they are listed.
#[must_use]
pub fn all() -> Vec<Arc<dyn Projection>> {
    vec![
        Arc::new(Accounts),
        Arc::new(Orders),
        Arc::new(Positions),
        Arc::new(Deals),
        Arc::new(Clients),
        Arc::new(Funding),
        Arc::new(Journal),
        Arc::new(Audit),
        Arc::new(Outbox),
    ]
}

/// The projection of this name.
pub(crate) fn find(name: &str) -> Option<Arc<dyn Projection>> {
    all()
        .into_iter()
        .find(|projection| projection.name() == name)
}
