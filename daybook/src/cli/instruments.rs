//! `daybook instruments`: terms, and changing them while the node that writes the book runs.

use anyhow::Context as _;
use clap::{Args, Subcommand};
use daybook_domain::{
    Instrument, Symbol,
    account::Change,
    instrument::{Availability, InstrumentChange},
};
use daybook_engine::{OperatorCommand, OperatorOutcome};
use serde_json::{Value, json};

use super::{
    At, Verdict,
    assign::{self, Assignment},
    operator, print_json,
    table::Table,
};
use crate::book;

#[derive(Debug, Subcommand)]
pub enum Instruments {
    /// Every instrument of the book with its terms.
    #[command(after_help = "Examples:\n  \
        daybook instruments list\n  \
        daybook instruments list --json")]
    List,
    /// Change terms, for what is decided from now on. What was dealt keeps its own.
    #[command(after_help = "Examples:\n  \
        daybook instruments set EURUSD spreadMarkup=2 --reason \"wider overnight\"\n  \
        daybook instruments set XAUUSD commission.basis=per_lot commission.rate=3.50\n  \
        daybook instruments set EURUSD groups.vip.spreadMarkup=0 groups.vip.maxLeverage=200\n  \
        daybook instruments set US500 holidays=2026-11-26,2026-12-25 swapWeights=1,1,1,1,3,0,0\n  \
        daybook instruments set BTCUSD leverageTiers=100000:10,1000000:5 maxExposure=none")]
    Set(SetArgs),
    /// Let nothing be dealt in an instrument, closing included (`set … availability=close_only`
    /// leaves closing).
    #[command(after_help = "Example:\n  \
        daybook instruments disable WTI --reason \"feed in doubt\"")]
    Disable(DisableArgs),
}

#[derive(Debug, Args)]
pub struct SetArgs {
    /// Which.
    symbol: Symbol,
    /// Terms, `none` to take one away; groups as groups.NAME.TERM.
    #[arg(required = true, value_name = "KEY=VALUE", value_parser = assign::parse)]
    terms: Vec<Assignment>,
    /// Why, for people.
    #[arg(long)]
    reason: Option<String>,
}

#[derive(Debug, Args)]
pub struct DisableArgs {
    /// Which.
    symbol: Symbol,
    /// Why, for people.
    #[arg(long)]
    reason: Option<String>,
}

pub async fn run(what: Instruments, at: At<'_>, json: bool) -> anyhow::Result<Verdict> {
    match what {
        Instruments::List => list(&at, json).await,
        Instruments::Set(args) => {
            let before = find(&at, args.symbol).await?;
            let after = assign::apply(&before, &args.terms).map_err(anyhow::Error::msg)?;
            change(&at, before, after, args.reason, json).await
        }
        Instruments::Disable(args) => {
            let before = find(&at, args.symbol).await?;
            let after = Instrument {
                availability: Availability::Disabled,
                ..before.clone()
            };
            change(&at, before, after, args.reason, json).await
        }
    }
}

async fn find(at: &At<'_>, symbol: Symbol) -> anyhow::Result<Instrument> {
    let instruments = book::instruments(&at.store().await?).await?;
    let mut instruments = instruments.into_iter();
    let found = instruments.find(|terms| terms.symbol == symbol);
    found.with_context(|| format!("{symbol} is not an instrument"))
}

async fn change(
    at: &At<'_>,
    before: Instrument,
    after: Instrument,
    reason: Option<String>,
    json: bool,
) -> anyhow::Result<Verdict> {
    let fixed = |terms: &Instrument| {
        let (class, digits) = (terms.class, terms.digits);
        (terms.symbol, class, terms.base, terms.quote, digits)
    };
    anyhow::ensure!(
        fixed(&before) == fixed(&after),
        "symbol, class, base, quote and digits never change: what was dealt rests on them"
    );
    let command = OperatorCommand::SetInstrument {
        symbol: before.symbol,
        change: Box::new(difference(&before, &after)),
        reason,
    };
    let outcome = operator::hand_over(&at.store().await?, &command).await?;
    let rows = differing(&before, &after)?;
    match &outcome {
        OperatorOutcome::Done { position, .. } if json => {
            let changed = rows
                .iter()
                .map(|(term, old, new)| json!({ "term": term, "from": old, "to": new }));
            print_json(&json!({
                "outcome": "done",
                "symbol": before.symbol,
                "position": position,
                "changed": changed.collect::<Vec<_>>(),
            }))?;
            return Ok(Verdict::Fine);
        }
        OperatorOutcome::Done { .. } => {
            let mut table = Table::new(&["TERM", "OLD", "NEW"]);
            for (term, old, new) in &rows {
                table.row([term.clone(), shown(old), shown(new)]);
            }
            if !rows.is_empty() {
                table.print();
            }
        }
        OperatorOutcome::Refused { .. }
        | OperatorOutcome::Failed { .. }
        | OperatorOutcome::Withdrawn => {}
    }
    operator::tell(&outcome, json)
}

