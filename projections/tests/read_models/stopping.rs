//! An event that cannot be applied stops its projection, loudly, and no other.

use std::sync::Arc;

use daybook_projections::{Projection, Runners, admin, all, names};

use crate::support::{
    Book, all_names, event,
    mutant::{Mistake, Mutant},
    world::Append,
};

/// Runs all projections, one of them with a mistake.
fn run_with(book: &Book, mutant: &Arc<Mutant>) -> Runners {
    let name = mutant.name();
    let honest = all()
        .into_iter()
        .filter(|projection| projection.name() != name);
    let mut projections: Vec<Arc<dyn Projection>> = honest.collect();
    projections.push(Arc::clone(mutant) as Arc<dyn Projection>);
    Runners::start_with(book.store.clone(), &book.reads, projections)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_event_stops_its_projection_alone_right_before_it() {
    let mut book = Book::open(21).await;
    let mutant = Mutant::of(names::ORDERS, Mistake::Chokes(777));
    let runners = run_with(&book, &mutant);
    let head = book.write(1_500).await;
    let status = book
        .until(names::ORDERS, |status| status.status == "stopped")
        .await;
    assert_eq!((status.position, status.error_position), (776, Some(777)));
    let error = status.error.unwrap();
    assert!(
        error.contains("777") && error.contains("cannot be swallowed"),
        "{error}"
    );
    for name in all_names()
        .into_iter()
        .filter(|name| *name != names::ORDERS)
    {
        let status = book.until(name, |status| status.position >= head).await;
        assert_eq!((status.status.as_str(), status.error), ("running", None));
    }
    // What it holds is right, as far as it came.
    let differences = book.verify(names::ORDERS).await;
    assert_eq!((differences.is_empty(), differences.position), (true, 776));
    runners.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_a_projection_stops_it_like_a_poison_event() {
    let mut book = Book::open(22).await;
    let mutant = Mutant::of(names::DEALS, Mistake::Panics(99));
    let runners = run_with(&book, &mutant);
    book.write(300).await;
    let status = book
        .until(names::DEALS, |status| status.status == "stopped")
        .await;
    assert_eq!((status.position, status.error_position), (98, Some(99)));
    assert!(status.error.unwrap().contains("never thought of that"));
    runners.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_projection_goes_on_when_a_program_that_can_apply_the_event_rebuilt_it() {
    let mut book = Book::open(23).await;
    let mutant = Mutant::of(names::JOURNAL, Mistake::Chokes(200));
    let runners = run_with(&book, &mutant);
    book.write(500).await;
    book.until(names::JOURNAL, |status| status.status == "stopped")
        .await;
    runners.stop().await;
    let report = admin::rebuild(&book.store, names::JOURNAL, Default::default())
        .await
        .unwrap();
    assert_eq!(
        report.position, 199,
        "swapped in exactly where the live one stood"
    );
    let status = book.status(names::JOURNAL).await;
    assert_eq!((status.status.as_str(), status.error), ("running", None));
    let runners = book.run();
    book.caught_up().await;
    runners.stop().await;
    book.assert_equal_to_the_book().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_does_not_decode_stops_those_that_read_it() {
    let mut book = Book::open(24).await;
    book.write(100).await;
    let account = book.world.traders[0].account_id.to_string();
    let poison = Append {
        aggregate_type: "account",
        aggregate_id: account,
        events: vec![event(
            "FundsAdjusted",
            r#"{"FundsAdjusted":{"amount":"a lot"}}"#,
        )],
    };
    let position = book.append(vec![poison]).await;
    let runners = book.run();
    for name in [
        names::ACCOUNTS,
        names::ORDERS,
        names::POSITIONS,
        names::DEALS,
        names::JOURNAL,
        names::FUNDING,
    ] {
        let status = book.until(name, |status| status.status == "stopped").await;
        assert_eq!(
            (status.position, status.error_position),
            (position - 1, Some(position))
        );
    }
    for name in [names::CLIENTS, names::AUDIT] {
        let status = book.until(name, |status| status.position == position).await;
        assert_eq!(status.status, "running");
    }
    runners.stop().await;
}
