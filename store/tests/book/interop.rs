//! Others at the same book: aggregates of any `cqrs-es` user, and an unmodified `postgres-es`.

use std::{collections::HashMap, sync::Arc};

use cqrs_es::{
    Aggregate, AggregateError, CqrsFramework, DomainEvent, EventStore, event_sink::EventSink,
    persist::PersistedEventStore,
};
use daybook_domain::{
    Account, AccountEvent,
    account::EVENT_VERSION,
    testing::{histories, play},
};
use daybook_store::{NewEvent, PostgresEventStore, StreamHandle, StreamId};
use postgres_es::PostgresEventRepository;
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::support::{Node, Stream, submission, whole_book};

/// A jar of coins that refuses to go below zero.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Jar {
    coins: u64,
    changes: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum JarEvent {
    Filled { coins: u64 },
    Emptied { coins: u64 },
}

impl DomainEvent for JarEvent {
    fn event_type(&self) -> String {
        match self {
            Self::Filled { .. } => "Filled".to_owned(),
            Self::Emptied { .. } => "Emptied".to_owned(),
        }
    }

    fn event_version(&self) -> String {
        "1.0".to_owned()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("only {0} coins")]
struct TooFew(u64);

/// Positive fills, negative empties.
struct Change(i64);

impl Aggregate for Jar {
    const TYPE: &'static str = "jar";
    type Command = Change;
    type Event = JarEvent;
    type Error = TooFew;
    type Services = ();

    async fn handle(
        &mut self,
        Change(by): Change,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), TooFew> {
        let coins = by.unsigned_abs();
        if by < 0 && coins > self.coins {
            return Err(TooFew(self.coins));
        }
        let event = if by < 0 {
            JarEvent::Emptied { coins }
        } else {
            JarEvent::Filled { coins }
        };
        sink.write(event, self).await;
        Ok(())
    }

