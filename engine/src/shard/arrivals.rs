//! Accounts on their way into memory: asked for the first time, or reloaded after a failed append.

use std::time::Duration;

use daybook_domain::AccountId;
use daybook_store::IdempotencyRow;

use super::{
    Note, Pending, Seat, Shard,
    note::Arrived,
    seat::{Answers, Gate},
};
use crate::{
    error::EngineError,
    load::{LoadedAccount, load_account},
    shared::{Shared, shard_of},
};

const RETRY_AFTER: Duration = Duration::from_millis(250);

/// An account being loaded.
pub(crate) struct Arrival {
    pub waiting: Vec<Pending>,
    /// It was hot before, and its orders and positions have to come back: the load is repeated
    /// until it succeeds.
    pub returns: bool,
}

impl Arrival {
    /// Somebody asks for an account that is not in memory.
    pub fn asked_for(pending: Pending) -> Self {
        Self {
            waiting: vec![pending],
            returns: false,
        }
    }

    /// What is to be decided about it does not wait here.
    pub fn of_nobody() -> Self {
        Self {
            waiting: Vec::new(),
            returns: false,
        }
    }
}

impl Shard {
    /// Starts loading an account.
    pub(super) fn load(&mut self, account_id: AccountId, arrival: Arrival) {
        let repeat = arrival.returns;
        self.arrivals.insert(account_id, arrival);
        let shared = self.clerk.shared.clone();
        let notes = self.clerk.notes.clone();
        tokio::spawn(async move {
            loop {
                let result = load(&shared, account_id).await;
                let is_done = result.is_ok() || !repeat;
                let arrived = Arrived { account_id, result };
                let ended = notes.send(Note::Arrived(Box::new(arrived))).is_err();
                if is_done || ended {
                    return;
                }
                tokio::time::sleep(RETRY_AFTER).await;
            }
        });
    }

    /// A load has come back.
    pub(super) fn arrived(&mut self, arrived: Arrived) {
        let account_id = arrived.account_id;
        let Some(mut arrival) = self.arrivals.remove(&account_id) else {
            return;
        };
        let waiting = std::mem::take(&mut arrival.waiting);
        match arrived.result {
            Ok(Some((loaded, answers))) if self.is_home_of(&loaded) => {
                self.welcome(account_id, loaded, answers);
                for pending in waiting {
                    self.dispatch(pending);
                }
            }
            Ok(Some(_) | None) => {
                for pending in waiting {
                    pending.answer(Err(EngineError::NotFound));
                }
            }
            Err(error) => {
                tracing::warn!(%error, %account_id, "an account could not be loaded");
                for pending in waiting {
                    pending.answer(Err(same(&error)));
                }
                if arrival.returns {
                    self.arrivals.insert(account_id, arrival);
                }
            }
        }
    }

    /// Seats a loaded account; the market may have passed its levels meanwhile.
    fn welcome(
        &mut self,
        account_id: AccountId,
        loaded: LoadedAccount,
        answers: Vec<IdempotencyRow>,
    ) {
        let at = self.now();
        let answers = Answers::of_rows(answers, at);
        let mut seat = Seat::new(loaded.handle, loaded.snapshot_sequence, Some(answers));
        self.uses += 1;
        seat.last_used = self.uses;
        self.clerk.seats.insert(account_id, seat);
        self.desk.seat(account_id, loaded.account);
        if !self.fenced {
            self.desk.prepare(account_id, at, &mut self.clerk);
            self.desk.settle(at, &mut self.clerk);
            self.desk.evaluate(at, &mut self.clerk);
        }
        self.passivate();
    }

    /// The answers of a recovered account have been read.
    pub(super) fn answers_read(
        &mut self,
        account_id: AccountId,
        result: Result<Vec<IdempotencyRow>, EngineError>,
    ) {
        let at = self.now();
        let Some(seat) = self.clerk.seats.get_mut(&account_id) else {
            return;
        };
        if seat.gate != Gate::LoadingAnswers {
            // An append failed meanwhile: they are read again with the account.
            return;
        }
        seat.gate = Gate::Open;
        let waiting = std::mem::take(&mut seat.waiting);
        match result {
            Ok(rows) => {
                seat.answers = Some(Answers::of_rows(rows, at));
                for pending in waiting {
                    self.dispatch(pending);
                }
            }
            Err(error) => {
                for pending in waiting {
                    pending.answer(Err(same(&error)));
                }
            }
        }
    }

    /// Another client's account belongs to another shard, and is none of this one's business.
    fn is_home_of(&self, loaded: &LoadedAccount) -> bool {
        let shards = self.clerk.shared.config.shards.max(1);
        let terms = loaded.account.terms.as_ref();
        terms.is_some_and(|terms| shard_of(terms.client_id, shards) == self.index)
    }
}

async fn load(
    shared: &Shared,
    account_id: AccountId,
) -> Result<Option<(LoadedAccount, Vec<IdempotencyRow>)>, EngineError> {
    let turn = shared.loads.acquire().await;
    let _turn = turn.map_err(|_closed| EngineError::Unavailable)?;
    let Some(loaded) = load_account(&shared.store, account_id).await? else {
        return Ok(None);
    };
    let since = shared.answers_since();
    let owner = loaded.account.terms.map(|terms| terms.client_id);
    let caller = owner.unwrap_or_default().to_string();
    let answers = shared
        .store
        .idempotency_of(&caller, &account_id.to_string(), since)
        .await?;
    Ok(Some((loaded, answers)))
}

/// The same for each of several callers.
fn same(error: &EngineError) -> EngineError {
    match error {
        EngineError::Corrupt(detail) => EngineError::Corrupt(detail.clone()),
        EngineError::NotLeader
        | EngineError::Overloaded
        | EngineError::Unavailable
        | EngineError::NotFound
        | EngineError::IdempotencyKeyReused
        | EngineError::UniqueTaken { .. }
        | EngineError::ClientRefused(_)
        | EngineError::StaffRefused(_)
        | EngineError::AccountRefused(_)
        | EngineError::NotSettled { .. }
        | EngineError::InstrumentRefused(_)
        | EngineError::EndpointRefused(_)
        | EngineError::Store(_) => EngineError::Unavailable,
    }
}
