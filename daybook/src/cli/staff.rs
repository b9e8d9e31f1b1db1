//! `daybook staff`: people of the broker's. The first of them come in here; secrets are made here,
//! shown once, and handed to the node that writes hashed or sealed.

use std::str::FromStr;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use daybook_api::{FirstCredentials, staff_email_hash};
use daybook_domain::{StaffId, StaffRole, client::normalised_email, staff::Member};
use daybook_engine::{
    Credentials, Newcomer, OperatorCommand, OperatorOutcome, StaffChange, staff_member,
};
use daybook_store::{Store, SubjectKey};
use serde_json::json;
use uuid::Uuid;

use super::{At, Verdict, operator, print_json, table::Table};
use crate::out::say;

#[derive(Debug, Subcommand)]
pub enum Staff {
    /// Take somebody in; prints their first password and what goes into an authenticator, once.
    #[command(after_help = "Examples:\n  \
        daybook staff create --email ines@broker.example --role admin\n  \
        daybook staff create --email tom@broker.example --role support --json")]
    Create(CreateArgs),
    /// Everybody there is.
    List,
    /// Let somebody do more or less; their sessions end.
    #[command(after_help = "Example:\n  daybook staff role tom@broker.example compliance")]
    Role(RoleArgs),
    /// Keep somebody from signing in; their sessions end.
    #[command(after_help = "Example:\n  \
        daybook staff disable tom@broker.example --reason \"left the company\"")]
    Disable(DisableArgs),
    /// Let somebody sign in again.
    Enable(WhoArgs),
    /// Replace somebody's password and authenticator, and print the new ones once; their sessions
    /// end.
    Reset(WhoArgs),
}

#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Address; signs in with it.
    #[arg(long)]
    email: String,
    /// admin, compliance or support.
    #[arg(long)]
    role: StaffRole,
}

#[derive(Debug, Args)]
pub struct WhoArgs {
    /// Identifier or address.
    #[arg(value_name = "ID")]
    who: Who,
}

#[derive(Debug, Args)]
pub struct RoleArgs {
    /// Identifier or address.
    #[arg(value_name = "ID")]
    who: Who,
    /// admin, compliance or support.
    role: StaffRole,
}

#[derive(Debug, Args)]
pub struct DisableArgs {
    /// Identifier or address.
    #[arg(value_name = "ID")]
    who: Who,
    /// Why, for people.
    #[arg(long)]
    reason: String,
}

/// A member of staff, as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// By identifier.
    Id(StaffId),
    /// By address.
    Email(String),
}

impl FromStr for Who {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(id) => Ok(Self::Id(id)),
            Err(_) if text.contains('@') => Ok(Self::Email(text.to_owned())),
            Err(_) => Err("an identifier or an address is expected".to_owned()),
        }
    }
}

pub async fn run(what: Staff, at: At<'_>, json: bool) -> anyhow::Result<Verdict> {
    let store = at.store().await?;
    match what {
        Staff::Create(args) => create(&store, args, json).await,
        Staff::List => list(&store, json).await,
        Staff::Role(args) => change(&store, &args.who, StaffChange::Role(args.role), json).await,
        Staff::Disable(args) => {
            let disable = StaffChange::Disable(args.reason);
            change(&store, &args.who, disable, json).await
        }
        Staff::Enable(args) => change(&store, &args.who, StaffChange::Enable, json).await,
        Staff::Reset(args) => reset(&store, &args.who, json).await,
    }
}

async fn create(store: &Store, args: CreateArgs, json: bool) -> anyhow::Result<Verdict> {
    let email = normalised_email(&args.email);
    let staff_id = StaffId(Uuid::now_v7());
    let first = FirstCredentials::make(&email)?;
    let (key, wrapped) = store.keys().create(staff_id.0);
    let command = OperatorCommand::CreateStaff {
        staff_id,
        role: args.role,
        secrets: Box::new(Newcomer {
            key: wrapped.wrapped,
            email: key.seal("email", &email),
            email_hash: staff_email_hash(store.keys(), &email),
            credentials: credentials(&first, &key),
        }),
    };
    let outcome = operator::hand_over(store, &command).await?;
    show(&outcome, (staff_id, &email, args.role), &first, json)
}

