//! Walks the book and proves it: positions without gaps, sequences without gaps, every hash the
//! one that its stream's chain demands, time never running backwards.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use tokio::sync::mpsc;

use crate::{
    error::StoreError,
    hash_chain::{GENESIS, Link},
    recorded::{Recorded, StreamId},
    store::Store,
    submission::ChainHead,
};

/// Events read at once.
const PAGE: i64 = 10_000;
/// Pages read ahead of the hashing.
const PAGES_AHEAD: usize = 2;

/// How far a verification has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifyProgress {
    /// Events walked.
    pub events: i64,
    /// Events there are to walk.
    pub of: i64,
}

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyReport {
    /// Events walked.
    pub events: i64,
    /// Streams seen.
    pub streams: usize,
    /// The first place where the book contradicts itself; none when it is whole.
    pub broken: Option<BrokenLink>,
}

/// Where a chain breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenLink {
    /// Position of the event, or the one that should be there.
    pub position: i64,
    /// Its stream, where there is an event.
    pub stream: Option<String>,
    /// Its sequence in the stream.
    pub sequence: Option<i64>,
    /// What is wrong.
    pub detail: String,
}

impl BrokenLink {
    fn at(event: &Recorded, detail: impl Into<String>) -> Self {
        Self {
            position: event.position,
            stream: Some(format!("{}-{}", event.aggregate_type, event.aggregate_id)),
            sequence: Some(event.sequence),
            detail: detail.into(),
        }
    }

    fn missing(position: i64) -> Self {
        let detail = "no event stands here".to_owned();
        Self {
            position,
            stream: None,
            sequence: None,
            detail,
        }
    }

    fn beyond_head(position: i64) -> Self {
        let detail = "an event stands beyond the head".to_owned();
        Self {
            detail,
            ..Self::missing(position)
        }
    }
}

/// Walks the whole book up to the head of this moment.
///
/// # Errors
/// [`StoreError::Database`]; a book that contradicts itself is a finding, not an error.
pub async fn verify_all(
    store: &Store,
    mut progress: impl FnMut(VerifyProgress),
) -> Result<VerifyReport, StoreError> {
    let of = store.head().await?.position;
    let (pages, mut read) = mpsc::channel(PAGES_AHEAD);
    // Reads while we hash. It ends by itself when we stop listening.
    tokio::spawn(read_pages(store.clone(), of, pages));
    let mut walk = Walk::default();
    while let Some(page) = read.recv().await {
        for event in page? {
            if let Err(broken) = walk.step(&event) {
                return Ok(walk.report(Some(broken)));
            }
        }
        progress(VerifyProgress {
            events: walk.position,
            of,
        });
    }
    if walk.position < of {
        return Ok(walk.report(Some(BrokenLink::missing(walk.position + 1))));
    }
    let stray = beyond_head(store).await?;
    Ok(walk.report(stray.map(BrokenLink::beyond_head)))
}

/// The first event that no append can have made: it moves the head in the same statement.
async fn beyond_head(store: &Store) -> Result<Option<i64>, StoreError> {
    let sql = "select position from public.events \
         where position > (select position from public.head) order by position limit 1";
    let position = sqlx::query_scalar(sql).fetch_optional(store.pool()).await?;
    Ok(position)
}

/// Walks one stream.
///
/// # Errors
/// [`StoreError::Database`]; a stream that contradicts itself is a finding, not an error.
pub async fn verify_stream(store: &Store, stream: &StreamId) -> Result<VerifyReport, StoreError> {
    let mut chain = ChainHead {
        sequence: 0,
        hash: GENESIS,
    };
    loop {
        // Gaps are findings here, so the page is read without asserting that there are none.
        let page = store
            .read_stream_stored(stream, chain.sequence, PAGE)
            .await?;
        let done = page.is_empty();
        let broken = page
            .iter()
            .find_map(|event| follow(&mut chain, event).err());
        if done || broken.is_some() {
            let streams = usize::from(chain.sequence > 0);
            return Ok(VerifyReport {
                events: chain.sequence,
                streams,
                broken,
            });
        }
    }
}

async fn read_pages(
    store: Store,
    until: i64,
    pages: mpsc::Sender<Result<Vec<Recorded>, StoreError>>,
) {
    let mut after = 0;
    while after < until {
        let page = store.read_stored(after, PAGE.min(until - after)).await;
        let last = page
            .as_ref()
            .ok()
            .and_then(|events| events.last())
            .map(|last| last.position);
        if pages.send(page).await.is_err() {
            return;
        }
        let Some(last) = last else { return };
        after = last;
    }
}

#[derive(Default)]
struct Walk {
    position: i64,
    recorded_at: DateTime<Utc>,
    /// By type and id.
    streams: HashMap<Box<str>, HashMap<Box<str>, ChainHead>>,
}

impl Walk {
    fn step(&mut self, event: &Recorded) -> Result<(), BrokenLink> {
        if event.position != self.position + 1 {
            return Err(BrokenLink::missing(self.position + 1));
        }
        if event.recorded_at < self.recorded_at {
            return Err(BrokenLink::at(
                event,
                "recorded before the event in front of it",
            ));
        }
        follow(self.chain(event), event)?;
        self.position = event.position;
        self.recorded_at = event.recorded_at;
        Ok(())
    }

    fn chain(&mut self, event: &Recorded) -> &mut ChainHead {
        let streams = self
            .streams
            .entry(event.aggregate_type.clone())
            .or_default();
        streams.entry(event.aggregate_id.clone()).or_default()
    }

    fn report(&self, broken: Option<BrokenLink>) -> VerifyReport {
        let streams = self.streams.values().map(HashMap::len).sum();
        VerifyReport {
            events: self.position,
            streams,
            broken,
        }
    }
}

/// Moves the chain over one event.
fn follow(chain: &mut ChainHead, event: &Recorded) -> Result<(), BrokenLink> {
    if event.sequence != chain.sequence + 1 {
        let detail = format!("sequence {} should stand here", chain.sequence + 1);
        return Err(BrokenLink::at(event, detail));
    }
    if Link::of(event).hash(&chain.hash) != event.hash {
        return Err(BrokenLink::at(
            event,
            "its hash does not follow from the stream before it",
        ));
    }
    *chain = ChainHead {
        sequence: event.sequence,
        hash: event.hash,
    };
    Ok(())
}
