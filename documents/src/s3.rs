//! Documents in a bucket of anything that speaks S3. The bucket is this installation's alone.

use std::{fmt, time::Duration};

use bytes::Bytes;
use daybook_domain::DocumentId;
use futures::TryStreamExt as _;
use object_store::{
    ObjectStore as _, ObjectStoreExt as _, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
    path::Path,
};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{error::DocumentError, place::StoredObject};

/// Before every object's name.
const PREFIX: &str = "documents";
const TRIES_MAX: usize = 3;
/// A caller waits for it.
const TRY_FOR: Duration = Duration::from_secs(15);

/// How to reach a bucket.
#[derive(Clone)]
pub struct S3Config {
    /// `https://…`; the bucket is named in the path.
    pub endpoint: String,
    /// The bucket.
    pub bucket: String,
    /// Its region.
    pub region: String,
    /// Name of the key.
    pub access_key: SecretString,
    /// The key.
    pub secret_key: SecretString,
}

impl fmt::Debug for S3Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S3Config({} at {})", self.bucket, self.endpoint)
    }
}

pub(crate) struct Bucket(AmazonS3);

impl Bucket {
    pub(crate) fn try_new(config: &S3Config) -> Result<Self, DocumentError> {
        let retry = RetryConfig {
            max_retries: TRIES_MAX,
            retry_timeout: TRY_FOR,
            ..RetryConfig::default()
        };
        let built = AmazonS3Builder::new()
            .with_endpoint(&config.endpoint)
            .with_bucket_name(&config.bucket)
            .with_region(&config.region)
            .with_access_key_id(config.access_key.expose_secret())
            .with_secret_access_key(config.secret_key.expose_secret())
            // An endpoint in clear text is the operator's own network; what travels is sealed.
            .with_allow_http(config.endpoint.starts_with("http://"))
            .with_retry(retry)
            .build();
        built
            .map(Self)
            .map_err(|error| DocumentError::Settings(Box::new(error)))
    }

    pub(crate) async fn put(&self, id: DocumentId, bytes: Bytes) -> Result<(), DocumentError> {
        let put = self.0.put(&path(id), bytes.into()).await;
        put.map(drop).map_err(DocumentError::unavailable)
    }

    pub(crate) async fn get(&self, id: DocumentId) -> Result<Bytes, DocumentError> {
        let read = async { self.0.get(&path(id)).await?.bytes().await };
        read.await.map_err(|error| {
            if matches!(error, object_store::Error::NotFound { .. }) {
                DocumentError::Missing(id)
            } else {
                DocumentError::unavailable(error)
            }
        })
    }

    pub(crate) async fn delete(&self, id: DocumentId) -> Result<(), DocumentError> {
        match self.0.delete(&path(id)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(DocumentError::unavailable(error)),
        }
    }

    pub(crate) async fn list(&self) -> Result<Vec<StoredObject>, DocumentError> {
        let objects = self.0.list(Some(&Path::from(PREFIX)));
        let ours = objects.try_filter_map(|object| async move {
            let id = object
                .location
                .filename()
                .and_then(|name| name.parse().ok());
            Ok(id.map(|document_id| StoredObject {
                document_id,
                stored_at: object.last_modified,
            }))
        });
        ours.try_collect().await.map_err(DocumentError::unavailable)
    }
}

fn path(id: DocumentId) -> Path {
    Path::from(format!("{PREFIX}/{id}"))
}
