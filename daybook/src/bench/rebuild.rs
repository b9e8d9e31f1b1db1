//! `bench rebuild`: how fast a read model is rebuilt, everything verified, and accounts are loaded.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use daybook_domain::AccountId;
use daybook_projections::{
    Reads, Runners,
    admin::{self, RebuildOptions},
    names,
};
use daybook_store::{ChainHead, StreamHandle, StreamId};
use indicatif::ProgressBar;
use uuid::Uuid;

use super::{
    arena::{Arena, Book},
    history::{EVENTS_OF_AN_ACCOUNT, history},
    ours,
    report::Report,
};

/// Fills a book with trading histories, lets the live read models catch up, then rebuilds each.
///
/// # Errors
/// When a database cannot be started, a rebuild fails, or one is not of the whole book.
pub async fn run(events: usize) -> anyhow::Result<Report> {
    let arena = Arena::start().await?;
    let book = arena.book("rebuild").await?;
    fill(&book, events).await?;
    let mut report = Report::default();
    let position = book.store.head().await?.position;
    catch_up(&book, position, &mut report).await?;
    for listed in admin::list() {
        let rebuilt = admin::rebuild(&book.store, listed.name, options()).await?;
        anyhow::ensure!(
            rebuilt.position == position,
            "{} was not rebuilt whole",
            listed.name
        );
        let name = format!("rebuild of {}, one worker", listed.name);
        let speed = position as f64 * 1_000.0 / rebuilt.elapsed_ms.max(1) as f64;
        if listed.name == names::ACCOUNTS {
            report.at_least(&name, speed, 50_000.0, "events/s");
        } else {
            report.figure(&name, speed, "events/s");
        }
    }
    recover(&book, events, &mut report).await?;
    book.close().await;
    Ok(report)
}

fn options() -> RebuildOptions {
    RebuildOptions {
        parallel: 1,
        verify: false,
        progress: Arc::new(|_progress| ()),
    }
}

/// All live read models at once, from nothing to the head.
async fn catch_up(book: &Book, position: i64, report: &mut Report) -> anyhow::Result<()> {
    let reads = Reads::new(book.store.clone());
    let start = Instant::now();
    let runners = Runners::start(book.store.clone(), &reads);
    let every: Vec<_> = admin::list().iter().map(|listed| listed.name).collect();
    reads
        .wait_for(&every, position, Duration::from_mins(10))
        .await?;
    let speed = position as f64 / start.elapsed().as_secs_f64();
    report.figure("all live read models catch up together", speed, "events/s");
    runners.stop().await;
    Ok(())
}

async fn recover(book: &Book, events: usize, report: &mut Report) -> anyhow::Result<()> {
    let accounts = (events / EVENTS_OF_AN_ACCOUNT) as f64;
    for (from, of, unit) in [
        ("recovery from the book alone", events as f64, "events/s"),
        ("recovery from snapshots", accounts, "accounts/s"),
    ] {
        let start = Instant::now();
        let engine = book.engine().await?;
        report.figure(from, of / start.elapsed().as_secs_f64(), unit);
        // Stopping in order keeps a snapshot of every account: the next start has them.
        engine.shutdown().await;
    }
    Ok(())
}

async fn fill(book: &Book, events: usize) -> anyhow::Result<()> {
    let accounts = events / EVENTS_OF_AN_ACCOUNT;
    let bar = ProgressBar::new(u64::try_from(accounts)?).with_message("filling the book");
    let mut waiting = Vec::new();
    for number in 0..accounts {
        let account_id = AccountId(Uuid::now_v7());
        let stream = StreamId::new("account", account_id);
        let handle = StreamHandle::new(stream, ChainHead::default());
        waiting.push(ours::append(&book.writer, handle, history(number)?));
        if waiting.len() == 64 {
            for outcome in waiting.drain(..) {
                outcome.await??;
            }
        }
        bar.inc(1);
    }
    for outcome in waiting {
        outcome.await??;
    }
    bar.finish_and_clear();
    Ok(())
}
