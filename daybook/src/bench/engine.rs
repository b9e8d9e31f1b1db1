//! `bench engine`: what a decision and a tick cost, and what accounts and orders weigh in memory.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use chrono::Utc;
use daybook_domain::{
    Decimal, Quote, Symbol, Timestamp,
    account::Context,
    quote::QuoteSource,
    triggers::{Direction, QuoteSide, Trigger},
};
use daybook_engine::{
    Engine,
    trigger_book::{Kind, TriggerBook, Waiter},
};
use uuid::Uuid;

use super::{
    arena::{Arena, resident_bytes},
    gap,
    history::Desk,
    ours::{self, Accounts},
    report::Report,
    ticks,
};

const DECISIONS: u32 = 200_000;
const TICKS: u32 = 2_000_000;
const FLAT_ACCOUNTS: usize = 50_000;
const RESTING_IN_ENGINE: usize = 200_000;

/// Measures a decision, a tick, and memory through the running engine.
///
/// # Errors
/// When a database cannot be started or a program fails.
pub async fn run(resting: usize) -> anyhow::Result<Report> {
    let mut report = Report::default();
    report.at_most(
        "a market order decided on a hot account",
        decision_us()?,
        5.0,
        "µs",
    );
    let name = format!("a tick against {resting} resting orders that triggers nothing");
    report.at_most(&name, tick_us(resting)?, 1.0, "µs");
    ticks::run(&mut report)?;
    gap::run(&mut report).await?;
    memory(&mut report).await?;
    Ok(report)
}

fn decision_us() -> anyhow::Result<f64> {
    let mut desk = Desk::try_new(0)?;
    desk.advance()?;
    let at = Utc::now();
    let context = Context {
        at,
        market: &desk.market,
        rules: &desk.rules,
    };
    let command = desk.buy();
    let start = Instant::now();
    for _ in 0..DECISIONS {
        let decision = desk
            .account
            .decide(black_box(&command), black_box(&context));
        anyhow::ensure!(
            black_box(decision).refusal.is_none(),
            "the order was refused"
        );
    }
    Ok(each_us(start.elapsed(), DECISIONS))
}

fn tick_us(resting: usize) -> anyhow::Result<f64> {
    let symbol = Symbol::parse("EURUSD")?;
    let mut book = resting_book(symbol, resting)?;
    let at = Utc::now();
    let quotes = [quote(symbol, 108_720, at), quote(symbol, 108_722, at)];
    let start = Instant::now();
    for number in 0..TICKS {
        let index = usize::from(number % 2 == 0);
        let touched = book.pop_touched(black_box(&quotes[index]), Some(&quotes[1 - index]));
        anyhow::ensure!(touched.is_none(), "a tick triggered what it does not touch");
    }
    let each = each_us(start.elapsed(), TICKS);
    anyhow::ensure!(book.len() == resting, "the book lost an order");
    Ok(each)
}

/// Buy limits below the market and buy stops above it, at many levels.
fn resting_book(symbol: Symbol, resting: usize) -> anyhow::Result<TriggerBook> {
    let mut book = TriggerBook::new();
    let since = Utc::now();
    for number in 0..resting {
        let away = i64::try_from(number % 50_000)? + 100;
        let (direction, level) = match number % 2 {
            0 => (Direction::AtOrBelow, 108_725 - away),
            _ => (Direction::AtOrAbove, 108_725 + away),
        };
        let level = Decimal::new(level, 5);
        let trigger = Trigger {
            side_of_quote: QuoteSide::Ask,
            direction,
            level,
        };
        let account = u32::try_from(number % 10_000)?;
        let waiter = Waiter {
            account,
            kind: Kind::Order,
            id: Uuid::now_v7(),
            since,
        };
        book.insert(symbol, &trigger, waiter);
    }
    Ok(book)
}

fn quote(symbol: Symbol, bid: i64, at: Timestamp) -> Quote {
    Quote {
        symbol,
        bid: Decimal::new(bid, 5),
        ask: Decimal::new(bid + 5, 5),
        at,
        source: QuoteSource::Simulator,
    }
}

/// Resident memory once what was freed has gone back to the system, which takes half a second.
async fn settled_bytes() -> anyhow::Result<u64> {
    tokio::time::sleep(Duration::from_secs(2)).await;
    resident_bytes()
}

/// Growth of this process' resident memory while accounts become hot and orders come to rest, all
/// through the engine's own door.
async fn memory(report: &mut Report) -> anyhow::Result<()> {
    let arena = Arena::start().await?;
    let book = arena.book("memory").await?;
    let accounts = Accounts::fill(&book.writer, FLAT_ACCOUNTS, 3).await?;
    let engine = book.engine().await?;
    // The first thousand pay for buffers and connections.
    ours::warm(&engine, &accounts.first(1_000)).await?;
    let before = settled_bytes().await?;
    ours::warm(&engine, &accounts).await?;
    let grown = settled_bytes().await?.saturating_sub(before) as f64;
    let each = grown / (FLAT_ACCOUNTS - 1_000) as f64;
    report.at_most("memory of a flat hot account", each, 2_048.0, "bytes");
    let before = settled_bytes().await?;
    rest(&engine, &accounts).await?;
    let grown = settled_bytes().await?.saturating_sub(before) as f64;
    report.at_most(
        "memory of a resting order",
        grown / RESTING_IN_ENGINE as f64,
        400.0,
        "bytes",
    );
    engine.shutdown().await;
    book.close().await;
    Ok(())
}

async fn rest(engine: &Engine, accounts: &Accounts) -> anyhow::Result<()> {
    // On few accounts with many orders each, as market makers of their own have them; keys are
    // not kept, for they are weighed with the day's traffic and not with the order.
    let per_account = 200;
    let owners = RESTING_IN_ENGINE / per_account;
    let mut waiting = tokio::task::JoinSet::new();
    for number in 0..RESTING_IN_ENGINE {
        let (engine, owner) = (
            engine.clone(),
            accounts.pick(u64::try_from(number % owners)?),
        );
        let points = i64::try_from(number)?;
        waiting.spawn(async move { ours::limit_order(&engine, owner, points).await });
        if waiting.len() >= 256 {
            waiting.join_next().await.transpose()?.transpose()?;
        }
    }
    while let Some(done) = waiting.join_next().await {
        done??;
    }
    Ok(())
}

fn each_us(elapsed: Duration, times: u32) -> f64 {
    elapsed.as_secs_f64() * 1e6 / f64::from(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_against_the_resting_book_is_measured_without_triggering_anything() {
        assert!(tick_us(1_000).unwrap() > 0.0);
    }

    #[test]
    fn a_decision_is_measured_on_an_order_that_is_accepted() {
        assert!(decision_us().unwrap() > 0.0);
    }

    #[test]
    fn quotes_of_the_benchmark_pass_as_quotes() {
        let quote = quote(Symbol::parse("EURUSD").unwrap(), 108_720, Utc::now());
        assert!(quote.bid < quote.ask);
    }
}
