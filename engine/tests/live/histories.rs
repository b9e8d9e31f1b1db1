//! Replay = live = snapshot + tail, over random histories on a real book.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use chrono::{DateTime, Utc};
use daybook_domain::{
    Account,
    testing::{History, Step, World, histories},
};
use daybook_engine::{STATE_VERSION, clock::Clock};
use daybook_store::{StreamId, verify};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};

use crate::support::{Rig, Trader, config};

struct WorldClock(Mutex<DateTime<Utc>>);

impl Clock for WorldClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}

#[derive(Default)]
struct Tally {
    asked: usize,
    accepted: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_events_and_snapshots_tell_the_same_story() {
    let start = World::new(&generate(&mut TestRunner::deterministic()).opening).at;
    let clock = Arc::new(WorldClock(Mutex::new(start)));
    let mut config = config();
    config.snapshot_every = 7;
    config.sweep_every = Duration::from_millis(40);
    let mut rig = Rig::start_with_clock(config, clock.clone()).await;
    let mut runner = TestRunner::deterministic();
    let mut tally = Tally::default();
    let mut played = Vec::new();
    for number in 0..9 {
        let history = generate(&mut runner);
        let trader = rig.trader().await;
        played.push(trader);
        play(&rig, trader, &history, &clock, &mut tally).await;
        assert_same(&rig, trader).await;
        if number % 3 == 2 {
            let mut before = Vec::new();
            for trader in &played {
                before.push(rig.live(*trader).await);
            }
            rig.restart().await;
            for (trader, before) in played.iter().zip(before) {
                assert_eq!(rig.live(*trader).await, before);
                assert_same(&rig, *trader).await;
            }
        }
    }
    assert!(tally.accepted * 10 >= tally.asked * 3, "most were refused");
    assert!(tally.accepted > 100, "{} accepted", tally.accepted);
    let report = verify::verify_all(&rig.store, |_| {}).await.unwrap();
    assert_eq!(report.broken, None);
}

fn generate(runner: &mut TestRunner) -> History {
    histories(40..90).new_tree(runner).unwrap().current()
}

/// The world moves the market and asks; the engine decides.
async fn play(rig: &Rig, trader: Trader, history: &History, clock: &WorldClock, tally: &mut Tally) {
    let mut world = World::new(&history.opening);
    // Time goes on from where the history before left it.
    world.at = clock.now();
    for step in &history.steps {
        world.advance(step);
        *clock.0.lock().unwrap() = world.at;
        match step {
            Step::Tick { .. } => {
                for quote in world.quotes().collect::<Vec<_>>() {
                    rig.engine.quote(quote).await;
                }
            }
            Step::Pause { .. } => {}
            Step::Ask(ask) => {
                world.account = rig.live(trader).await;
                if let Some(command) = world.command(ask) {
                    tally.asked += 1;
                    let told = rig.execute(trader, command).await;
                    tally.accepted += usize::from(told.code() == "ok");
                }
            }
        }
    }
}

async fn assert_same(rig: &Rig, trader: Trader) {
    let live = rig.live(trader).await;
    assert_eq!(live, rig.replayed(trader).await, "live is not replay");
    let stream = StreamId::new("account", trader.account_id);
    let loaded = rig.store.load(&stream, STATE_VERSION).await.unwrap();
    let mut cached = match &loaded.snapshot {
        Some(snapshot) => serde_json::from_str(&snapshot.state).unwrap(),
        None => Account::default(),
    };
    for event in &loaded.tail {
        cached.evolve(&event.decode().unwrap());
    }
    assert_eq!(live, cached, "live is not snapshot + tail");
}
