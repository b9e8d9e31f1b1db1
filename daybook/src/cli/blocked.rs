//! `daybook blocked`: addresses that every node refuses, whatever they ask for.

use std::{net::IpAddr, time::Duration};

use chrono::{DateTime, SecondsFormat, Utc};
use clap::{Args, Subcommand};
use daybook_store::perimeter::{BlockedList, network_of};
use serde_json::{Value, json};

use super::{At, Verdict, print_json, table::Table};
use crate::out::say;

#[derive(Debug, Subcommand)]
pub enum Blocked {
    /// Who is blocked, since when, until when and why.
    #[command(after_help = "Examples:\n  \
        daybook blocked list\n  \
        daybook blocked list --json")]
    List,
    /// Block an address; of IPv6 its network of 64 bits. Every node knows within a second.
    #[command(after_help = "Examples:\n  \
        daybook blocked add 203.0.113.9\n  \
        daybook blocked add 2001:db8::1 --for 12h --reason \"guesses passwords\"")]
    Add(AddArgs),
    /// Let an address in again.
    #[command(after_help = "Example:\n  \
        daybook blocked remove 203.0.113.9")]
    Remove(RemoveArgs),
}

#[derive(Debug, Args)]
pub struct AddArgs {
    /// Which.
    #[arg(value_parser = address)]
    address: IpAddr,
    /// For how long, as 90s, 30m, 12h or 7d; left out: until it is removed.
    #[arg(long = "for", value_name = "TIME", value_parser = span)]
    span: Option<Duration>,
    /// Why, for operators.
    #[arg(long, default_value = "by hand")]
    reason: String,
}

#[derive(Debug, Args)]
pub struct RemoveArgs {
    /// Which.
    #[arg(value_parser = address)]
    address: IpAddr,
}

pub async fn run(what: Blocked, at: At<'_>, json: bool) -> anyhow::Result<Verdict> {
    let store = at.store().await?;
    let list = BlockedList::new(&store);
    match what {
        Blocked::List => show(&list, json).await?,
        Blocked::Add(args) => {
            let mut proxies = at.config.api.trusted_proxies.iter();
            anyhow::ensure!(
                !proxies.any(|network| network.contains(args.address)),
                "{} is among TRUSTED_PROXIES: everybody behind it would be blocked",
                args.address
            );
            list.add(args.address, &args.reason, args.span).await?;
            let network = shown(args.address);
            if json {
                print_json(&json!({ "blocked": network }))?;
            } else {
                say!("{network} is blocked.");
            }
        }
        Blocked::Remove(args) => {
            let removed = list.remove(args.address).await?;
            let network = shown(args.address);
            if json {
                print_json(&json!({ "removed": removed }))?;
            } else if removed {
                say!("{network} is let in again.");
            } else {
                say!("{network} was not blocked.");
            }
        }
    }
    Ok(Verdict::Fine)
}

async fn show(list: &BlockedList, json: bool) -> anyhow::Result<()> {
    let blocked = list.all().await?;
    if json {
        let items = blocked.iter().map(|one| {
            json!({
                "address": one.network,
                "reason": one.reason,
                "blockedAt": time(one.blocked_at),
                "expiresAt": one.expires_at.map(time),
            })
        });
        return print_json(&items.collect::<Vec<Value>>());
    }
    if blocked.is_empty() {
        say!("Nobody is blocked.");
        return Ok(());
    }
    let mut table = Table::new(&["ADDRESS", "SINCE", "UNTIL", "REASON"]);
    for one in blocked {
        let until = one.expires_at.map_or_else(|| "removed".to_owned(), time);
        table.row([one.network, time(one.blocked_at), until, one.reason]);
    }
    table.print();
    Ok(())
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// As `list` shows it.
fn shown(address: IpAddr) -> String {
    match network_of(address) {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(network) => format!("{network}/64"),
    }
}

/// An address, or what `list` shows for one.
fn address(text: &str) -> Result<IpAddr, String> {
    let problem = || "must be an IP address".to_owned();
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_| problem())?;
    match (address, bits) {
        (_, None) | (IpAddr::V4(_), Some("32")) | (IpAddr::V6(_), Some("64" | "128")) => {
            Ok(address)
        }
        (IpAddr::V4(_) | IpAddr::V6(_), Some(_)) => {
            Err("must be one address, or a /64 of IPv6".to_owned())
        }
    }
}

/// `90s`, `30m`, `12h`, `7d`.
fn span(text: &str) -> Result<Duration, String> {
    let problem = || "must be a time like 90s, 30m, 12h or 7d".to_owned();
    let unit = text.chars().last().ok_or_else(problem)?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(problem()),
    };
    let number = text
        .strip_suffix(unit)
        .and_then(|text| text.parse::<u64>().ok());
    let seconds = number.and_then(|number| number.checked_mul(seconds));
    // A hundred years are for ever, and more than Postgres' calendar need bear.
    match seconds.filter(|seconds| (1..=3_153_600_000).contains(seconds)) {
        Some(seconds) => Ok(Duration::from_secs(seconds)),
        None => Err(problem()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_a_number_and_a_unit() {
        assert_eq!(span("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(span("1h"), Ok(Duration::from_secs(3_600)));
        assert_eq!(span("7d"), Ok(Duration::from_secs(604_800)));
        for text in [
            "",
            "h",
            "0h",
            "-1h",
            "1",
            "1w",
            "1.5h",
            "1 h",
            "99999999999999999d",
            "1µ",
        ] {
            assert!(span(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_listed_can_be_removed() {
        for text in [
            "203.0.113.9",
            "203.0.113.9/32",
            "2001:db8::/64",
            "2001:db8::1",
        ] {
            let listed = shown(address(text).unwrap());
            assert!(address(&listed).is_ok(), "{listed}");
        }
        for text in [
            "",
            "host",
            "203.0.113.0/24",
            "2001:db8::/48",
            "203.0.113.9/",
        ] {
            assert!(address(text).is_err(), "{text}");
        }
    }
}
