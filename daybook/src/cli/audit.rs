//! `daybook audit verify`: every hash chain, every position, read from the book itself.

use anyhow::Context as _;
use clap::{Args, Subcommand};
use daybook_engine::stream_named;
use daybook_store::{
    Store, StreamId,
    verify::{VerifyReport, verify_all, verify_stream},
};
use serde_json::json;

use super::{At, Verdict, print_json, progress};
use crate::out::say;

#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Walk the book and prove its hash chains; exit code 3 when one is broken.
    #[command(after_help = "Examples:\n  \
        daybook audit verify --all\n  \
        daybook audit verify --stream account-0193c0de-0000-7000-8000-000000000000\n  \
        daybook audit verify --stream instrument-EURUSD --json")]
    Verify(VerifyArgs),
}

#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// One stream: `account-<id>`, `client-<id>`, `instrument-<symbol>` or `staff-<id>`.
    #[arg(long, conflicts_with = "all", value_parser = stream)]
    stream: Option<StreamId>,
    /// The whole book (what happens without --stream, too).
    #[arg(long)]
    all: bool,
}

pub async fn run(what: Audit, at: At<'_>, json: bool) -> anyhow::Result<Verdict> {
    let Audit::Verify(args) = what;
    let store = at.store().await?;
    let report = match &args.stream {
        Some(stream) => verify_stream(&store, stream)
            .await
            .context("reading the stream")?,
        None => whole(&store).await?,
    };
    anyhow::ensure!(
        args.stream.is_none() || report.events > 0 || report.broken.is_some(),
        "there is no such stream"
    );
    print(&report, json)?;
    Ok(match report.broken {
        None => Verdict::Fine,
        Some(_) => Verdict::Different,
    })
}

async fn whole(store: &Store) -> anyhow::Result<VerifyReport> {
    let bar = progress::bar("verifying");
    let report = verify_all(store, |now| progress::moved(&bar, now.events, now.of)).await;
    bar.finish_and_clear();
    report.context("reading the book")
}

fn print(report: &VerifyReport, json: bool) -> anyhow::Result<()> {
    let broken = report.broken.as_ref();
    if json {
        return print_json(&json!({
            "events": report.events,
            "streams": report.streams,
            "intact": broken.is_none(),
            "broken": broken.map(|link| json!({
                "position": link.position,
                "stream": link.stream,
                "sequence": link.sequence,
                "detail": link.detail,
            })),
        }));
    }
    match broken {
        None => say!(
            "Intact: {} events in {} streams, every link of every chain.",
            report.events,
            report.streams
        ),
        Some(link) => say!(
            "Broken at position {}{}: {} ({} events before it are intact).",
            link.position,
            match (&link.stream, link.sequence) {
                (Some(stream), Some(sequence)) => format!(" ({stream}, sequence {sequence})"),
                (Some(stream), None) => format!(" ({stream})"),
                (None, _) => String::new(),
            },
            link.detail,
            report.events
        ),
    }
    Ok(())
}

/// `account-<id>` and its like.
fn stream(text: &str) -> Result<StreamId, String> {
    stream_named(text).ok_or_else(|| {
        "a stream is <type>-<id>, the type one of account, client, instrument, staff".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_named_by_type_and_id() {
        let parsed = stream("instrument-EURUSD").unwrap();
        assert_eq!(parsed, StreamId::new("instrument", "EURUSD"));
        let staff = stream("staff-0193c0de-0000-7000-8000-000000000000").unwrap();
        assert_eq!(staff.aggregate_type, "staff");
        assert!(stream("account-").is_err());
        assert!(stream("order-1").is_err());
    }
}
