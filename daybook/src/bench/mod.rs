//! `daybook bench`: ours beside its peers, in one run, on one machine. Absolute figures differ
//! from machine to machine; the ratios are what counts.

#![allow(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "rates and ratios are no money"
)]

mod arena;
mod ceiling;
mod engine;
mod fanout;
mod gap;
mod history;
mod identity;
mod measure;
mod ours;
mod peer;
mod rebuild;
mod report;
mod soak;
mod store;
mod ticks;
mod webhooks;

use std::time::Duration;

use clap::{Args, Subcommand};

/// Which benchmark, and how it reports.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// What to measure.
    #[command(subcommand)]
    pub what: Bench,
}

/// The benchmarks.
#[derive(Debug, Subcommand)]
pub enum Bench {
    /// Durable commands a second: ours, cqrs-es + postgres-es, and the raw group-commit ceiling.
    Store,
    /// Decisions, ticks against resting orders and held positions, memory.
    Engine {
        /// Resting orders in the trigger book.
        #[arg(long, default_value_t = 1_000_000)]
        resting: usize,
    },
    /// Quotes to thousands of WebSockets: ours, Bun, uWebSockets, NATS and Node.
    Fanout(fanout::FanoutArgs),
    /// Our side of `fanout`, as a process of its own.
    #[command(hide = true)]
    FanoutServer {
        /// Port on the loopback interface.
        port: u16,
        /// Symbols.
        symbols: usize,
    },
    /// Sign-ins and refreshes over HTTP, and what a flood of sign-ins costs those who trade.
    Identity,
    /// Rebuilding a read model, and loading accounts at start.
    Rebuild {
        /// Events in the book.
        #[arg(long, default_value_t = 500_000)]
        events: usize,
    },
    /// Deliveries of webhooks to a receiver on this machine, and their lag behind the commit.
    Webhooks {
        /// Webhooks that wait when deliveries begin.
        #[arg(long, default_value_t = 40_000, value_parser = backlog)]
        backlog: usize,
        /// How long events then come in, 500 a second.
        #[arg(long, default_value_t = 20)]
        seconds: u64,
    },
    /// Simulated hours on a virtual clock, weekend included: memory must not grow. Exits 1 if it
    /// does.
    Soak {
        /// Hours to live through.
        #[arg(long, default_value_t = 24)]
        hours: u32,
    },
}

fn backlog(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| *number >= 1_000);
    number.ok_or_else(|| "a number of at least 1000".to_owned())
}

/// Runs one benchmark and prints its table, or JSON.
///
/// # Errors
/// When the benchmark's own database cannot be started or a measurement fails.
pub async fn run(args: BenchArgs, json: bool) -> anyhow::Result<()> {
    let report = match args.what {
        Bench::Store => store::run().await?,
        Bench::Engine { resting } => engine::run(resting).await?,
        Bench::Fanout(args) => tokio::task::spawn_blocking(move || fanout::run(&args)).await??,
        Bench::FanoutServer { port, symbols } => return fanout::server::run(port, symbols).await,
        Bench::Identity => identity::run().await?,
        Bench::Rebuild { events } => rebuild::run(events).await?,
        Bench::Soak { hours } => soak::run(hours).await?,
        Bench::Webhooks { backlog, seconds } => {
            let time = Duration::from_secs(seconds);
            webhooks::run(webhooks::Amount { backlog, time }).await?
        }
    };
    report.print(json)
}
