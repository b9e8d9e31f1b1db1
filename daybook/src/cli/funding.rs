//! `daybook funding`: deposits and withdrawals that clients ask for, and what staff decide.

use std::{
    collections::{HashMap, hash_map::Entry},
    time::Duration,
};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use daybook_domain::{
    AccountId, ClientId, Currency, FundingId, Timestamp,
    account::{FundingKind, FundingStatus, FundingVerdict},
};
use daybook_engine::OperatorCommand;
use daybook_projections::{FundingOf, FundingRow, Page, Reads, crm::Deliveries, names};
use daybook_store::{Store, SubjectKey};
use serde::Serialize;

use super::{At, Verdict, operator, print_json, table::Table};

/// How long the read model may take to reach the book's end.
const PATIENCE: Duration = Duration::from_secs(5);
/// Shown in the place of what no key opens any more.
const SEALED: &str = "(sealed)";

#[derive(Debug, Subcommand)]
pub enum Funding {
    /// What waits for a decision, newest first.
    #[command(after_help = "Examples:\n  \
        daybook funding list\n  \
        daybook funding list --all --limit 200 --json\n  \
        daybook funding list --account 0193c0de-0000-7000-8000-000000000000")]
    List(ListArgs),
    /// Agree to a request; no money moves yet.
    #[command(after_help = "Example:\n  \
        daybook funding approve 0193c0de-0000-7000-8000-000000000000")]
    Approve(DecideArgs),
    /// Say that a deposit has come, or pay a withdrawal out of what it holds.
    #[command(after_help = "Example:\n  \
        daybook funding complete 0193c0de-0000-7000-8000-000000000000 --reference TX-4711")]
    Complete(DecideArgs),
    /// Refuse a request; what a withdrawal held is there again.
    #[command(after_help = "Example:\n  \
        daybook funding reject 0193c0de-0000-7000-8000-000000000000 --reason \"no such bank\"")]
    Reject(DecideArgs),
}

#[derive(Debug, Args)]
pub struct ListArgs {
    /// What has ended too.
    #[arg(long)]
    all: bool,
    /// Of this account, what has ended too.
    #[arg(long, conflicts_with = "all")]
    account: Option<AccountId>,
    /// At most so many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    limit: i64,
}

#[derive(Debug, Args)]
pub struct DecideArgs {
    /// The deposit or withdrawal.
    request: FundingId,
    /// Why; the client reads it.
    #[arg(long)]
    reason: Option<String>,
    /// The payment's name elsewhere; the client reads it.
    #[arg(long)]
    reference: Option<String>,
}

/// One request, as it is printed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    request_id: FundingId,
    account_id: AccountId,
    client_id: ClientId,
    kind: FundingKind,
    amount: String,
    currency: Currency,
    status: FundingStatus,
    method: Option<String>,
    destination: Option<String>,
    reason: Option<String>,
    reference: Option<String>,
    /// What the CRM answered to a payout that it did not take note of.
    #[serde(skip_serializing_if = "Option::is_none")]
    crm_refused: Option<String>,
    created_at: String,
    updated_at: String,
}

pub async fn run(what: Funding, at: At<'_>, json: bool) -> anyhow::Result<Verdict> {
    let store = at.store().await?;
    match what {
        Funding::List(args) => list(&store, &args, json).await,
        Funding::Approve(args) => decide(&store, args, FundingVerdict::Approve, json).await,
        Funding::Complete(args) => decide(&store, args, FundingVerdict::Complete, json).await,
        Funding::Reject(args) => decide(&store, args, FundingVerdict::Reject, json).await,
    }
}

async fn decide(
    store: &Store,
    args: DecideArgs,
    verdict: FundingVerdict,
    json: bool,
) -> anyhow::Result<Verdict> {
    let request_id = args.request;
    let found = caught_up(store).await?.funding_request(request_id).await?;
    let found = found.with_context(|| format!("the book has no request {request_id}"))?;
    let command = OperatorCommand::DecideFunding {
        account_id: found.account_id,
        request_id,
        verdict,
        reason: args.reason,
        reference: args.reference,
    };
    let outcome = operator::hand_over(store, &command).await?;
    operator::tell(&outcome, json)
}

