//! Where documents rest: a directory of this machine, or a bucket.

use std::{fmt, path::PathBuf, sync::Arc};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use daybook_domain::DocumentId;
use daybook_store::SubjectKey;
use sha2::{Digest, Sha256};

use crate::{
    error::DocumentError,
    local::Directory,
    s3::{Bucket, S3Config},
};

/// Where to keep documents.
#[derive(Clone, Debug)]
pub enum DocumentsConfig {
    /// In a directory that only its owner may enter; made with the first document.
    Directory(PathBuf),
    /// In a bucket.
    S3(S3Config),
}

/// An object that rests there, whether or not the book knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredObject {
    /// Its name.
    pub document_id: DocumentId,
    /// Since when.
    pub stored_at: DateTime<Utc>,
}

/// A handle on the documents' bytes. Cheap to clone.
#[derive(Clone)]
pub struct Documents(Arc<Place>);

enum Place {
    Directory(Directory),
    Bucket(Bucket),
}

impl Documents {
    /// Makes the handle; nothing is reached or written yet.
    ///
    /// # Errors
    /// [`DocumentError::Settings`].
    pub fn try_new(config: DocumentsConfig) -> Result<Self, DocumentError> {
        let place = match config {
            DocumentsConfig::Directory(path) => Place::Directory(Directory::new(path)),
            DocumentsConfig::S3(config) => Place::Bucket(Bucket::try_new(&config)?),
        };
        Ok(Self(Arc::new(place)))
    }

    /// Seals a document and keeps it, durably; returns the hex SHA-256 of the sealed bytes, which
    /// belongs into the book.
    ///
    /// # Errors
    /// [`DocumentError::Unavailable`].
    pub async fn put(
        &self,
        key: &SubjectKey,
        document_id: DocumentId,
        plain: Bytes,
    ) -> Result<String, DocumentError> {
        let key = key.clone();
        let (sealed, sha256) = apart(move || {
            let sealed = key.seal_bytes(document_id.0, &plain);
            let sha256 = digest(&sealed);
            (Bytes::from(sealed), sha256)
        })
        .await?;
        match &*self.0 {
            Place::Directory(directory) => directory.put(document_id, sealed).await?,
            Place::Bucket(bucket) => bucket.put(document_id, sealed).await?,
        }
        Ok(sha256)
    }

    /// A document's plain bytes. `sha256` is what the book says of the sealed ones.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub async fn get(
        &self,
        key: &SubjectKey,
        document_id: DocumentId,
        sha256: &str,
    ) -> Result<Bytes, DocumentError> {
        let sealed = match &*self.0 {
            Place::Directory(directory) => directory.get(document_id).await?,
            Place::Bucket(bucket) => bucket.get(document_id).await?,
        };
        let (key, expected) = (key.clone(), sha256.to_owned());
        apart(move || {
            if digest(&sealed) != expected {
                return Err(DocumentError::Altered(document_id));
            }
            let plain = key.open_bytes(document_id.0, &sealed);
            Ok(Bytes::from_owner(plain.map_err(DocumentError::Key)?))
        })
        .await?
    }

    /// Deletes a document's bytes; those that are not there are deleted already.
    ///
    /// # Errors
    /// [`DocumentError::Unavailable`].
    pub async fn delete(&self, document_id: DocumentId) -> Result<(), DocumentError> {
        match &*self.0 {
            Place::Directory(directory) => directory.delete(document_id).await,
            Place::Bucket(bucket) => bucket.delete(document_id).await,
        }
    }

    /// Everything that rests there.
    ///
    /// # Errors
    /// [`DocumentError::Unavailable`].
    pub async fn list(&self) -> Result<Vec<StoredObject>, DocumentError> {
        match &*self.0 {
            Place::Directory(directory) => directory.list().await,
            Place::Bucket(bucket) => bucket.list().await,
        }
    }
}

impl fmt::Debug for Documents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &*self.0 {
            Place::Directory(_) => "Documents(directory)",
            Place::Bucket(_) => "Documents(bucket)",
        })
    }
}

fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Work of milliseconds, off the asynchronous threads.
pub(crate) async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, DocumentError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(DocumentError::unavailable)
}
