//! One writer at a time: the seat changes hands, and whoever lost it appends nothing more.

use std::time::Duration;

use daybook_store::{
    AppendError, Leadership, LeadershipConfig, MasterKey, Role, Store, StoreConfig,
    testing::{MASTER_KEY, TestDatabase},
};
use tokio::time::timeout;

use crate::support::{
    Node, PATIENCE, Stream, ended, patient,
    proxy::{Fault, Proxy},
    submission, whole_book, writer,
};

/// A lease that can be waited for.
fn short() -> LeadershipConfig {
    LeadershipConfig {
        lease: Duration::from_millis(1_500),
        renew_every: Duration::from_millis(300),
        ..patient()
    }
}

async fn store_through(proxy: &Proxy) -> Store {
    let config = StoreConfig {
        options: proxy.options(),
        connections_max: 4,
        master_key: MasterKey::parse(MASTER_KEY).unwrap(),
    };
    Store::connect(config).await.unwrap()
}

#[tokio::test]
async fn a_standby_names_the_leader_and_takes_over_at_once_when_it_resigns() {
    let node = Node::start().await;
    let standby = Leadership::start_with(node.store.clone(), "second".into(), patient());
    let mut role = standby.role.clone();
    let known =
        |role: &Role| matches!(role, Role::Standby { leader: Some(name) } if name == "first");
    timeout(PATIENCE, role.wait_for(known))
        .await
        .unwrap()
        .unwrap();

    let mut stream = Stream::new();
    let last = stream.note(&node.writer, 1);
    node.leadership.resign().await;
    last.outcome()
        .await
        .expect("resigning drains what was submitted");
    // Far below the lease of 20 s: nobody waits for it to run out.
    let taken = timeout(Duration::from_secs(10), writer(&standby))
        .await
        .expect("takes over");
    assert_eq!(
        node.store.head().await.unwrap().leader.as_deref(),
        Some("second")
    );
    let late = stream.note(&node.writer, 2).outcome().await;
    assert_eq!(late, Err(AppendError::Fenced));
    stream.reload(&node.store).await;
    stream.note(&taken, 3).outcome().await.unwrap();
    assert_eq!(whole_book(&node.store).await.len(), 2);
}

#[tokio::test]
async fn a_standby_takes_over_when_the_leader_is_gone_without_a_word() {
    let database = TestDatabase::start().await;
    let store = database.store().await;
    let first = Leadership::start_with(store.clone(), "first".into(), short());
    let mut stream = Stream::new();
    stream
        .note(&writer(&first).await, 1)
        .outcome()
        .await
        .unwrap();
    let standby = Leadership::start_with(store.clone(), "second".into(), short());
    drop(first);
    let taken = writer(&standby).await;
    stream.reload(&store).await;
    stream.note(&taken, 2).outcome().await.unwrap();
    assert_eq!(whole_book(&store).await.len(), 2);
}

#[tokio::test]
async fn an_idle_leader_keeps_its_seat() {
    let database = TestDatabase::start().await;
    let store = database.store().await;
    let config = LeadershipConfig {
        renew_every: Duration::from_millis(50),
        ..patient()
    };
    let leadership = Leadership::start_with(store.clone(), "first".into(), config);
    let writer = writer(&leadership).await;
    // Lost the lease, not the seat: it is renewed before long.
    let expire = "update public.head set lease_until = null";
    sqlx::query(expire).execute(store.pool()).await.unwrap();
    let renewed = "select lease_until > clock_timestamp() from public.head";
    let wait = async {
        while sqlx::query_scalar::<_, Option<bool>>(renewed)
            .fetch_one(store.pool())
            .await
            .unwrap()
            != Some(true)
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, wait).await.expect("renews");
    Stream::new().note(&writer, 1).outcome().await.unwrap();
    assert_eq!(writer.stats().reconnects, 0);
}

#[tokio::test]
async fn a_writer_whose_epoch_is_gone_appends_nothing_and_ends() {
    let node = Node::start().await;
    let mut stream = Stream::new();
    stream.note(&node.writer, 1).outcome().await.unwrap();
    let usurp = "update public.head set epoch = epoch + 1, leader_id = gen_random_uuid()";
    sqlx::query(usurp).execute(node.store.pool()).await.unwrap();
    let first = stream.note(&node.writer, 2);
    let second = Stream::new().note(&node.writer, 3);
    assert_eq!(first.outcome().await, Err(AppendError::Fenced));
    assert_eq!(second.outcome().await, Err(AppendError::Fenced));
    ended(&node.leadership).await;
    assert_eq!(
        Stream::new().note(&node.writer, 4).outcome().await,
        Err(AppendError::Fenced)
    );
    assert_eq!(whole_book(&node.store).await.len(), 1);
}

