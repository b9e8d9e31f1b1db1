//! `daybook scenario run`: dispute replay, backtests, tests.

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use daybook_engine::scenario;
use daybook_relay::{Filter, FilterConfig, Verdict as Passed};

use super::Verdict;
use crate::out;

#[derive(Debug, Subcommand)]
pub enum Scenario {
    /// Run a scenario file and print its report.
    #[command(after_help = "Examples:\n  \
        daybook scenario run dispute.json\n  \
        daybook scenario run backtest.json --out report.json")]
    Run(RunArgs),
}

#[derive(Debug, Args)]
pub struct RunArgs {
    /// The scenario (JSON); tick paths in it are relative to it.
    file: PathBuf,
    /// Where the report goes instead of standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub async fn run(what: Scenario) -> anyhow::Result<Verdict> {
    let Scenario::Run(args) = what;
    // Pure work that may take seconds: not for a thread of the runtime.
    tokio::task::spawn_blocking(move || run_file(&args)).await?
}

fn run_file(args: &RunArgs) -> anyhow::Result<Verdict> {
    let loaded = scenario::Scenario::load(&args.file)
        .with_context(|| format!("reading {}", args.file.display()))?;
    let mut filter = Filter::new(FilterConfig::default(), &loaded.instruments());
    let report = scenario::run(&loaded, &mut |quote| filter.test(quote) == Passed::Passed)
        .with_context(|| format!("running {}", args.file.display()))?;
    let mut text = serde_json::to_string_pretty(&report)?;
    text.push('\n');
    match &args.out {
        Some(path) => {
            fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
        }
        None => out::text(&text),
    }
    Ok(Verdict::Fine)
}
