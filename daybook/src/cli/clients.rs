//! `daybook clients`: who they are, and what is decided about them while the node that writes the
//! book runs. What is personal is opened for whoever has the master key, and for nobody else.

use std::{io::IsTerminal as _, time::Duration};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand, ValueEnum};
use daybook_domain::{ClientId, client::KycStatus};
use daybook_engine::{ClientOperation, OperatorCommand};
use daybook_projections::{ClientRow, Reads, names};
use daybook_store::{Store, StoreError, SubjectKey};
use serde::Serialize;

use super::{At, Verdict, operator, print_json, table::Table};
use crate::{book::word, out::say};

/// How long the read models may take to reach the book's end.
const PATIENCE: Duration = Duration::from_secs(5);
/// Clients read at once.
const PAGE: i64 = 500;

#[derive(Debug, Subcommand)]
pub enum Clients {
    /// All clients.
    List,
    /// One client, with documents and accounts.
    #[command(after_help = "Example:\n  daybook clients show 0193c0de-…")]
    Show(One),
    /// Decide on a client's checks.
    #[command(after_help = "Examples:\n  \
        daybook clients kyc 0193c0de-… approved\n  \
        daybook clients kyc 0193c0de-… rejected --notes \"the passport has expired\"")]
    Kyc(KycArgs),
    /// Keep a client from signing in; sessions end.
    #[command(after_help = "Example:\n  daybook clients suspend 0193c0de-… --reason \"doubt\"")]
    Suspend(Because),
    /// Let a client sign in again.
    Reinstate(One),
    /// Make a client's personal data unreadable, for ever. Accounts have to be settled: no open
    /// position, working order, real money or funding request.
    #[command(
        after_help = "Example:\n  daybook clients erase 0193c0de-… --reason \"asked on 2 May\" --yes"
    )]
    Erase(EraseArgs),
}

#[derive(Debug, Args)]
pub struct One {
    /// The client.
    client: ClientId,
}

#[derive(Debug, Args)]
pub struct Because {
    /// The client.
    client: ClientId,
    /// Why, for people; it stands in the book in plain text.
    #[arg(long)]
    reason: String,
}

#[derive(Debug, Args)]
pub struct KycArgs {
    /// The client.
    client: ClientId,
    /// From now on.
    #[arg(value_enum)]
    status: StatusArg,
    /// What the client reads about it.
    #[arg(long)]
    notes: Option<String>,
}

#[derive(Debug, Args)]
pub struct EraseArgs {
    #[command(flatten)]
    because: Because,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

/// A status that somebody may decide on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StatusArg {
    /// Somebody is looking at it.
    Pending,
    /// All is well.
    Approved,
    /// It is not.
    Rejected,
    /// It was, too long ago.
    Expired,
}

impl From<StatusArg> for KycStatus {
    fn from(typed: StatusArg) -> Self {
        match typed {
            StatusArg::Pending => Self::Pending,
            StatusArg::Approved => Self::Approved,
            StatusArg::Rejected => Self::Rejected,
            StatusArg::Expired => Self::Expired,
        }
    }
}

