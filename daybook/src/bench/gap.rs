//! A gap that reaches many stop losses at once, on the running engine: how long until every close
//! stands in the book.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use chrono::Utc;
use daybook_domain::{Decimal, Quote, Symbol, quote::QuoteSource};

use super::{
    arena::{Arena, Book},
    measure::Done,
    ours::{self, Accounts},
    report::Report,
};

const TRIGGERED_AT_ONCE: usize = 10_000;
/// A gap whose closes have not been appended by then has lost some.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(2);

/// Opens protected positions, each of an account of its own, and lets the market fall through all
/// of their stop losses in one quote.
///
/// # Errors
/// When a database cannot be started, an order is refused, or a close is missing.
pub async fn run(report: &mut Report) -> anyhow::Result<()> {
    let arena = Arena::start().await?;
    let book = arena.book("gap").await?;
    let accounts = Accounts::fill(&book.writer, TRIGGERED_AT_ONCE, 3).await?;
    let engine = book.engine().await?;
    ours::warm(&engine, &accounts).await?;
    for number in 0..u64::try_from(TRIGGERED_AT_ONCE)? {
        let done = ours::protected_order(&engine, accounts.pick(number), stop_loss()).await?;
        anyhow::ensure!(done == Done::Accepted, "an order was refused");
    }
    arena.settle().await?;
    let closed = position(&book).await? + i64::try_from(TRIGGERED_AT_ONCE)?;
    let start = Instant::now();
    engine.quote(gap()?).await;
    while position(&book).await? < closed {
        anyhow::ensure!(start.elapsed() < PATIENCE, "closes are missing");
        tokio::time::sleep(POLL).await;
    }
    let name = format!("{TRIGGERED_AT_ONCE} stop losses that one gap touches, in the book");
    report.at_most(&name, start.elapsed().as_secs_f64() * 1e3, 1_000.0, "ms");
    engine.shutdown().await;
    book.close().await;
    Ok(())
}

async fn position(book: &Book) -> anyhow::Result<i64> {
    let head = book.store.head().await;
    Ok(head.context("the book cannot be read")?.position)
}

fn stop_loss() -> Decimal {
    Decimal::new(108_000, 5)
}

/// EURUSD, a hundred pips below every stop loss.
fn gap() -> anyhow::Result<Quote> {
    Ok(Quote {
        symbol: Symbol::parse("EURUSD")?,
        bid: Decimal::new(107_000, 5),
        ask: Decimal::new(107_005, 5),
        at: Utc::now(),
        source: QuoteSource::Simulator,
    })
}
