//! `daybook webhooks endpoints`: receivers beside the environment's own.
//!
//! A secret is sealed here, before it is handed to the node that writes.

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use daybook_domain::{
    EndpointCommand, EndpointId,
    endpoint::{Settings, Vocabulary},
};
use daybook_engine::{OperatorCommand, OperatorOutcome};
use daybook_projections::crm::Deliveries;
use daybook_store::{Store, SubjectKey};
use rand::RngExt as _;

use crate::{
    cli::{Verdict, operator, print_json, table::Table},
    out::say,
};

/// Under which field secrets are sealed.
const FIELD: &str = "secret";

#[derive(Debug, Subcommand)]
pub enum Endpoints {
    /// Endpoints and how they stand.
    List,
    /// Make one: it is told of everything that happens from then on.
    #[command(after_help = "Examples:\n  \
        daybook webhooks endpoints add warehouse --url https://warehouse.example/hooks\n  \
        daybook webhooks endpoints add risk --url https://risk.example/in \\\n    \
        --events liquidation,margin.call")]
    Add(AddArgs),
    /// Change one; what is left out stays.
    #[command(after_help = "Examples:\n  \
        daybook webhooks endpoints change warehouse --rotate-secret\n  \
        daybook webhooks endpoints change warehouse --forget-previous-secret")]
    Change(ChangeArgs),
    /// Send nothing more; what happens waits.
    Disable(DisableArgs),
    /// Send what waits.
    Enable(NameArgs),
}

#[derive(Debug, Args)]
pub struct AddArgs {
    /// Its name: a-z, 0-9 and -.
    name: EndpointId,
    /// Where to.
    #[arg(long)]
    url: String,
    /// Names of the webhooks.
    #[arg(long, default_value = "site")]
    vocabulary: Names,
    /// Only these webhooks; all where left out.
    #[arg(long, value_delimiter = ',')]
    events: Vec<String>,
    /// Signs deliveries; one is made and printed where left out.
    #[arg(long)]
    secret: Option<String>,
}

#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct ChangeArgs {
    /// Its name.
    name: EndpointId,
    /// Where to.
    #[arg(long)]
    url: Option<String>,
    /// Names of the webhooks.
    #[arg(long)]
    vocabulary: Option<Names>,
    /// Only these webhooks.
    #[arg(long, value_delimiter = ',', conflicts_with = "all_events")]
    events: Option<Vec<String>>,
    /// All webhooks.
    #[arg(long)]
    all_events: bool,
    /// Sign with this secret too, then with it alone.
    #[arg(long, conflicts_with = "rotate_secret")]
    secret: Option<String>,
    /// The same, with one that is made and printed.
    #[arg(long)]
    rotate_secret: bool,
    /// End the rotation: the secret before signs no longer.
    #[arg(long)]
    forget_previous_secret: bool,
}

#[derive(Debug, Args)]
pub struct DisableArgs {
    /// Its name.
    name: EndpointId,
    /// Why; it stands in the book.
    #[arg(long)]
    reason: String,
}

