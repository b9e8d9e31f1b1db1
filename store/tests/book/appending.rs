//! Appends: in one gap-free order, with what stands beside the events.

use std::collections::HashMap;

use daybook_store::{AppendError, IdempotencyRow, SecretRow, UniqueRow};
use uuid::Uuid;

use crate::support::{
    Node, Stream, answer, held::Held, noted, number, patient, submission, whole_book, writer,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn events_of_many_callers_stand_in_one_gapless_order_and_each_stream_in_its_own() {
    let node = Node::start().await;
    let mut tasks = tokio::task::JoinSet::new();
    for caller in 0..16_u64 {
        let writer = node.writer.clone();
        tasks.spawn(async move {
            let mut stream = Stream::new();
            let mut positions = Vec::new();
            for step in 0..40 {
                // Some wait for the answer, some go on at once.
                let first = stream.note(&writer, caller * 1_000 + step * 2);
                let second = stream.note(&writer, caller * 1_000 + step * 2 + 1);
                positions.push(first.outcome().await.unwrap().position);
                positions.push(second.outcome().await.unwrap().position);
            }
            (stream.id().clone(), positions)
        });
    }
    let acknowledged: HashMap<_, _> = tasks.join_all().await.into_iter().collect();
    let events = whole_book(&node.store).await;
    assert_eq!(events.len(), 16 * 80);
    for (stream, positions) in acknowledged {
        let own: Vec<_> = events
            .iter()
            .filter(|event| event.aggregate_id == stream.aggregate_id)
            .collect();
        assert_eq!(
            own.iter().map(|event| event.position).collect::<Vec<_>>(),
            positions
        );
        assert!(own.iter().map(|event| event.sequence).eq(1..=80));
        assert!(own.iter().map(|event| number(event) % 1_000).eq(0..80));
    }
    let stats = node.writer.stats();
    assert!(
        stats.batches < stats.events,
        "callers at once share appends: {stats:?}"
    );
}

#[tokio::test]
async fn what_stands_beside_the_events_is_committed_with_them() {
    let node = Node::start().await;
    let (mut one, pending) = submission();
    let subject = Uuid::now_v7();
    let (key, new_key) = node.store.keys().create(subject);
    let mut stream = Stream::new();
    one.appends.push(stream.append(vec![noted(1), noted(2)]));
    one.uniques.push(UniqueRow {
        kind: "email",
        value: "a".into(),
        owner: subject,
    });
    one.secrets.push(password(subject, "hash"));
    one.keys.push(new_key);
    node.writer.submit(one);
    assert_eq!(pending.outcome().await.unwrap().position, 2);
    let store = &node.store;
    assert_eq!(
        store.unique_owner("email", "a").await.unwrap(),
        Some(subject)
    );
    assert_eq!(
        store.secret(subject, "password").await.unwrap().as_deref(),
        Some("hash")
    );
    let found = store.keys().get(subject).await.unwrap();
    assert_eq!(
        found.open("email", &key.seal("email", "a@b")).unwrap(),
        "a@b"
    );

    let (mut other, pending) = submission();
    other.secrets.push(password(subject, "newer"));
    node.writer.submit(other);
    assert_eq!(
        pending.outcome().await.unwrap().position,
        2,
        "no events: the head's position"
    );
    assert_eq!(
        store.secret(subject, "password").await.unwrap().as_deref(),
        Some("newer")
    );
}

#[tokio::test]
async fn an_answer_is_kept_with_what_it_answers_until_it_expires() {
    let node = Node::start().await;
    let mut stream = Stream::new();
    let (mut one, pending) = submission();
    one.appends.push(stream.append(vec![noted(1), noted(2)]));
    one.idempotency = Some(answer("k", &stream.id().aggregate_id));
    node.writer.submit(one);
    let committed = pending.outcome().await.unwrap();
    let store = &node.store;
    let kept = store
        .idempotency("caller route", "k")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        kept,
        IdempotencyRow {
            position: 2,
            ..answer("k", &stream.id().aggregate_id)
        }
    );
    let hot = store
        .idempotency_of("caller", &stream.id().aggregate_id, committed.recorded_at)
        .await;
    assert_eq!(hot.unwrap(), [kept]);

    let later = committed.recorded_at + chrono::TimeDelta::seconds(1);
    let expired = store
        .idempotency_of("caller", &stream.id().aggregate_id, later)
        .await;
    assert_eq!(expired.unwrap(), []);
    assert_eq!(
        store
            .expire_idempotency(committed.recorded_at)
            .await
            .unwrap(),
        0
    );
    assert_eq!(store.expire_idempotency(later).await.unwrap(), 1);
    assert_eq!(store.idempotency("caller route", "k").await.unwrap(), None);
}

