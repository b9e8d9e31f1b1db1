//! `bench store`: durable commands a second against the peer, and the share of the raw ceiling.

use std::time::Duration;

use daybook_engine::Engine;
use sqlx::PgPool;

use super::{
    arena::{Arena, Book},
    ceiling::{self, SampleRow},
    measure::{Measured, best, closed_loop, paced},
    ours::{self, Accounts, TIME},
    peer::Peer,
    report::Report,
};

/// More than 512 wait longer than its pool lets them, and are refused.
const PEER_CALLERS: [usize; 4] = [1, 8, 64, 512];
const OUR_CALLERS: [usize; 5] = [1, 64, 256, 512, 1_024];

/// Runs everything, in one process, one after the other, and reports the ratios.
///
/// # Errors
/// When a database cannot be started or a program fails.
pub async fn run() -> anyhow::Result<Report> {
    let arena = Arena::start().await?;
    let mut report = Report::default();
    let theirs = peer(&arena, &mut report).await?;
    let book = arena.book("ours").await?;
    let ours = our_commands(&arena, &book, &mut report).await?;
    report.at_least(
        "streams of 10: ours ÷ postgres-es",
        ours.short / theirs.short,
        12.0,
        "×",
    );
    report.at_least(
        "streams of 1,000: ours ÷ postgres-es",
        ours.long / theirs.long,
        100.0,
        "×",
    );
    report.at_least(
        "one hot account: ours ÷ postgres-es",
        ours.hot / theirs.hot,
        100.0,
        "×",
    );
    report.at_least(
        "streams of 1,000 ÷ streams of 10, ours",
        ours.long / ours.short,
        0.8,
        "×",
    );
    ceilings(&arena, &book, &ours, &mut report).await?;
    book.close().await;
    Ok(report)
}

/// Best commands a second, by kind of stream.
struct Best {
    short: f64,
    long: f64,
    hot: f64,
    /// One caller alone, median.
    alone_p50_us: u64,
    /// Mean events of a batch at the best throughput, and the events a second there.
    batch: usize,
}

async fn peer(arena: &Arena, report: &mut Report) -> anyhow::Result<Best> {
    let peer = Peer::try_new(arena.database("peer").await?).await?;
    peer.fill("short-", 20_000, 10).await?;
    peer.fill("long-", 512, 1_000).await?;
    let mut found = [0.0; 3];
    let kinds = [
        ("short-", 20_000, "10"),
        ("long-", 512, "1,000"),
        ("long-", 1, "1,000, one hot"),
    ];
    for (place, (prefix, streams, length)) in kinds.into_iter().enumerate() {
        let mut all = Vec::new();
        for callers in PEER_CALLERS {
            arena.settle().await?;
            let measured = peer.run(prefix, streams, callers, TIME).await?;
            report.line(format!("postgres-es, streams of {length}"), measured);
            all.push(measured);
        }
        found[place] = best(&all).map_or(0.0, |best| best.per_second);
    }
    Ok(Best {
        short: found[0],
        long: found[1],
        hot: found[2],
        alone_p50_us: 0,
        batch: 0,
    })
}

async fn our_commands(arena: &Arena, book: &Book, report: &mut Report) -> anyhow::Result<Best> {
    let short = Accounts::fill(&book.writer, 20_000, 10).await?;
    let long = Accounts::fill(&book.writer, 512, 1_000).await?;
    let engine = book.engine().await?;
    ours::warm(&engine, &short).await?;
    ours::warm(&engine, &long).await?;
    let (shorts, batch) = callers((arena, book), &engine, &short, "10", report).await?;
    let (longs, _) = callers((arena, book), &engine, &long, "1,000", report).await?;
    let (hots, _) = callers(
        (arena, book),
        &engine,
        &long.first(1),
        "1,000, one hot",
        report,
    )
    .await?;
    let top = |all: &[Measured]| best(all).map_or(0.0, |best| best.per_second);
    let ours = Best {
        short: top(&shorts),
        long: top(&longs),
        hot: top(&hots),
        alone_p50_us: shorts.first().map_or(0, |alone| alone.p50_us),
        batch,
    };
    arena.settle().await?;
    half_load(&engine, &short, ours.short, report).await?;
    arena.settle().await?;
    orders(&engine, &short, report).await?;
    engine.shutdown().await;
    Ok(ours)
}

