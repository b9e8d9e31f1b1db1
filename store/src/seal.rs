//! Sealing and opening of personal fields under a subject's key.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::value::{RawValue, to_raw_value};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    error::StoreError,
    keys::{SubjectKey, decrypt, encrypt},
};

/// What sealed text starts with.
pub const PREFIX: &str = "enc:v1:";
/// What a sealed value's JSON text starts with.
const SEALED: &str = "\"enc:v1:";

/// An event whose subject was erased, with nulls for what was sealed.
///
/// # Errors
/// [`StoreError::Corrupt`] when the text is no externally tagged event.
pub fn redacted(payload: &str) -> Result<String, StoreError> {
    let mut event = parse(payload)?;
    for value in event.values_mut().flat_map(BTreeMap::values_mut) {
        if value.get().starts_with(SEALED) {
            *value = to_raw_value(&()).map_err(|error| corrupt(&error))?;
        }
    }
    serde_json::to_string(&event).map_err(|error| corrupt(&error))
}

/// An externally tagged event; values keep their very text.
type Tagged = BTreeMap<String, BTreeMap<String, Box<RawValue>>>;

impl SubjectKey {
    /// Seals one text; `field` is bound to it. The result starts with `enc:v1:`.
    #[must_use]
    pub fn seal(&self, field: &str, plain: &str) -> String {
        let sealed = encrypt(&self.key, &self.context(field), plain.as_bytes());
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(sealed))
    }

    /// Opens what [`SubjectKey::seal`] made. Text without the prefix is returned as it is.
    ///
    /// # Errors
    /// [`StoreError::Key`] when it does not decrypt.
    pub fn open(&self, field: &str, sealed: &str) -> Result<String, StoreError> {
        let Some(encoded) = sealed.strip_prefix(PREFIX) else {
            return Ok(sealed.to_owned());
        };
        let refused = || {
            let message = format!("{field} does not open under the key of {}", self.subject);
            StoreError::Key(message)
        };
        let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| refused())?;
        let plain = decrypt(&self.key, &self.context(field), &bytes).ok_or_else(refused)?;
        String::from_utf8(plain.to_vec()).map_err(|_| refused())
    }

    /// Seals the named fields of an externally tagged event (`{"Type": {field: …}}`); nulls stay.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the text is not such an object, or a named field is no text.
    pub fn seal_fields(&self, payload: &str, fields: &[&str]) -> Result<String, StoreError> {
        let mut event = parse(payload)?;
        for (field, value) in event.values_mut().flatten() {
            if fields.contains(&field.as_str()) && value.get() != "null" {
                let plain: String =
                    serde_json::from_str(value.get()).map_err(|error| corrupt(&error))?;
                *value =
                    to_raw_value(&self.seal(field, &plain)).map_err(|error| corrupt(&error))?;
            }
        }
        serde_json::to_string(&event).map_err(|error| corrupt(&error))
    }

    /// Opens every sealed field of an externally tagged event.
    ///
    /// # Errors
    /// [`StoreError::Key`] when one does not decrypt.
    pub fn open_fields(&self, payload: &str) -> Result<String, StoreError> {
        let mut event = parse(payload)?;
        for (field, value) in event.values_mut().flatten() {
            if !value.get().starts_with(SEALED) {
                continue;
            }
            let sealed: String =
                serde_json::from_str(value.get()).map_err(|error| corrupt(&error))?;
            let plain = self.open(field, &sealed)?;
            *value = to_raw_value(&plain).map_err(|error| corrupt(&error))?;
        }
        serde_json::to_string(&event).map_err(|error| corrupt(&error))
    }

    /// Seals the bytes of a document, bound to its identifier.
    #[must_use]
    pub fn seal_bytes(&self, document: Uuid, plain: &[u8]) -> Vec<u8> {
        encrypt(&self.key, &self.document_context(document), plain)
    }

    /// Opens what [`SubjectKey::seal_bytes`] made. The bytes are wiped when dropped.
    ///
    /// # Errors
    /// [`StoreError::Key`] when they are another subject's or document's, or were changed.
    pub fn open_bytes(
        &self,
        document: Uuid,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let plain = decrypt(&self.key, &self.document_context(document), sealed);
        plain.ok_or_else(|| {
            let subject = self.subject;
            StoreError::Key(format!(
                "{document} does not open under the key of {subject}"
            ))
        })
    }

    fn document_context(&self, document: Uuid) -> Vec<u8> {
        [
            b"daybook document v1\0".as_slice(),
            self.subject.as_bytes(),
            document.as_bytes(),
        ]
        .concat()
    }

    fn context(&self, field: &str) -> Vec<u8> {
        [
            b"daybook field v1\0".as_slice(),
            self.subject.as_bytes(),
            field.as_bytes(),
        ]
        .concat()
    }
}

fn parse(payload: &str) -> Result<Tagged, StoreError> {
    let event: Tagged = serde_json::from_str(payload).map_err(|error| corrupt(&error))?;
    if event.len() == 1 {
        return Ok(event);
    }
    let detail = "an event has one tag".to_owned();
    Err(StoreError::Corrupt {
        place: "payload".into(),
        detail,
    })
}

fn corrupt(error: &serde_json::Error) -> StoreError {
    // serde_json names the place and the kind of mistake, never the content.
    StoreError::Corrupt {
        place: "payload".into(),
        detail: error.to_string(),
    }
}
