//! Refusals: each bad submission alone, with what was decided on top of it and nothing else.

use daybook_store::{
    AppendError, Leadership, LeadershipConfig, NewEvent, UniqueRow, testing::TestDatabase,
};
use uuid::Uuid;

use crate::support::{
    Node, Stream, answer, held::Held, noted, number, patient, submission, whole_book, writer,
};

#[tokio::test]
async fn a_bad_submission_is_refused_alone_and_takes_only_what_rests_on_it() {
    let node = Node::start().await;
    let mut blocker = Stream::new();
    let held = Held::hold(&node, &mut blocker).await;
    let mut good: Vec<Stream> = (0..20).map(|_| Stream::new()).collect();
    let mut pending = Vec::new();
    for stream in &mut good[..10] {
        pending.push(stream.note(&node.writer, 1));
    }
    let mut bad = Stream::new();
    let (mut broken, refused) = submission();
    let payload = "not json".to_owned();
    let event = NewEvent {
        event_type: "Noted",
        event_version: "1.0",
        payload,
    };
    broken.appends.push(bad.append(vec![event]));
    node.writer.submit(broken);
    let follows = bad.note(&node.writer, 2);
    let (mut resting, rests) = submission();
    resting.rests_on.push((bad.handle.clone(), bad.generation));
    node.writer.submit(resting);
    let mut partner = Stream::new();
    let (mut both, with_bad) = submission();
    both.appends.push(partner.append(vec![noted(3)]));
    both.appends.push(bad.append(vec![noted(4)]));
    node.writer.submit(both);
    let after_partner = partner.note(&node.writer, 5);
    for stream in &mut good[10..] {
        pending.push(stream.note(&node.writer, 1));
    }
    held.release().await;

    for one in pending {
        one.outcome().await.unwrap();
    }
    assert!(matches!(
        refused.outcome().await,
        Err(AppendError::Refused(_))
    ));
    let stale = |stream: &Stream| Err(AppendError::StaleGeneration(stream.id().clone()));
    assert_eq!(follows.outcome().await, stale(&bad));
    assert_eq!(rests.outcome().await, stale(&bad));
    assert_eq!(with_bad.outcome().await, stale(&bad));
    assert_eq!(after_partner.outcome().await, stale(&partner));
    assert!(node.writer.stats().bisected > 0, "they shared a batch");
    assert_eq!(whole_book(&node.store).await.len(), 21);

    bad.reload(&node.store).await;
    partner.reload(&node.store).await;
    bad.note(&node.writer, 6).outcome().await.unwrap();
    partner.note(&node.writer, 7).outcome().await.unwrap();
    assert_eq!(whole_book(&node.store).await.len(), 23);
}

#[tokio::test]
async fn what_is_decided_on_top_of_the_append_in_flight_follows_it() {
    let node = Node::start().await;
    let mut stream = Stream::new();
    let held = Held::hold(&node, &mut stream).await;
    let behind = [stream.note(&node.writer, 1), stream.note(&node.writer, 2)];
    held.release().await;
    for one in behind {
        one.outcome().await.unwrap();
    }
    let numbers: Vec<u64> = whole_book(&node.store).await.iter().map(number).collect();
    assert_eq!(numbers, [0, 1, 2]);
}

#[tokio::test]
async fn when_the_append_in_flight_is_refused_only_what_rests_on_it_falls_with_it() {
    let node = Node::start().await;
    let owner = Uuid::now_v7();
    let unique = || UniqueRow {
        kind: "email",
        value: "taken".into(),
        owner,
    };
    let (mut first, pending) = submission();
    first.uniques.push(unique());
    node.writer.submit(first);
    pending.outcome().await.unwrap();

    let (mut refused, pending) = submission();
    let (mut bad, mut other) = (Stream::new(), Stream::new());
    refused.appends.push(bad.append(vec![noted(1)]));
    refused.uniques.push(unique());
    let held = Held::hold_with(&node, refused).await;
    let on_top = bad.note(&node.writer, 2);
    let beside = [other.note(&node.writer, 3), other.note(&node.writer, 4)];
    held.release().await;

    let kind = "email".to_owned();
    assert_eq!(
        pending.outcome().await,
        Err(AppendError::UniqueTaken { kind })
    );
    let stale = Err(AppendError::StaleGeneration(bad.id().clone()));
    assert_eq!(on_top.outcome().await, stale);
    for one in beside {
        one.outcome().await.unwrap();
    }
    let numbers: Vec<u64> = whole_book(&node.store).await.iter().map(number).collect();
    assert_eq!(numbers, [3, 4]);
}

