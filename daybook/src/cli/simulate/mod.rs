//! `daybook simulate`: stands in for the outside world.

mod crm;

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use daybook_domain::{Decimal, instrument};
use daybook_relay::{Simulator, SimulatorConfig};
use serde_json::json;

use super::{Verdict, print_json};
use crate::{out::say, stop::Stop};

#[derive(Debug, Subcommand)]
pub enum Simulate {
    /// Serve market data in the provider's own protocol (WebSocket and REST).
    #[command(after_help = "Examples:\n  \
        daybook simulate feed\n  \
        daybook simulate feed --ticks eurusd_ticks.csv --speed 60 --loop\n  \
        TWELVEDATA_API_KEY=demo TWELVEDATA_WS_URL=ws://127.0.0.1:9300/v1/quotes/price \\\n    \
        TWELVEDATA_REST_URL=http://127.0.0.1:9300 daybook serve")]
    Feed(FeedArgs),
    /// Receive webhooks as the CRM would: verify them, show them, and fail when told to at
    /// /control/fault ({"fault": "down" | "slow" | "error" | "rate_limited" | "gone" | "redirect" |
    /// "refused" | "garbage" | "none", "times"?, "matching"?, "delayMs"?, "retryAfterSec"?,
    /// "status"?}). It offers a service API (/api/service/…) about whom /control/clients puts in;
    /// /control/sso makes the tokens with which its operators go to the site.
    #[command(after_help = "Examples:\n  \
        SITE_WEBHOOK_SECRET=whsec_… daybook simulate crm --listen 127.0.0.1:9400\n  \
        CRM_BASE_URL=http://127.0.0.1:9400 WEBHOOK_ALLOW_PRIVATE=true daybook serve\n  \
        curl http://127.0.0.1:9400/control/fault -d '{\"fault\":\"error\",\"times\":3}'\n  \
        curl http://127.0.0.1:9400/control/received\n  \
        curl http://127.0.0.1:9400/control/clients \\\n    \
        -d '{\"email\":\"ada@example.com\",\"externalId\":\"4711\",\"kycStatus\":\"approved\"}'\n  \
        curl http://127.0.0.1:9400/control/sso \\\n    \
        -d '{\"clientEmail\":\"ada@example.com\",\"impersonatedBy\":\"jane\"}'")]
    Crm(crm::CrmArgs),
}

#[derive(Debug, Args)]
pub struct FeedArgs {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:9300")]
    listen: SocketAddr,
    /// Recorded ticks to replay (CSV: timestamp_ms_utc,symbol,bid,ask); other symbols are
    /// generated.
    #[arg(long, num_args = 1.., value_name = "FILE")]
    ticks: Vec<PathBuf>,
    /// Speed of the replay.
    #[arg(long, default_value = "1", value_parser = speed)]
    speed: Decimal,
    /// Seed of the generated prices.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Begin the replay again at its end.
    #[arg(long = "loop")]
    looping: bool,
    /// Longer gaps of the replay are shortened to this.
    #[arg(long, default_value_t = 5000)]
    max_gap_ms: u64,
    /// Let anybody who reaches the port switch faults on at /control/faults.
    #[arg(long)]
    control: bool,
}

fn speed(text: &str) -> Result<Decimal, String> {
    let speed = text.parse().ok().filter(|speed| *speed > Decimal::ZERO);
    speed.ok_or_else(|| "a decimal number above 0".to_owned())
}

pub async fn run(what: Simulate, json: bool) -> anyhow::Result<Verdict> {
    match what {
        Simulate::Feed(args) => feed(args, json).await,
        Simulate::Crm(args) => crm::run(args, json).await,
    }
}

async fn feed(args: FeedArgs, json: bool) -> anyhow::Result<Verdict> {
    let stop = Stop::on_signals()?;
    let config = SimulatorConfig {
        listen: args.listen,
        ticks: args.ticks,
        speed: args.speed,
        seed: args.seed,
        looping: args.looping,
        max_gap_ms: args.max_gap_ms,
        control: args.control,
        instruments: instrument::seed().into_iter().map(Arc::new).collect(),
    };
    let simulator = Simulator::start(config)
        .await
        .context("starting the simulator")?;
    let address = simulator.address();
    let (ws, rest) = (
        format!("ws://{address}/v1/quotes/price"),
        format!("http://{address}"),
    );
    if json {
        print_json(&json!({ "ws": ws, "rest": rest }))?;
    } else {
        say!("Simulated market data: {ws} and {rest} (any key)");
    }
    stop.requested().await;
    simulator.stop().await;
    Ok(Verdict::Fine)
}