async fn list(store: &Store, args: &ListArgs, json: bool) -> anyhow::Result<Verdict> {
    let of = match (args.account, args.all) {
        (Some(account), _) => FundingOf::Account(account),
        (None, true) => FundingOf::Everybody,
        (None, false) => FundingOf::Open,
    };
    let page = Page {
        limit: args.limit,
        cursor: None,
    };
    let rows = caught_up(store).await?.funding(of, page).await?.items;
    let paid = rows.iter().filter(|row| row.is_paid_out());
    let paid: Vec<FundingId> = paid.map(|row| row.request_id).collect();
    let mut refused = Deliveries::new(store.clone())
        .refused_payouts(&paid)
        .await?;
    let mut keys: HashMap<ClientId, Option<SubjectKey>> = HashMap::new();
    let mut shown = Vec::with_capacity(rows.len());
    for row in &rows {
        if let Entry::Vacant(place) = keys.entry(row.client_id) {
            // Who was erased has none any more; what was paid stays on the list.
            let key = store.keys().find(row.client_id.0).await;
            place.insert(key.context("reading a client's key")?);
        }
        let key = keys.get(&row.client_id).and_then(Option::as_ref);
        shown.push(Shown {
            crm_refused: refused.remove(&row.request_id),
            ..Shown::of(row, key)
        });
    }
    if json {
        print_json(&shown)?;
    } else {
        table(&shown).print();
    }
    Ok(Verdict::Fine)
}

/// The read model, once it knows all that the book holds now.
async fn caught_up(store: &Store) -> anyhow::Result<Reads> {
    let reads = Reads::new(store.clone());
    let head = store.head().await?.position;
    reads.wait_for(&[names::FUNDING], head, PATIENCE).await?;
    Ok(reads)
}

impl Shown {
    fn of(row: &FundingRow, key: Option<&SubjectKey>) -> Self {
        let open = |field: &str, sealed: &Option<String>| {
            let sealed = sealed.as_deref()?;
            let opened = key.and_then(|key| key.open(field, sealed).ok());
            Some(opened.unwrap_or_else(|| SEALED.to_owned()))
        };
        Self {
            request_id: row.request_id,
            account_id: row.account_id,
            client_id: row.client_id,
            kind: row.kind,
            amount: row.currency.round(row.amount).to_string(),
            currency: row.currency,
            status: row.status,
            method: open("method", &row.method),
            destination: open("destination", &row.destination),
            reason: row.reason.clone(),
            reference: row.reference.clone(),
            crm_refused: None,
            created_at: time(row.created_at),
            updated_at: time(row.updated_at),
        }
    }
}

fn time(at: Timestamp) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

fn table(shown: &[Shown]) -> Table {
    let headings = [
        "request",
        "account",
        "kind",
        "amount",
        "currency",
        "status",
        "by way of",
        "asked for",
    ];
    let mut table = Table::new(&headings);
    for row in shown {
        let kind = match row.kind {
            FundingKind::Deposit => "deposit",
            FundingKind::Withdrawal => "withdrawal",
        };
        let status = match row.status {
            FundingStatus::Requested => "requested",
            FundingStatus::Approved => "approved",
            FundingStatus::Completed => "completed",
            FundingStatus::Rejected => "rejected",
            FundingStatus::Cancelled => "cancelled",
        };
        let channel = row.method.clone().or_else(|| row.destination.clone());
        table.row([
            row.request_id.to_string(),
            row.account_id.to_string(),
            kind.to_owned(),
            row.amount.clone(),
            row.currency.to_string(),
            status.to_owned(),
            channel.unwrap_or_default(),
            row.created_at.clone(),
        ]);
    }
    table
}