#[tokio::test]
async fn what_arrives_while_a_refused_batch_is_divided_waits_for_its_turn() {
    let node = Node::start().await;
    let slow = "create function slow() returns trigger language plpgsql as \
         $$ begin perform pg_sleep(0.1); return null; end $$; \
         create trigger slow before insert on public.events \
           for each statement execute function slow()";
    sqlx::raw_sql(slow)
        .execute(node.store.pool())
        .await
        .unwrap();
    let held = Held::hold(&node, &mut Stream::new()).await;
    let mut last = Stream::new();
    let mut pending = vec![Stream::new().note(&node.writer, 1)];
    let (mut bad, refused) = submission();
    let payload = "not json".to_owned();
    bad.appends.push(Stream::new().append(vec![NewEvent {
        payload,
        ..noted(0)
    }]));
    node.writer.submit(bad);
    pending.push(last.note(&node.writer, 2));
    held.release().await;
    // Through all the halves: on the stream whose first event is in the last of them.
    let mut refused = refused;
    while refused.is_open() || pending.len() < 40 {
        pending.push(last.note(&node.writer, 3));
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    for one in pending {
        one.outcome().await.unwrap();
    }
    assert!(node.writer.stats().bisected > 0);
    whole_book(&node.store).await;
}

#[tokio::test]
async fn a_unique_value_is_taken_by_the_first_even_within_one_batch() {
    let node = Node::start().await;
    let held = Held::hold(&node, &mut Stream::new()).await;
    let register = |email: &str, number: &str| {
        let (mut one, pending) = submission();
        let owner = Uuid::now_v7();
        one.appends
            .push(Stream::named(owner).append(vec![noted(1)]));
        for (kind, value) in [("account_number", number), ("email", email)] {
            one.uniques.push(UniqueRow {
                kind,
                value: value.to_owned(),
                owner,
            });
        }
        node.writer.submit(one);
        (owner, pending)
    };
    let (owner, first) = register("a, (b)=(c", "1");
    let (_, same_email) = register("a, (b)=(c", "2");
    let (_, same_number) = register("d", "1");
    let (_, other) = register("d", "3");
    held.release().await;
    first.outcome().await.unwrap();
    let taken = |kind: &str| {
        Err(AppendError::UniqueTaken {
            kind: kind.to_owned(),
        })
    };
    assert_eq!(same_email.outcome().await, taken("email"));
    assert_eq!(same_number.outcome().await, taken("account_number"));
    other.outcome().await.unwrap();
    assert_eq!(
        node.store.unique_owner("email", "a, (b)=(c").await.unwrap(),
        Some(owner)
    );
    assert_eq!(whole_book(&node.store).await.len(), 3);
}

#[tokio::test]
async fn an_idempotency_key_is_used_once_and_its_second_user_appends_nothing() {
    let node = Node::start().await;
    let held = Held::hold(&node, &mut Stream::new()).await;
    let mut pending = Vec::new();
    for _ in 0..5 {
        let mut stream = Stream::new();
        let (mut one, outcome) = submission();
        one.appends.push(stream.append(vec![noted(1)]));
        one.idempotency = Some(answer("same", &stream.id().aggregate_id));
        node.writer.submit(one);
        pending.push(outcome);
    }
    held.release().await;
    let mut outcomes = Vec::new();
    for one in pending {
        outcomes.push(one.outcome().await);
    }
    assert_eq!(outcomes[0].as_ref().unwrap().position, 2);
    assert!(
        outcomes[1..]
            .iter()
            .all(|o| *o == Err(AppendError::IdempotencyKeyUsed))
    );
    assert_eq!(
        node.store
            .idempotency("caller route", "same")
            .await
            .unwrap()
            .unwrap()
            .position,
        2
    );
    assert_eq!(whole_book(&node.store).await.len(), 2);
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_what_was_decided_on_top_falls_too() {
    let database = TestDatabase::start().await;
    let store = database.store().await;
    let config = LeadershipConfig {
        queue_max: 2,
        ..patient()
    };
    let leadership = Leadership::start_with(store.clone(), "first".into(), config);
    let writer = writer(&leadership).await;
    let node = Node {
        database,
        store,
        leadership,
        writer,
    };
    let held = Held::hold(&node, &mut Stream::new()).await;
    let (mut queued, mut refused) = (Stream::new(), Stream::new());
    let waits = [queued.note(&node.writer, 1), queued.note(&node.writer, 2)];
    let overloaded = refused.note(&node.writer, 3).outcome().await;
    assert_eq!(overloaded, Err(AppendError::Overloaded));
    held.release().await;
    for one in waits {
        one.outcome().await.unwrap();
    }
    let (mut barrier, pending) = submission();
    barrier
        .rests_on
        .push((refused.handle.clone(), refused.generation));
    node.writer.submit(barrier);
    let stale = Err(AppendError::StaleGeneration(refused.id().clone()));
    assert_eq!(pending.outcome().await, stale);
    assert_eq!(refused.note(&node.writer, 4).outcome().await, stale);
    assert_eq!(whole_book(&node.store).await.len(), 3);
}
