//! Personal data at rest: one AES-256-GCM data key per subject, wrapped by the master key.
//!
//! Destroying a subject's row in `subject_keys` makes everything sealed under it unreadable,
//! wherever it rests. Plain keys live in memory alone and are wiped when dropped.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use aes_gcm::{
    Aes256Gcm,
    aead::{Aead, Generate, Key, KeyInit, Nonce, Payload},
};
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::{Digest, Sha256};
use sqlx::PgPool;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::error::StoreError;

/// Keys held in memory at most; past it the cache starts anew.
const CACHED_MAX: usize = 100_000;
/// How long a key may be used without looking whether it was destroyed by another node.
const CACHED_FOR: Duration = Duration::from_secs(300);
const NONCE_BYTES: usize = 12;
const MASTER_TEXT_BYTES_MIN: usize = 16;

/// `DATA_ENCRYPTION_KEY`: wraps data keys and keys the look-up hashes.
#[derive(Clone)]
pub struct MasterKey(pub(crate) Arc<SecretSlice<u8>>);

impl MasterKey {
    /// Any text of at least 16 bytes; stretched to 256 bits with a domain-separated hash.
    ///
    /// # Errors
    /// [`StoreError::Key`] when it is too short.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        if text.len() < MASTER_TEXT_BYTES_MIN {
            let message = format!("the master key needs at least {MASTER_TEXT_BYTES_MIN} bytes");
            return Err(StoreError::Key(message));
        }
        let mut digest = Sha256::new();
        digest.update(b"daybook master key v1\0");
        digest.update(text.as_bytes());
        let key = Zeroizing::new(<[u8; 32]>::from(digest.finalize()));
        Ok(Self(secret(key.as_slice())))
    }

    /// A key for one purpose; purposes tell nothing about each other.
    fn derive(&self, purpose: &str) -> Arc<SecretSlice<u8>> {
        let key = Zeroizing::new(hmac(self.0.expose_secret(), &[purpose.as_bytes()]));
        secret(key.as_slice())
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

/// The data key of one subject, in memory.
#[derive(Clone)]
pub struct SubjectKey {
    /// Whose.
    pub subject: Uuid,
    pub(crate) key: Arc<SecretSlice<u8>>,
}

impl fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SubjectKey({}, …)", self.subject)
    }
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
pub struct Keyring {
    inner: Arc<Inner>,
}

struct Inner {
    pool: PgPool,
    wrapping: Arc<SecretSlice<u8>>,
    lookup: Arc<SecretSlice<u8>>,
    cache: Mutex<HashMap<Uuid, Cached>>,
}

struct Cached {
    key: SubjectKey,
    until: Instant,
}

impl Keyring {
    pub(crate) fn new(pool: PgPool, master: &MasterKey) -> Self {
        Self {
            inner: Arc::new(Inner {
                pool,
                wrapping: master.derive("wrap data keys v1"),
                lookup: master.derive("look-up hashes v1"),
                cache: Mutex::new(HashMap::new()),
            }),
        }
    }

    /// A new key and its wrapped form for [`crate::Submission::keys`].
    #[must_use]
    pub fn create(&self, subject: Uuid) -> (SubjectKey, NewKey) {
        let plain = Zeroizing::new(<[u8; 32]>::from(Key::<Aes256Gcm>::generate()));
        let wrapped = encrypt(
            &self.inner.wrapping,
            &wrapping_context(subject),
            plain.as_slice(),
        );
        let key = SubjectKey {
            subject,
            key: secret(plain.as_slice()),
        };
        // Not cached: its row is not in the book yet and may never be.
        (key, NewKey { subject, wrapped })
    }

    /// The subject's key.
    ///
    /// # Errors
    /// [`StoreError::Key`] when there is none or it was destroyed; [`StoreError::Database`].
    pub async fn get(&self, subject: Uuid) -> Result<SubjectKey, StoreError> {
        let found = self.find(subject).await?;
        found.ok_or_else(|| StoreError::Key(format!("none for {subject}, or it was erased")))
    }

