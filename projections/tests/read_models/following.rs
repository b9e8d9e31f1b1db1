//! Runners that are killed, raced and restarted apply each event exactly once.

use std::time::Duration;

use daybook_projections::Runners;

use crate::support::{Book, all_names};

const ROUNDS: usize = 60;

#[tokio::test(flavor = "multi_thread")]
async fn runners_killed_at_any_moment_apply_each_event_exactly_once() {
    let mut book = Book::open(11).await;
    let mut killed_behind = 0;
    for round in 0..ROUNDS {
        let runners = book.run();
        let head = book.write(60).await;
        // From at once to long enough to have come to the end.
        let lived = (round * 7) % 40;
        tokio::time::sleep(Duration::from_millis(lived as u64)).await;
        runners.abort().await;
        let mut behind = false;
        for name in all_names() {
            behind |= book.status(name).await.position < head;
        }
        killed_behind += usize::from(behind);
    }
    assert!(
        killed_behind * 4 >= ROUNDS,
        "{killed_behind} rounds were cut short"
    );
    let runners = book.run();
    book.caught_up().await;
    runners.stop().await;
    book.assert_equal_to_the_book().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_that_both_believe_to_lead_do_not_double_anything() {
    let mut book = Book::open(12).await;
    let other = daybook_projections::Reads::new(book.store.clone());
    let first = book.run();
    let second = Runners::start(book.store.clone(), &other);
    for _ in 0..20 {
        book.write(150).await;
    }
    book.caught_up().await;
    first.stop().await;
    second.stop().await;
    book.assert_equal_to_the_book().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_whose_connections_are_cut_connects_again_and_goes_on() {
    let mut book = Book::open(13).await;
    let runners = book.run();
    let pool = book.database.pool().await;
    let mut cut = 0;
    for _ in 0..15 {
        book.write(80).await;
        let ended: i64 = sqlx::query_scalar(
            "select count(*) filter (where pg_terminate_backend(pid)) from pg_stat_activity
             where application_name like 'daybook projection%' and datname = current_database()",
        )
        .fetch_one(&pool)
        .await
        .unwrap();
        cut += ended;
    }
    assert!(cut > 0, "connections were cut");
    book.caught_up().await;
    runners.stop().await;
    book.assert_equal_to_the_book().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_move_past_events_that_a_projection_ignores() {
    let mut book = Book::open(14).await;
    let runners = book.run();
    let appends = vec![crate::support::world::Append {
        aggregate_type: "note",
        aggregate_id: "of no concern".into(),
        events: vec![crate::support::event("Noted", r#"{"Noted":{}}"#)],
    }];
    let position = book.append(appends).await;
    book.caught_up().await;
    for name in all_names() {
        assert_eq!(book.status(name).await.position, position);
    }
    runners.stop().await;
}
