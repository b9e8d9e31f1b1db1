//! `daybook instruments`.

use clap::Subcommand;

use super::{At, Verdict, print_json, table::Table};
use crate::book;

#[derive(Debug, Subcommand)]
pub enum Instruments {
    /// Every instrument of the book with its terms.
    List,
}

pub async fn run(what: Instruments, at: At<'_>, json: bool) -> anyhow::Result<Verdict> {
    let Instruments::List = what;
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
            book::word(&one.availability),
        ]);
    }
    table.print();
    Ok(Verdict::Fine)
}
