//! A client of the CRM's own service API, led by the book.
//!
//! An event causes a call; a row says that it is due; what is said in it is put together from the
//! client's own stream when it is made. What the CRM answers goes back into the book as commands,
//! through [`Book`]. Nothing is ever called inside a request, and whatever becomes of a call, nobody
//! waits for it but the next call about the same client.

mod cause;
mod dispatcher;
mod follower;
mod matter;
mod rows;
mod service;
mod sync;
mod telemetry;
mod verdict;
mod worker;

pub use cause::ACTOR;
pub use sync::{CrmSync, CrmSyncConfig};
pub use worker::{Book, Undecided};