#[tokio::test]
async fn a_frozen_leader_that_wakes_after_a_takeover_appends_nothing_and_says_the_truth() {
    let database = TestDatabase::start().await;
    let direct = database.store().await;
    let proxy = Proxy::start(&database.options()).await;
    let frozen = Leadership::start_with(store_through(&proxy).await, "frozen".into(), short());
    let old = writer(&frozen).await;
    let mut stream = Stream::new();
    stream.note(&old, 1).outcome().await.unwrap();

    proxy.set(Fault::Freeze);
    let mut in_flight = stream.note(&old, 2);
    let standby = Leadership::start_with(direct.clone(), "standby".into(), patient());
    let new = writer(&standby).await;
    let mut other = Stream::new();
    other.note(&new, 3).outcome().await.unwrap();
    assert!(in_flight.is_open(), "nobody knows yet");
    let mut queued = stream.note(&old, 4);
    assert!(queued.is_open(), "nobody knows yet");
    proxy.set(Fault::None);

    assert_eq!(in_flight.outcome().await, Err(AppendError::Fenced));
    assert_eq!(queued.outcome().await, Err(AppendError::Fenced));
    ended(&frozen).await;
    other.note(&new, 5).outcome().await.unwrap();
    assert_eq!(whole_book(&direct).await.len(), 3);
}

#[tokio::test]
async fn an_append_that_made_it_before_the_takeover_is_acknowledged_by_the_fenced_writer() {
    let database = TestDatabase::start().await;
    let direct = database.store().await;
    let proxy = Proxy::start(&database.options()).await;
    let frozen = Leadership::start_with(store_through(&proxy).await, "frozen".into(), short());
    let old = writer(&frozen).await;
    let mut stream = Stream::new();
    stream.note(&old, 1).outcome().await.unwrap();

    // The answer is lost, and the way back is closed until the seat is another's.
    proxy.set(Fault::LoseAnswer);
    let in_flight = stream.note(&old, 2);
    let lost = async {
        while proxy.fault() != Fault::None {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        proxy.set(Fault::Away);
    };
    timeout(PATIENCE, lost).await.unwrap();
    let standby = Leadership::start_with(direct.clone(), "standby".into(), patient());
    let new = writer(&standby).await;
    Stream::new().note(&new, 3).outcome().await.unwrap();
    proxy.set(Fault::None);

    // It may have found its way back before the door closed; either way it tells the truth.
    assert_eq!(
        in_flight
            .outcome()
            .await
            .map(|committed| committed.position),
        Ok(2)
    );
    ended(&frozen).await;
    assert_eq!(whole_book(&direct).await.len(), 3);
}

#[tokio::test]
async fn a_leader_whose_lease_has_run_out_asks_before_it_answers_even_a_barrier() {
    let database = TestDatabase::start().await;
    let store = database.store().await;
    // It lives and hears its callers, but slept through every renewal.
    let config = LeadershipConfig {
        renew_every: PATIENCE,
        ..short()
    };
    let sleeper = Leadership::start_with(store.clone(), "sleeper".into(), config);
    let old = writer(&sleeper).await;
    let standby = Leadership::start_with(store.clone(), "standby".into(), patient());
    let _new = writer(&standby).await;
    let (barrier, pending) = submission();
    old.submit(barrier);
    assert_eq!(pending.outcome().await, Err(AppendError::Fenced));
    ended(&sleeper).await;
}

#[tokio::test]
async fn of_many_candidates_exactly_one_leads() {
    let database = TestDatabase::start().await;
    let store = database.store().await;
    let nodes: Vec<Leadership> = (0..8)
        .map(|node| Leadership::start_with(store.clone(), format!("node {node}"), patient()))
        .collect();
    let leads = |node: &Leadership| matches!(*node.role.borrow(), Role::Leader { .. });
    let settled = async {
        while !nodes.iter().any(leads) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, settled).await.unwrap();
    // The others look a few times more.
    let (looked,): (i64,) = sqlx::query_as("select count(*) from public.tenures")
        .fetch_one(store.pool())
        .await
        .unwrap();
    assert_eq!(looked, 1);
    assert_eq!(nodes.iter().filter(|node| leads(node)).count(), 1);
    assert_eq!(store.head().await.unwrap().epoch, 1);
}
