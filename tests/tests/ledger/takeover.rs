//! Two servers on one book: the standby waits, takes over, and the former leader stays fenced off.

use std::time::{Duration, Instant};

use daybook_store::testing::TestDatabase;
use daybook_tests::{
    App, Book, Feed, Launch, audit, client::market, eventually, load::Load, wait::SOON, within,
};
use sqlx::PgPool;

/// "Within seconds": the lease, the recovery, and some for a slow machine.
const TAKEOVER: Duration = Duration::from_secs(30);

async fn two_servers() -> (TestDatabase, Feed, Book, App, App) {
    let database = Box::pin(TestDatabase::start()).await;
    let feed = Feed::start().await;
    let launch = Launch::on(database.url(), &feed);
    let standby = launch.beside();
    let leader = launch.start().await;
    let standby = standby.spawn();
    standby.in_role("standby").await;
    leader.price(&feed, "EURUSD", "1.10000", "1.10010").await;
    let book = Book::on(database.url());
    (database, feed, book, leader, standby)
}

/// Waits until the writer stands in the middle of an append: it has sent the statement, and
/// Postgres is waiting for the head row, which `hold` has locked.
async fn in_the_middle_of_an_append(pool: &PgPool) {
    eventually("the writer waits for the head row", || async {
        let waiting: bool = sqlx::query_scalar(
            "select exists (select from pg_stat_activity
             where application_name = 'daybook writer' and wait_event_type = 'Lock'
             and datname = current_database())",
        )
        .fetch_one(pool)
        .await
        .expect("activity is readable");
        waiting.then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_reads_and_does_not_write() {
    let (_database, _feed, book, leader, standby) = two_servers().await;
    let trader = leader.http.register().await;
    let bought = trader.market("EURUSD", "buy", "0.10").await;
    let there = trader.http.at(standby.http.base());
    let positions = eventually("the standby has the feed too", || async {
        let call = there.call(reqwest::Method::GET, "/trading/positions");
        let answer = call.min_position(bought.position()).send().await;
        let positions = answer.expecting(200).json();
        (positions["items"][0]["currentPrice"] == "1.10000").then_some(positions)
    })
    .await;
    assert_eq!(
        positions["items"][0]["positionId"],
        bought.text_at("/positionId")
    );

    let head = book.head().await;
    let refused = there
        .post("/trading/order", &market("EURUSD", "buy", "0.10"))
        .await;
    refused.problem(503, "not_leader");
    assert!(refused.header("retry-after").is_some());
    let body = daybook_tests::client::registration("new@example.test");
    there
        .post("/auth/register", &body)
        .await
        .problem(503, "not_leader");
    assert_eq!(book.head().await, head);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_stops_hands_over_at_once() {
    let (_database, _feed, book, mut leader, standby) = two_servers().await;
    let trader = leader.http.register().await;
    let bought = trader.market("EURUSD", "buy", "0.10").await;
    let status = leader.terminate().await;
    assert!(status.success(), "asked to stop, it ends well: {status:?}");
    within(TAKEOVER, "the standby leads", || async {
        (standby.health().await?.1["role"] == "leader").then_some(())
    })
    .await;
    let there = trader.http.at(standby.http.base());
    let close = format!("/trading/close/{}", bought.text_at("/positionId"));
    within(SOON, "the position is closed there", || async {
        let answer = there.post(&close, &serde_json::json!({})).await;
        (answer.status == 200).then_some(())
    })
    .await;
    book.assert_contiguous().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_frozen_in_the_middle_of_an_append_never_writes_again() {
    let (_database, feed, book, mut leader, standby) = two_servers().await;
    let mut traders = vec![];
    for _ in 0..6 {
        traders.push(leader.http.register().await);
    }
    let bases = vec![
        leader.http.base().to_owned(),
        standby.http.base().to_owned(),
    ];
    let load = Load::start(traders, bases, Duration::from_millis(5));
    within(SOON, "the load is under way", || async {
        (load.acknowledged() > 100).then_some(())
    })
    .await;

    let mut hold = book.pool().begin().await.expect("a transaction");
    sqlx::query("select from head for update")
        .execute(&mut *hold)
        .await
        .expect("the head row can be locked");
    in_the_middle_of_an_append(book.pool()).await;
    leader.freeze().await;
    hold.rollback().await.expect("the lock is let go");
    let frozen = Instant::now();
    within(TAKEOVER, "the standby leads", || async {
        feed.set("EURUSD", "1.10020", "1.10030");
        (standby.health().await?.1["role"] == "leader").then_some(())
    })
    .await;
    println!("taken over after {:?}", frozen.elapsed());
    let (epoch, position_before): (i64, i64) =
        sqlx::query_as("select epoch, position_before from tenures order by epoch desc limit 1")
            .fetch_one(book.pool())
            .await
            .expect("tenures are on record");

    let by_then = load.acknowledged();
    within(SOON, "the clients trade on the new leader", || async {
        (load.acknowledged() > by_then + 50).then_some(())
    })
    .await;
    leader.thaw().await;
    let status = leader.exited().await;
    assert_eq!(status.code(), Some(1), "fenced off, it stops and says so");
    let by_then = load.acknowledged();
    within(SOON, "the clients go on", || async {
        (load.acknowledged() > by_then + 50).then_some(())
    })
    .await;
    let diaries = load.finish().await;

    let head_epoch: i64 = sqlx::query_scalar("select epoch from head")
        .fetch_one(book.pool())
        .await
        .expect("the head row is readable");
    assert_eq!(head_epoch, epoch, "nobody took the seat back");
    assert_nothing_came_late(&book, &diaries, position_before).await;
    audit::assert_sound(&standby, &book, &diaries).await;
    let interrupted = |_: usize, done: &daybook_tests::load::Done| done.interrupted;
    for diary in &diaries {
        audit::ask_again(&standby, diary, interrupted).await;
    }
}

/// Every request names the server it went to, and the event names the request.
async fn assert_nothing_came_late(
    book: &Book,
    diaries: &[daybook_tests::load::Diary],
    position_before: i64,
) {
    let (mut before, mut after) = (0, 0);
    for diary in diaries {
        for event in book.account(diary.trader.demo).await {
            let by = event
                .metadata
                .get("correlation_id")
                .map_or("", String::as_str);
            if by.starts_with("node-0-") {
                before += 1;
                assert!(
                    event.position <= position_before,
                    "appended after it was fenced: {event:?}"
                );
            } else if by.starts_with("node-1-") {
                after += 1;
                assert!(event.position > position_before, "{event:?}");
            }
        }
    }
    assert!(
        before > 50 && after > 50,
        "both led: {before} and {after} events"
    );
    let interrupted = diaries
        .iter()
        .flat_map(|diary| &diary.done)
        .filter(|done| done.interrupted)
        .count();
    assert!(
        interrupted > 0,
        "nothing was in flight when the leader froze"
    );
}
