//! How far the book is committed, as this node knows: told by its own committer at once, by NOTIFY
//! from others, and by polling behind both.

use std::{sync::Arc, time::Duration};

use sqlx::{PgPool, postgres::PgListener};
use tokio::{sync::watch, time::timeout};

/// Notified once per batch; the payload is the last position alone.
pub(crate) const CHANNEL: &str = "daybook_events";
/// A NOTIFY that was lost is made up for within this time.
const POLL: Duration = Duration::from_millis(500);
const RETRY: Duration = Duration::from_millis(250);

/// A position that only moves forward.
#[derive(Clone)]
pub(crate) struct Committed(Arc<watch::Sender<i64>>);

impl Default for Committed {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl Committed {
    pub(crate) fn subscribe(&self) -> watch::Receiver<i64> {
        self.0.subscribe()
    }

    pub(crate) fn advance(&self, position: i64) {
        self.0.send_if_modified(|known| {
            let forward = position > *known;
            if forward {
                *known = position;
            }
            forward
        });
    }
}

/// Whether this node is the writer. Its own commits then tell themselves, and a listener would only
/// cost every one of them a wake-up.
#[derive(Clone)]
pub(crate) struct WritesHere(Arc<watch::Sender<bool>>);

/// While it lives, this node is the writer.
pub(crate) struct Writing(WritesHere);

impl Default for WritesHere {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl WritesHere {
    pub(crate) fn begin(&self) -> Writing {
        self.0.send_replace(true);
        Writing(self.clone())
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.0.0.send_replace(false);
    }
}

/// Follows the book until the pool is closed; whatever else happens to the connection is mended.
pub(crate) async fn follow(pool: PgPool, committed: Committed, writes_here: WritesHere) {
    let mut writes_here = writes_here.0.subscribe();
    loop {
        let writing = *writes_here.borrow_and_update();
        let session = async {
            if writing {
                keep_polling(&pool, &committed).await
            } else {
                listen(&pool, &committed).await
            }
        };
        let outcome = tokio::select! {
            // The listener's connection goes back before the pool's close is done.
            () = pool.close_event() => return,
            _ = writes_here.changed() => continue,
            outcome = session => outcome,
        };
        if let Err(error) = outcome {
            tracing::debug!(%error, "following the book was interrupted");
            tokio::time::sleep(RETRY).await;
        }
    }
}

async fn keep_polling(pool: &PgPool, committed: &Committed) -> Result<(), sqlx::Error> {
    loop {
        poll(pool, committed).await?;
        tokio::time::sleep(POLL).await;
    }
}

async fn listen(pool: &PgPool, committed: &Committed) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    loop {
        // After LISTEN and whenever it was silent: what was committed unheard.
        poll(pool, committed).await?;
        while let Ok(notification) = timeout(POLL, listener.try_recv()).await {
            // None: the connection was lost and made again; poll for what went by.
            let Some(notification) = notification? else {
                break;
            };
            if let Ok(position) = notification.payload().parse() {
                committed.advance(position);
            }
        }
    }
}

async fn poll(pool: &PgPool, committed: &Committed) -> Result<(), sqlx::Error> {
    let sql = "select position from public.head";
    if let Some((position,)) = sqlx::query_as(sql).fetch_optional(pool).await? {
        committed.advance(position);
    }
    Ok(())
}
