//! Mistakes seeded into a projection are found: by verification, or by the database at once.

use std::sync::Arc;

use daybook_projections::{AdminError, Projection, Runners, admin, names};

use crate::support::{
    Book, Heard,
    mutant::{Mistake, Mutant},
};

/// Lets an honest projection come half-way, and a mutant the rest; the mistake is made at the last
/// event of this type, which no later one puts right.
async fn follow_with_mistake(
    book: &mut Book,
    name: &str,
    event_type: &str,
    mistake: impl FnOnce(i64, &Book) -> Mistake,
) -> Arc<Mutant> {
    let honest = book.run();
    let middle = book.write(1_500).await;
    book.caught_up().await;
    honest.stop().await;
    let position = position_after(book, middle, event_type).await;
    let mutant = Mutant::of(name, mistake(position, book));
    let projections = vec![Arc::clone(&mutant) as Arc<dyn Projection>];
    let runners = Runners::start_with(book.store.clone(), &book.reads, projections);
    let head = book.head().await;
    book.until(name, |status| {
        status.position == head || status.status == "stopped"
    })
    .await;
    runners.stop().await;
    assert!(mutant.made(), "the mistake was made");
    mutant
}

/// Writes on until an event of this type has happened after the middle, and returns where the last
/// one stands: what chance brings seldom may take its time.
async fn position_after(book: &mut Book, middle: i64, event_type: &str) -> i64 {
    for _ in 0..5 {
        book.write(1_500).await;
        let position: Option<i64> =
            sqlx::query_scalar("select max(position) from public.events where event_type = $1")
                .bind(event_type)
                .fetch_one(book.store.pool())
                .await
                .unwrap();
        if let Some(position) = position.filter(|position| *position > middle) {
            return position;
        }
    }
    panic!("no {event_type} in the second half");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_skipped_event_is_found_in_every_model() {
    let seeds = [
        (names::ACCOUNTS, "FundsAdjusted"),
        (names::ORDERS, "OrderCancelled"),
        (names::POSITIONS, "PositionClosed"),
        (names::DEALS, "PositionClosed"),
        (names::CLIENTS, "ProfileUpdated"),
        (names::JOURNAL, "FundsAdjusted"),
        (names::AUDIT, "ProtectionChanged"),
        (names::FUNDING, "WithdrawalCompleted"),
    ];
    for (seed, (name, event_type)) in (31..).zip(seeds) {
        let mut book = Book::open(seed).await;
        follow_with_mistake(&mut book, name, event_type, |at, _| Mistake::Skips(at)).await;
        let differences = book.verify(name).await;
        assert!(!differences.is_empty(), "{name}");
        let sample = differences
            .tables
            .iter()
            .flat_map(|table| &table.samples)
            .next();
        let sample = sample.expect("a differing row is shown");
        assert_ne!(sample.live, sample.rebuilt);
        assert!(sample.key.as_object().is_some_and(|key| !key.is_empty()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doubled_event_is_found() {
    let mut book = Book::open(41).await;
    let doubles = |at, _: &Book| Mistake::Doubles(at);
    follow_with_mistake(&mut book, names::ACCOUNTS, "FundsAdjusted", doubles).await;
    let differences = book.verify(names::ACCOUNTS).await;
    let accounts = &differences.tables[0];
    assert_eq!((accounts.missing, accounts.extra), (0, 0));
    assert!(accounts.different >= 1, "{accounts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doubled_event_of_a_model_that_only_grows_is_refused_at_once() {
    for (seed, name) in (42..).zip([names::DEALS, names::JOURNAL, names::AUDIT]) {
        let mut book = Book::open(seed).await;
        let doubles = |at, _: &Book| Mistake::Doubles(at);
        follow_with_mistake(&mut book, name, "PositionClosed", doubles).await;
        let status = book.status(name).await;
        assert_eq!(status.status, "stopped", "{name}");
        assert_eq!(status.error_position, Some(status.position + 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_checkpoint_is_found() {
    let mut book = Book::open(51).await;
    let loses = |at, book: &Book| Mistake::LosesCheckpoint(at, Box::new(book.database.options()));
    follow_with_mistake(&mut book, names::ACCOUNTS, "FundsAdjusted", loses).await;
    let differences = book.verify(names::ACCOUNTS).await;
    assert!(!differences.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_changed_by_hand_is_found_to_the_last_digit() {
    let mut book = Book::open(52).await;
    let runners = book.run();
    book.write(400).await;
    book.caught_up().await;
    runners.stop().await;
    let account = book.world.traders[0].account_id;
    // The same amount, but another row: it would be shown with other digits.
    let touched = sqlx::query("update read.accounts set demo = demo * 1.0 where account_id = $1")
        .bind(account.0)
        .execute(book.store.pool())
        .await
        .unwrap();
    assert_eq!(touched.rows_affected(), 1);
    let differences = book.verify(names::ACCOUNTS).await;
    let accounts = &differences.tables[0];
    assert_eq!(
        (accounts.missing, accounts.extra, accounts.different),
        (0, 0, 1)
    );
    assert_eq!(accounts.samples[0].key["account_id"], account.to_string());

    sqlx::query("delete from read.accounts where account_id = $1")
        .bind(account.0)
        .execute(book.store.pool())
        .await
        .unwrap();
    let differences = book.verify(names::ACCOUNTS).await;
    assert_eq!(
        (
            differences.tables[0].missing,
            differences.tables[0].different
        ),
        (1, 0)
    );

    let report = admin::rebuild(&book.store, names::ACCOUNTS, verified())
        .await
        .unwrap();
    assert_eq!(
        report.differences.unwrap().tables[0].missing,
        1,
        "what was replaced is told"
    );
    book.assert_equal_to_the_book().await;
}

fn verified() -> admin::RebuildOptions {
    admin::RebuildOptions {
        verify: true,
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn verification_beside_a_book_being_written_compares_at_one_exact_position() {
    let mut book = Book::open(53).await;
    let runners = book.run();
    book.write(1_000).await;
    book.caught_up().await;
    let store = book.store.clone();
    let heard = Heard::default();
    let listener = heard.listener();
    let verifying = tokio::spawn(async move {
        for name in [names::AUDIT, names::ACCOUNTS, names::ORDERS, names::AUDIT] {
            let differences = admin::verify(&store, name, listener.clone()).await.unwrap();
            assert!(differences.is_empty(), "{differences:#?}");
            assert!(differences.position >= 1_000);
        }
    });
    while !verifying.is_finished() {
        book.write(50).await;
    }
    verifying.await.unwrap();
    assert!(heard.done() >= 1_000, "{}", heard.done());
    runners.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn verification_leaves_nothing_behind() {
    let mut book = Book::open(54).await;
    let runners = book.run();
    book.write(200).await;
    book.caught_up().await;
    book.verify(names::ORDERS).await;
    runners.stop().await;
    let schemas: Vec<String> = sqlx::query_scalar(
        "select nspname::text from pg_namespace where nspname like 'p\\_orders\\_%'",
    )
    .fetch_all(book.store.pool())
    .await
    .unwrap();
    let live = book.status(names::ORDERS).await.generation.unwrap();
    assert_eq!(schemas, [format!("p_orders_{live}")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_exist_cannot_be_verified() {
    let book = Book::open(55).await;
    let unknown = admin::verify(&book.store, "horoscopes", Arc::new(|_| {}))
        .await
        .unwrap_err();
    assert!(matches!(unknown, AdminError::Unknown(name) if name == "horoscopes"));
}