async fn reset(store: &Store, who: &Who, json: bool) -> anyhow::Result<Verdict> {
    let (staff_id, member, key) = found(store, who).await?;
    let first = FirstCredentials::make(&member.email)?;
    let command = OperatorCommand::ResetStaff {
        staff_id,
        secrets: Box::new(credentials(&first, &key)),
    };
    let outcome = operator::hand_over(store, &command).await?;
    let whom = (staff_id, member.email.as_str(), member.role);
    show(&outcome, whom, &first, json)
}

fn credentials(first: &FirstCredentials, key: &SubjectKey) -> Credentials {
    Credentials {
        password_hash: first.password_hash.clone(),
        totp: first.sealed_secret(key),
    }
}

/// Secrets are shown when they are in force, and never again.
fn show(
    outcome: &OperatorOutcome,
    (staff_id, email, role): (StaffId, &str, StaffRole),
    first: &FirstCredentials,
    json: bool,
) -> anyhow::Result<Verdict> {
    let OperatorOutcome::Done { position, .. } = outcome else {
        return operator::tell(outcome, json);
    };
    if json {
        print_json(&json!({
            "staffId": staff_id,
            "email": email,
            "role": role,
            "password": first.password,
            "secret": first.secret,
            "otpauthUrl": first.otpauth_url,
            "position": position,
        }))?;
        return Ok(Verdict::Fine);
    }
    say!("{staff_id}  {email}  {role}\n");
    say!("password       {}", first.password);
    say!("authenticator  {}", first.otpauth_url);
    say!("\n{}\n", first.qr);
    say!("Shown this once. Nobody signs in without a code of the authenticator.");
    Ok(Verdict::Fine)
}

async fn change(
    store: &Store,
    who: &Who,
    change: StaffChange,
    json: bool,
) -> anyhow::Result<Verdict> {
    let staff_id = identified(store, who).await?;
    let command = OperatorCommand::ChangeStaff { staff_id, change };
    let outcome = operator::hand_over(store, &command).await?;
    operator::tell(&outcome, json)
}

async fn list(store: &Store, json: bool) -> anyhow::Result<Verdict> {
    let mut members = Vec::new();
    for id in store.aggregate_ids("staff").await? {
        let id: StaffId = id.parse().context("reading who is there")?;
        let (_, member, _) = found(store, &Who::Id(id)).await?;
        members.push((id, member));
    }
    if json {
        let members = members.iter().map(|(id, member)| {
            json!({
                "staffId": id,
                "email": member.email,
                "role": member.role,
                "disabled": member.disabled,
                "createdAt": member.created_at,
            })
        });
        print_json(&members.collect::<Vec<_>>())?;
        return Ok(Verdict::Fine);
    }
    let mut table = Table::new(&["ID", "EMAIL", "ROLE", "STATE", "SINCE"]);
    for (id, member) in &members {
        let state = if member.disabled {
            "disabled"
        } else {
            "enabled"
        };
        table.row([
            id.to_string(),
            member.email.clone(),
            member.role.to_string(),
            state.to_owned(),
            member.created_at.format("%Y-%m-%d").to_string(),
        ]);
    }
    table.print();
    Ok(Verdict::Fine)
}

/// A member of staff as the book has them, and their key.
async fn found(store: &Store, who: &Who) -> anyhow::Result<(StaffId, Member, SubjectKey)> {
    let staff_id = identified(store, who).await?;
    let key = store.keys().get(staff_id.0).await;
    let key = key.context("reading the key of a member of staff")?;
    let member = staff_member(store, staff_id, &key).await;
    Ok((staff_id, member.context("reading the stream")?, key))
}

async fn identified(store: &Store, who: &Who) -> anyhow::Result<StaffId> {
    let found = match who {
        Who::Id(id) => {
            let stream = daybook_store::StreamId::new("staff", id);
            let first = store.read_stream(&stream, 0, 1).await?;
            first.first().map(|_| *id)
        }
        Who::Email(email) => {
            let hash = staff_email_hash(store.keys(), email);
            let owner = store.unique_owner("staff_email", &hash).await?;
            owner.map(StaffId)
        }
    };
    found.context("the book has no such member of staff")
}
