//! Loading an account: snapshot and tail, folded.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use daybook_domain::{Account, AccountEvent, AccountId};
use daybook_store::{Loaded, Recorded, Snapshot, Store, StreamHandle, submission::ChainHead};

use crate::{
    error::EngineError,
    shared::{STATE_VERSION, account_stream, json},
};

/// An account as it stands in the book.
pub(crate) struct LoadedAccount {
    pub account: Account,
    pub handle: Arc<StreamHandle>,
    /// Sequence that its snapshot covers; 0 without one.
    pub snapshot_sequence: i64,
}

impl LoadedAccount {
    /// A snapshot of it.
    pub fn snapshot(&self) -> Snapshot {
        snapshot_of(&self.account, &self.handle, self.handle.head())
    }
}

/// A snapshot of `account`, which is the fold of its stream up to `head`.
pub(crate) fn snapshot_of(account: &Account, handle: &StreamHandle, head: ChainHead) -> Snapshot {
    Snapshot {
        stream: handle.stream.clone(),
        sequence: head.sequence,
        hash: head.hash,
        state_version: STATE_VERSION,
        state: json(account),
    }
}

/// Loads an account; none when its stream is empty.
///
/// # Errors
/// [`EngineError::Unavailable`] when the database is away, [`EngineError::Corrupt`] when the events
/// cannot be folded.
pub(crate) async fn load_account(
    store: &Store,
    id: AccountId,
) -> Result<Option<LoadedAccount>, EngineError> {
    let loaded = store.load(&account_stream(id), STATE_VERSION).await?;
    if loaded.handle.head().sequence == 0 {
        return Ok(None);
    }
    fold(loaded).map(Some)
}

fn fold(loaded: Loaded) -> Result<LoadedAccount, EngineError> {
    let mut account = Account::default();
    let mut snapshot_sequence = 0;
    if let Some(snapshot) = &loaded.snapshot {
        account = decode_snapshot(snapshot)?;
        snapshot_sequence = snapshot.sequence;
    }
    for recorded in &loaded.tail {
        evolve(&mut account, recorded)?;
    }
    Ok(LoadedAccount {
        account,
        handle: loaded.handle,
        snapshot_sequence,
    })
}

/// The state in a snapshot.
pub(crate) fn decode_snapshot(snapshot: &Snapshot) -> Result<Account, EngineError> {
    serde_json::from_str(&snapshot.state)
        .map_err(|error| EngineError::Corrupt(format!("snapshot of {}: {error}", snapshot.stream)))
}

/// Applies a stored event. One that cannot follow the state is corruption: that account stops, the
/// others go on.
pub(crate) fn evolve(account: &mut Account, recorded: &Recorded) -> Result<(), EngineError> {
    let event: AccountEvent = recorded.decode()?;
    let applied = catch_unwind(AssertUnwindSafe(|| account.evolve(&event)));
    applied.map_err(|_panic| {
        EngineError::Corrupt(format!(
            "position {}: {} cannot follow in {}-{}",
            recorded.position, recorded.event_type, recorded.aggregate_type, recorded.aggregate_id
        ))
    })
}
