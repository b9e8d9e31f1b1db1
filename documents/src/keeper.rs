//! What is done about documents and erasures without anybody asking: erasures that the book tells
//! of are finished, and bytes that no event tells of are deleted. Only the node that writes does
//! it; whatever is interrupted is taken up again.

use std::{collections::HashSet, time::Duration};

use chrono::{DateTime, Utc};
use daybook_domain::{ClientEvent, DocumentId};
use daybook_projections::{ReadError, Reads, names};
use daybook_store::{Erasure, Store, StoreError, StreamId};
use tokio::time::Instant;

use crate::{DocumentError, Documents, StoredObject};

const ERASURES_EVERY: Duration = Duration::from_secs(1);
const AFTER_FAILURE: Duration = Duration::from_secs(15);
const SWEEP_EVERY: Duration = Duration::from_secs(3600);
/// Bytes are stored before their event: so much later there will be none.
const ORPHAN_AFTER_HOURS: i64 = 24;
/// How long the read model may take to reach the book's end before a sweep is put off.
const PATIENCE: Duration = Duration::from_secs(30);
/// Documents looked up at once.
const PAGE: usize = 1_000;

/// Why a round was not finished. The next one begins where it ended.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// The book.
    #[error("the book")]
    Store(#[from] StoreError),
    /// The read model.
    #[error("the read model")]
    Reads(#[from] ReadError),
    /// The bytes.
    #[error("the document store")]
    Documents(#[from] DocumentError),
}

/// Finishes erasures and sweeps.
pub struct Keeper {
    store: Store,
    reads: Reads,
    documents: Documents,
}

impl Keeper {
    /// On these.
    #[must_use]
    pub const fn new(store: Store, reads: Reads, documents: Documents) -> Self {
        Self {
            store,
            reads,
            documents,
        }
    }

    /// Goes on until it is dropped.
    pub async fn run(self) {
        let mut sweep_at = Instant::now();
        loop {
            let mut pause = ERASURES_EVERY;
            if let Err(error) = self.finish_erasures().await {
                tell("an erasure is not finished yet", &error);
                pause = AFTER_FAILURE;
            }
            if Instant::now() >= sweep_at {
                match self.sweep(Utc::now()).await {
                    Ok(0) => {}
                    Ok(deleted) => tracing::info!(deleted, "documents without an event"),
                    Err(error) => tell("documents were not swept", &error),
                }
                sweep_at = Instant::now() + SWEEP_EVERY;
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Finishes every erasure that the book tells of; one that fails does not hold up the others.
    /// Returns how many it finished.
    ///
    /// # Errors
    /// [`KeeperError`] of the last that failed.
    pub async fn finish_erasures(&self) -> Result<usize, KeeperError> {
        let mut finished = 0;
        let mut failure = None;
        for erasure in self.store.unfinished_erasures().await? {
            match self.finish(erasure).await {
                Ok(()) => finished += 1,
                Err(error) => failure = Some(error),
            }
        }
        failure.map_or(Ok(finished), Err)
    }

    /// The key first: from then on nothing can be read, wherever a copy of it rests.
    async fn finish(&self, erasure: Erasure) -> Result<(), KeeperError> {
        self.store.erase_subject(erasure.client).await?;
        for document in self.documents_of(erasure).await? {
            self.documents.delete(document).await?;
        }
        self.store.finish_erasure(erasure).await?;
        tracing::info!(client = %erasure.client, position = erasure.position, "erased");
        Ok(())
    }

    /// What the client ever handed in, as the book has it.
    async fn documents_of(&self, erasure: Erasure) -> Result<Vec<DocumentId>, StoreError> {
        let stream = StreamId::new("client", erasure.client);
        let mut found = Vec::new();
        let events = self.store.read_stream(&stream, 0, i64::MAX).await?;
        for recorded in events.iter().filter(|it| &*it.event_type == "KycSubmitted") {
            if let ClientEvent::KycSubmitted { document, .. } = recorded.decode()? {
                found.push(document.document_id);
            }
        }
        Ok(found)
    }

    /// Deletes bytes older than a day that no event tells of; returns how many.
    ///
    /// # Errors
    /// [`KeeperError`], also where the read model does not reach the book's end: what it does not
    /// know yet is not deleted.
    pub async fn sweep(&self, now: DateTime<Utc>) -> Result<usize, KeeperError> {
        self.store.forget_erased_sessions().await?;
        let old =
            |object: &StoredObject| (now - object.stored_at).num_hours() >= ORPHAN_AFTER_HOURS;
        let objects: Vec<StoredObject> = self.documents.list().await?;
        let candidates: Vec<DocumentId> = objects
            .iter()
            .filter(|object| old(object))
            .map(|object| object.document_id)
            .collect();
        let head = self.store.head().await?.position;
        self.reads
            .wait_for(&[names::CLIENTS], head, PATIENCE)
            .await?;
        let mut deleted = 0;
        for page in candidates.chunks(PAGE) {
            let known: HashSet<DocumentId> = self.reads.known_documents(page).await?;
            for orphan in page.iter().filter(|id| !known.contains(id)) {
                self.documents.delete(*orphan).await?;
                deleted += 1;
            }
        }
        Ok(deleted)
    }
}

fn tell(what: &str, error: &KeeperError) {
    let mut chain = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        chain = format!("{chain}: {cause}");
        source = cause.source();
    }
    tracing::warn!(error = chain, "{what}");
}
