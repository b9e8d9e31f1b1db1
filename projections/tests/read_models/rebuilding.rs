//! Rebuilding beside the live model: readers never see a gap, an empty table or a half.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use daybook_projections::{
    AdminError, Partition, Projection, ProjectionError, Runners,
    admin::{self, RebuildOptions},
    all, names,
};
use daybook_store::{Recorded, Store};
use futures::future::BoxFuture;
use sqlx::PgConnection;

use crate::support::{Book, Heard, all_names};

fn options(parallel: usize, verify: bool) -> RebuildOptions {
    RebuildOptions {
        parallel,
        verify,
        ..RebuildOptions::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuilt_model_equals_the_one_it_replaces_with_one_worker_or_several() {
    let mut book = Book::open(61).await;
    let runners = book.run();
    book.write(5_000).await;
    let head = book.caught_up().await;
    for name in all_names() {
        for parallel in [1, 4] {
            let before = book.status(name).await.generation.unwrap();
            let heard = Heard::default();
            let options = RebuildOptions {
                progress: heard.listener(),
                ..options(parallel, true)
            };
            let report = admin::rebuild(&book.store, name, options).await.unwrap();
            let differences = report.differences.unwrap();
            assert!(differences.is_empty(), "{differences:#?}");
            assert!(differences.tables.iter().any(|table| table.rows > 0));
            assert_eq!((report.position, heard.done()), (head, head));
            assert!(report.generation > before);
            assert_eq!(book.status(name).await.generation, Some(report.generation));
        }
    }
    runners.stop().await;
    book.assert_equal_to_the_book().await;
}

/// The audit trail has one row per event: what readers see must at every moment be a whole
/// beginning of the book, and never less than before.
async fn poll(store: Store, done: Arc<AtomicBool>) -> u64 {
    let mut looks = 0;
    let mut seen = 0;
    while !done.load(Ordering::Relaxed) {
        let (rows, last, first): (i64, i64, i64) = sqlx::query_as(
            "select count(*), coalesce(max(position), 0), coalesce(min(position), 0)
             from read.audit",
        )
        .fetch_one(store.pool())
        .await
        .expect("readers are never refused");
        assert_eq!((rows, first), (last, 1), "a gap, an empty table or a half");
        assert!(last >= seen, "{last} after {seen}");
        seen = last;
        looks += 1;
    }
    looks
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_never_notice_a_rebuild_while_the_book_is_written() {
    let mut book = Book::open(62).await;
    let runners = book.run();
    book.write(2_000).await;
    book.caught_up().await;
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..3)
        .map(|_| tokio::spawn(poll(book.store.clone(), Arc::clone(&done))))
        .collect();
    let store = book.store.clone();
    let rebuilding = tokio::spawn(async move {
        let mut generations = Vec::new();
        for round in 0..8 {
            let options = options(1 + round % 3, round % 2 == 0);
            let report = admin::rebuild(&store, names::AUDIT, options).await.unwrap();
            assert!(
                report
                    .differences
                    .is_none_or(|differences| differences.is_empty())
            );
            generations.push(report.generation);
        }
        generations
    });
    while !rebuilding.is_finished() {
        book.write(30).await;
    }
    let generations = rebuilding.await.unwrap();
    assert!(generations.is_sorted() && generations.len() == 8);
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        assert!(reader.await.unwrap() > 20, "readers did read");
    }
    book.caught_up().await;
    runners.stop().await;
    book.assert_equal_to_the_book().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_who_stays_long_delays_the_swap_and_nobody_else() {
    let mut book = Book::open(63).await;
    let runners = book.run();
    book.write(300).await;
    book.caught_up().await;
    let mut long = book.store.pool().begin().await.unwrap();
    sqlx::query("select count(*) from read.orders")
        .execute(&mut *long)
        .await
        .unwrap();
    let store = book.store.clone();
    let rebuilding =
        tokio::spawn(async move { admin::rebuild(&store, names::ORDERS, options(1, false)).await });
    // The runner goes on, and other readers are served, while the swap waits for the long one.
    for _ in 0..10 {
        book.write(50).await;
        book.caught_up().await;
        let orders: i64 = sqlx::query_scalar("select count(*) from read.orders")
            .fetch_one(book.store.pool())
            .await
            .unwrap();
        assert!(orders > 0);
    }
    assert!(!rebuilding.is_finished());
    long.commit().await.unwrap();
    rebuilding.await.unwrap().unwrap();
    runners.stop().await;
    book.assert_equal_to_the_book().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_builder_at_a_time_and_what_a_dead_one_left_is_swept_away() {
    let mut book = Book::open(64).await;
    let runners = book.run();
    book.write(500).await;
    book.caught_up().await;
    let slow = Arc::new(Altered::slow(names::ORDERS));
    let (store, projection) = (book.store.clone(), Arc::clone(&slow) as Arc<dyn Projection>);
    let building = tokio::spawn(async move {
        admin::rebuild_projection(&store, projection, options(1, false)).await
    });
    while !slow.reached.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let busy = admin::rebuild(&book.store, names::ORDERS, options(1, false))
        .await
        .unwrap_err();
    assert!(matches!(busy, AdminError::Busy(name) if name == names::ORDERS));
    // Another projection may be rebuilt meanwhile.
    admin::rebuild(&book.store, names::DEALS, options(1, false))
        .await
        .unwrap();

    building.abort();
    assert!(building.await.unwrap_err().is_cancelled());
    let report = loop {
        match admin::rebuild(&book.store, names::ORDERS, options(1, false)).await {
            Err(AdminError::Busy(_)) => tokio::time::sleep(Duration::from_millis(20)).await,
            other => break other.unwrap(),
        }
    };
    let schemas: Vec<String> = sqlx::query_scalar(
        "select nspname::text from pg_namespace where nspname like 'p\\_orders\\_%'",
    )
    .fetch_all(book.store.pool())
    .await
    .unwrap();
    assert_eq!(schemas, [format!("p_orders_{}", report.generation)]);
    runners.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_rebuilds_itself_beside_the_old_one_and_takes_over() {
    let mut book = Book::open(65).await;
    let runners = book.run();
    book.write(1_000).await;
    book.caught_up().await;
    runners.stop().await;
    let newer = Arc::new(Altered::newer(names::CLIENTS));
    let projections = vec![Arc::clone(&newer) as Arc<dyn Projection>];
    let runners = Runners::start_with(book.store.clone(), &book.reads, projections);
    let head = book.write(500).await;
    let status = book
        .until(names::CLIENTS, |status| {
            status.version == Some(newer.version())
        })
        .await;
    assert!(status.generation.is_some());
    book.until(names::CLIENTS, |status| status.position == head)
        .await;
    let known: i64 = sqlx::query_scalar("select count(*) from read.clients where newer = 1")
        .fetch_one(book.store.pool())
        .await
        .unwrap();
    assert_eq!(known, book.world.clients.len() as i64);
    runners.stop().await;
    // The program of today cannot be compared with the model of tomorrow.
    let differs = admin::verify(&book.store, names::CLIENTS, Arc::new(|_| {}))
        .await
        .unwrap_err();
    assert!(
        matches!(differs, AdminError::VersionDiffers { .. }),
        "{differs:?}"
    );
}

/// A projection that is built slowly, or has another version.
struct Altered {
    honest: Arc<dyn Projection>,
    slow: bool,
    schema: String,
    version: i32,
    reached: AtomicBool,
}

impl Altered {
    fn slow(name: &str) -> Self {
        let honest = all()
            .into_iter()
            .find(|projection| projection.name() == name)
            .unwrap();
        Self {
            schema: honest.schema().to_owned(),
            version: honest.version(),
            honest,
            slow: true,
            reached: AtomicBool::new(false),
        }
    }

    fn newer(name: &str) -> Self {
        let plain = Self::slow(name);
        let column = "alter table clients add column newer integer not null default 1";
        Self {
            schema: format!("{}; {column}", plain.schema),
            version: plain.version + 1,
            slow: false,
            ..plain
        }
    }
}

impl Projection for Altered {
    fn name(&self) -> &'static str {
        self.honest.name()
    }

    fn version(&self) -> i32 {
        self.version
    }

    fn schema(&self) -> &'static str {
        // Lives as long as the test's process.
        self.schema.clone().leak()
    }

    fn tables(&self) -> &'static [&'static str] {
        self.honest.tables()
    }

    fn partition(&self) -> Partition {
        self.honest.partition()
    }

    fn apply<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        batch: &'a [Recorded],
    ) -> BoxFuture<'a, Result<(), ProjectionError>> {
        Box::pin(async move {
            if self.slow {
                self.reached.store(true, Ordering::Relaxed);
                std::future::pending::<()>().await;
            }
            self.honest.apply(connection, batch).await
        })
    }
}