fn password(subject: Uuid, value: &str) -> SecretRow {
    SecretRow {
        subject,
        name: "password",
        value: value.into(),
    }
}

#[tokio::test]
async fn two_owners_of_one_stream_are_told_apart_by_its_sequence() {
    let node = Node::start().await;
    let id = Uuid::now_v7();
    let (mut one, mut two) = (Stream::named(id), Stream::named(id));
    one.note(&node.writer, 1).outcome().await.unwrap();
    let refused = two.note(&node.writer, 2).outcome().await;
    assert_eq!(refused, Err(AppendError::StaleGeneration(two.id().clone())));
    two.reload(&node.store).await;
    two.note(&node.writer, 2).outcome().await.unwrap();
    let numbers: Vec<u64> = whole_book(&node.store).await.iter().map(number).collect();
    assert_eq!(numbers, [1, 2]);
}

#[tokio::test]
async fn a_submission_that_skips_a_sequence_is_refused() {
    let node = Node::start().await;
    let mut stream = Stream::new();
    stream.next = 2;
    let refused = stream.note(&node.writer, 1).outcome().await;
    assert_eq!(
        refused,
        Err(AppendError::StaleGeneration(stream.id().clone()))
    );
    assert_eq!(whole_book(&node.store).await, []);
}

#[tokio::test]
async fn a_barrier_is_answered_after_everything_submitted_before_it() {
    let node = Node::start().await;
    let held = Held::hold(&node, &mut Stream::new()).await;
    let mut stream = Stream::new();
    let mut before = stream.note(&node.writer, 1);
    let (mut barrier, mut pending) = submission();
    barrier
        .rests_on
        .push((stream.handle.clone(), stream.generation));
    node.writer.submit(barrier);
    tokio::task::yield_now().await;
    assert!(
        before.is_open() && pending.is_open(),
        "neither is known yet"
    );
    held.release().await;
    let position = pending.outcome().await.unwrap().position;
    assert_eq!(position, before.outcome().await.unwrap().position);
    let (alone, pending) = submission();
    node.writer.submit(alone);
    assert_eq!(pending.outcome().await.unwrap().position, position);
}

#[tokio::test]
async fn a_callback_that_panics_harms_nobody_else() {
    let node = Node::start().await;
    let (mut bad, _) = submission();
    bad.on_outcome = Box::new(|_| panic!("a caller's mistake"));
    node.writer.submit(bad);
    Stream::new().note(&node.writer, 1).outcome().await.unwrap();
}

#[tokio::test]
async fn time_never_runs_backwards_even_when_the_clock_does() {
    let node = Node::start().await;
    let ahead = "update public.head set recorded_at = clock_timestamp() + interval '1 hour'";
    let mut stream = Stream::new();
    stream.note(&node.writer, 1).outcome().await.unwrap();
    let Node {
        database,
        store,
        leadership,
        ..
    } = node;
    leadership.resign().await;
    sqlx::query(ahead)
        .execute(&database.pool().await)
        .await
        .unwrap();
    let recorded_at = store.head().await.unwrap().recorded_at;
    let next = daybook_store::Leadership::start_with(store.clone(), "next".into(), patient());
    let committed = stream
        .note(&writer(&next).await, 2)
        .outcome()
        .await
        .unwrap();
    assert!(committed.recorded_at >= recorded_at);
    assert_eq!(whole_book(&store).await.len(), 2);
}
