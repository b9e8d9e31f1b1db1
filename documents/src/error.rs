//! Why a document cannot be kept or given.

use std::error::Error;

use daybook_domain::DocumentId;
use daybook_store::StoreError;

/// A document was not stored, read or deleted.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The directory or the bucket cannot be reached, or refuses; asking again may help.
    #[error("the document store is unavailable")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// The book knows the document, its bytes are not there.
    #[error("the bytes of document {0} are missing")]
    Missing(DocumentId),
    /// The bytes that rest are not those that the book tells of.
    #[error("the bytes of document {0} are not those that were handed in")]
    Altered(DocumentId),
    /// The client's key does not open it, or was destroyed.
    #[error("key")]
    Key(#[source] StoreError),
    /// The bucket's settings make no sense.
    #[error("the settings of the document store are not usable")]
    Settings(#[source] Box<dyn Error + Send + Sync>),
}

impl DocumentError {
    pub(crate) fn unavailable(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Unavailable(Box::new(error))
    }
}
