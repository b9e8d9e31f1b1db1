//! The book: an event store on Postgres.
//!
//! One `events` table in one gap-free global order, written by one fenced writer through group
//! commit, read by stream and by position. This crate does not know what an order is.

mod beside;
pub mod candles;
#[cfg(feature = "cluster")]
pub mod cluster;
mod codec;
pub mod committer;
pub mod cqrs;
mod erasure;
pub mod error;
pub mod follow;
pub mod hash_chain;
pub mod keys;
pub mod leadership;
mod notify;
mod operator_requests;
pub mod perimeter;
mod read;
pub mod recorded;
mod rollovers;
pub mod seal;
pub mod sessions;
mod snapshot;
pub mod store;
mod stream_page;
pub mod submission;
pub mod subscription;
mod tenure;
#[cfg(feature = "testing")]
pub mod testing;
pub mod upcast;
pub mod verify;

pub use candles::{CandleRow, CandleTable, KeepCandles, KeptCandles};
pub use committer::{Writer, WriterStats};
pub use cqrs::PostgresEventStore;
pub use erasure::Erasure;
pub use error::{AppendError, StoreError};
pub use keys::{Keyring, MasterKey, NewKey, SubjectKey};
pub use leadership::{Leadership, LeadershipConfig, Role};
pub use operator_requests::{OperatorReply, OperatorRequest, OperatorRequests};
pub use recorded::{Metadata, Recorded, StreamId};
pub use sessions::{
    Impersonation, NewSession, RefreshRow, Refreshed, Rotation, SessionChange, SessionRow,
};
pub use store::{Head, Loaded, Snapshot, Store, StoreConfig};
pub use stream_page::StreamFilter;
pub use submission::{
    ChainHead, Committed, IdempotencyRow, NewEvent, SecretRow, StreamAppend, StreamHandle,
    Submission, UniqueRow,
};
pub use subscription::Subscription;
pub use upcast::Upcasters;
