//! Documents that clients hand in: what a file really is, what it may be called, and where its
//! bytes rest.
//!
//! Bytes leave the process sealed under their client's key and bound to client and document; an
//! object's name is the document's identifier alone. Nothing here knows who may read what.

mod error;
mod keeper;
mod local;
mod name;
mod place;
mod s3;
mod sniff;

pub use error::DocumentError;
pub use keeper::{Keeper, KeeperError};
pub use name::{extension, sanitised};
pub use place::{Documents, DocumentsConfig, StoredObject};
pub use s3::S3Config;
pub use sniff::sniff;
