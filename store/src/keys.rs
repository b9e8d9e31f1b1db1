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
/// How long a key may be used without reading it again.
const CACHED_FOR: Duration = Duration::from_secs(300);
/// A key that any node destroyed is forgotten within this time.
const LOOK: Duration = Duration::from_millis(500);
/// How far back each look reaches, for transactions that commit late and for looks that fail.
const LOOK_BACK: Duration = Duration::from_secs(60);
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

    /// The key of a subject whose row is not in the book yet.
    ///
    /// # Errors
    /// [`StoreError::Key`] when it does not unwrap.
    pub fn unwrap_new(&self, new: &NewKey) -> Result<SubjectKey, StoreError> {
        let subject = new.subject;
        let context = wrapping_context(subject);
        let plain = decrypt(&self.inner.wrapping, &context, &new.wrapped)
            .ok_or_else(|| StoreError::Key(format!("that of {subject} does not unwrap")))?;
        Ok(SubjectKey {
            subject,
            key: secret(&plain),
        })
    }

    /// The subject's key.
    ///
    /// # Errors
    /// [`StoreError::Erased`] when it was destroyed; [`StoreError::Key`] when there is none;
    /// [`StoreError::Database`].
    pub async fn get(&self, subject: Uuid) -> Result<SubjectKey, StoreError> {
        if let Some(key) = self.cached(subject) {
            return Ok(key);
        }
        let Some(wrapped) = self.wrapped(subject).await? else {
            return Err(StoreError::Key(format!("none for {subject}")));
        };
        let Some(wrapped) = wrapped else {
            return Err(StoreError::Erased(subject));
        };
        self.unwrapped(subject, &wrapped)
    }

    /// The subject's key; none when there never was one, or it was destroyed.
    ///
    /// # Errors
    /// [`StoreError::Key`] when it does not unwrap; [`StoreError::Database`].
    pub async fn find(&self, subject: Uuid) -> Result<Option<SubjectKey>, StoreError> {
        if let Some(key) = self.cached(subject) {
            return Ok(Some(key));
        }
        match self.wrapped(subject).await? {
            Some(Some(wrapped)) => self.unwrapped(subject, &wrapped).map(Some),
            Some(None) | None => Ok(None),
        }
    }

    /// As it rests: no row when there never was a key, a row of nothing when it was destroyed.
    async fn wrapped(&self, subject: Uuid) -> Result<Option<Option<Vec<u8>>>, StoreError> {
        let sql = "select wrapped from public.subject_keys where subject = $1";
        let row: Option<(Option<Vec<u8>>,)> = sqlx::query_as(sql)
            .bind(subject)
            .fetch_optional(&self.inner.pool)
            .await?;
        Ok(row.map(|(wrapped,)| wrapped))
    }

    fn unwrapped(&self, subject: Uuid, wrapped: &[u8]) -> Result<SubjectKey, StoreError> {
        let plain = decrypt(&self.inner.wrapping, &wrapping_context(subject), wrapped)
            .ok_or_else(|| StoreError::Key(format!("that of {subject} does not unwrap")))?;
        let key = SubjectKey {
            subject,
            key: secret(&plain),
        };
        self.remember(key.clone());
        Ok(key)
    }

    /// Forgets a subject's key, so that the next use looks whether it still exists.
    pub fn forget(&self, subject: Uuid) {
        self.lock().remove(&subject);
    }

    /// Forgets keys that were destroyed, on whichever node, until the pool is closed.
    pub(crate) async fn follow_destroyed(self) {
        let mut looked_at = Instant::now();
        loop {
            tokio::select! {
                () = self.inner.pool.close_event() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            let now = Instant::now();
            match self.destroyed().await {
                Ok(subjects) => {
                    // Away for longer than a look reaches back: nobody knows what went by.
                    if now.duration_since(looked_at) > LOOK_BACK / 2 {
                        self.lock().clear();
                    }
                    subjects
                        .into_iter()
                        .for_each(|subject| self.forget(subject));
                    looked_at = now;
                }
                Err(error) => tracing::debug!(%error, "destroyed keys cannot be looked for"),
            }
        }
    }

    async fn destroyed(&self) -> Result<Vec<Uuid>, sqlx::Error> {
        let sql = "select subject from public.subject_keys \
             where destroyed_at > clock_timestamp() - make_interval(secs => $1)";
        sqlx::query_scalar(sql)
            .bind(LOOK_BACK.as_secs_f64())
            .fetch_all(&self.inner.pool)
            .await
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