#[derive(Debug, Args)]
pub struct NameArgs {
    /// Its name.
    name: EndpointId,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Names {
    Site,
    Crm,
    Both,
}

impl From<Names> for Vocabulary {
    fn from(names: Names) -> Self {
        match names {
            Names::Site => Self::Site,
            Names::Crm => Self::Crm,
            Names::Both => Self::Both,
        }
    }
}

pub async fn run(what: Endpoints, store: &Store, json: bool) -> anyhow::Result<Verdict> {
    match what {
        Endpoints::List => list(store, json).await,
        Endpoints::Add(args) => add(store, args, json).await,
        Endpoints::Change(args) => change(store, args, json).await,
        Endpoints::Disable(args) => {
            let command = EndpointCommand::Disable {
                reason: args.reason,
            };
            super::hand_over(store, args.name, command, json).await
        }
        Endpoints::Enable(args) => {
            super::hand_over(store, args.name, EndpointCommand::Enable, json).await
        }
    }
}

async fn list(store: &Store, json: bool) -> anyhow::Result<Verdict> {
    let all = Deliveries::new(store.clone()).endpoints().await?;
    if json {
        print_json(&all)?;
        return Ok(Verdict::Fine);
    }
    let mut table = Table::new(&[
        "NAME", "URL", "NAMES", "EVENTS", "NUMBER", "WAITING", "PARKED", "STATE",
    ]);
    for one in all {
        let events = match one.events.len() {
            0 => "all".to_owned(),
            _ => one.events.join(","),
        };
        table.row([
            one.endpoint,
            one.url.unwrap_or("none: they wait".to_owned()),
            one.vocabulary,
            events,
            one.number.to_string(),
            one.waiting.to_string(),
            one.parked.to_string(),
            one.disabled
                .map_or("enabled".to_owned(), |why| format!("disabled: {why}")),
        ]);
    }
    table.print();
    Ok(Verdict::Fine)
}

async fn add(store: &Store, args: AddArgs, json: bool) -> anyhow::Result<Verdict> {
    let (key, new_key) = store.keys().create(args.name.subject());
    let made = args.secret.is_none();
    let secret = args.secret.unwrap_or_else(generate);
    let settings = Settings {
        url: Some(args.url),
        vocabulary: args.vocabulary.into(),
        events: super::checked(args.events)?,
        secret: Some(key.seal(FIELD, &secret)),
        previous_secret: None,
    };
    let command = OperatorCommand::Endpoint {
        endpoint: args.name,
        command: EndpointCommand::Create(settings),
        key: Some(hex::encode(&new_key.wrapped)),
    };
    let outcome = operator::hand_over(store, &command).await?;
    tell(&outcome, made.then_some(&secret), json)
}

async fn change(store: &Store, args: ChangeArgs, json: bool) -> anyhow::Result<Verdict> {
    let made = args.rotate_secret.then(generate);
    let secret = args.secret.as_ref().or(made.as_ref());
    let sealed = match secret {
        Some(secret) => Some(key_of(store, &args.name).await?.seal(FIELD, secret)),
        None => None,
    };
    let events = match (args.events, args.all_events) {
        (Some(events), _) => Some(super::checked(events)?),
        (None, true) => Some(Vec::new()),
        (None, false) => None,
    };
    let command = OperatorCommand::Endpoint {
        endpoint: args.name,
        command: EndpointCommand::Change {
            url: args.url,
            vocabulary: args.vocabulary.map(Into::into),
            events,
            secret: sealed,
            forget_previous: args.forget_previous_secret,
        },
        key: None,
    };
    let outcome = operator::hand_over(store, &command).await?;
    tell(&outcome, made.as_ref(), json)
}

async fn key_of(store: &Store, name: &EndpointId) -> anyhow::Result<SubjectKey> {
    let found = store.keys().find(name.subject()).await?;
    found.with_context(|| {
        format!("{name} has no secret of its own: that of the environment signs, or there is none")
    })
}

/// A secret as Standard Webhooks writes it, of 256 bits.
fn generate() -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let mut bytes = [0_u8; 32];
    rand::rng().fill(&mut bytes);
    format!("whsec_{}", STANDARD.encode(bytes))
}

/// What became of it, and the secret that was made: it is shown this once.
fn tell(outcome: &OperatorOutcome, made: Option<&String>, json: bool) -> anyhow::Result<Verdict> {
    if !json {
        let verdict = operator::tell(outcome, json)?;
        if let Some(secret) = made {
            say!("Secret: {secret}\nIt is not shown again.");
        }
        return Ok(verdict);
    }
    let done = matches!(outcome, OperatorOutcome::Done { .. });
    let Some(secret) = made.filter(|_| done) else {
        return operator::tell(outcome, json);
    };
    let mut told = serde_json::to_value(outcome)?;
    if let Some(fields) = told.as_object_mut() {
        fields.insert("secret".to_owned(), secret.as_str().into());
    }
    print_json(&told)?;
    Ok(Verdict::Fine)
}
