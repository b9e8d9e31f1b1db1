//! Read models: what anybody reads is derived here from the book, and from nothing else.
//!
//! A [`Projection`] is a name, a version, its tables, and one function from a batch of events to
//! writes. Its runner moves the checkpoint in the same transaction as the writes, so each event
//! counts exactly once. [`admin`] rebuilds a model beside the live one and verifies it row by row;
//! [`Reads`] is how the API asks.

pub mod admin;
mod board;
mod columns;
pub mod crm;
pub mod error;
mod facts;
mod generation;
mod models;
pub mod projection;
pub mod reads;
mod rebuild;
mod route;
mod runner;
mod slug;
mod telemetry;

pub use error::{AdminError, ProjectionError, ReadError};
pub use projection::{Partition, Projection, all, names};
pub use reads::{
    AccountRow, AuditFilter, AuditRow, ClientRow, Cursor, DealFilter, DealKind, DealRow,
    DocumentRow, FundingOf, FundingRow, OrderRow, OrderStatus, Page, PageOf, PositionState, Reads,
};
pub use runner::Runners;
