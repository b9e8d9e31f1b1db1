//! Market data: who sells it, how much of it, how long it is kept.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use chrono::TimeDelta;
use daybook_domain::{Decimal, Symbol};
use daybook_relay::{FilterConfig, Interval};
use secrecy::SecretString;

use super::{count, positive, url};
use crate::config::{
    BookTickerSettings, MarketConfig, ProviderKind, SimulatorSettings, reader::Reader,
};

/// How long candles are kept: what a chart shows, and long enough to look back. What is older is
/// asked of the provider again.
const KEPT_DAYS: [(Interval, u32); 5] = [
    (Interval::M1, 30),
    (Interval::M5, 90),
    (Interval::M15, 180),
    (Interval::M30, 365),
    (Interval::H1, 730),
];

/// A hundred years: also the database's calendar has a beginning.
const KEPT_DAYS_MAX: u32 = 36_500;

pub(super) fn in_use(read: &mut Reader) -> MarketConfig {
    let api_key = read.text("TWELVEDATA_API_KEY").map(SecretString::from);
    let ws_url = url(read, "TWELVEDATA_WS_URL", &["ws", "wss"]);
    let rest_url = url(read, "TWELVEDATA_REST_URL", &["http", "https"]);
    let providers = providers(read);
    let routes = routes(read);
    let uses = |kind| providers.contains(&kind) || routes.values().flatten().any(|it| *it == kind);
    let used = uses(ProviderKind::BookTicker);
    let book_ticker = book_ticker(read, used, api_key.is_none());
    let seconds =
        |read: &mut Reader, name, default| Duration::from_secs(read.at_least_one(name, default));
    MarketConfig {
        api_key,
        ws_url: ws_url.unwrap_or("wss://ws.twelvedata.com/v1/quotes/price".to_owned()),
        rest_url: rest_url.unwrap_or("https://api.twelvedata.com".to_owned()),
        providers,
        routes,
        failover: seconds(read, "MD_FAILOVER_SEC", 10_u64),
        book_ticker,
        unwatched: read
            .parsed_with("MD_UNWATCHED_SEC", number_or_off)
            .flatten()
            .map(|seconds| Duration::from_secs(seconds.into())),
        symbols_max: count(read, "MD_WS_SYMBOLS_MAX"),
        symbols_per_connection: count(read, "MD_SYMBOLS_PER_CONNECTION"),
        credits_per_minute: read
            .parsed_with("MD_CREDITS_PER_MINUTE", number_or_off)
            .flatten(),
        history_ttl_minutes: seconds(read, "MD_HISTORY_TTL_1M_SEC", 60_u64),
        history_ttl_hours: seconds(read, "MD_HISTORY_TTL_1H_SEC", 3_600_u64),
        candles_kept: read
            .parsed_with("MD_CANDLES_KEPT_DAYS", candles_kept)
            .unwrap_or_else(|| KEPT_DAYS.map(days).into()),
        filter: filter(read),
        simulator: simulator(read),
    }
}

fn filter(read: &mut Reader) -> FilterConfig {
    let default = FilterConfig::default();
    let hundred = Decimal::ONE_HUNDRED;
    let mut percent = |name, default: Decimal| {
        let percent = read.parsed_with(name, positive);
        percent.map_or(default, |percent| percent / hundred)
    };
    FilterConfig {
        jump_max: percent("DAYBOOK_FEED_JUMP_MAX_PERCENT", default.jump_max),
        agreement: percent("DAYBOOK_FEED_AGREEMENT_PERCENT", default.agreement),
        silence: read
            .parsed("DAYBOOK_FEED_SILENCE_MS")
            .map_or(default.silence, Duration::from_millis),
    }
}

fn providers(read: &mut Reader) -> Vec<ProviderKind> {
    let mut providers = Vec::new();
    for name in read.list("MD_PROVIDERS") {
        match ProviderKind::parse(&name) {
            Ok(kind) if providers.contains(&kind) => {
                read.error("MD_PROVIDERS", format!("{name} is named twice"));
            }
            Ok(kind) => providers.push(kind),
            Err(problem) => read.error("MD_PROVIDERS", problem),
        }
    }
    if providers.is_empty() {
        providers.push(ProviderKind::TwelveData);
    }
    providers
}

