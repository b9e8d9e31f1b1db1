//! Which sessions have ended, on whichever node, and which were used lately.
//!
//! A task reads ended sessions from the database twice a second, so that a token of one is refused
//! within a second everywhere. Access tokens die by themselves after their time: older ends are
//! forgotten.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock, Weak},
    time::Duration,
};

use chrono::{DateTime, Utc};
use daybook_domain::SessionId;
use daybook_store::{Store, StoreError};
use tokio::{sync::watch, time};

const LOOK_EVERY: Duration = Duration::from_millis(400);
const FLUSH_EVERY: Duration = Duration::from_secs(15);
/// Ends are read again from so long before the last look: commits are not in the order of their
/// times, and clocks differ.
const OVERLAP: chrono::Duration = chrono::Duration::seconds(60);

/// Ended sessions, and when the others were last used.
pub(crate) struct Ended {
    store: Store,
    /// How long access tokens live.
    remembered: chrono::Duration,
    sessions: RwLock<HashMap<SessionId, DateTime<Utc>>>,
    changed: watch::Sender<()>,
    seen: Mutex<HashMap<SessionId, DateTime<Utc>>>,
}

impl Ended {
    /// Starts the task; it ends with the last handle.
    pub(crate) fn follow(store: Store, access_ttl: Duration) -> Arc<Self> {
        let access_ttl = chrono::Duration::from_std(access_ttl).unwrap_or(chrono::Duration::MAX);
        let ended = Arc::new(Self {
            store,
            remembered: access_ttl.checked_add(&OVERLAP).unwrap_or(access_ttl),
            sessions: RwLock::default(),
            changed: watch::Sender::default(),
            seen: Mutex::default(),
        });
        tokio::spawn(run(Arc::downgrade(&ended)));
        ended
    }

    /// Whether the session has ended.
    pub(crate) fn has(&self, session: SessionId) -> bool {
        let sessions = self.sessions.read();
        let sessions = sessions.unwrap_or_else(PoisonError::into_inner);
        sessions.contains_key(&session)
    }

    /// Notes that a session is used.
    pub(crate) fn seen(&self, session: SessionId) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert(session, Utc::now());
    }

    /// Told whenever sessions have ended.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Looks at once: for whoever has just ended some.
    pub(crate) async fn look(&self) {
        if let Err(error) = self.look_since(Utc::now() - OVERLAP).await {
            tracing::warn!("ended sessions could not be read: {error}; trying again");
        }
    }

    async fn look_since(&self, since: DateTime<Utc>) -> Result<(), StoreError> {
        let found = self.store.sessions_revoked_since(since).await?;
        let oldest = Utc::now() - self.remembered;
        let mut sessions = self
            .sessions
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let before = sessions.len();
        sessions.extend(found.into_iter().map(|(id, at)| (SessionId(id), at)));
        let grown = sessions.len() > before;
        sessions.retain(|_, at| *at >= oldest);
        drop(sessions);
        if grown {
            self.changed.send_replace(());
        }
        Ok(())
    }

    async fn flush(&self) {
        let seen = std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        if seen.is_empty() {
            return;
        }
        let rows: Vec<_> = seen.into_iter().map(|(id, at)| (id.0, at)).collect();
        if let Err(error) = self.store.sessions_seen(&rows).await {
            tracing::debug!("when sessions were used could not be kept: {error}");
        }
    }
}

async fn run(ended: Weak<Ended>) {
    let mut looks = time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    let mut flushed = time::Instant::now();
    // The first look is for all that may still have a token.
    let mut since = None;
    loop {
        looks.tick().await;
        let Some(ended) = ended.upgrade() else {
            return;
        };
        let now = Utc::now();
        let from = since.unwrap_or(now - ended.remembered);
        match ended.look_since(from - OVERLAP).await {
            Ok(()) => since = Some(now),
            Err(error) => tracing::debug!("ended sessions could not be read: {error}"),
        }
        if flushed.elapsed() >= FLUSH_EVERY {
            ended.flush().await;
            flushed = time::Instant::now();
        }
    }
}