/// A client as it is shown; what was erased is null.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    client_id: String,
    email: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    phone: Option<String>,
    country: Option<String>,
    email_verified: bool,
    two_factor_enabled: bool,
    kyc_status: &'static str,
    kyc_notes: Option<String>,
    state: &'static str,
    registered_at: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownWhole {
    #[serde(flatten)]
    client: Shown,
    documents: Vec<ShownDocument>,
    accounts: Vec<ShownAccount>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownDocument {
    document_id: String,
    kind: String,
    name: Option<String>,
    size: i64,
    uploaded_at: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownAccount {
    account_id: String,
    number: u64,
    kind: String,
    currency: String,
    balance: String,
}

pub async fn run(what: Clients, at: At<'_>, json: bool) -> anyhow::Result<Verdict> {
    let store = at.store().await?;
    let reads = Reads::new(store.clone());
    let head = store.head().await?.position;
    let models = [names::CLIENTS, names::ACCOUNTS];
    reads.wait_for(&models, head, PATIENCE).await?;
    let (client_id, operation) = match what {
        Clients::List => return list(&store, &reads, json).await,
        Clients::Show(one) => return show(&store, &reads, one.client).await,
        Clients::Kyc(args) => {
            known(&reads, args.client).await?;
            let key = store.keys().get(args.client.0).await;
            let key = key.context("reading the client's key")?;
            let operation = ClientOperation::ChangeKyc {
                status: args.status.into(),
                notes: args.notes.map(|notes| key.seal("notes", &notes)),
            };
            (args.client, operation)
        }
        Clients::Suspend(because) => {
            let reason = because.reason;
            (because.client, ClientOperation::Suspend { reason })
        }
        Clients::Reinstate(one) => (one.client, ClientOperation::Reinstate),
        Clients::Erase(args) => {
            let client = args.because.client;
            confirm(client, args.yes)?;
            let accounts = reads.accounts_of(client).await?;
            let operation = ClientOperation::Erase {
                reason: args.because.reason,
                accounts: accounts.iter().map(|row| row.account_id).collect(),
                as_of: head,
            };
            (client, operation)
        }
    };
    known(&reads, client_id).await?;
    let command = OperatorCommand::Client {
        client_id,
        operation,
    };
    let outcome = operator::hand_over(&store, &command).await?;
    operator::tell(&outcome, json)
}

fn confirm(client: ClientId, is_sure: bool) -> anyhow::Result<()> {
    if is_sure {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        bail!("nobody is there to confirm: an erasure cannot be undone, `--yes` says so");
    }
    say!("The personal data of {client} become unreadable for ever. Type `erase` to go on:");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    if line.trim() != "erase" {
        bail!("nothing was done");
    }
    Ok(())
}

async fn known(reads: &Reads, client: ClientId) -> anyhow::Result<ClientRow> {
    let row = reads.client(client).await?;
    row.with_context(|| format!("the book has no client {client}"))
}

async fn list(store: &Store, reads: &Reads, json: bool) -> anyhow::Result<Verdict> {
    let mut shown = Vec::new();
    let mut after = None;
    loop {
        let page = reads.clients_after(after, PAGE).await?;
        let Some(last) = page.last() else {
            break;
        };
        after = Some(last.client_id);
        for row in &page {
            shown.push(of(row, key_of(store, row.client_id).await?.as_ref())?);
        }
    }
    if json {
        print_json(&shown)?;
        return Ok(Verdict::Fine);
    }
    let mut table = Table::new(&["CLIENT", "E-MAIL", "NAME", "KYC", "STATE", "REGISTERED"]);
    for client in shown {
        let gone = || "-".to_owned();
        let names = [client.first_name, client.last_name].map(Option::unwrap_or_default);
        table.row([
            client.client_id,
            client.email.unwrap_or_else(gone),
            names.join(" ").trim().to_owned(),
            client.kyc_status.to_owned(),
            client.state.to_owned(),
            client.registered_at,
        ]);
    }
    table.print();
    Ok(Verdict::Fine)
}

async fn show(store: &Store, reads: &Reads, client: ClientId) -> anyhow::Result<Verdict> {
    let row = known(reads, client).await?;
    let key = key_of(store, client).await?;
    let mut documents = Vec::new();
    for document in reads.documents_of(client).await? {
        documents.push(ShownDocument {
            document_id: document.document_id.to_string(),
            kind: word(&document.kind),
            name: opened(key.as_ref(), "name", Some(&document.name))?,
            size: document.size,
            uploaded_at: document.uploaded_at.to_rfc3339(),
        });
    }
    let accounts = reads.accounts_of(client).await?;
    let accounts = accounts.iter().map(|account| {
        let funds = &account.funds;
        ShownAccount {
            account_id: account.account_id.to_string(),
            number: account.number,
            kind: word(&account.kind),
            currency: account.currency.to_string(),
            balance: (funds.real + funds.demo + funds.bonus).to_string(),
        }
    });
    print_json(&ShownWhole {
        client: of(&row, key.as_ref())?,
        documents,
        accounts: accounts.collect(),
    })?;
    Ok(Verdict::Fine)
}

/// The client's key; none where it was destroyed.
async fn key_of(store: &Store, client: ClientId) -> anyhow::Result<Option<SubjectKey>> {
    match store.keys().get(client.0).await {
        Ok(key) => Ok(Some(key)),
        Err(StoreError::Erased(_)) => Ok(None),
        Err(error) => Err(error).context("reading a client's key"),
    }
}

fn opened(
    key: Option<&SubjectKey>,
    field: &str,
    sealed: Option<&String>,
) -> anyhow::Result<Option<String>> {
    let (Some(key), Some(sealed)) = (key, sealed) else {
        return Ok(None);
    };
    Ok(Some(key.open(field, sealed)?))
}

fn of(row: &ClientRow, key: Option<&SubjectKey>) -> anyhow::Result<Shown> {
    let state = match (row.erased, row.suspended) {
        (true, _) => "erased",
        (false, true) => "suspended",
        (false, false) => "active",
    };
    Ok(Shown {
        client_id: row.client_id.to_string(),
        email: opened(key, "email", Some(&row.email))?,
        first_name: opened(key, "first_name", Some(&row.first_name))?,
        last_name: opened(key, "last_name", Some(&row.last_name))?,
        phone: opened(key, "phone", row.phone.as_ref())?,
        country: opened(key, "country", row.country.as_ref())?,
        email_verified: row.email_verified,
        two_factor_enabled: row.two_factor,
        kyc_status: row.kyc_status.as_str(),
        kyc_notes: opened(key, "notes", row.kyc_notes.as_ref())?,
        state,
        registered_at: row.registered_at.to_rfc3339(),
    })
}
