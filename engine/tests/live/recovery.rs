//! What rests in the book is watched again after a start, however little is cached.

use std::time::Duration;

use daybook_domain::{
    account::{Ticket, TimeInForce},
    quote::Side,
};

use crate::support::{
    Rig, Trader, buy, buy_limit, config, decimal, eventually, kinds, place, ticket,
};

/// A trader with a resting order and a protected position.
async fn resting(rig: &Rig) -> Trader {
    rig.quote("EURUSD", "1.10000", "1.10010").await;
    let trader = rig.trader().await;
    let protected = Ticket {
        stop_loss: Some(decimal("1.09500")),
        ..ticket("EURUSD", Side::Buy, "0.10")
    };
    assert_eq!(rig.execute(trader, place(protected)).await.code(), "ok");
    let limit = place(buy_limit("1.09800"));
    assert_eq!(rig.execute(trader, limit).await.code(), "ok");
    trader
}

/// The market falls through both levels on one tick.
async fn assert_both_trigger(rig: &Rig, trader: Trader) {
    let before = rig.events(trader).await.len();
    rig.quote("EURUSD", "1.09000", "1.09010").await;
    // Nobody asks for the account: it has to be in memory already.
    eventually("both levels trigger", || async {
        let told = kinds(&rig.events(trader).await[before..]);
        told.contains(&"OrderFilled") && told.contains(&"PositionClosed")
    })
    .await;
    let live = rig.live(trader).await;
    assert!(live.orders.is_empty());
    assert_eq!(
        live.positions.len(),
        1,
        "the limit's; the other was stopped"
    );
    let events = rig.events(trader).await;
    let expected = [
        "OrderTriggered",
        "OrderFilled",
        "PositionOpened",
        "PositionClosed",
    ];
    let mut told = kinds(&events[before..]);
    told.retain(|kind| expected.contains(kind));
    assert!(
        told.ends_with(&["OrderFilled", "PositionOpened", "PositionClosed"]),
        "{told:?}"
    );
    assert_eq!(live, rig.replayed(trader).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn triggers_survive_a_restart_with_snapshots() {
    let mut rig = Rig::start(config()).await;
    let trader = resting(&rig).await;
    rig.restart().await;
    let floor = rig
        .store
        .snapshot_floor("account", daybook_engine::STATE_VERSION);
    assert_eq!(floor.await.unwrap(), rig.head().await);
    assert_both_trigger(&rig, trader).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn triggers_survive_a_restart_without_snapshots() {
    let mut rig = Rig::start(config()).await;
    let trader = resting(&rig).await;
    rig.engine.shutdown().await;
    rig.sql("delete from snapshots").await;
    rig.restart().await;
    assert_both_trigger(&rig, trader).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn triggers_survive_a_restart_with_a_snapshot_that_lies() {
    let mut rig = Rig::start(config()).await;
    let trader = resting(&rig).await;
    rig.engine.shutdown().await;
    rig.sql("update snapshots set hash = decode(repeat('00', 32), 'hex')")
        .await;
    rig.restart().await;
    assert_both_trigger(&rig, trader).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_after_the_floor_are_folded_onto_snapshots_from_before_it() {
    let mut config = config();
    config.sweep_every = Duration::from_millis(30);
    let mut rig = Rig::start(config).await;
    let trader = resting(&rig).await;
    let store = rig.store.clone();
    let head = rig.head().await;
    eventually("the sweep moves the floor", || async {
        let floor = store.snapshot_floor("account", daybook_engine::STATE_VERSION);
        floor.await.unwrap() >= head
    })
    .await;
    // What a crash leaves: the floor and snapshots of now, and events after them.
    rig.sql("create table kept as select * from snapshots")
        .await;
    rig.sql("create table kept_floor as select * from snapshot_floor")
        .await;
    let another = rig.trader().await;
    assert_eq!(
        rig.execute(another, place(buy_limit("1.09700")))
            .await
            .code(),
        "ok"
    );
    assert_eq!(rig.execute(trader, buy("0.05")).await.code(), "ok");
    rig.engine.shutdown().await;
    rig.sql("delete from snapshots; insert into snapshots select * from kept")
        .await;
    rig.sql("delete from snapshot_floor; insert into snapshot_floor select * from kept_floor")
        .await;
    rig.restart().await;
    assert_eq!(rig.live(trader).await, rig.replayed(trader).await);
    rig.quote("EURUSD", "1.09000", "1.09010").await;
    assert_eq!(rig.live(another).await.positions.len(), 1);
    assert_eq!(rig.live(trader).await.positions.len(), 2);
    assert_eq!(rig.live(trader).await, rig.replayed(trader).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_expire_without_a_quote() {
    let rig = Rig::start(config()).await;
    rig.quote("EURUSD", "1.10000", "1.10010").await;
    let trader = rig.trader().await;
    let soon = Ticket {
        time_in_force: TimeInForce::Gtd,
        expires_at: Some(chrono::Utc::now() + chrono::Duration::milliseconds(1_500)),
        ..buy_limit("1.05000")
    };
    assert_eq!(rig.execute(trader, place(soon)).await.code(), "ok");
    eventually("the order expires", || async {
        kinds(&rig.events(trader).await).contains(&"OrderExpired")
    })
    .await;
    assert!(rig.live(trader).await.orders.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn seeds_are_listed_once() {
    let mut rig = Rig::start(config()).await;
    let head = rig.head().await;
    let listed = rig.engine.instruments();
    assert_eq!(listed.len(), daybook_domain::instrument::seed().len());
    rig.restart().await;
    assert_eq!(rig.head().await, head);
    assert_eq!(rig.engine.instruments(), listed);
}
