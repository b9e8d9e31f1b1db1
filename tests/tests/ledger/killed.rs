//! Servers and Postgres backends killed at random moments under concurrent load.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use daybook_store::{cluster::Durability, testing::TestCluster};
use daybook_tests::{
    Book, Feed, Launch, World, app, audit,
    book::READER,
    eventually,
    load::{Diary, Load, Random},
    within,
};

/// A place to strike at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Strike {
    /// The server, while nobody asks anything.
    ServerIdle,
    /// The server, with commands on their way.
    ServerInFlight,
    /// The server, and then the next one somewhere on its way up.
    ServerStarting,
    /// The server, and then the next one when it has just taken the seat and begins to recover.
    ServerRecovering,
    /// `kill -9` of the backend that appends: Postgres itself restarts and recovers.
    WriterKilled,
    /// The backend that appends is told to end.
    WriterEnded,
    /// `kill -9` of a backend that reads.
    ReaderKilled,
    /// A backend that reads is told to end.
    ReaderEnded,
}

use Strike::{
    ReaderEnded, ReaderKilled, ServerIdle, ServerInFlight, ServerRecovering, ServerStarting,
    WriterEnded, WriterKilled,
};

/// 60 rounds: six times these.
const ROUND: [Strike; 10] = [
    WriterEnded,
    ReaderEnded,
    ServerInFlight,
    WriterKilled,
    WriterEnded,
    ServerStarting,
    ReaderKilled,
    WriterEnded,
    ServerRecovering,
    ServerIdle,
];
const TIMES: usize = 6;
const CLIENTS: usize = 8;
/// From a strike until commands are acknowledged again.
const RECOVERY: Duration = Duration::from_secs(90);

struct Battle {
    world: World,
    load: Load,
    random: Random,
    struck: BTreeMap<Strike, usize>,
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_and_nothing_happens_twice() {
    let cluster = tokio::task::spawn_blocking(|| TestCluster::start(Durability::Volatile))
        .await
        .expect("a cluster");
    let server = cluster.cluster.as_ref().expect("it runs");
    server.ensure_database("daybook").await.expect("a database");
    let url = server.url("daybook");
    let feed = Feed::start().await;
    let app = Launch::on(&url, &feed).start().await;
    app.price(&feed, "EURUSD", "1.10000", "1.10010").await;
    let book = Book::on(&url);
    let mut traders = vec![];
    for _ in 0..CLIENTS {
        traders.push(app.http.register().await);
    }
    let bases = vec![app.http.base().to_owned()];
    let load = Load::start(traders, bases, Duration::from_millis(25));
    let seed = seed();
    let mut battle = Battle {
        world: World { app, feed, book },
        load,
        random: Random::new(seed),
        struck: BTreeMap::new(),
    };
    println!("seed {seed}");
    let started = Instant::now();
    for strike in ROUND.iter().cycle().take(ROUND.len() * TIMES) {
        battle.round(*strike).await;
    }
    println!("{} rounds in {:?}", ROUND.len() * TIMES, started.elapsed());
    let Battle {
        world,
        load,
        struck,
        ..
    } = battle;
    let diaries = load.finish().await;
    for strike in ROUND {
        assert!(
            struck.get(&strike).is_some_and(|times| *times >= TIMES),
            "{strike:?}: {struck:?}"
        );
    }
    assert_coverage(&world.book, &diaries).await;
    audit::assert_sound(&world.app, &world.book, &diaries).await;
    let head = world.book.head().await;
    for diary in &diaries {
        let chosen = |number: usize, done: &daybook_tests::load::Done| {
            done.interrupted || number.is_multiple_of(10)
        };
        audit::ask_again(&world.app, diary, chosen).await;
    }
    assert_eq!(
        world.book.head().await,
        head,
        "asking again changes nothing"
    );
}

/// Another one in each run, unless `DAYBOOK_TEST_SEED` names it.
fn seed() -> u64 {
    let chosen = std::env::var("DAYBOOK_TEST_SEED").ok();
    let random = || uuid::Uuid::now_v7().as_u64_pair().1;
    chosen
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(random)
}

impl Battle {
    async fn round(&mut self, strike: Strike) {
        self.wiggle();
        self.progress(strike).await;
        let pause = Duration::from_millis(self.random.below(150));
        tokio::time::sleep(pause).await;
        match strike {
            ServerIdle => {
                self.load.pause();
                self.flying("everything is answered", |in_flight| in_flight == 0)
                    .await;
                self.restart().await;
                self.load.resume();
            }
            ServerInFlight => {
                self.flying("commands are on their way", |in_flight| in_flight > 0)
                    .await;
                self.restart().await;
            }
            ServerStarting => {
                self.restart().await;
                // Somewhere between the first instruction and the first answer.
                let moment = Duration::from_millis(self.random.below(4_500));
                tokio::time::sleep(moment).await;
                self.restart().await;
            }
            ServerRecovering => {
                let seated = eventually("the epoch is readable", || self.epoch()).await;
                self.restart().await;
                within(RECOVERY, "the seat is taken", || async {
                    (self.epoch().await? > seated).then_some(())
                })
                .await;
                self.restart().await;
            }
            WriterKilled => app::signal("KILL", self.backend(true).await).await,
            ReaderKilled => app::signal("KILL", self.backend(false).await).await,
            WriterEnded => self.end(true).await,
            ReaderEnded => self.end(false).await,
        }
        *self.struck.entry(strike).or_default() += 1;
        self.progress(strike).await;
    }

