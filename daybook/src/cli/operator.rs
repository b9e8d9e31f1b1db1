//! Commands that an operator hands to the node that writes the book, and what it says.

use std::time::Duration;

use anyhow::{Context as _, bail};
use daybook_engine::{OperatorCommand, OperatorOutcome};
use daybook_store::{OperatorReply, OperatorRequests, Store};

use super::{Verdict, print_json};
use crate::out::say;

/// Who acts, as the book names it.
const ACTOR: &str = "cli";
/// A node that writes takes requests several times a second.
const PATIENCE: Duration = Duration::from_secs(10);

/// Hands a command over and waits until it stands in the book, is refused, or is withdrawn.
pub async fn hand_over(
    store: &Store,
    command: &OperatorCommand,
) -> anyhow::Result<OperatorOutcome> {
    let text = serde_json::to_string(command)?;
    let reply = OperatorRequests::submit(store, ACTOR, &text, PATIENCE)
        .await
        .context("handing the command over")?;
    match reply {
        OperatorReply::Done(outcome) => {
            serde_json::from_str(&outcome).context("reading what became of it")
        }
        OperatorReply::Withdrawn => Ok(OperatorOutcome::Withdrawn),
        OperatorReply::Unknown(id) => {
            bail!("a node took it and has not said what became of it; the book knows, under {id}")
        }
    }
}

/// Says what became of a command. Everything but `Done` is a failure.
pub fn tell(outcome: &OperatorOutcome, json: bool) -> anyhow::Result<Verdict> {
    if json {
        print_json(outcome)?;
    }
    match outcome {
        OperatorOutcome::Done { position, events } => {
            if !json && events.is_empty() {
                say!("Already so.");
            } else if !json {
                say!("Done at position {position}: {}.", events.join(", "));
            }
            Ok(Verdict::Fine)
        }
        OperatorOutcome::Refused { code, detail } => bail!("refused ({code}): {detail}"),
        OperatorOutcome::Failed { detail } => bail!("not executed: {detail}"),
        OperatorOutcome::Withdrawn => {
            bail!("nothing was done: no node writes this book; `daybook serve` does")
        }
    }
}
