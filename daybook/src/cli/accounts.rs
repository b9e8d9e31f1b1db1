//! `daybook accounts`: what staff set on an account, while the node that writes the book runs.

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use daybook_domain::{
    Account, AccountEvent, AccountId, Decimal,
    account::{Bucket, Controls},
};
use daybook_engine::OperatorCommand;
use daybook_store::{Store, StreamId};

use super::{
    At, Verdict,
    assign::{self, Assignment},
    operator, print_json,
};

#[derive(Debug, Subcommand)]
pub enum Accounts {
    /// Show or change flags, limits and group.
    #[command(after_help = "Examples:\n  \
        daybook accounts controls 0193c0de-…\n  \
        daybook accounts controls 0193c0de-… closeOnly=true --reason \"documents expired\"\n  \
        daybook accounts controls 0193c0de-… state=halted group=vip limits.maxLeverage=30\n  \
        daybook accounts controls 0193c0de-… limits.dailyLoss=500 limits.ordersPerMinute=none")]
    Controls(ControlsArgs),
    /// Change the leverage; what is open is re-margined.
    #[command(after_help = "Example:\n  daybook accounts leverage 0193c0de-… 30")]
    Leverage(LeverageArgs),
    /// Move money without a trade.
    #[command(after_help = "Examples:\n  \
        daybook accounts adjust 0193c0de-… 500.00 --bucket demo\n  \
        daybook accounts adjust 0193c0de-… -25.50 --bucket real --notes \"fee\"")]
    Adjust(AdjustArgs),
}

#[derive(Debug, Args)]
pub struct ControlsArgs {
    /// The account.
    account: AccountId,
    /// state, tradingDisabled, closeOnly, readOnly, swapFree, group, limits.NAME; `none` takes one
    /// away. Without any, what is in force is shown.
    #[arg(value_name = "KEY=VALUE", value_parser = assign::parse)]
    controls: Vec<Assignment>,
    /// Why, for people.
    #[arg(long)]
    reason: Option<String>,
}

#[derive(Debug, Args)]
pub struct LeverageArgs {
    /// The account.
    account: AccountId,
    /// 1:LEVERAGE.
    leverage: u32,
}

#[derive(Debug, Args)]
pub struct AdjustArgs {
    /// The account.
    account: AccountId,
    /// Signed amount in the account's currency.
    #[arg(allow_negative_numbers = true)]
    amount: Decimal,
    /// Which money.
    #[arg(long, value_enum)]
    bucket: BucketArg,
    /// For people.
    #[arg(long)]
    notes: Option<String>,
}

/// A bucket, as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BucketArg {
    /// The client's own money.
    Real,
    /// Play money.
    Demo,
    /// Credit.
    Bonus,
}

impl From<BucketArg> for Bucket {
    fn from(typed: BucketArg) -> Self {
        match typed {
            BucketArg::Real => Self::Real,
            BucketArg::Demo => Self::Demo,
            BucketArg::Bonus => Self::Bonus,
        }
    }
}

pub async fn run(what: Accounts, at: At<'_>, json: bool) -> anyhow::Result<Verdict> {
    let store = at.store().await?;
    let command = match what {
        Accounts::Controls(args) => {
            let before = controls(&store, args.account).await?;
            if args.controls.is_empty() {
                print_json(&before)?;
                return Ok(Verdict::Fine);
            }
            let after = assign::apply(&before, &args.controls).map_err(anyhow::Error::msg)?;
            OperatorCommand::SetControls {
                account_id: args.account,
                controls: Box::new(after),
                reason: args.reason,
            }
        }
        Accounts::Leverage(args) => OperatorCommand::ChangeLeverage {
            account_id: args.account,
            leverage: args.leverage,
        },
        Accounts::Adjust(args) => OperatorCommand::AdjustFunds {
            account_id: args.account,
            bucket: args.bucket.into(),
            amount: args.amount,
            notes: args.notes,
        },
    };
    let outcome = operator::hand_over(&store, &command).await?;
    operator::tell(&outcome, json)
}

/// The controls in force, from the account's own stream.
async fn controls(store: &Store, account_id: AccountId) -> anyhow::Result<Controls> {
    let stream = StreamId::new("account", account_id);
    let events = crate::book::stream(store, &stream).await?;
    anyhow::ensure!(!events.is_empty(), "the book has no account {account_id}");
    let mut account = Account::default();
    for recorded in events {
        let event: AccountEvent = recorded.decode().context("reading the account")?;
        account.evolve(&event);
    }
    Ok(account.controls().clone())
}
