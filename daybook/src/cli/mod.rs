//! The `daybook` command: what can be typed, and what it ends with.

mod accounts;
mod assign;
mod audit;
mod blocked;
mod clients;
mod config;
mod deals;
mod funding;
mod instruments;
mod mail;
mod migrate;
mod openapi;
mod operator;
mod progress;
mod projections;
mod quotes;
mod replay;
mod scenario;
mod simulate;
mod staff;
mod table;
mod webhooks;

use clap::{Parser, Subcommand};

use crate::{
    bench::{self, BenchArgs},
    config::{Config, LogConfig},
    database::Database,
    out::say,
    serve, telemetry,
};

/// What a command came to, besides failing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Done, and all is as it should be.
    Fine,
    /// Done: a verification found a difference.
    Different,
}

/// An event-sourced trading ledger.
#[derive(Debug, Parser)]
#[command(
    name = "daybook",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Configuration comes from the environment: `daybook config` prints what is in \
                  force.\nEvery command works beside a running `daybook serve`, on the embedded \
                  database too.\n\nExit codes: 0 fine, 1 failed, 2 usage or configuration, 3 a \
                  verification found a difference."
)]
pub struct Cli {
    /// Print JSON for machines.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server: database, market data, engine, read models, API.
    #[command(after_help = "Examples:\n  \
        daybook serve\n  \
        DAYBOOK_SIM_TICKS=eurusd.csv DAYBOOK_SIM_SPEED=10 daybook serve\n  \
        DATABASE_URL=postgres://daybook:secret@db/daybook TWELVEDATA_API_KEY=… daybook serve")]
    Serve,
    /// Bring the database schema up to date (`serve` does it too).
    Migrate,
    /// Print the configuration in force, secrets masked.
    Config,
    /// Read models: how they stand, building them again, comparing them with the book.
    #[command(subcommand)]
    Projections(projections::Projections),
    /// Fold an aggregate's events again, step by step.
    #[command(subcommand)]
    Replay(replay::Replay),
    /// Prove the book.
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Instruments and their terms.
    #[command(subcommand)]
    Instruments(instruments::Instruments),
    /// Corrections of deals.
    #[command(subcommand)]
    Deals(deals::Deals),
    /// Flags, limits, leverage and money of an account.
    #[command(subcommand)]
    Accounts(accounts::Accounts),
    /// Addresses that are refused whatever they ask for.
    #[command(subcommand)]
    Blocked(blocked::Blocked),
    /// Mails kept in the data directory, where no mail server is configured.
    #[command(subcommand)]
    Mail(mail::Mail),
    /// Deposits and withdrawals, and decisions about them.
    #[command(subcommand)]
    Funding(funding::Funding),
    /// People of the broker's.
    #[command(subcommand)]
    Staff(staff::Staff),
    /// Clients: their checks, suspension, erasure.
    #[command(subcommand)]
    Clients(clients::Clients),
    /// Webhooks to the CRM and other receivers.
    #[command(subcommand)]
    Webhooks(webhooks::Webhooks),
    /// A running server's quotes.
    #[command(subcommand)]
    Quotes(quotes::Quotes),
    /// Stand in for the outside world.
    #[command(subcommand)]
    Simulate(simulate::Simulate),
    /// Run recorded ticks and timed commands through the real engine on a virtual clock.
    #[command(subcommand)]
    Scenario(scenario::Scenario),
    /// Measure, beside the peers and on this machine.
    #[command(after_help = "Examples:\n  \
        daybook bench store\n  \
        daybook bench engine --resting 1000000\n  \
        daybook bench fanout --seconds 8\n  \
        daybook bench rebuild --events 500000 --json\n  \
        daybook bench webhooks --backlog 40000 --seconds 20\n  \
        daybook bench soak --hours 72")]
    Bench(BenchArgs),
    /// Print the OpenAPI document.
    Openapi,
}