/// The terms that differ, as the writer takes them.
fn difference(before: &Instrument, after: &Instrument) -> InstrumentChange {
    macro_rules! plain {
        ($term:ident) => {
            (before.$term != after.$term).then(|| after.$term.clone())
        };
    }
    macro_rules! optional {
        ($term:ident) => {
            match after.$term {
                now if before.$term == now => Change::Keep,
                Some(value) => Change::Set(value),
                None => Change::Remove,
            }
        };
    }
    InstrumentChange {
        name: plain!(name),
        contract_size: plain!(contract_size),
        min_volume: plain!(min_volume),
        max_volume: plain!(max_volume),
        volume_step: plain!(volume_step),
        max_leverage: plain!(max_leverage),
        leverage_tiers: plain!(leverage_tiers),
        margin_rate: plain!(margin_rate),
        margin_rate_sell: optional!(margin_rate_sell),
        hedged_contract_size: plain!(hedged_contract_size),
        max_exposure: optional!(max_exposure),
        spread_markup: plain!(spread_markup),
        slippage: plain!(slippage),
        slippage_per_lot: plain!(slippage_per_lot),
        commission: plain!(commission),
        swap_long: plain!(swap_long),
        swap_short: plain!(swap_short),
        swap_mode: plain!(swap_mode),
        swap_currency: optional!(swap_currency),
        swap_weights: optional!(swap_weights),
        trailing_step: optional!(trailing_step),
        session: plain!(session),
        holidays: plain!(holidays),
        groups: plain!(groups),
        availability: plain!(availability),
    }
}

/// Term, before, after; null is none.
fn differing(
    before: &Instrument,
    after: &Instrument,
) -> anyhow::Result<Vec<(String, Value, Value)>> {
    let (before, after) = (serde_json::to_value(before)?, serde_json::to_value(after)?);
    let members = |value: &Value| value.as_object().cloned().unwrap_or_default();
    let (before, after) = (members(&before), members(&after));
    let mut terms: Vec<&String> = before.keys().chain(after.keys()).collect();
    terms.sort_unstable();
    terms.dedup();
    let of = |members: &serde_json::Map<String, Value>, term: &String| {
        members.get(term).cloned().unwrap_or_default()
    };
    let rows = terms
        .into_iter()
        .map(|term| (term.clone(), of(&before, term), of(&after, term)));
    Ok(rows.filter(|(_, old, new)| old != new).collect())
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

async fn list(at: &At<'_>, json: bool) -> anyhow::Result<Verdict> {
    let instruments = book::instruments(&at.store().await?).await?;
    if json {
        print_json(&instruments)?;
        return Ok(Verdict::Fine);
    }
    let mut table = Table::new(&[
        "SYMBOL",
        "NAME",
        "CLASS",
        "DIGITS",
        "CONTRACT",
        "MIN",
        "STEP",
        "MAX",
        "LEVERAGE",
        "MARK-UP",
        "AVAILABILITY",
    ]);
    for one in &instruments {
        table.row([
            one.symbol.to_string(),
            one.name.clone(),
            book::word(&one.class),
            one.digits.to_string(),
            one.contract_size.to_string(),
            one.min_volume.to_string(),
            one.volume_step.to_string(),
            one.max_volume.to_string(),
            one.max_leverage.to_string(),
            one.spread_markup.to_string(),
            book::word(&one.availability),
        ]);
    }
    table.print();
    Ok(Verdict::Fine)
}
