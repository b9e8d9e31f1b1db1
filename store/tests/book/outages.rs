//! Lost connections: every caller gets the true outcome, nothing is lost, nothing happens twice.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use daybook_store::{
    AppendError, Leadership, LeadershipConfig, MasterKey, Store, StoreConfig, Writer,
    testing::{MASTER_KEY, TestDatabase},
};
use sqlx::{Connection, PgConnection};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::support::{
    PATIENCE, Stream, number, patient,
    proxy::{Fault, Proxy},
    whole_book, writer,
};

const ROUNDS: u64 = 60;
const CALLERS: u64 = 8;

/// The writer's node behind a proxy, and a reader beside it.
struct Rig {
    direct: Store,
    options: sqlx::postgres::PgConnectOptions,
    proxy: Proxy,
    _leadership: Leadership,
    writer: Writer,
}

impl Rig {
    async fn start(config: LeadershipConfig) -> Self {
        let database = TestDatabase::start().await;
        let direct = database.store().await;
        let proxy = Proxy::start(&database.options()).await;
        let store = Store::connect(StoreConfig {
            options: proxy.options(),
            connections_max: 4,
            master_key: MasterKey::parse(MASTER_KEY).unwrap(),
        });
        let store = store.await.unwrap();
        let leadership = Leadership::start_with(store, "writer".into(), config);
        let writer = writer(&leadership).await;
        Self {
            direct,
            options: database.options(),
            proxy,
            _leadership: leadership,
            writer,
        }
    }
}

/// Callers that append without pause until told to stop, and what they were told.
struct Load {
    stop: Arc<AtomicBool>,
    callers: JoinSet<Told>,
}

#[derive(Default)]
struct Told {
    acknowledged: Vec<(u64, i64)>,
    refused: Vec<u64>,
}

impl Load {
    fn start(rig: &Rig) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut callers = JoinSet::new();
        for caller in 0..CALLERS {
            let (stop, writer, store) = (stop.clone(), rig.writer.clone(), rig.direct.clone());
            callers.spawn(call(caller, writer, store, stop));
        }
        Self { stop, callers }
    }

    /// Every acknowledgement is true and every refusal too.
    async fn finish(self, rig: &Rig) -> usize {
        self.stop.store(true, Ordering::SeqCst);
        let told = timeout(PATIENCE, self.callers.join_all())
            .await
            .expect("all are answered");
        let book = whole_book(&rig.direct).await;
        let stands: BTreeSet<(u64, i64)> = book
            .iter()
            .map(|event| (number(event), event.position))
            .collect();
        let numbers: BTreeSet<u64> = stands.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers.len(), book.len(), "nothing stands twice");
        let acknowledged: BTreeSet<(u64, i64)> = told
            .iter()
            .flat_map(|told| told.acknowledged.iter().copied())
            .collect();
        assert_eq!(
            acknowledged, stands,
            "acknowledged and standing are the same"
        );
        for refused in told.iter().flat_map(|told| &told.refused) {
            assert!(
                !numbers.contains(refused),
                "{refused} was refused and stands all the same"
            );
        }
        acknowledged.len()
    }
}

/// Two submissions at a time, so that one is often decided on top of an uncommitted other.
async fn call(caller: u64, writer: Writer, store: Store, stop: Arc<AtomicBool>) -> Told {
    let mut told = Told::default();
    let mut stream = Stream::new();
    let mut next = caller * 1_000_000;
    while !stop.load(Ordering::SeqCst) {
        let pending = [stream.note(&writer, next), stream.note(&writer, next + 1)];
        let mut reload = false;
        for (pending, number) in pending.into_iter().zip(next..) {
            match pending.outcome().await {
                Ok(committed) => told.acknowledged.push((number, committed.position)),
                Err(AppendError::Unavailable | AppendError::StaleGeneration(_)) => {
                    told.refused.push(number);
                    reload = true;
                }
                Err(other) => panic!("{other}"),
            }
        }
        if reload {
            stream.reload(&store).await;
        }
        next += 2;
    }
    told
}

