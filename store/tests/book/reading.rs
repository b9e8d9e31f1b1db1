//! Reads: subscriptions, snapshots, upcasting.

use daybook_store::{
    ChainHead, MasterKey, Snapshot, Store, StoreConfig, StoreError, StreamId, Upcasters,
    testing::MASTER_KEY,
};
use serde_json::json;
use tokio::time::timeout;

use crate::support::{Node, PATIENCE, Stream, noted, number, submission};

const VERSION: i32 = 3;

async fn snapshot_at(store: &Store, stream: &StreamId, sequence: i64) -> Snapshot {
    let event = store
        .read_stream(stream, sequence - 1, 1)
        .await
        .unwrap()
        .remove(0);
    Snapshot {
        stream: stream.clone(),
        sequence,
        hash: event.hash,
        state_version: VERSION,
        state: format!(r#"{{"sequence":{sequence}}}"#),
    }
}

async fn stream_of(node: &Node, events: u64) -> Stream {
    let mut stream = Stream::new();
    let (mut one, pending) = submission();
    one.appends
        .push(stream.append((1..=events).map(noted).collect()));
    node.writer.submit(one);
    pending.outcome().await.unwrap();
    stream
}

#[tokio::test]
async fn a_subscription_catches_up_and_then_follows_live() {
    let node = Node::start().await;
    let mut stream = stream_of(&node, 10).await;
    let mut subscription = node.store.subscribe(4);
    let mut seen = Vec::new();
    while seen.len() < 6 {
        let batch = timeout(PATIENCE, subscription.next_batch(4))
            .await
            .unwrap()
            .unwrap();
        assert!(batch.len() <= 4);
        seen.extend(batch.iter().map(|event| event.position));
    }
    assert_eq!(seen, [5, 6, 7, 8, 9, 10]);
    let waiting = tokio::spawn(async move { subscription.next_batch(100).await });
    stream.note(&node.writer, 11).outcome().await.unwrap();
    let live = timeout(PATIENCE, waiting).await.unwrap().unwrap().unwrap();
    assert_eq!(live.iter().map(number).collect::<Vec<_>>(), [11]);
}

#[tokio::test]
async fn another_node_learns_of_commits_by_itself() {
    let node = Node::start().await;
    let other = node.database.connect_store().await;
    let mut committed = other.committed();
    stream_of(&node, 3).await;
    timeout(PATIENCE, committed.wait_for(|position| *position == 3))
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_gap_in_the_book_is_corruption_and_never_passed_over() {
    let node = Node::start().await;
    let stream = stream_of(&node, 5).await;
    let mut pool = node.database.pool().await.acquire().await.unwrap();
    for sql in [
        "alter table public.events disable trigger events_are_immutable",
        "grant delete on public.events to current_user",
        "delete from public.events where position = 3",
    ] {
        sqlx::query(sql).execute(&mut *pool).await.unwrap();
    }
    let all = node.store.read_all(0, 100).await;
    assert!(matches!(all, Err(StoreError::Corrupt { place, .. }) if place == "position 3"));
    let one = node.store.load(stream.id(), VERSION).await;
    assert!(matches!(one, Err(StoreError::Corrupt { .. })));
    let followed = timeout(PATIENCE, node.store.subscribe(0).next_batch(10))
        .await
        .unwrap();
    assert!(matches!(followed, Err(StoreError::Corrupt { .. })));
}

#[tokio::test]
async fn a_stream_is_loaded_from_its_snapshot_and_the_tail() {
    let node = Node::start().await;
    let stream = stream_of(&node, 10).await;
    let store = &node.store;
    let (older, newer) = (
        snapshot_at(store, stream.id(), 4).await,
        snapshot_at(store, stream.id(), 7).await,
    );
    store
        .save_snapshots(&[newer.clone(), older.clone()])
        .await
        .unwrap();
    store.save_snapshots(&[older]).await.unwrap();
    let loaded = store.load(stream.id(), VERSION).await.unwrap();
    assert_eq!(
        loaded.snapshot,
        Some(newer),
        "an older one does not replace it"
    );
    assert_eq!(
        loaded.tail.iter().map(number).collect::<Vec<_>>(),
        [8, 9, 10]
    );
    let end = ChainHead {
        sequence: 10,
        hash: loaded.tail[2].hash,
    };
    assert_eq!(loaded.handle.head(), end);

    let last = snapshot_at(store, stream.id(), 10).await;
    store
        .save_snapshots(std::slice::from_ref(&last))
        .await
        .unwrap();
    let loaded = store.load(stream.id(), VERSION).await.unwrap();
    assert_eq!((loaded.snapshot, loaded.tail.len()), (Some(last), 0));
    assert_eq!(loaded.handle.head(), end);
}

#[tokio::test]
async fn a_snapshot_of_another_version_or_another_history_is_not_used() {
    let node = Node::start().await;
    let stream = stream_of(&node, 5).await;
    let store = &node.store;
    let good = snapshot_at(store, stream.id(), 3).await;
    store
        .save_snapshots(std::slice::from_ref(&good))
        .await
        .unwrap();
    let other_version = store.load(stream.id(), VERSION + 1).await.unwrap();
    assert_eq!(
        (other_version.snapshot, other_version.tail.len()),
        (None, 5)
    );

    let foreign = Snapshot {
        sequence: 4,
        hash: [9; 32],
        ..good
    };
    store
        .save_snapshots(std::slice::from_ref(&foreign))
        .await
        .unwrap();
    let loaded = store.load(stream.id(), VERSION).await.unwrap();
    assert_eq!(
        (loaded.snapshot, loaded.tail.len()),
        (None, 5),
        "replay wins"
    );
    let beyond = Snapshot {
        sequence: 9,
        ..foreign
    };
    store.save_snapshots(&[beyond]).await.unwrap();
    let loaded = store.load(stream.id(), VERSION).await.unwrap();
    assert_eq!(
        (loaded.snapshot, loaded.tail.len()),
        (None, 5),
        "replay wins"
    );
}

#[tokio::test]
async fn the_snapshot_floor_is_true_or_zero() {
    let node = Node::start().await;
    let store = &node.store;
    let mut streams = Vec::new();
    for _ in 0..3 {
        let stream = stream_of(&node, 2).await;
        let snapshot = snapshot_at(store, stream.id(), 2).await;
        store.save_snapshots(&[snapshot]).await.unwrap();
        streams.push(stream);
    }
    store.set_snapshot_floor("note", VERSION, 6).await.unwrap();
    store.set_snapshot_floor("note", VERSION, 4).await.unwrap();
    assert_eq!(
        store.snapshot_floor("note", VERSION).await.unwrap(),
        6,
        "never back"
    );
    assert_eq!(store.snapshot_floor("note", VERSION + 1).await.unwrap(), 0);

    let first = store.snapshots_page("note", VERSION, "", 2).await.unwrap();
    let after = first.last().unwrap().stream.aggregate_id.clone();
    let second = store
        .snapshots_page("note", VERSION, &after, 2)
        .await
        .unwrap();
    assert_eq!((first.len(), second.len()), (2, 1));
    let ids: Vec<&str> = streams
        .iter()
        .map(|stream| &*stream.id().aggregate_id)
        .collect();
    assert_eq!(store.aggregate_ids("note").await.unwrap(), ids);
    assert_eq!(store.aggregate_ids("other").await.unwrap(), [""; 0]);

    let wrong = Snapshot {
        hash: [1; 32],
        ..first[0].clone()
    };
    store.save_snapshots(&[wrong]).await.unwrap();
    assert_eq!(
        store.snapshot_floor("note", VERSION).await.unwrap(),
        0,
        "one is not covered"
    );
    assert_eq!(
        store
            .snapshots_page("note", VERSION, "", 9)
            .await
            .unwrap()
            .len(),
        2
    );

    store.set_snapshot_floor("note", VERSION, 6).await.unwrap();
    sqlx::query("truncate public.snapshots")
        .execute(store.pool())
        .await
        .unwrap();
    assert_eq!(store.snapshot_floor("note", VERSION).await.unwrap(), 0);
}

#[tokio::test]
async fn old_versions_are_brought_to_the_newest_when_read_and_stay_as_they_were_written() {
    let node = Node::start().await;
    let stream = stream_of(&node, 2).await;
    let upcasters = Upcasters::current()
        .with("Noted", "1.0", "1.1", |mut payload| {
            let number = payload["Noted"]["number"].take();
            Ok(json!({ "Noted": { "number": number.as_u64().ok_or("no number")? * 10 } }))
        })
        .with("Noted", "1.1", "2.0", |mut payload| {
            payload["Noted"]["unit"] = json!("lots");
            Ok(payload)
        });
    let config = StoreConfig {
        options: node.database.options(),
        connections_max: 2,
        master_key: MasterKey::parse(MASTER_KEY).unwrap(),
    };
    let newer = Store::connect_with(config, upcasters).await.unwrap();
    let by_stream = newer.load(stream.id(), VERSION).await.unwrap().tail;
    let by_position = newer.read_all(0, 10).await.unwrap();
    assert_eq!(by_stream, by_position);
    assert_eq!(&*by_stream[1].event_version, "2.0");
    assert_eq!(
        &*by_stream[1].payload,
        r#"{"Noted":{"number":20,"unit":"lots"}}"#
    );

    let stored = node.store.read_all(0, 10).await.unwrap();
    assert_eq!(&*stored[1].payload, r#"{"Noted":{"number":2}}"#);
    assert_eq!(stored[1].hash, by_stream[1].hash);
    let report = daybook_store::verify::verify_all(&newer, |_| {})
        .await
        .unwrap();
    assert_eq!(report.broken, None, "what is verified is what is stored");
}

#[tokio::test]
async fn account_numbers_begin_at_100001_and_never_repeat() {
    let node = Node::start().await;
    assert_eq!(
        node.store.next_account_numbers(2).await.unwrap(),
        [100_001, 100_002]
    );
    assert_eq!(node.store.next_account_numbers(1).await.unwrap(), [100_003]);
}