    /// Rises whenever the seat is taken; none while Postgres is away.
    async fn epoch(&self) -> Option<i64> {
        let pool = self.world.book.pool();
        let epoch = sqlx::query_scalar("select epoch from head").fetch_one(pool);
        epoch.await.ok()
    }

    async fn restart(&mut self) {
        self.world.app.kill().await;
        self.world.app.launch_again();
    }

    /// Moves the price, so that stop losses go off while the world burns.
    fn wiggle(&mut self) {
        let bid = 9_960 + self.random.below(80); // 1.09960 to 1.10039.
        let ask = bid + 10;
        self.world
            .feed
            .set("EURUSD", &format!("1.{bid:05}"), &format!("1.{ask:05}"));
    }

    /// Some commands are acknowledged: the server lives.
    async fn progress(&self, strike: Strike) {
        let before = self.load.acknowledged();
        within(RECOVERY, &format!("progress around {strike:?}"), || async {
            (self.load.acknowledged() > before + CLIENTS).then_some(())
        })
        .await;
    }

    async fn flying(&self, what: &str, fits: impl Fn(usize) -> bool) {
        eventually(what, || async { fits(self.load.in_flight()).then_some(()) }).await;
    }

    /// Process id of the backend that appends, or of one that reads for the server.
    async fn backend(&mut self, writer: bool) -> u32 {
        let statement = if writer {
            "select a.pid from head join pg_stat_activity a on a.pid = backend_pid"
        } else {
            "select pid from pg_stat_activity
             where datname = current_database() and backend_type = 'client backend'
             and application_name not in ($1, 'daybook writer') order by pid"
        };
        let pids = eventually("a backend to strike at", || async {
            let query = sqlx::query_scalar::<_, i32>(statement);
            let query = if writer { query } else { query.bind(READER) };
            let pids = query.fetch_all(self.world.book.pool()).await.ok()?;
            (!pids.is_empty()).then_some(pids)
        })
        .await;
        u32::try_from(*self.random.pick(&pids)).expect("process ids are positive")
    }

    async fn end(&mut self, writer: bool) {
        let pid = i32::try_from(self.backend(writer).await).expect("it was one");
        sqlx::query("select pg_terminate_backend($1)")
            .bind(pid)
            .execute(self.world.book.pool())
            .await
            .expect("Postgres answers");
    }
}

/// The run was worth something: enough was accepted, and enough hung in the air.
async fn assert_coverage(book: &Book, diaries: &[Diary]) {
    let all: Vec<_> = diaries.iter().flat_map(|diary| &diary.done).collect();
    let accepted = all.iter().filter(|done| done.answer.status < 300).count();
    let interrupted = all.iter().filter(|done| done.interrupted).count();
    let mut unheard = 0;
    let mut by_themselves = 0;
    for diary in diaries {
        let attempts: BTreeMap<_, _> = diary
            .done
            .iter()
            .map(|done| (done.key.as_str(), done.attempts))
            .collect();
        let mut commands = BTreeMap::new();
        for event in book.account(diary.trader.demo).await {
            let request = event
                .metadata
                .get("correlation_id")
                .cloned()
                .unwrap_or_default();
            by_themselves += usize::from(event.fields["deal"]["reason"] == "stop_loss");
            let mut parts = request.splitn(4, '-').skip(2);
            if let (Some(attempt), Some(key)) = (parts.next(), parts.next()) {
                commands.insert(key.to_owned(), attempt.parse::<usize>().unwrap_or(0));
            }
        }
        unheard += commands
            .iter()
            .filter(|(key, attempt)| {
                attempts
                    .get(key.as_str())
                    .is_some_and(|last| last > attempt)
            })
            .count();
    }
    println!(
        "{} commands, {accepted} accepted, {interrupted} cut off, {unheard} of them committed \
         unheard, {by_themselves} stop losses",
        all.len()
    );
    assert!(
        accepted * 100 >= all.len() * 30,
        "{accepted} of {} accepted",
        all.len()
    );
    assert!(interrupted >= TIMES, "{interrupted} commands were cut off");
    assert!(
        unheard > 0,
        "no command was committed without its caller hearing of it"
    );
    assert!(by_themselves > 0, "no stop loss went off");
}
