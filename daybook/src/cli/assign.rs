//! `key=value` on the command line, applied to a value as it stands: names as the API writes them,
//! dots between levels, `none` takes a value away.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// One assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Levels, in the names under which they are stored.
    pub path: Vec<String>,
    /// None: taken away.
    pub value: Option<String>,
}

/// What a term's text stands for.
enum Kind {
    Text,
    Number,
    Flag,
    Numbers,
    Words,
    Tiers,
}

/// Reads `spreadMarkup=3` and its like.
pub fn parse(text: &str) -> Result<Assignment, String> {
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| "must be key=value".to_owned())?;
    let mut path: Vec<String> = Vec::new();
    for level in key.trim().split('.') {
        // The name of a group is somebody's own, and stays as it is written.
        let own = path.last().is_some_and(|parent| parent == "groups");
        path.push(if own {
            level.to_owned()
        } else {
            snake_case(level)
        });
    }
    if path.iter().any(String::is_empty) {
        return Err("a name is missing before =".to_owned());
    }
    let value = value.trim();
    let value = (!matches!(value, "none" | "")).then(|| value.to_owned());
    Ok(Assignment { path, value })
}

/// The value after the assignments.
///
/// # Errors
/// A name that does not exist, or a text that its type does not read.
pub fn apply<T: Serialize + DeserializeOwned>(
    before: &T,
    assignments: &[Assignment],
) -> Result<T, String> {
    let mut edited = serde_json::to_value(before).map_err(|error| error.to_string())?;
    for assignment in assignments {
        let shown = assignment.path.join(".");
        set(&mut edited, &assignment.path, assignment)
            .map_err(|error| format!("{shown}: {error}"))?;
        let read = serde_json::from_value::<T>(edited.clone());
        let read = read.map_err(|error| format!("{shown}: {error}"))?;
        // A name that does not exist would be read over without a word.
        let again = serde_json::to_value(&read).map_err(|error| error.to_string())?;
        let kept = again.pointer(&format!("/{}", assignment.path.join("/")));
        if assignment.value.is_some() && kept.is_none() {
            return Err(format!("{shown} is not a term"));
        }
        edited = again;
    }
    serde_json::from_value(edited).map_err(|error| error.to_string())
}

fn set(value: &mut Value, path: &[String], assignment: &Assignment) -> Result<(), String> {
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    let Value::Object(members) = value else {
        return Err("has nothing below it".to_owned());
    };
    match path {
        [] => Err("a name is missing".to_owned()),
        [last] => {
            match &assignment.value {
                Some(text) => {
                    members.insert(last.clone(), read(last, text)?);
                }
                None => {
                    members.remove(last);
                }
            }
            Ok(())
        }
        [first, rest @ ..] => {
            let member = members.entry(first.clone()).or_insert(Value::Null);
            set(member, rest, assignment)
        }
    }
}

fn read(name: &str, text: &str) -> Result<Value, String> {
    let number = |text: &str| -> Result<Value, String> {
        let number: u32 = text
            .trim()
            .parse()
            .map_err(|_| format!("{text:?} is not a number"))?;
        Ok(number.into())
    };
    let parts = || {
        text.split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
    };
    Ok(match kind(name) {
        Kind::Text => text.into(),
        Kind::Number => number(text)?,
        Kind::Flag => match text {
            "true" | "on" | "yes" => true.into(),
            "false" | "off" | "no" => false.into(),
            _ => return Err("must be true or false".to_owned()),
        },
        Kind::Numbers => Value::Array(parts().map(number).collect::<Result<_, _>>()?),
        Kind::Words => Value::Array(parts().map(Value::from).collect()),
        Kind::Tiers => Value::Array(parts().map(tier).collect::<Result<_, _>>()?),
    })
}

fn kind(name: &str) -> Kind {
    match name {
        "max_leverage" | "max_open_orders" | "max_positions" | "orders_per_minute" => Kind::Number,
        "trading_disabled" | "close_only" | "read_only" | "swap_free" => Kind::Flag,
        "swap_weights" => Kind::Numbers,
        "holidays" => Kind::Words,
        "leverage_tiers" => Kind::Tiers,
        _ => Kind::Text,
    }
}

/// `1000000:50`: from a notional of a million on, 1:50.
fn tier(text: &str) -> Result<Value, String> {
    let parsed = text
        .split_once(':')
        .and_then(|(notional, leverage)| Some((notional, leverage.parse::<u32>().ok()?)));
    let (notional, leverage) = parsed.ok_or_else(|| "a tier is notional:leverage".to_owned())?;
    Ok(serde_json::json!({ "from_notional": notional, "max_leverage": leverage }))
}

fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use daybook_domain::{Decimal, Instrument, account::Controls, instrument};

    use super::*;

    fn eurusd() -> Instrument {
        instrument::seed().into_iter().next().unwrap()
    }

    fn changed(texts: &[&str]) -> Result<Instrument, String> {
        let assignments: Vec<_> = texts.iter().map(|text| parse(text).unwrap()).collect();
        apply(&eurusd(), &assignments)
    }

    #[test]
    fn every_kind_of_term_is_read() {
        let after = changed(&[
            "spreadMarkup=1.5",
            "max_leverage=30",
            "swapWeights=1,1,1,1,3,0,0",
            "holidays=2026-12-25,2027-01-01",
            "leverageTiers=1000000:50,5000000:20",
            "commission.basis=per_lot",
            "commission.rate=3.5",
            "groups.VIP.spreadMarkup=0",
            "availability=close_only",
        ])
        .unwrap();
        assert_eq!(after.spread_markup, Decimal::new(15, 1));
        assert_eq!(after.max_leverage, 30);
        assert_eq!(after.swap_weights().0, [1, 1, 1, 1, 3, 0, 0]);
        assert_eq!(after.holidays.len(), 2);
        assert_eq!(after.leverage_tiers[1].max_leverage, 20);
        assert_eq!(after.commission.rate, Decimal::new(35, 1));
        assert_eq!(after.groups["VIP"].spread_markup, Some(Decimal::ZERO));
        assert_eq!(after.contract_size, eurusd().contract_size);
    }

    #[test]
    fn none_takes_a_value_away() {
        let with = changed(&["holidays=2026-12-25", "groups.vip.slippage=2"]).unwrap();
        let without = ["holidays=none", "groups.vip=none"].map(|text| parse(text).unwrap());
        assert_eq!(apply(&with, &without).unwrap(), eurusd());
    }

    #[test]
    fn what_is_no_term_or_no_value_is_refused_by_name() {
        for (text, name) in [
            ("spread=3", "spread"),
            ("spreadMarkup=wide", "spread_markup"),
            ("maxLeverage=-1", "max_leverage"),
            ("groups.vip.digits=3", "groups.vip.digits"),
            ("symbol.name=x", "symbol.name"),
        ] {
            let refused = changed(&[text]).unwrap_err();
            assert!(refused.starts_with(name), "{refused}");
        }
        assert!(parse("spreadMarkup").is_err());
        assert!(parse("=3").is_err());
    }

    #[test]
    fn controls_are_read_the_same_way() {
        let assignments = [
            "closeOnly=true",
            "limits.maxLeverage=30",
            "group=vip",
            "state=reducing",
        ];
        let assignments = assignments.map(|text| parse(text).unwrap());
        let after = apply(&Controls::default(), &assignments).unwrap();
        assert!(after.close_only);
        assert_eq!(after.limits.max_leverage, Some(30));
        assert_eq!(after.group.as_deref(), Some("vip"));
    }
}
