//! The words and rules of Daybook: aggregates, their commands, events and rejections, and the
//! mathematics of money, margin and profit.
//!
//! Everything here is pure. Time, identifiers, quotes and instrument terms arrive with the command;
//! nothing in this crate reads a clock, makes an identifier, performs I/O or uses a float.

pub mod account;
pub mod client;
pub mod commission;
pub mod endpoint;
pub mod execution;
mod hashing;
pub mod id;
pub mod instrument;
pub mod margin;
pub mod market;
pub mod money;
pub mod postings;
pub mod price;
pub mod profit;
pub mod quote;
pub mod rules;
pub mod session;
pub mod staff;
pub mod swap;
pub mod symbol;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod triggers;

/// An instant in UTC. Events keep microseconds, the HTTP contract milliseconds.
pub type Timestamp = chrono::DateTime<chrono::Utc>;

pub use account::{Account, AccountCommand, AccountEvent, AccountRejection};
pub use client::{Client, ClientCommand, ClientEvent, ClientRejection};
pub use endpoint::{Endpoint, EndpointCommand, EndpointEvent, EndpointId, EndpointRejection};
pub use id::{
    AccountId, ClientId, DealId, DocumentId, FundingId, GrantId, OrderId, PositionId, SessionId,
    StaffId,
};
pub use instrument::Instrument;
pub use market::Market;
pub use money::{Currency, Money};
pub use quote::Quote;
pub use rules::Rules;
pub use rust_decimal::Decimal;
pub use staff::{Staff, StaffCommand, StaffEvent, StaffRejection, StaffRole};
pub use symbol::Symbol;