    /// The subject's key; none when there never was one, or it was destroyed.
    ///
    /// # Errors
    /// [`StoreError::Key`] when it does not unwrap; [`StoreError::Database`].
    pub async fn find(&self, subject: Uuid) -> Result<Option<SubjectKey>, StoreError> {
        if let Some(key) = self.cached(subject) {
            return Ok(Some(key));
        }
        let sql = "select wrapped from public.subject_keys where subject = $1";
        let row: Option<(Option<Vec<u8>>,)> = sqlx::query_as(sql)
            .bind(subject)
            .fetch_optional(&self.inner.pool)
            .await?;
        let Some((Some(wrapped),)) = row else {
            return Ok(None);
        };
        let plain = decrypt(&self.inner.wrapping, &wrapping_context(subject), &wrapped)
            .ok_or_else(|| StoreError::Key(format!("that of {subject} does not unwrap")))?;
        let key = SubjectKey {
            subject,
            key: secret(&plain),
        };
        self.remember(key.clone());
        Ok(Some(key))
    }

    /// Forgets a subject's key, so that the next use looks whether it still exists.
    pub fn forget(&self, subject: Uuid) {
        self.lock().remove(&subject);
    }

    /// Hex HMAC-SHA-256 of a value for look-ups without plain text, separated by `kind`.
    #[must_use]
    pub fn lookup_hash(&self, kind: &str, value: &str) -> String {
        let key = self.inner.lookup.expose_secret();
        hex::encode(hmac(key, &[kind.as_bytes(), b"\0", value.as_bytes()]))
    }

    fn cached(&self, subject: Uuid) -> Option<SubjectKey> {
        let cache = self.lock();
        let cached = cache.get(&subject)?;
        (cached.until > Instant::now()).then(|| cached.key.clone())
    }

    fn remember(&self, key: SubjectKey) {
        let mut cache = self.lock();
        if cache.len() >= CACHED_MAX {
            cache.clear();
        }
        let until = Instant::now() + CACHED_FOR;
        cache.insert(key.subject, Cached { key, until });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, Cached>> {
        // A panic elsewhere cannot leave a map of keys half-changed.
        self.inner
            .cache
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nonce, ciphertext and tag. The nonce is random: with 96 bits a key may seal billions of texts.
pub(crate) fn encrypt(key: &SecretSlice<u8>, context: &[u8], plain: &[u8]) -> Vec<u8> {
    let nonce = Nonce::<Aes256Gcm>::generate();
    let sealed = cipher(key)
        .encrypt(
            &nonce,
            Payload {
                msg: plain,
                aad: context,
            },
        )
        .expect("invariant: texts are far below AES-GCM's limit");
    [nonce.as_slice(), &sealed].concat()
}

/// The plain text; none when key, context or a single bit is another.
pub(crate) fn decrypt(
    key: &SecretSlice<u8>,
    context: &[u8],
    sealed: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES)?;
    let nonce = Nonce::<Aes256Gcm>::try_from(nonce).ok()?;
    let plain = cipher(key)
        .decrypt(
            &nonce,
            Payload {
                msg: sealed,
                aad: context,
            },
        )
        .ok()?;
    Some(Zeroizing::new(plain))
}

fn cipher(key: &SecretSlice<u8>) -> Aes256Gcm {
    Aes256Gcm::new_from_slice(key.expose_secret()).expect("invariant: keys have 32 bytes")
}

fn wrapping_context(subject: Uuid) -> Vec<u8> {
    [b"daybook data key v1\0".as_slice(), subject.as_bytes()].concat()
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac =
        <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("invariant: any length is a key");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn secret(bytes: &[u8]) -> Arc<SecretSlice<u8>> {
    Arc::new(bytes.to_vec().into())
}