/// Runs the command.
pub async fn run(cli: Cli) -> anyhow::Result<Verdict> {
    let level = match &cli.command {
        Command::Serve | Command::Simulate(_) => "info",
        Command::Migrate
        | Command::Config
        | Command::Projections(_)
        | Command::Replay(_)
        | Command::Audit(_)
        | Command::Instruments(_)
        | Command::Deals(_)
        | Command::Accounts(_)
        | Command::Blocked(_)
        | Command::Mail(_)
        | Command::Funding(_)
        | Command::Staff(_)
        | Command::Clients(_)
        | Command::Webhooks(_)
        | Command::Quotes(_)
        | Command::Scenario(_)
        | Command::Bench(_)
        | Command::Openapi => "warn",
    };
    telemetry::start(&LogConfig::from_env(), level);
    let json = cli.json;
    match cli.command {
        Command::Serve => serve::run(configured()?).await.map(|()| Verdict::Fine),
        Command::Config => config::run(&configured()?, json),
        Command::Openapi => openapi::run(),
        Command::Mail(what) => mail::run(what, &configured()?, json),
        Command::Bench(args) => bench::run(args, json).await.map(|()| Verdict::Fine),
        Command::Quotes(what) => quotes::run(what, json).await,
        Command::Simulate(what) => simulate::run(what, json).await,
        Command::Scenario(what) => scenario::run(what).await,
        Command::Migrate => with_database(async |at| migrate::run(at, json).await).await,
        Command::Projections(what) => {
            with_database(async |at| projections::run(what, at, json).await).await
        }
        Command::Replay(what) => with_database(async |at| replay::run(what, at, json).await).await,
        Command::Audit(what) => with_database(async |at| audit::run(what, at, json).await).await,
        Command::Instruments(what) => {
            with_database(async |at| instruments::run(what, at, json).await).await
        }
        Command::Deals(what) => with_database(async |at| deals::run(what, at, json).await).await,
        Command::Webhooks(what) => {
            with_database(async |at| webhooks::run(what, at, json).await).await
        }
        Command::Accounts(what) => {
            with_database(async |at| accounts::run(what, at, json).await).await
        }
        Command::Blocked(what) => {
            with_database(async |at| blocked::run(what, at, json).await).await
        }
        Command::Funding(what) => {
            with_database(async |at| funding::run(what, at, json).await).await
        }
        Command::Staff(what) => with_database(async |at| staff::run(what, at, json).await).await,
        Command::Clients(what) => {
            with_database(async |at| clients::run(what, at, json).await).await
        }
    }
}

/// What a command on the book works with.
struct At<'a> {
    config: &'a Config,
    database: &'a Database,
}

impl At<'_> {
    /// The book. A database that this command started itself is brought up to date first: it may
    /// be new, and nobody else can be.
    async fn store(&self) -> anyhow::Result<daybook_store::Store> {
        let store = self.database.connect(self.config).await?;
        if self.database.is_ours() {
            store.migrate().await?;
            return Ok(store);
        }
        let known: bool = sqlx::query_scalar("select to_regclass('public.events') is not null")
            .fetch_one(store.pool())
            .await?;
        anyhow::ensure!(
            known,
            "this database holds no book yet: `daybook migrate` or `daybook serve` makes one"
        );
        Ok(store)
    }
}

