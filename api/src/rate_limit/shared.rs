//! Limits that all nodes share, in the book's database.
//!
//! A refusal is remembered here until it ends: whoever hammers costs the database nothing. That is
//! exact, because nobody but he himself can bring its end about, and only by waiting.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use daybook_store::{
    Keyring, Store,
    perimeter::{RateLimitTable, Spent},
};
use tokio::time::timeout;

use super::{Allowance, CALLERS_MAX, Caller, Class, Limit};
use crate::bounded::Bounded;

/// A decision that takes longer is made without the database.
const PATIENCE: Duration = Duration::from_secs(2);
/// So long the database is not asked again once it was away.
const AWAY: Duration = Duration::from_secs(1);

/// The limits' table, and what this node remembers of it.
pub(super) struct Shared {
    table: RateLimitTable,
    keys: Keyring,
    refused_until: Bounded<(Class, Caller), Instant>,
    away_until: Mutex<Option<Instant>>,
}

impl Shared {
    pub(super) fn new(store: &Store) -> Self {
        Self {
            table: RateLimitTable::new(store),
            keys: store.keys().clone(),
            refused_until: Bounded::new(CALLERS_MAX),
            away_until: Mutex::default(),
        }
    }

    /// Spends one request; none while the database is away.
    pub(super) async fn spend(
        &self,
        class: Class,
        caller: Caller,
        limit: &Limit<Caller>,
    ) -> Option<Allowance> {
        // Before the database is asked: what it says to be over by then is over.
        let now = Instant::now();
        let key = (class, caller);
        let known = self.refused_until.get(&key);
        if let Some(reset) = known.and_then(|until| until.checked_duration_since(now))
            && !reset.is_zero()
        {
            return Some(Allowance {
                limit: limit.max,
                remaining: 0,
                reset,
                allowed: false,
            });
        }
        let Spent { allowed, debt } = self.ask(class, caller, limit, now).await?;
        if allowed {
            return Some(limit.passed(debt));
        }
        let refused = limit.refused(debt);
        self.refused_until.insert(key, now + refused.reset);
        Some(refused)
    }

    async fn ask(
        &self,
        class: Class,
        caller: Caller,
        limit: &Limit<Caller>,
        now: Instant,
    ) -> Option<Spent> {
        if self.away().is_some_and(|until| until > now) {
            return None;
        }
        let name = self.name(caller);
        let asked = self
            .table
            .spend(word(class), &name, limit.interval, limit.max);
        let problem = match timeout(PATIENCE, asked).await {
            Ok(Ok(spent)) => return Some(spent),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        tracing::warn!(problem, "limits are counted by this node alone for a while");
        metrics::counter!("daybook_rate_limit_store_away_total").increment(1);
        *self.away() = Some(Instant::now() + AWAY);
        None
    }

    /// The caller as the table knows him; addresses are hashed, like everywhere at rest.
    fn name(&self, caller: Caller) -> String {
        match caller {
            Caller::Client(client) => format!("client {client}"),
            Caller::Staff(staff) => format!("staff {staff}"),
            Caller::Address(address) => {
                let address = address.to_string();
                let hash = self.keys.lookup_hash("rate_limit_address", &address);
                format!("address {hash}")
            }
        }
    }

    fn away(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        // An instant cannot be half-changed.
        self.away_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

const fn word(class: Class) -> &'static str {
    match class {
        Class::Auth => "auth",
        Class::Orders => "orders",
        Class::Crm => "crm",
        Class::Requests => "requests",
        Class::Free => "free",
    }
}
