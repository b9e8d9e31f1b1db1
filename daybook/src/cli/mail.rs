//! `daybook mail`: mails kept in the data directory, for a first run without a mail server.

use anyhow::Context as _;
use clap::{Args, Subcommand};
use daybook_mail::KeptMails;
use uuid::Uuid;

use super::{Verdict, print_json, table::Table};
use crate::{config::Config, out::say};

#[derive(Debug, Subcommand)]
pub enum Mail {
    /// List them, newest first.
    #[command(after_help = "Examples:\n  daybook mail list\n  daybook mail list --json")]
    List,
    /// Show one.
    #[command(after_help = "Example:\n  daybook mail show 0193c0de-0000-5000-8000-000000000000")]
    Show(ShowArgs),
}

#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The mail, as `list` names it.
    id: Uuid,
}

pub fn run(what: Mail, config: &Config, json: bool) -> anyhow::Result<Verdict> {
    let kept = KeptMails::of(&config.data_dir);
    match what {
        Mail::List => list(&kept, config, json),
        Mail::Show(args) => show(&kept, args.id, json),
    }
}

fn list(kept: &KeptMails, config: &Config, json: bool) -> anyhow::Result<Verdict> {
    let directory = kept.directory().display();
    let mails = kept
        .list()
        .with_context(|| format!("reading {directory}"))?;
    if json {
        print_json(&mails)?;
        return Ok(Verdict::Fine);
    }
    if mails.is_empty() {
        say!("No mails in {directory}.");
        if config.mail.smtp.is_some() {
            say!("They go to the mail server of SMTP_URL.");
        }
        return Ok(Verdict::Fine);
    }
    let mut table = Table::new(&["ID", "TO", "SUBJECT", "SENT"]);
    for mail in mails {
        table.row([mail.id.to_string(), mail.to, mail.subject, mail.sent_at]);
    }
    table.print();
    Ok(Verdict::Fine)
}

fn show(kept: &KeptMails, id: Uuid, json: bool) -> anyhow::Result<Verdict> {
    let directory = kept.directory().display();
    let mail = kept
        .show(id)
        .with_context(|| format!("reading {directory}"))?;
    let mail = mail.with_context(|| format!("no mail {id} in {directory}"))?;
    if json {
        print_json(&mail)?;
        return Ok(Verdict::Fine);
    }
    say!("To:      {}", mail.to);
    say!("Subject: {}", mail.subject);
    say!("Sent:    {}\n", mail.sent_at);
    say!("{}", mail.text.trim_end());
    Ok(Verdict::Fine)
}
