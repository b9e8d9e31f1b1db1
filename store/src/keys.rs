//! Personal data at rest: one AES-256-GCM data key per subject, wrapped by the master key.

use std::sync::Arc;

use secrecy::SecretSlice;
use uuid::Uuid;

use crate::error::StoreError;

/// `DATA_ENCRYPTION_KEY`: wraps data keys and keys the look-up hashes.
#[derive(Clone)]
pub struct MasterKey(pub(crate) Arc<SecretSlice<u8>>);

impl MasterKey {
    /// Any text of at least 16 bytes; stretched to 256 bits with a domain-separated hash.
    ///
    /// # Errors
    /// [`StoreError::Key`] when it is too short.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        let _ = text;
        todo!("store")
    }
}

/// The data key of one subject, in memory.
#[derive(Clone)]
pub struct SubjectKey {
    /// Whose.
    pub subject: Uuid,
    pub(crate) key: Arc<SecretSlice<u8>>,
}

/// A wrapped data key on its way into the book, in the append of its subject's first event.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// Whose.
    pub subject: Uuid,
    /// Ciphertext under the master key.
    pub wrapped: Vec<u8>,
}

/// Makes, finds and uses data keys; caches them.
#[derive(Clone)]
pub struct Keyring;

impl Keyring {
    /// A new key and its wrapped form for [`crate::Submission::keys`].
    #[must_use]
    pub fn create(&self, subject: Uuid) -> (SubjectKey, NewKey) {
        let _ = subject;
        todo!("store")
    }

    /// The subject's key.
    ///
    /// # Errors
    /// [`StoreError::Key`] when there is none or it was destroyed.
    pub async fn get(&self, subject: Uuid) -> Result<SubjectKey, StoreError> {
        let _ = subject;
        todo!("store")
    }

    /// Hex HMAC-SHA-256 of a value for look-ups without plain text, separated by `kind`.
    #[must_use]
    pub fn lookup_hash(&self, kind: &str, value: &str) -> String {
        let _ = (kind, value);
        todo!("store")
    }
}

impl SubjectKey {
    /// Seals one text; `field` is bound to it. The result starts with `enc:v1:`.
    #[must_use]
    pub fn seal(&self, field: &str, plain: &str) -> String {
        let _ = (&self.key, field, plain);
        todo!("store")
    }

    /// Opens what [`SubjectKey::seal`] made. Text without the prefix is returned as it is.
    ///
    /// # Errors
    /// [`StoreError::Key`] when it does not decrypt.
    pub fn open(&self, field: &str, sealed: &str) -> Result<String, StoreError> {
        let _ = (field, sealed);
        todo!("store")
    }

    /// Seals the named fields of an externally tagged event (`{"Type": {field: …}}`); nulls stay.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the text is not such an object.
    pub fn seal_fields(&self, payload: &str, fields: &[&str]) -> Result<String, StoreError> {
        let _ = (payload, fields);
        todo!("store")
    }

    /// Opens every sealed field of an externally tagged event.
    ///
    /// # Errors
    /// [`StoreError::Key`] when one does not decrypt.
    pub fn open_fields(&self, payload: &str) -> Result<String, StoreError> {
        let _ = payload;
        todo!("store")
    }
}
