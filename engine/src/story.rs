//! An account's story as the book tells it: its events one by one, folded by the code that trades.

use std::vec;

use daybook_domain::{Account, AccountEvent, AccountId, Timestamp};
use daybook_store::{Recorded, Store, StreamId};

use crate::{error::EngineError, shared::account_stream};

/// Events read at once.
const PAGE: i64 = 1_000;

/// How far a story is told: up to and including the last event for which all that is given holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Until {
    /// Recorded by this instant.
    pub as_of: Option<Timestamp>,
    /// At this position of the book or in front of it.
    pub position: Option<i64>,
    /// At this sequence of the stream or in front of it.
    pub sequence: Option<i64>,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// As it stands in the book.
    pub recorded: Recorded,
    /// As the domain has it.
    pub event: AccountEvent,
}

/// A story being told. Reads a page at a time; memory does not grow with the stream.
pub struct Story {
    store: Store,
    stream: StreamId,
    until: Until,
    page: vec::IntoIter<Recorded>,
    sequence: i64,
    is_over: bool,
    account: Account,
}

impl Story {
    /// From the account's opening on.
    #[must_use]
    pub fn of(store: Store, account_id: AccountId, until: Until) -> Self {
        Self {
            store,
            stream: account_stream(account_id),
            until,
            page: Vec::new().into_iter(),
            sequence: 0,
            is_over: false,
            account: Account::default(),
        }
    }

    /// The account after the event told last.
    #[must_use]
    pub const fn account(&self) -> &Account {
        &self.account
    }

    /// The same, kept.
    #[must_use]
    pub fn into_account(self) -> Account {
        self.account
    }

    /// The next event; none at the end. [`Story::account`] is the state after it then.
    ///
    /// # Errors
    /// [`EngineError`] when the book cannot be read.
    pub async fn next(&mut self) -> Result<Option<Step>, EngineError> {
        if self.is_over {
            return Ok(None);
        }
        let next = match self.page.next() {
            Some(recorded) => Some(recorded),
            None => {
                let page = self.store.read_stream(&self.stream, self.sequence, PAGE);
                self.page = page.await?.into_iter();
                self.page.next()
            }
        };
        let Some(recorded) = next.filter(|recorded| self.until.holds(recorded)) else {
            self.is_over = true;
            return Ok(None);
        };
        self.sequence = recorded.sequence;
        let event: AccountEvent = recorded.decode()?;
        self.account.evolve(&event);
        Ok(Some(Step { recorded, event }))
    }
}

impl Until {
    fn holds(&self, recorded: &Recorded) -> bool {
        self.as_of.is_none_or(|as_of| recorded.recorded_at <= as_of)
            && self.position.is_none_or(|last| recorded.position <= last)
            && self.sequence.is_none_or(|last| recorded.sequence <= last)
    }
}