/// Runs a command on the database and lets go of it in either case.
async fn with_database(
    command: impl AsyncFnOnce(At<'_>) -> anyhow::Result<Verdict>,
) -> anyhow::Result<Verdict> {
    let config = configured()?;
    let database = Database::command(&config).await?;
    let at = At {
        config: &config,
        database: &database,
    };
    let outcome = command(at).await;
    database.close().await;
    outcome
}

fn configured() -> anyhow::Result<Config> {
    let config = Config::from_env()?;
    for name in &config.mistyped {
        tracing::warn!("{name} is not a variable of this program");
    }
    Ok(config)
}

/// Prints a value as JSON.
fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    say!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn commands_are_understood_as_the_contract_writes_them() {
        for line in [
            "serve",
            "migrate",
            "config --json",
            "projections list",
            "projections status --json",
            "projections rebuild accounts --parallel 2 --verify",
            "projections verify accounts",
            "projections verify --all",
            "replay account 0193c0de-0000-7000-8000-000000000000 --as-of 2026-01-01T00:00:00Z",
            "replay account 0193c0de-0000-7000-8000-000000000000 --sequence 7 --format journal",
            "audit verify",
            "audit verify --all",
            "audit verify --stream account-0193c0de-0000-7000-8000-000000000000",
            "instruments list",
            "instruments set EURUSD spreadMarkup=2 groups.vip.spreadMarkup=0 --reason wide",
            "instruments disable WTI --json",
            "deals bust 0193c0de-0000-7000-8000-000000000000 --reason wrong",
            "deals reprice 0193c0de-0000-7000-8000-000000000000 --price 1.0871 --reason wrong",
            "accounts controls 0193c0de-0000-7000-8000-000000000000 closeOnly=true",
            "accounts leverage 0193c0de-0000-7000-8000-000000000000 30",
            "accounts adjust 0193c0de-0000-7000-8000-000000000000 -25.50 --bucket demo",
            "blocked list --json",
            "blocked add 203.0.113.9 --for 1h --reason probing",
            "blocked remove 2001:db8::/64",
            "mail list --json",
            "mail show 0193c0de-0000-7000-8000-000000000000 --json",
            "funding list",
            "funding list --all --limit 200 --json",
            "funding approve 0193c0de-0000-7000-8000-000000000000",
            "funding complete 0193c0de-0000-7000-8000-000000000000 --reference TX-4711",
            "funding reject 0193c0de-0000-7000-8000-000000000000 --reason wrong --json",
            "staff create --email ines@broker.example --role admin --json",
            "staff list",
            "staff role ines@broker.example compliance",
            "staff disable 0193c0de-0000-7000-8000-000000000000 --reason left",
            "staff enable ines@broker.example",
            "staff reset ines@broker.example --json",
            "clients list --json",
            "clients show 0193c0de-0000-7000-8000-000000000000",
            "clients kyc 0193c0de-0000-7000-8000-000000000000 rejected --notes blurred",
            "clients suspend 0193c0de-0000-7000-8000-000000000000 --reason doubt",
            "clients reinstate 0193c0de-0000-7000-8000-000000000000",
            "clients erase 0193c0de-0000-7000-8000-000000000000 --reason asked --yes",
            "simulate feed --listen 127.0.0.1:0 --ticks a.csv b.csv --speed 2.5 --seed 7 --loop \
             --max-gap-ms 100 --control",
            "webhooks list --status parked --event client.registered --limit 10 --json",
            "webhooks resend 0193c0de-0000-7000-8000-000000000000",
            "webhooks replay --from-position 7",
            "webhooks replay --since 2026-01-01T00:00:00Z --endpoint warehouse",
            "webhooks park 0193c0de-0000-7000-8000-000000000000 --reason known",
            "webhooks skip 0193c0de-0000-7000-8000-000000000000 --reason known",
            "webhooks endpoints list --json",
            "webhooks endpoints add risk --url https://x.example --events liquidation,margin.call",
            "webhooks endpoints change risk --rotate-secret",
            "webhooks endpoints disable risk --reason maintenance",
            "webhooks endpoints enable risk",
            "simulate crm --listen 127.0.0.1:0 --secret whsec_c2VjcmV0",
            "quotes watch EURUSD XAUUSD --url http://127.0.0.1:8080 --count 3 --json",
            "scenario run file.json --out report.json",
            "bench store --json",
            "bench soak --hours 24",
            "bench webhooks --backlog 2000 --seconds 5 --json",
            "openapi",
        ] {
            let words = std::iter::once("daybook").chain(line.split_whitespace());
            assert!(Cli::try_parse_from(words).is_ok(), "{line}");
        }
    }

    #[test]
    fn contradictions_are_refused() {
        for line in [
            "",
            "projections verify",
            "projections verify accounts --all",
            "audit verify --all --stream account-1",
            "replay account 0193c0de-0000-7000-8000-000000000000 --as-of now --sequence 1",
            "simulate feed --speed 0",
            "instruments set EURUSD",
            "instruments set EURUSD spreadMarkup",
            "deals bust 0193c0de-0000-7000-8000-000000000000",
            "deals reprice 0193c0de-0000-7000-8000-000000000000 --price 0 --reason x",
            "mail show",
            "mail show newest",
            "quotes watch",
            "blocked add",
            "blocked add 203.0.113.0/24",
            "blocked add 203.0.113.9 --for ever",
            "funding complete",
            "funding list --all --account 0193c0de-0000-7000-8000-000000000000",
            "staff create --email ines@broker.example --role owner",
            "staff create --role admin",
            "staff disable ines@broker.example",
            "clients kyc 0193c0de-0000-7000-8000-000000000000 none",
            "clients erase 0193c0de-0000-7000-8000-000000000000 --yes",
            "webhooks replay",
            "webhooks replay --from-position 0",
            "webhooks replay --from-position 1 --since 2026-01-01T00:00:00Z",
            "webhooks endpoints add RISK --url https://x.example",
        ] {
            let words = std::iter::once("daybook").chain(line.split_whitespace());
            assert!(Cli::try_parse_from(words).is_err(), "{line}");
        }
    }
}
