//! `daybook projections`.

use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use daybook_projections::admin::{self, Differences, OnProgress, RebuildOptions, Status};
use daybook_store::Store;
use indicatif::ProgressBar;

use super::{At, Verdict, print_json, progress, table::Table};
use crate::out::say;

#[derive(Debug, Subcommand)]
pub enum Projections {
    /// What there is.
    List,
    /// How far each is behind the book, and why one has stopped.
    Status,
    /// Build a read model again beside the live one, then swap; readers go on.
    #[command(after_help = "Examples:\n  \
        daybook projections rebuild accounts\n  \
        daybook projections rebuild orders --parallel 4 --verify")]
    Rebuild(RebuildArgs),
    /// Rebuild beside and compare row by row; exit code 3 when the read model is not the book's.
    #[command(after_help = "Examples:\n  \
        daybook projections verify accounts\n  \
        daybook projections verify --all --json")]
    Verify(VerifyArgs),
}

#[derive(Debug, Args)]
pub struct RebuildArgs {
    /// Name of the projection.
    name: String,
    /// Workers, where the projection allows more than one.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    parallel: u16,
    /// Compare with what is replaced, before the swap.
    #[arg(long)]
    verify: bool,
}

#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Name of the projection.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    name: Option<String>,
    /// Every projection.
    #[arg(long)]
    all: bool,
}

pub async fn run(what: Projections, at: At<'_>, json: bool) -> anyhow::Result<Verdict> {
    match what {
        Projections::List => list(json),
        Projections::Status => status(&at.store().await?, json).await,
        Projections::Rebuild(args) => rebuild(&at.store().await?, args, json).await,
        Projections::Verify(args) => verify(&at.store().await?, args, json).await,
    }
}

fn list(json: bool) -> anyhow::Result<Verdict> {
    let listed = admin::list();
    if json {
        print_json(&listed)?;
        return Ok(Verdict::Fine);
    }
    let mut table = Table::new(&["NAME", "VERSION", "PARTITION", "TABLES"]);
    for one in listed {
        table.row([
            one.name.to_owned(),
            one.version.to_string(),
            one.partition.to_owned(),
            one.tables.join(", "),
        ]);
    }
    table.print();
    Ok(Verdict::Fine)
}

async fn status(store: &Store, json: bool) -> anyhow::Result<Verdict> {
    let all = admin::status(store).await?;
    if json {
        print_json(&all)?;
        return Ok(Verdict::Fine);
    }
    let mut table = Table::new(&["NAME", "STATUS", "POSITION", "HEAD", "LAG", "ERROR"]);
    for one in &all {
        table.row([
            one.name.clone(),
            one.status.clone(),
            one.position.to_string(),
            one.head.to_string(),
            one.lag().to_string(),
            problem(one),
        ]);
    }
    table.print();
    Ok(Verdict::Fine)
}

fn problem(status: &Status) -> String {
    match (&status.error, status.error_position) {
        (Some(error), Some(position)) => format!("at position {position}: {error}"),
        (Some(error), None) => error.clone(),
        (None, _) => String::new(),
    }
}

async fn rebuild(store: &Store, args: RebuildArgs, json: bool) -> anyhow::Result<Verdict> {
    let bar = progress::bar(&args.name);
    let options = RebuildOptions {
        parallel: usize::from(args.parallel),
        verify: args.verify,
        progress: onto(&bar),
    };
    let report = admin::rebuild(store, &args.name, options).await;
    bar.finish_and_clear();
    let report = report.with_context(|| format!("rebuilding {}", args.name))?;
    if json {
        print_json(&report)?;
    } else {
        let per_second = report.events * 1000 / i64::try_from(report.elapsed_ms)?.max(1);
        say!(
            "{}: generation {} is live at position {}; {} events in {} ms ({per_second} a second).",
            report.name,
            report.generation,
            report.position,
            report.events,
            report.elapsed_ms
        );
        if let Some(differences) = &report.differences {
            print_differences(differences);
        }
    }
    Ok(verdict(report.differences.iter()))
}

async fn verify(store: &Store, args: VerifyArgs, json: bool) -> anyhow::Result<Verdict> {
    let names = match args.name {
        Some(name) => vec![name],
        None => admin::list()
            .iter()
            .map(|one| one.name.to_owned())
            .collect(),
    };
    let mut all = Vec::new();
    for name in names {
        let bar = progress::bar(&name);
        let differences = admin::verify(store, &name, onto(&bar)).await;
        bar.finish_and_clear();
        let differences = differences.with_context(|| format!("verifying {name}"))?;
        if !json {
            print_differences(&differences);
        }
        all.push(differences);
    }
    if json {
        print_json(&all)?;
    }
    Ok(verdict(all.iter()))
}

fn verdict<'a>(differences: impl Iterator<Item = &'a Differences>) -> Verdict {
    let mut differences = differences;
    if differences.all(Differences::is_empty) {
        Verdict::Fine
    } else {
        Verdict::Different
    }
}

fn onto(bar: &ProgressBar) -> OnProgress {
    let bar = bar.clone();
    Arc::new(move |now| progress::moved(&bar, now.done, now.total))
}

fn print_differences(differences: &Differences) {
    let rows: i64 = differences.tables.iter().map(|table| table.rows).sum();
    let (name, position) = (&differences.name, differences.position);
    if differences.is_empty() {
        say!("{name}: {rows} rows equal the book at position {position}.");
        return;
    }
    say!("{name}: differs from the book at position {position}.");
    for table in differences.tables.iter().filter(|table| !table.is_empty()) {
        say!(
            "  {}: {} missing, {} extra, {} different of {} rows",
            table.table,
            table.missing,
            table.extra,
            table.different,
            table.rows
        );
        for sample in &table.samples {
            let show = |row: &Option<serde_json::Value>| {
                row.as_ref()
                    .map_or("absent".to_owned(), ToString::to_string)
            };
            say!("    {}", sample.key);
            say!("      live: {}", show(&sample.live));
            say!("      book: {}", show(&sample.rebuilt));
        }
    }
}
