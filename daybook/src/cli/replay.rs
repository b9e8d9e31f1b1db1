//! `daybook replay account`: the account's story, event by event, folded by the code that trades.

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use daybook_domain::{
    Account, AccountEvent, AccountId, Decimal, Timestamp,
    postings::{self, Posting},
};
use daybook_engine::{Story, Until};
use daybook_store::{Recorded, Store};
use serde_json::json;

use super::{At, Verdict, print_json, table::Table};
use crate::{book::word, out::say};

#[derive(Debug, Subcommand)]
pub enum Replay {
    /// One account, from its opening.
    #[command(after_help = "Examples:\n  \
        daybook replay account 0193c0de-0000-7000-8000-000000000000\n  \
        daybook replay account 0193c0de-… --as-of 2026-03-01T12:00:00Z --json\n  \
        daybook replay account 0193c0de-… --sequence 12 --format journal")]
    Account(AccountArgs),
}

#[derive(Debug, Args)]
pub struct AccountArgs {
    /// The account.
    id: AccountId,
    /// Up to and including this instant (RFC 3339).
    #[arg(long, conflicts_with = "sequence", value_name = "TIME")]
    as_of: Option<Timestamp>,
    /// Up to and including this event.
    #[arg(long, value_name = "N")]
    sequence: Option<i64>,
    /// What to print.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// How the story is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A line for each event with the money after it.
    Table,
    /// Everything: events as stored, and the state after the last.
    Json,
    /// The double entry of each event.
    Journal,
}

/// One event and what it left behind.
struct Step {
    recorded: Recorded,
    event: AccountEvent,
    balance: Decimal,
    held: Decimal,
    orders: usize,
    positions: usize,
}

pub async fn run(what: Replay, at: At<'_>, json: bool) -> anyhow::Result<Verdict> {
    let Replay::Account(args) = what;
    let store = at.store().await?;
    let (steps, account) = replay(&store, &args).await?;
    anyhow::ensure!(!steps.is_empty(), "the book has no such account by then");
    let format = if json { Format::Json } else { args.format };
    match format {
        Format::Table => print_table(&steps, &account),
        Format::Json => print_all(&args, &steps, &account)?,
        Format::Journal => print_journal(&steps),
    }
    Ok(Verdict::Fine)
}

async fn replay(store: &Store, args: &AccountArgs) -> anyhow::Result<(Vec<Step>, Account)> {
    let until = Until {
        as_of: args.as_of,
        position: None,
        sequence: args.sequence,
    };
    let mut story = Story::of(store.clone(), args.id, until);
    let mut steps = Vec::new();
    while let Some(told) = story.next().await.context("reading the account")? {
        let account = story.account();
        steps.push(Step {
            recorded: told.recorded,
            event: told.event,
            balance: account.funds.balance(),
            held: account.funds.held,
            orders: account.orders.len(),
            positions: account.positions.len(),
        });
    }
    Ok((steps, story.into_account()))
}

fn print_table(steps: &[Step], account: &Account) {
    let mut table = Table::new(&[
        "SEQ",
        "POSITION",
        "RECORDED AT",
        "EVENT",
        "BALANCE",
        "HELD",
        "ORDERS",
        "POSITIONS",
    ]);
    for step in steps {
        table.row([
            step.recorded.sequence.to_string(),
            step.recorded.position.to_string(),
            instant(step.recorded.recorded_at),
            step.recorded.event_type.to_string(),
            step.balance.to_string(),
            step.held.to_string(),
            step.orders.to_string(),
            step.positions.to_string(),
        ]);
    }
    table.print();
    let funds = &account.funds;
    let currency = account.terms.map(|terms| terms.currency.to_string());
    say!(
        "\nreal {} + demo {} + bonus {} = {} {}, held {}",
        funds.real,
        funds.demo,
        funds.bonus,
        funds.balance(),
        currency.unwrap_or_default(),
        funds.held
    );
}

fn print_all(args: &AccountArgs, steps: &[Step], account: &Account) -> anyhow::Result<()> {
    let events: Result<Vec<_>, serde_json::Error> = steps
        .iter()
        .map(|step| {
            let recorded = &step.recorded;
            Ok(json!({
                "sequence": recorded.sequence,
                "position": recorded.position,
                "recorded_at": instant(recorded.recorded_at),
                "event_type": recorded.event_type,
                "event_version": recorded.event_version,
                "event": serde_json::from_str::<serde_json::Value>(&recorded.payload)?,
                "metadata": serde_json::from_str::<serde_json::Value>(&recorded.metadata)?,
                "hash": hex::encode(recorded.hash),
                "postings": postings::post(&step.event),
            }))
        })
        .collect();
    print_json(&json!({
        "account_id": args.id,
        "events": events?,
        "state": account,
        "balance": account.funds.balance(),
    }))
}

/// Double entry, one block for each event that moves money: a debit is positive.
fn print_journal(steps: &[Step]) {
    for step in steps {
        let lines = postings::post(&step.event);
        if lines.is_empty() {
            continue;
        }
        say!(
            "{} {} (sequence {}, position {})",
            instant(step.recorded.recorded_at),
            step.recorded.event_type,
            step.recorded.sequence,
            step.recorded.position
        );
        for line in &lines {
            say!("    {}", posting(line));
        }
        say!("");
    }
}

fn posting(posting: &Posting) -> String {
    let account = word(&posting.account);
    format!("{account:<24}{:>20} {}", posting.amount, posting.currency)
}

fn instant(at: Timestamp) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}