/// Every number of callers, and the mean batch of the best.
async fn callers(
    (arena, book): (&Arena, &Book),
    engine: &Engine,
    accounts: &Accounts,
    length: &str,
    report: &mut Report,
) -> anyhow::Result<(Vec<Measured>, usize)> {
    let (mut all, mut best_batch, mut best_per_second) = (Vec::new(), 1, 0.0);
    for callers in OUR_CALLERS {
        arena.settle().await?;
        let before = Appends::read(book.store.pool()).await?;
        let (engine, accounts) = (engine.clone(), accounts.clone());
        let measured = closed_loop(callers, TIME, move |_, number| {
            let (engine, owner) = (engine.clone(), accounts.pick(number));
            async move { ours::adjust(&engine, owner).await }
        })
        .await?;
        let batch = Appends::read(book.store.pool())
            .await?
            .mean_batch_since(&before);
        report.line(
            format!("daybook, streams of {length}, mean batch {batch}"),
            measured,
        );
        if measured.per_second > best_per_second {
            (best_batch, best_per_second) = (batch, measured.per_second);
        }
        all.push(measured);
    }
    Ok((all, best_batch))
}

async fn half_load(
    engine: &Engine,
    accounts: &Accounts,
    best_per_second: f64,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (engine, accounts) = (engine.clone(), accounts.clone());
    let measured = paced(best_per_second / 2.0, TIME, move |_, number| {
        let (engine, owner) = (engine.clone(), accounts.pick(number));
        async move { ours::adjust(&engine, owner).await }
    })
    .await?;
    report.line("daybook at half of its best throughput", measured);
    report.at_most(
        "p99 at half of the best throughput",
        ms(measured.p99_us),
        10.0,
        "ms",
    );
    Ok(())
}

async fn orders(engine: &Engine, accounts: &Accounts, report: &mut Report) -> anyhow::Result<()> {
    let (engine, accounts) = (engine.clone(), accounts.clone());
    let measured = closed_loop(512, TIME, move |_, number| {
        let (engine, owner) = (engine.clone(), accounts.pick(number));
        async move { ours::market_order(&engine, owner).await }
    })
    .await?;
    report.line("daybook, market orders (3 events each)", measured);
    Ok(())
}

async fn ceilings(
    arena: &Arena,
    book: &Book,
    ours: &Best,
    report: &mut Report,
) -> anyhow::Result<()> {
    let row = sample(book.store.pool()).await?;
    let raw = arena.book("raw").await?;
    let options = arena.database("raw").await?;
    raw.close().await;
    arena.settle().await?;
    let ceiling = ceiling::unnest(&options, &row, ours.batch.max(1), TIME).await?;
    eprintln!(
        "raw UNNEST at batches of {}: {ceiling:.0} events/s",
        ours.batch
    );
    report.at_least(
        "share of the raw ceiling at the same batch size",
        ours.short / ceiling,
        0.5,
        "",
    );
    let bare = ceiling::bare_insert(&options, &row, Duration::from_secs(2)).await?;
    report.line("bare autocommit INSERT", bare);
    let alone = ours.alone_p50_us as f64 / bare.p50_us.max(1) as f64;
    report.at_most(
        "one command alone, p50: ours ÷ bare INSERT",
        alone,
        2.0,
        "×",
    );
    Ok(())
}

/// One of our own one-event commands, as stored.
async fn sample(pool: &PgPool) -> anyhow::Result<SampleRow> {
    let (payload, metadata) = sqlx::query_as(
        "select payload::text, metadata::text from events
         where event_type = 'FundsAdjusted' order by position desc limit 1",
    )
    .fetch_one(pool)
    .await?;
    Ok(SampleRow { payload, metadata })
}

/// How many events were appended in how many batches; a batch shares one `recorded_at`.
struct Appends {
    events: i64,
    batches: i64,
}

impl Appends {
    async fn read(pool: &PgPool) -> anyhow::Result<Self> {
        let (events, batches) =
            sqlx::query_as("select count(*), count(distinct recorded_at) from events")
                .fetch_one(pool)
                .await?;
        Ok(Self { events, batches })
    }

    fn mean_batch_since(&self, before: &Self) -> usize {
        let events = self.events - before.events;
        usize::try_from(events / (self.batches - before.batches).max(1)).unwrap_or(1)
    }
}

fn ms(us: u64) -> f64 {
    us as f64 / 1_000.0
}