/// Waits until something is true of the rig.
async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let wait = async {
        while !is() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, wait)
        .await
        .unwrap_or_else(|_| panic!("never: {what}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn when_the_answer_to_a_commit_is_lost_every_caller_gets_the_true_outcome() {
    let rig = Rig::start(patient()).await;
    let load = Load::start(&rig);
    for round in 0..ROUNDS {
        let fault = if round % 2 == 0 {
            Fault::LoseAnswer
        } else {
            Fault::LoseRequest
        };
        rig.proxy.set(fault);
        until("the fault strikes", || rig.proxy.fault() == Fault::None).await;
        let batches = rig.writer.stats().batches;
        until("appends go on", || rig.writer.stats().batches > batches + 2).await;
    }
    let acknowledged = load.finish(&rig).await;
    let stats = rig.writer.stats();
    assert_eq!(rig.proxy.answers_lost() + rig.proxy.requests_lost(), ROUNDS);
    let epoch = rig.direct.head().await.unwrap().epoch;
    assert!(
        epoch > ROUNDS as i64,
        "each lost connection was fenced off: {epoch}"
    );
    assert!(
        stats.read_back_committed >= ROUNDS / 2 - 2,
        "coverage: {stats:?}"
    );
    assert!(
        stats.read_back_lost >= ROUNDS / 2 - 2,
        "coverage: {stats:?}"
    );
    assert!(
        acknowledged as u64 > ROUNDS * 4,
        "most commands succeed: {acknowledged}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn when_the_writers_backend_is_killed_at_random_moments_nothing_is_lost_or_doubled() {
    let rig = Rig::start(patient()).await;
    let load = Load::start(&rig);
    let mut killer = PgConnection::connect_with(&rig.options).await.unwrap();
    let kill = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
         where application_name = 'daybook writer' and datname = current_database()";
    let mut delay_us = 1_u64;
    while rig.writer.stats().reconnects < ROUNDS {
        // Spread over the length of an append, by a generator that repeats itself.
        delay_us = delay_us * 6_364_136_223 % 7_919;
        sleep(Duration::from_micros(delay_us)).await;
        sqlx::query(kill).execute(&mut killer).await.unwrap();
        let batches = rig.writer.stats().batches;
        until("appends go on", || rig.writer.stats().batches > batches).await;
    }
    let acknowledged = load.finish(&rig).await;
    let stats = rig.writer.stats();
    assert!(
        stats.read_back_committed + stats.read_back_lost >= ROUNDS / 2,
        "coverage: {stats:?}"
    );
    assert!(
        acknowledged as u64 > ROUNDS * 4,
        "most commands succeed: {acknowledged}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn while_postgres_stays_away_callers_are_refused_and_afterwards_all_goes_on() {
    let unavailable_after = Duration::from_millis(300);
    let rig = Rig::start(LeadershipConfig {
        unavailable_after,
        ..patient()
    })
    .await;
    let mut stream = Stream::new();
    stream.note(&rig.writer, 1).outcome().await.unwrap();
    for round in 0..5_u64 {
        rig.proxy.set(Fault::Away);
        // The one that finds out may have been on its way: it waits for the truth.
        let in_doubt = stream.note(&rig.writer, 10 + round);
        let mut probes = Vec::new();
        let refused = async {
            loop {
                // Not awaited one by one: the first may share the fate of the one in doubt.
                probes.push(Stream::new().note(&rig.writer, 1_000_000));
                sleep(Duration::from_millis(5)).await;
                if probes
                    .iter_mut()
                    .any(|probe| probe.failed_with(&AppendError::Unavailable))
                {
                    return;
                }
            }
        };
        timeout(PATIENCE, refused)
            .await
            .expect("refused after a while");
        rig.proxy.set(Fault::None);
        let outcome = in_doubt.outcome().await;
        let mut book = whole_book(&rig.direct).await.into_iter();
        assert_eq!(
            outcome.is_ok(),
            book.any(|event| number(&event) == 10 + round)
        );
        stream.reload(&rig.direct).await;
        let recovered = async {
            while Stream::new()
                .note(&rig.writer, 1_000 + round)
                .outcome()
                .await
                .is_err()
            {}
        };
        timeout(PATIENCE, recovered).await.expect("goes on");
    }
    whole_book(&rig.direct).await;
}

#[tokio::test]
async fn while_postgres_does_not_answer_the_queue_is_refused_and_the_append_in_flight_waits() {
    let unavailable_after = Duration::from_millis(300);
    let config = LeadershipConfig {
        unavailable_after,
        ..patient()
    };
    let rig = Rig::start(config).await;
    let mut stream = Stream::new();
    stream.note(&rig.writer, 1).outcome().await.unwrap();
    rig.proxy.set(Fault::Freeze);
    let mut in_flight = stream.note(&rig.writer, 2);
    // Both may have been gathered with it: at least one of these comes later.
    let probes = async {
        loop {
            let mut probe = Stream::new().note(&rig.writer, 3);
            sleep(2 * unavailable_after).await;
            if probe.failed_with(&AppendError::Unavailable) {
                return;
            }
        }
    };
    timeout(PATIENCE, probes).await.expect("refused");
    assert!(in_flight.is_open(), "it may be in the book");
    rig.proxy.set(Fault::None);
    let outcome = in_flight.outcome().await;
    let book = whole_book(&rig.direct).await;
    assert_eq!(outcome.is_ok(), book.iter().any(|event| number(event) == 2));
}

#[tokio::test]
async fn a_database_that_cannot_append_is_unavailable_and_nobody_is_told_that_he_is_wrong() {
    let config = LeadershipConfig {
        unavailable_after: Duration::from_millis(300),
        ..patient()
    };
    let rig = Rig::start(config).await;
    let rename = |from: &str, to: &str| {
        let sql = format!("alter table public.{from} rename to {to}");
        let pool = rig.direct.pool().clone();
        async move { sqlx::query(&sql).execute(&pool).await.map(drop).unwrap() }
    };
    let mut stream = Stream::new();
    rename("events", "elsewhere").await;
    let refused = stream.note(&rig.writer, 1).outcome().await;
    assert_eq!(refused, Err(AppendError::Unavailable));
    rename("elsewhere", "events").await;
    stream.reload(&rig.direct).await;
    stream.note(&rig.writer, 2).outcome().await.unwrap();
    let numbers: Vec<u64> = whole_book(&rig.direct).await.iter().map(number).collect();
    assert_eq!(numbers, [2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_beside_all_this_sees_each_event_once_and_in_order() {
    let rig = Rig::start(patient()).await;
    let load = Load::start(&rig);
    let mut subscription = rig.direct.subscribe(0);
    let last = Arc::new(AtomicI64::new(i64::MAX));
    let until_last = last.clone();
    let reader = tokio::spawn(async move {
        let mut seen = 0;
        while seen < until_last.load(Ordering::SeqCst) {
            // Looks up from time to time: the last event may have been read already.
            let batch = timeout(Duration::from_millis(100), subscription.next_batch(7)).await;
            for event in batch.into_iter().flat_map(Result::unwrap) {
                seen += 1;
                assert_eq!(event.position, seen);
            }
        }
        seen
    });
    for _ in 0..10 {
        rig.proxy.set(Fault::LoseAnswer);
        until("the fault strikes", || rig.proxy.fault() == Fault::None).await;
        let batches = rig.writer.stats().batches;
        until("appends go on", || rig.writer.stats().batches > batches + 5).await;
    }
    let acknowledged = load.finish(&rig).await;
    last.store(acknowledged as i64, Ordering::SeqCst);
    let seen = timeout(PATIENCE, reader).await.unwrap().unwrap();
    assert_eq!(seen, acknowledged as i64);
}
