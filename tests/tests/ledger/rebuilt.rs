//! Read models rebuilt while clients trade and read: no gap, no empty table, no half.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use daybook_tests::{Trader, World, audit, load::Load, within};

/// Reads without pause: what is listed never becomes less, and no answer is an error.
async fn read_on(trader: Trader, expected: usize, stop: Arc<AtomicBool>, reads: Arc<AtomicUsize>) {
    let balance = trader.account().await.text_at("/balance");
    while !stop.load(Ordering::Acquire) {
        assert_eq!(
            trader.items("/trading/orders?status=all").await.len(),
            expected
        );
        assert_eq!(trader.items("/trading/history").await.len(), expected);
        assert_eq!(trader.positions().await.len(), expected);
        assert_eq!(trader.account().await.text_at("/balance"), balance);
        reads.fetch_add(1, Ordering::AcqRel);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rebuilding_beside_readers_and_writers_shows_in_no_answer() {
    let world = World::start().await;
    let reader = world.trader().await;
    for _ in 0..5 {
        reader.market("EURUSD", "buy", "0.01").await;
    }
    let traders = vec![world.trader().await, world.trader().await];
    let bases = vec![world.app.http.base().to_owned()];
    let load = Load::start(traders, bases, Duration::from_millis(10));
    let stop = Arc::new(AtomicBool::new(false));
    let reads = Arc::new(AtomicUsize::new(0));
    let reading = tokio::spawn(read_on(reader, 5, Arc::clone(&stop), Arc::clone(&reads)));

    for model in [
        "accounts",
        "orders",
        "positions",
        "deals",
        "journal",
        "audit",
        "clients",
        "funding",
    ] {
        let before = reads.load(Ordering::Acquire);
        let output = world
            .app
            .run(&["projections", "rebuild", model, "--verify"])
            .await;
        assert!(output.status.success(), "{model}: {output:?}");
        within(Duration::from_secs(30), "reads go on", || async {
            let went_on = reads.load(Ordering::Acquire) > before + 1;
            (went_on || reading.is_finished()).then_some(())
        })
        .await;
        assert!(!reading.is_finished(), "{model}: a reader saw it");
    }
    stop.store(true, Ordering::Release);
    reading.await.expect("the reader saw nothing odd");
    let diaries = load.finish().await;
    assert!(
        diaries.iter().all(|diary| diary.done.len() > 10),
        "writers went on"
    );
    audit::assert_sound(&world.app, &world.book, &diaries).await;
}
