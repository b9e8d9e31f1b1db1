//! Recovery: every account with orders or positions, as it stands in the book.
//!
//! Snapshots, and then the events after the floor that they cover, folded in one pass. An account
//! whose events do not join its snapshot is loaded by itself.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    str::FromStr,
};

use daybook_domain::{Account, AccountId};
use daybook_store::{Recorded, Snapshot, StreamHandle, submission::ChainHead};

use crate::{
    error::EngineError,
    load::{decode_snapshot, evolve, load_account, snapshot_of},
    shard::Recovered,
    shared::{ACCOUNT, STATE_VERSION, Shared, account_stream},
};

/// Rows read at a time.
const PAGE: i64 = 5_000;

struct Folding {
    account: Account,
    head: ChainHead,
    snapshot_sequence: i64,
}

#[derive(Default)]
struct Fold {
    accounts: HashMap<AccountId, Folding>,
    /// Their events do not follow what is known of them.
    apart: HashSet<AccountId>,
}

/// Accounts with orders or positions; the others are loaded when somebody asks for them.
///
/// # Errors
/// [`EngineError`] when the book cannot be read or folded.
pub(crate) async fn recover(shared: &Shared) -> Result<Vec<Recovered>, EngineError> {
    let store = &shared.store;
    let floor = store.snapshot_floor(ACCOUNT, STATE_VERSION).await?;
    let mut fold = Fold::default();
    let mut after = String::new();
    loop {
        let page = store
            .snapshots_page(ACCOUNT, STATE_VERSION, &after, PAGE)
            .await?;
        let Some(last) = page.last() else { break };
        after = last.stream.aggregate_id.to_string();
        for snapshot in &page {
            fold.take_snapshot(snapshot)?;
        }
    }
    let mut position = floor;
    loop {
        let page = store.read_all(position, PAGE).await?;
        let Some(last) = page.last() else { break };
        position = last.position;
        for recorded in page
            .iter()
            .filter(|event| &*event.aggregate_type == ACCOUNT)
        {
            fold.take_event(recorded)?;
        }
    }
    for account_id in std::mem::take(&mut fold.apart) {
        fold.load_apart(shared, account_id).await?;
    }
    Ok(fold.finish(shared))
}

impl Fold {
    fn take_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), EngineError> {
        let account_id = parse_id(&snapshot.stream.aggregate_id)?;
        let Ok(account) = decode_snapshot(snapshot) else {
            self.apart.insert(account_id);
            return Ok(());
        };
        let folding = Folding {
            account,
            head: ChainHead {
                sequence: snapshot.sequence,
                hash: snapshot.hash,
            },
            snapshot_sequence: snapshot.sequence,
        };
        self.accounts.insert(account_id, folding);
        Ok(())
    }

    fn take_event(&mut self, recorded: &Recorded) -> Result<(), EngineError> {
        let account_id = parse_id(&recorded.aggregate_id)?;
        if self.apart.contains(&account_id) {
            return Ok(());
        }
        let folding = match self.accounts.entry(account_id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(Folding {
                account: Account::default(),
                head: ChainHead::default(),
                snapshot_sequence: 0,
            }),
        };
        if recorded.sequence <= folding.head.sequence {
            // The snapshot is younger than the floor.
            return Ok(());
        }
        if recorded.sequence != folding.head.sequence + 1 {
            // A flat account that was not in memory when the floor moved past its events.
            self.accounts.remove(&account_id);
            self.apart.insert(account_id);
            return Ok(());
        }
        evolve(&mut folding.account, recorded)?;
        folding.head = ChainHead {
            sequence: recorded.sequence,
            hash: recorded.hash,
        };
        Ok(())
    }

    async fn load_apart(
        &mut self,
        shared: &Shared,
        account_id: AccountId,
    ) -> Result<(), EngineError> {
        let Some(loaded) = load_account(&shared.store, account_id).await? else {
            return Ok(());
        };
        let folding = Folding {
            head: loaded.handle.head(),
            account: loaded.account,
            snapshot_sequence: loaded.snapshot_sequence,
        };
        self.accounts.insert(account_id, folding);
        Ok(())
    }

    /// Accounts that rest nothing are let go, with their snapshot up to date: the floor may move
    /// past their events without asking again.
    fn finish(self, shared: &Shared) -> Vec<Recovered> {
        let mut recovered = Vec::new();
        for (account_id, folding) in self.accounts {
            let handle = StreamHandle::new(account_stream(account_id), folding.head);
            let is_flat = folding.account.orders.is_empty() && folding.account.positions.is_empty();
            if !is_flat {
                recovered.push(Recovered {
                    account_id,
                    account: folding.account,
                    handle,
                    snapshot_sequence: folding.snapshot_sequence,
                });
            } else if folding.head.sequence > folding.snapshot_sequence {
                let snapshot = snapshot_of(&folding.account, &handle, folding.head);
                shared.saver.save(snapshot);
            }
        }
        recovered
    }
}

fn parse_id(text: &str) -> Result<AccountId, EngineError> {
    AccountId::from_str(text)
        .map_err(|_error| EngineError::Corrupt(format!("{text} is not an account's identifier")))
}
