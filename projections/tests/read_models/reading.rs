//! Pages, waiting for a position, and what a reader is told of clients.

use std::time::{Duration, Instant};

use daybook_projections::{Cursor, DealFilter, Page, ReadError, Reads, names};

use crate::support::{Book, PATIENCE, all_names};

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_newest_first_and_stable_under_inserts() {
    let mut book = Book::open(2).await;
    let _runners = book.run();
    book.write(3_500).await;
    book.caught_up().await;
    let account = busiest(&book).await;
    let all = Page {
        limit: 10_000,
        cursor: None,
    };
    let before = book.reads.orders(account, false, all).await.unwrap().items;
    assert!(before.len() > 30, "a history with {} orders", before.len());

    let mut walked = Vec::new();
    let mut cursor = None;
    loop {
        let page = Page { limit: 7, cursor };
        let page = book.reads.orders(account, false, page).await.unwrap();
        assert!(page.items.len() <= 7);
        walked.extend(page.items);
        let Some(next) = page.next_cursor else { break };
        let text = next.to_string();
        cursor = Some(text.parse::<Cursor>().unwrap());
        // New orders arrive while somebody reads the old ones.
        book.write(40).await;
        book.caught_up().await;
    }
    let ids = |rows: &[daybook_projections::OrderRow]| {
        rows.iter().map(|row| row.order_id).collect::<Vec<_>>()
    };
    assert_eq!(ids(&walked), ids(&before));
    let now = book.reads.orders(account, false, all).await.unwrap().items;
    assert!(now.len() > before.len(), "orders were placed meanwhile");
}

#[tokio::test(flavor = "multi_thread")]
async fn deals_are_filtered_by_time_and_symbol_within_their_pages() {
    let mut book = Book::open(3).await;
    let _runners = book.run();
    book.write(2_500).await;
    book.caught_up().await;
    let account = busiest(&book).await;
    let all = Page {
        limit: 10_000,
        cursor: None,
    };
    let deals = book
        .reads
        .deals(account, DealFilter::default(), all)
        .await
        .unwrap()
        .items;
    let middle = &deals[deals.len() / 2];
    let filter = DealFilter {
        from: Some(middle.at),
        to: Some(deals[0].at),
        symbol: Some(middle.symbol),
    };
    let expected: Vec<_> = deals
        .iter()
        .filter(|deal| deal.at >= middle.at && deal.at < deals[0].at)
        .filter(|deal| deal.symbol == middle.symbol)
        .cloned()
        .collect();
    assert!(!expected.is_empty() && expected.len() < deals.len() / 2 + 1);
    let found = book.reads.deals(account, filter, all).await.unwrap();
    assert_eq!((found.items, found.next_cursor), (expected, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_ends_when_the_position_is_reached_and_not_before() {
    let mut book = Book::open(4).await;
    let runners = book.run();
    let standby = Reads::new(book.store.clone());
    for _ in 0..20 {
        let position = book.write(5).await;
        for reads in [&book.reads, &standby] {
            reads
                .wait_for(&all_names(), position, PATIENCE)
                .await
                .unwrap();
            for name in all_names() {
                assert!(reads.checkpoint(name).await.unwrap() >= position);
                assert!(
                    book.status(name).await.position >= position,
                    "committed, not promised"
                );
            }
        }
    }
    runners.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_gives_up_after_the_time_out_and_says_how_far_it_came() {
    let mut book = Book::open(5).await;
    let runners = book.run();
    let head = book.write(20).await;
    book.caught_up().await;
    let standby = Reads::new(book.store.clone());
    for reads in [&book.reads, &standby] {
        let begun = Instant::now();
        let patience = Duration::from_millis(120);
        let behind = reads
            .wait_for(&[names::DEALS], head + 1, patience)
            .await
            .unwrap_err();
        assert!(begun.elapsed() >= patience);
        assert!(
            matches!(&behind, ReadError::Behind { name, reached, wanted }
                if name == names::DEALS && *reached == head && *wanted == head + 1),
            "{behind:?}"
        );
    }
    // Nobody feeds the place of stopped runners any more: the database is asked again.
    runners.stop().await;
    assert_eq!(book.reads.checkpoint(names::DEALS).await.unwrap(), head);
    book.reads
        .wait_for(&[names::DEALS], head, Duration::ZERO)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_of_no_projection_is_unknown() {
    let book = Book::open(6).await;
    let unknown = book.reads.checkpoint("horoscopes").await.unwrap_err();
    assert!(matches!(unknown, ReadError::Unknown(name) if name == "horoscopes"));
}

#[tokio::test(flavor = "multi_thread")]
async fn personal_data_is_copied_as_the_ciphertext_it_is() {
    let mut book = Book::open(7).await;
    let _runners = book.run();
    book.write(2_000).await;
    book.caught_up().await;
    for client in &book.world.clients {
        let row = book.reads.client(*client).await.unwrap().unwrap();
        assert_eq!(row.email, format!("enc:v1:email-{client}@example.test"));
        let sealed = [
            Some(row.first_name),
            Some(row.last_name),
            row.phone,
            row.country,
            row.kyc_notes,
        ];
        let sealed: Vec<_> = sealed.into_iter().flatten().collect();
        assert!(
            sealed.iter().all(|text| text.starts_with("enc:v1:")),
            "{sealed:?}"
        );
    }
    let told: (i64, i64, i64) = sqlx::query_as(
        "select count(*), count(*) filter (where ip = 'enc:v1:address'),
                count(*) filter (where actor = 'client:test' and reason = 'because'
                                 and correlation_id = 'request-1')
         from read.audit",
    )
    .fetch_one(book.store.pool())
    .await
    .unwrap();
    let head = book.head().await;
    assert_eq!(told, (head, head, head));
    let owners: i64 = sqlx::query_scalar(
        "select count(*) from read.audit where account_id is not null and client_id is null",
    )
    .fetch_one(book.store.pool())
    .await
    .unwrap();
    assert_eq!(owners, 0, "the owner of every account is known");
}

/// The account with the longest history.
async fn busiest(book: &Book) -> daybook_domain::AccountId {
    let traders = book.world.traders.iter();
    traders
        .max_by_key(|trader| trader.history.len())
        .unwrap()
        .account_id
}
