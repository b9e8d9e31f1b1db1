//! What an engine made of a scenario, how two of them differ, and what has been seen in all.

use std::{collections::BTreeMap, fmt::Write as _};

use rust_decimal::Decimal;
use serde_json::Value;

/// Ordered by time and name: which of the deals of one tick comes first is a matter of taste (they
/// look at buys before sells, we at the level that was reached first).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fill {
    ms: i64,
    order: String,
    position: String,
    side: String,
    volume: Decimal,
    price: Decimal,
    commission: Decimal,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Report {
    pub fills: Vec<Fill>,
    /// Names of commands that did nothing.
    pub rejections: Vec<String>,
    pub balance: Decimal,
}

impl Report {
    pub fn parse(report: &Value) -> Self {
        let list = |name: &str| report[name].as_array().cloned().unwrap_or_default();
        let mut fills: Vec<Fill> = list("fills").iter().map(fill).collect();
        fills.sort();
        // Ours with the reason, theirs the name alone.
        let rejected = |entry: &Value| text(entry.get("order").unwrap_or(entry));
        let mut rejections: Vec<String> = list("rejections").iter().map(rejected).collect();
        rejections.sort();
        Self {
            fills,
            rejections,
            balance: decimal(&report["balance"]),
        }
    }

    /// What differs, and the commands that it is about; none if nothing does.
    pub fn difference(&self, theirs: &Self, scenario: &Value) -> Option<String> {
        if self == theirs {
            return None;
        }
        let mut told = String::new();
        let mut about = Vec::new();
        let mut tell = |whose: &str, what: &str, name: &str| {
            let life = name.split(['.', '-']).next().unwrap_or_default();
            about.push(life.to_owned());
            writeln!(told, "  {whose:<8} {what}").expect("memory takes it");
        };
        for (whose, ours, others) in [("daybook", self, theirs), ("nautilus", theirs, self)] {
            for fill in ours
                .fills
                .iter()
                .filter(|fill| !others.fills.contains(fill))
            {
                tell(whose, &fill.line(), &fill.order);
            }
            let missing = |name: &&String| !others.rejections.contains(name);
            for name in ours.rejections.iter().filter(missing) {
                tell(whose, &format!("refuses {name}"), name);
            }
        }
        writeln!(
            told,
            "  balance  daybook {}, nautilus {}",
            self.balance, theirs.balance
        )
        .expect("memory takes it");
        let commands = scenario["commands"].as_array().into_iter().flatten();
        for command in commands.filter(|command| {
            let name = text(command.get("of").unwrap_or(&command["id"]));
            about.contains(&name)
        }) {
            writeln!(told, "  command  {command}").expect("memory takes it");
        }
        Some(told)
    }
}

impl Fill {
    fn line(&self) -> String {
        let Self {
            ms,
            order,
            side,
            volume,
            price,
            commission,
            ..
        } = self;
        format!("{ms} {order}: {side} {volume} at {price}, commission {commission}")
    }
}

fn fill(value: &Value) -> Fill {
    Fill {
        ms: value["ms"].as_i64().expect("a fill has its time"),
        order: text(&value["order"]),
        position: text(&value["position"]),
        side: text(&value["side"]),
        volume: decimal(&value["volume"]).normalize(),
        price: decimal(&value["price"]).normalize(),
        commission: decimal(&value["commission"]).normalize(),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn decimal(value: &Value) -> Decimal {
    let text = value.as_str().expect("decimals are strings");
    Decimal::from_str_exact(text).expect("a decimal")
}

/// How often what was seen.
#[derive(Debug, Default)]
pub struct Coverage(pub BTreeMap<String, usize>);

impl Coverage {
    pub fn count(&mut self, scenario: &Value, report: &Report) {
        let commands = scenario["commands"].as_array().into_iter().flatten();
        for command in commands {
            let op = text(&command["op"]);
            let refused = report.rejections.contains(&text(&command["id"]));
            self.add(&format!(
                "{op} {}",
                if refused { "refused" } else { "done" }
            ));
            let is_partial = op == "close" && command.get("volume").is_some();
            if is_partial && !refused {
                self.add("partial close");
            }
            let has = |field: &str| command.get(field).is_some_and(|level| !level.is_null());
            if command.get("side").is_some() && has("stopLoss") && has("takeProfit") {
                self.add("bracket");
            }
            self.add(if refused { "refused" } else { "done" });
        }
        for fill in &report.fills {
            self.add("fill");
            let order = &fill.order;
            if order.ends_with("-SL") {
                self.add("stop loss");
            } else if order.ends_with("-TP") {
                self.add("take profit");
            } else if *order == fill.position {
                let named = |command: &&Value| text(&command["id"]) == *order;
                let commands = scenario["commands"].as_array();
                let entry = commands.and_then(|all| all.iter().find(named));
                let op = entry.map(|entry| text(&entry["op"])).unwrap_or_default();
                self.add(&format!("{op} filled"));
            }
        }
    }

    pub fn of(&self, what: &str) -> usize {
        self.0.get(what).copied().unwrap_or_default()
    }

    fn add(&mut self, what: &str) {
        *self.0.entry(what.to_owned()).or_default() += 1;
    }
}
