//! Spreads the book over the workers of a rebuild, so that what depends on one another meets the
//! same worker in order.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use daybook_domain::{AccountEvent, AccountId};
use daybook_store::Recorded;

use crate::{
    error::ProjectionError,
    facts::{self, ACCOUNT, CLIENT},
    projection::Partition,
};

/// Decides which worker applies an event. Has to see every event from the first on.
pub(crate) struct Router {
    partition: Partition,
    workers: u64,
    /// Owners of accounts, where they decide.
    owners: HashMap<AccountId, Box<str>>,
}

impl Router {
    pub(crate) fn new(partition: Partition, workers: usize) -> Self {
        Self {
            partition,
            workers: u64::try_from(workers.max(1)).unwrap_or(1),
            owners: HashMap::new(),
        }
    }

    /// Workers that a projection of this partition can use.
    pub(crate) fn workers(partition: Partition, asked: usize) -> usize {
        match partition {
            Partition::Stream | Partition::Client => asked.max(1),
            Partition::Global => 1,
        }
    }

    /// The worker of an event.
    pub(crate) fn worker(&mut self, recorded: &Recorded) -> Result<usize, ProjectionError> {
        let mut hasher = DefaultHasher::new();
        match self.partition {
            Partition::Stream => {
                (&recorded.aggregate_type, &recorded.aggregate_id).hash(&mut hasher);
            }
            Partition::Client => self.client(recorded)?.hash(&mut hasher),
            Partition::Global => {}
        }
        let worker = hasher.finish() % self.workers;
        Ok(usize::try_from(worker).unwrap_or(0))
    }

    /// The client whom an event concerns; none for those that concern nobody.
    fn client<'a>(
        &'a mut self,
        recorded: &'a Recorded,
    ) -> Result<Option<&'a str>, ProjectionError> {
        match &*recorded.aggregate_type {
            CLIENT => Ok(Some(&recorded.aggregate_id)),
            ACCOUNT => {
                let account = facts::id_of(recorded)?;
                if &*recorded.event_type == "AccountOpened" {
                    self.learn(account, recorded)?;
                }
                Ok(self.owners.get(&account).map(|owner| &**owner))
            }
            _nobody => Ok(None),
        }
    }

    fn learn(&mut self, account: AccountId, recorded: &Recorded) -> Result<(), ProjectionError> {
        let event = recorded
            .decode()
            .map_err(|error| ProjectionError::event(recorded.position, error.to_string()))?;
        if let AccountEvent::AccountOpened { client_id, .. } = event {
            self.owners.insert(account, client_id.to_string().into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use daybook_domain::{
        AccountEvent, AccountId, ClientId, Currency,
        account::{AccountKind, PositionMode},
    };
    use daybook_store::Recorded;
    use uuid::Uuid;

    use super::{Partition, Router};

    fn recorded(aggregate_type: &str, id: Uuid, event_type: &str, payload: &str) -> Recorded {
        Recorded {
            position: 1,
            aggregate_type: aggregate_type.into(),
            aggregate_id: id.to_string().into(),
            sequence: 1,
            event_type: event_type.into(),
            event_version: "1.0".into(),
            payload: payload.into(),
            metadata: "{}".into(),
            recorded_at: DateTime::UNIX_EPOCH,
            hash: [0; 32],
        }
    }

    fn opened(account: Uuid, client: Uuid) -> Recorded {
        let event = AccountEvent::AccountOpened {
            client_id: ClientId(client),
            number: 100_001,
            kind: AccountKind::Demo,
            mode: PositionMode::Hedging,
            currency: Currency::USD,
            leverage: 100,
            at: DateTime::UNIX_EPOCH,
        };
        let payload = serde_json::to_string(&event).unwrap();
        recorded("account", account, event.event_type(), &payload)
    }

    #[test]
    fn a_clients_accounts_meet_the_worker_of_the_client() {
        let mut router = Router::new(Partition::Client, 7);
        for number in 0..50_u128 {
            let client = Uuid::from_u128(number);
            let home = router.worker(&recorded("client", client, "ClientRegistered", "{}"));
            for account in [number + 1_000, number + 2_000] {
                let account = AccountId(Uuid::from_u128(account)).0;
                let opening = router.worker(&opened(account, client));
                let later = router.worker(&recorded("account", account, "OrderExpired", "{}"));
                assert_eq!(home.as_ref().unwrap(), &opening.unwrap());
                assert_eq!(home.as_ref().unwrap(), &later.unwrap());
            }
        }
    }

    #[test]
    fn streams_are_spread_over_all_workers_and_keep_theirs() {
        let mut router = Router::new(Partition::Stream, 4);
        let mut met = [false; 4];
        for number in 0..100_u128 {
            let event = recorded("account", Uuid::from_u128(number), "OrderExpired", "{}");
            let worker = router.worker(&event).unwrap();
            assert_eq!(worker, router.worker(&event).unwrap());
            met[worker] = true;
        }
        assert_eq!(met, [true; 4]);
    }

    #[test]
    fn what_depends_on_everything_has_one_worker() {
        assert_eq!(Router::workers(Partition::Global, 8), 1);
        assert_eq!(Router::workers(Partition::Stream, 8), 8);
        assert_eq!(Router::workers(Partition::Stream, 0), 1);
    }
}