    fn apply(&mut self, event: JarEvent) {
        self.changes += 1;
        match event {
            JarEvent::Filled { coins } => self.coins += coins,
            JarEvent::Emptied { coins } => self.coins -= coins,
        }
    }
}

fn ours(node: &Node) -> PostgresEventStore<Jar> {
    PostgresEventStore::new(node.store.clone(), node.writer.clone())
}

#[tokio::test]
async fn a_cqrs_framework_runs_on_the_book_and_postgres_es_reads_the_same() {
    let node = Node::start().await;
    let framework = CqrsFramework::new(ours(&node), vec![], ());
    let from = HashMap::from([("actor".to_owned(), "test".to_owned())]);
    for by in [5, 7, -3] {
        framework
            .execute_with_metadata("glass", Change(by), from.clone())
            .await
            .unwrap();
    }
    let refused = framework.execute("glass", Change(-100)).await;
    assert!(matches!(refused, Err(AggregateError::UserError(TooFew(9)))));

    let repository = PostgresEventRepository::new(node.database.pool().await);
    let theirs = PersistedEventStore::<_, Jar>::new_event_store(repository);
    let expected = Jar {
        coins: 9,
        changes: 3,
    };
    assert_eq!(
        theirs.load_aggregate("glass").await.unwrap().aggregate,
        expected
    );
    assert_eq!(
        ours(&node).load_aggregate("glass").await.unwrap().aggregate,
        expected
    );
    let (our_events, their_events) = (
        ours(&node).load_events("glass").await.unwrap(),
        theirs.load_events("glass").await.unwrap(),
    );
    assert_eq!(our_events.len(), 3);
    for (our, their) in our_events.iter().zip(&their_events) {
        assert_eq!(
            (&our.payload, our.sequence, &our.metadata, &our.aggregate_id),
            (
                &their.payload,
                their.sequence,
                &their.metadata,
                &their.aggregate_id
            ),
        );
        assert_eq!(our.metadata, from);
    }
    assert_eq!(whole_book(&node.store).await.len(), 3);
}

#[tokio::test]
async fn of_two_commits_on_one_state_the_second_is_a_conflict() {
    let node = Node::start().await;
    let store = ours(&node);
    let (one, two) = (
        store.load_aggregate("glass").await.unwrap(),
        store.load_aggregate("glass").await.unwrap(),
    );
    let event = vec![JarEvent::Filled { coins: 1 }];
    let committed = store
        .commit(event.clone(), one, HashMap::new())
        .await
        .unwrap();
    assert_eq!(committed[0].sequence, 1);
    let conflict = store.commit(event, two, HashMap::new()).await;
    assert!(matches!(conflict, Err(AggregateError::AggregateConflict)));
    assert_eq!(whole_book(&node.store).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_commands_on_one_aggregate_are_all_decided_on_the_newest_state() {
    let node = Node::start().await;
    let framework = Arc::new(CqrsFramework::new(ours(&node), vec![], ()));
    framework.execute("glass", Change(50)).await.unwrap();
    let mut takers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let framework = framework.clone();
        takers.spawn(async move {
            let mut taken = 0;
            while taken < 10 {
                match framework.execute("glass", Change(-1)).await {
                    Ok(()) => taken += 1,
                    Err(AggregateError::AggregateConflict) => {}
                    Err(AggregateError::UserError(_)) => break,
                    Err(other) => panic!("{other}"),
                }
            }
            taken
        });
    }
    let taken: u64 = takers.join_all().await.into_iter().sum();
    assert_eq!(taken, 50);
    let jar = ours(&node).load_aggregate("glass").await.unwrap().aggregate;
    assert_eq!(
        jar,
        Jar {
            coins: 0,
            changes: 51
        }
    );
    let stream = StreamId::parse("jar-glass").unwrap();
    assert_eq!(
        node.store.read_stream(&stream, 0, 100).await.unwrap().len(),
        51
    );
}

/// Writes the events as the engine does, in submissions of a few.
async fn write_account(node: &Node, events: &[AccountEvent]) -> Stream {
    let id = StreamId::new(Account::TYPE, Uuid::now_v7());
    let mut stream = Stream::on(StreamHandle::new(id, Default::default()));
    let mut pending = Vec::new();
    for events in events.chunks(7) {
        let encode = |event: &AccountEvent| NewEvent {
            event_type: AccountEvent::event_type(event),
            event_version: EVENT_VERSION,
            payload: serde_json::to_string(event).unwrap(),
        };
        let (mut one, outcome) = submission();
        one.appends
            .push(stream.append(events.iter().map(encode).collect()));
        node.writer.submit(one);
        pending.push(outcome);
    }
    for outcome in pending {
        outcome.outcome().await.unwrap();
    }
    stream
}

#[tokio::test]
async fn an_unmodified_postgres_es_loads_our_accounts_to_the_same_state() {
    let node = Node::start().await;
    let repository = PostgresEventRepository::new(node.database.pool().await);
    let theirs = PersistedEventStore::<_, Account>::new_event_store(repository);
    let ours = PostgresEventStore::<Account>::new(node.store.clone(), node.writer.clone());
    let mut runner = TestRunner::deterministic();
    let mut tried = 0;
    while tried < 12 {
        let history = histories(40..80).new_tree(&mut runner).unwrap().current();
        let mut live = Account::default();
        let tally = play(&history, |moment| live = moment.after.clone());
        if !tally.is_meaningful() {
            continue;
        }
        tried += 1;
        let stream = write_account(&node, &tally.events).await;
        let id = &*stream.id().aggregate_id;
        let loaded = theirs.load_aggregate(id).await.unwrap();
        assert_eq!(loaded.current_sequence, tally.events.len());
        assert_eq!(loaded.aggregate, live);
        assert_eq!(ours.load_aggregate(id).await.unwrap().aggregate, live);
        let mut folded = Account::default();
        for event in node.store.load(stream.id(), 1).await.unwrap().tail {
            folded.evolve(&event.decode().unwrap());
        }
        assert_eq!(folded, live);
    }
    assert!(whole_book(&node.store).await.len() > 12 * 20);
}
