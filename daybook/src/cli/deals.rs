//! `daybook deals`: corrections by compensation. What was dealt stays in the book as it was.

use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use daybook_domain::{AccountId, DealId, Decimal};
use daybook_engine::OperatorCommand;
use daybook_projections::{Reads, names};
use daybook_store::Store;

use super::{At, Verdict, operator};

/// How long the read model may take to reach the book's end.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Subcommand)]
pub enum Deals {
    /// Undo a deal: give its money back, take its lots off the open position.
    #[command(after_help = "Example:\n  \
        daybook deals bust 0193c0de-0000-7000-8000-000000000000 --reason \"off-market quote\"")]
    Bust(BustArgs),
    /// Correct a deal's price: move the open position, or settle the difference.
    #[command(after_help = "Example:\n  \
        daybook deals reprice 0193c0de-0000-7000-8000-000000000000 --price 1.08710 \\\n    \
        --reason \"off-market quote\"")]
    Reprice(RepriceArgs),
}

#[derive(Debug, Args)]
pub struct BustArgs {
    /// The deal.
    deal: DealId,
    /// Why; the client reads it.
    #[arg(long)]
    reason: String,
}

#[derive(Debug, Args)]
pub struct RepriceArgs {
    /// The deal.
    deal: DealId,
    /// The right price.
    #[arg(long, value_parser = price)]
    price: Decimal,
    /// Why; the client reads it.
    #[arg(long)]
    reason: String,
}

fn price(text: &str) -> Result<Decimal, String> {
    let price = text.parse().ok().filter(|price| *price > Decimal::ZERO);
    price.ok_or_else(|| "a price is a decimal number above 0".to_owned())
}

pub async fn run(what: Deals, at: At<'_>, json: bool) -> anyhow::Result<Verdict> {
    let store = at.store().await?;
    let command = match what {
        Deals::Bust(args) => OperatorCommand::BustDeal {
            account_id: account_of(&store, args.deal).await?,
            deal_id: args.deal,
            reason: args.reason,
        },
        Deals::Reprice(args) => OperatorCommand::RepriceDeal {
            account_id: account_of(&store, args.deal).await?,
            deal_id: args.deal,
            price: args.price,
            reason: args.reason,
        },
    };
    let outcome = operator::hand_over(&store, &command).await?;
    operator::tell(&outcome, json)
}

/// Whose deal it is, once the read model knows all that the book holds now.
async fn account_of(store: &Store, deal: DealId) -> anyhow::Result<AccountId> {
    let reads = Reads::new(store.clone());
    let head = store.head().await?.position;
    reads.wait_for(&[names::DEALS], head, PATIENCE).await?;
    let found = reads.deal(deal).await?;
    let found = found.with_context(|| format!("the book has no deal {deal}"))?;
    Ok(found.account_id)
}
