//! `daybook simulate crm`: a CRM that receives, verifies and shows webhooks, and offers a service
//! API.

use std::{io::IsTerminal as _, net::SocketAddr};

use anyhow::Context as _;
use clap::Args;
use secrecy::SecretString;
use serde_json::json;

use crate::{
    cli::Verdict,
    out::say,
    receiver::{Agreed, Received, Receiver},
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
    /// Bearer token of the service API. Left out, CRM_API_TOKEN is, else CRM_SERVICE_TOKEN; without
    /// any of them anybody may ask.
    #[arg(long, env = "CRM_API_TOKEN", hide_env_values = true)]
    api_token: Option<String>,
    #[arg(long, env = "CRM_SERVICE_TOKEN", hide = true, hide_env_values = true)]
    service_token: Option<String>,
    /// Signs the tokens that /control/sso makes. Left out, CRM_SSO_SECRET does.
    #[arg(long, env = "CRM_SSO_SECRET", hide_env_values = true)]
    sso_secret: Option<String>,
    /// Address of the site, for what /control/sso makes.
    #[arg(long, env = "API_URL", default_value = "http://127.0.0.1:8080")]
    site: String,
}

pub async fn run(args: CrmArgs, json: bool) -> anyhow::Result<Verdict> {
    let stop = Stop::on_signals()?;
    let agreed = args.agreed();
    let lacks = [
        (
            agreed.webhooks.is_none(),
            "Webhooks are not verified: no secret was given.",
        ),
        (
            agreed.api_token.is_none(),
            "Anybody may use the service API: no token was given.",
        ),
    ];
    let (receiver, mut received) = Receiver::start(args.listen, agreed)
        .await
        .context("starting the CRM")?;
    let url = format!("http://{}", receiver.address());
    if json {
        say!("{}", json!({ "url": url }));
    } else {
        say!("A CRM at {url}: CRM_BASE_URL={url} WEBHOOK_ALLOW_PRIVATE=true daybook serve");
        say!("It knows whom it is told of: curl {url}/control/clients -d '{{\"email\":\"…\"}}'");
        say!("It fails when told to: curl {url}/control/fault -d '{{\"fault\":\"down\"}}'");
        for (_, lack) in lacks.iter().filter(|(lacks, _)| *lacks) {
            say!("{lack}");
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

impl CrmArgs {
    fn agreed(&self) -> Agreed {
        let secret = |text: Option<&String>| {
            let given = text.filter(|text| !text.is_empty());
            given.cloned().map(SecretString::from)
        };
        Agreed {
            webhooks: secret(self.secret.as_ref()),
            api_token: secret(self.api_token.as_ref())
                .or_else(|| secret(self.service_token.as_ref())),
            sso: secret(self.sso_secret.as_ref()),
            site: self.site.trim_end_matches('/').to_owned(),
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
