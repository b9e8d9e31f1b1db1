//! The book: an event store on Postgres.
//!
//! One `events` table in one gap-free global order, written by one fenced writer through group
//! commit, read by stream and by position. This crate does not know what an order is.

pub mod committer;
pub mod error;
pub mod keys;
pub mod leadership;
pub mod recorded;
pub mod store;
pub mod submission;
pub mod subscription;

pub use committer::Writer;
pub use error::{AppendError, StoreError};
pub use keys::{Keyring, MasterKey, NewKey, SubjectKey};
pub use leadership::{Leadership, Role};
pub use recorded::{Metadata, Recorded, StreamId};
pub use store::{Head, Loaded, Snapshot, Store, StoreConfig};
pub use submission::{
    Committed, IdempotencyRow, NewEvent, SecretRow, StreamAppend, StreamHandle, Submission,
    UniqueRow,
};
pub use subscription::Subscription;