/// `BTCUSD=book_ticker/twelve_data,ETHUSD=book_ticker`
fn routes(read: &mut Reader) -> BTreeMap<Symbol, Vec<ProviderKind>> {
    let mut routes = BTreeMap::new();
    for entry in read.list("MD_SYMBOL_PROVIDERS") {
        match route(&entry) {
            Ok((symbol, kinds)) => {
                routes.insert(symbol, kinds);
            }
            Err(problem) => read.error("MD_SYMBOL_PROVIDERS", format!("{entry}: {problem}")),
        }
    }
    routes
}

fn route(entry: &str) -> Result<(Symbol, Vec<ProviderKind>), String> {
    let (symbol, names) = entry
        .split_once('=')
        .ok_or_else(|| "must be SYMBOL=provider/provider".to_owned())?;
    let symbol = Symbol::parse(symbol.trim()).map_err(|error| error.to_string())?;
    let kinds = names
        .split('/')
        .map(|name| ProviderKind::parse(name.trim()));
    Ok((symbol, kinds.collect::<Result<_, _>>()?))
}

/// Addresses of a real one are taken beside a real provider alone: candles are the first one's, and
/// where it is simulated, real prices would be mixed with invented ones.
fn book_ticker(read: &mut Reader, used: bool, simulated: bool) -> Option<BookTickerSettings> {
    let ws_url = url(read, "BOOK_TICKER_WS_URL", &["ws", "wss"]);
    let rest_url = url(read, "BOOK_TICKER_REST_URL", &["http", "https"]);
    for (name, given) in [
        ("BOOK_TICKER_WS_URL", &ws_url),
        ("BOOK_TICKER_REST_URL", &rest_url),
    ] {
        match given {
            Some(_) if used && simulated => {
                let problem = "needs TWELVEDATA_API_KEY: without it the market is simulated, and \
                               real prices never mix with simulated ones";
                read.error(name, problem.to_owned());
            }
            None if used && !simulated => {
                read.error(name, "is required where book_ticker is used".to_owned());
            }
            Some(_) | None => {}
        }
    }
    ws_url
        .zip(rest_url)
        .map(|(ws_url, rest_url)| BookTickerSettings { ws_url, rest_url })
}

/// `1m=30,5m=off`: what is not named stays as it is; `off` alone: for ever, all of them.
fn candles_kept(text: &str) -> Result<BTreeMap<Interval, TimeDelta>, String> {
    let mut kept: BTreeMap<_, _> = KEPT_DAYS.map(days).into();
    if text == "off" {
        return Ok(BTreeMap::new());
    }
    for entry in text.split(',').map(str::trim) {
        let (interval, number) = entry
            .split_once('=')
            .ok_or_else(|| format!("{entry}: must be interval=days, or off"))?;
        let interval = Interval::parse(interval.trim()).map_err(|error| error.to_string())?;
        match number_or_off(number.trim()).map_err(|problem| format!("{entry}: {problem}"))? {
            Some(number) if number > KEPT_DAYS_MAX => {
                return Err(format!(
                    "{entry}: must be at most {KEPT_DAYS_MAX} days, or off"
                ));
            }
            Some(number) => kept.extend([days((interval, number))]),
            None => {
                kept.remove(&interval);
            }
        }
    }
    Ok(kept)
}

fn days((interval, days): (Interval, u32)) -> (Interval, TimeDelta) {
    (interval, TimeDelta::days(days.into()))
}

fn number_or_off(text: &str) -> Result<Option<u32>, String> {
    match text {
        "off" => Ok(None),
        number => match number.parse() {
            Ok(number @ 1..) => Ok(Some(number)),
            Ok(0) | Err(_) => Err("must be a number of at least 1, or off".to_owned()),
        },
    }
}

fn simulator(read: &mut Reader) -> SimulatorSettings {
    let ticks: Vec<PathBuf> = read
        .list("DAYBOOK_SIM_TICKS")
        .into_iter()
        .map(PathBuf::from)
        .collect();
    for path in &ticks {
        if let Err(error) = std::fs::File::open(path) {
            read.error("DAYBOOK_SIM_TICKS", format!("{}: {error}", path.display()));
        }
    }
    SimulatorSettings {
        ticks,
        speed: read
            .parsed_with("DAYBOOK_SIM_SPEED", positive)
            .unwrap_or(Decimal::ONE),
        seed: read.parsed("DAYBOOK_SIM_SEED").unwrap_or(1),
        looping: read.flag("DAYBOOK_SIM_LOOP", false),
        max_gap_ms: read.parsed("DAYBOOK_SIM_MAX_GAP_MS").unwrap_or(5000),
    }
}
