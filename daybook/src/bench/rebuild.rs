//! `bench rebuild`: how fast a read model is rebuilt, everything verified, and accounts are loaded.

use std::{sync::Arc, time::Instant};

use daybook_domain::AccountId;
use daybook_projections::admin::{self, RebuildOptions};
use daybook_store::{ChainHead, StreamHandle, StreamId};
use indicatif::ProgressBar;
use uuid::Uuid;

use super::{
    arena::{Arena, Book},
    history::{EVENTS_OF_AN_ACCOUNT, history},
    ours,
    report::Report,
};

/// Fills a book with trading histories, then rebuilds each read model.
///
/// # Errors
/// When a database cannot be started or a rebuild fails.
pub async fn run(events: usize) -> anyhow::Result<Report> {
    let arena = Arena::start().await?;
    let book = arena.book("rebuild").await?;
    fill(&book, events).await?;
    let mut report = Report::default();
    for listed in admin::list() {
        let options = RebuildOptions {
            parallel: 1,
            verify: false,
            progress: Arc::new(|_progress| ()),
        };
        let rebuilt = admin::rebuild(&book.store, listed.name, options).await?;
        let goal = if listed.name == "accounts" {
            50_000.0
        } else {
            0.0
        };
        let name = format!("rebuild of {}", listed.name);
        report.at_least(
            &name,
            per_second(rebuilt.events, rebuilt.elapsed_ms),
            goal,
            "events/s",
        );
    }
    let start = Instant::now();
    let engine = book.engine().await?;
    let loaded = events as f64 / start.elapsed().as_secs_f64();
    report.at_least("recovery from the book alone", loaded, 0.0, "events/s");
    engine.shutdown().await;
    let start = Instant::now();
    let engine = book.engine().await?;
    let accounts = (events / EVENTS_OF_AN_ACCOUNT) as f64 / start.elapsed().as_secs_f64();
    report.at_least("recovery from snapshots", accounts, 0.0, "accounts/s");
    engine.shutdown().await;
    book.close().await;
    Ok(report)
}

fn per_second(events: i64, elapsed_ms: u64) -> f64 {
    events as f64 * 1_000.0 / elapsed_ms.max(1) as f64
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
