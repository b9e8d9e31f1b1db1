//! `daybook simulate crm`: a CRM that receives, verifies and shows webhooks.

use std::{io::IsTerminal as _, net::SocketAddr};

use anyhow::Context as _;
use clap::Args;
use secrecy::SecretString;
use serde_json::json;

use crate::{
    cli::Verdict,
    out::say,
    receiver::{Received, Receiver},
    stop::Stop,
};

#[derive(Debug, Args)]
pub struct CrmArgs {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:9400")]
    listen: SocketAddr,
    /// Verifies signatures. Left out, SITE_WEBHOOK_SECRET does; without either nothing is verified.
    #[arg(long, env = "SITE_WEBHOOK_SECRET", hide_env_values = true)]
    secret: Option<String>,
}

pub async fn run(args: CrmArgs, json: bool) -> anyhow::Result<Verdict> {
    let stop = Stop::on_signals()?;
    let secret = args.secret.map(SecretString::from);
    let verifies = secret.is_some();
    let (receiver, mut received) = Receiver::start(args.listen, secret)
        .await
        .context("starting the CRM")?;
    let url = format!("http://{}", receiver.address());
    if json {
        say!("{}", json!({ "url": url }));
    } else {
        say!("A CRM at {url}: CRM_BASE_URL={url} WEBHOOK_ALLOW_PRIVATE=true daybook serve");
        say!("It fails when told to: curl {url}/control/fault -d '{{\"fault\":\"down\"}}'");
        if !verifies {
            say!("Nothing is verified: no secret was given.");
        }
        say!("{}", heading());
    }
    loop {
        let one = tokio::select! {
            one = received.recv() => one,
            () = stop.requested() => None,
        };
        let Some(one) = one else {
            return Ok(Verdict::Fine);
        };
        if json {
            say!("{}", serde_json::to_string(&one)?);
        } else {
            say!("{}", line(&one));
        }
    }
}

fn heading() -> String {
    let heading = format!(
        "{:<12}  {:>7}  {:<18}  {:<36}  {:<4}  {:<14}  DATA",
        "TIME", "NUMBER", "EVENT", "CLIENT", "ANSW", "SIGNATURE"
    );
    if std::io::stdout().is_terminal() {
        format!("\u{1b}[1m{heading}\u{1b}[0m")
    } else {
        heading
    }
}

fn line(one: &Received) -> String {
    let text = |pointer: &str| {
        let found = one.body.pointer(pointer).and_then(|value| value.as_str());
        found.unwrap_or("-").to_owned()
    };
    let number = one.body["number"].to_string();
    let answered = one
        .answered
        .map_or("-".to_owned(), |status| status.to_string());
    let signature = if one.again {
        format!("{}, again", one.signature)
    } else {
        one.signature.clone()
    };
    let data = one.body["data"].as_object();
    let data = data
        .into_iter()
        .flatten()
        .filter(|(name, _)| *name != "clientId");
    let data: Vec<String> = data
        .map(|(name, value)| format!("{name}={}", value.to_string().trim_matches('"')))
        .collect();
    format!(
        "{:<12}  {number:>7}  {:<18}  {:<36}  {answered:<4}  {signature:<14}  {}",
        one.at.format("%H:%M:%S%.3f"),
        text("/event"),
        text("/data/clientId"),
        data.join(" ")
    )
}
