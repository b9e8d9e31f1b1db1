//! `daybook config`.

use super::{Verdict, print_json, table::Table};
use crate::config::{Config, shown};

pub fn run(config: &Config, json: bool) -> anyhow::Result<Verdict> {
    let shown = shown(config, &std::env::vars().collect());
    if json {
        print_json(&shown)?;
        return Ok(Verdict::Fine);
    }
    let mut table = Table::new(&["VARIABLE", "VALUE", "FROM", "MEANING"]);
    for one in shown {
        let later = if one.unused { " (not used yet)" } else { "" };
        table.row([
            one.variable.to_owned(),
            one.value,
            one.source.to_owned(),
            format!("{}{later}", one.meaning),
        ]);
    }
    table.print();
    Ok(Verdict::Fine)
}
