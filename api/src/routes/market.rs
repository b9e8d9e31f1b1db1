//! Instruments, newest quotes and candles. **Permission:** public.

use std::time::Duration;

use axum::{Json, extract::State};
use chrono::Utc;
use daybook_domain::{
    Instrument, Quote, Rules, Symbol, Timestamp,
    instrument::{AssetClass, Availability},
    market::in_session,
};
use daybook_relay::{Candle, Interval, staleness::is_stale};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::Shared,
    extract::{Query, parameter},
    number,
    problem::{Answered, Code, Problem, ProblemBody},
    text,
};

const CANDLES_DEFAULT: usize = 1000;
const CANDLES_MAX: usize = 5000;

/// One instrument's terms.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SymbolItem {
    #[schema(example = "EURUSD")]
    symbol: String,
    #[schema(example = "Euro / US Dollar")]
    name: String,
    /// `fx`, `metal`, `energy`, `index` or `crypto`.
    #[schema(example = "fx")]
    class: &'static str,
    #[schema(example = "EUR")]
    base: String,
    #[schema(example = "USD")]
    quote: String,
    /// Decimals of a price.
    #[schema(example = 5)]
    digits: u32,
    #[schema(example = "100000")]
    contract_size: String,
    #[schema(example = "0.01")]
    min_volume: String,
    #[schema(example = "100.00")]
    max_volume: String,
    #[schema(example = "0.01")]
    volume_step: String,
    #[schema(example = 500)]
    max_leverage: u32,
    /// Points a night on a long position; negative is a charge.
    #[schema(example = "-7.2")]
    swap_long: String,
    /// Points a night on a short position.
    #[schema(example = "2.1")]
    swap_short: String,
    /// Whether the session is open now.
    session_open: bool,
    /// Whether positions may be opened.
    enabled: bool,
}

/// The newest quote of one instrument.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QuoteItem {
    #[schema(example = "EURUSD")]
    symbol: String,
    #[schema(example = "1.08723")]
    bid: String,
    #[schema(example = "1.08731")]
    ask: String,
    /// The provider's time.
    #[schema(example = "2026-01-31T09:30:00.000Z")]
    time: String,
    /// Too old to be dealt on.
    stale: bool,
}

/// One candle, on bid.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CandleItem {
    /// Where it starts.
    #[schema(example = "2026-01-31T09:30:00.000Z")]
    time: String,
    #[schema(example = "1.08710")]
    open: String,
    #[schema(example = "1.08745")]
    high: String,
    #[schema(example = "1.08702")]
    low: String,
    #[schema(example = "1.08731")]
    close: String,
    #[schema(example = "0")]
    volume: String,
}

/// Candles, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CandlesBody {
    #[schema(example = "EURUSD")]
    symbol: String,
    #[schema(example = "1m")]
    interval: &'static str,
    candles: Vec<CandleItem>,
    /// There, and true, when the provider is away and these are from before.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    stale: bool,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SymbolsQuery {
    /// Part of the symbol or name, in any case.
    #[param(example = "eur")]
    search: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct QuotesQuery {
    /// Comma-separated; all where left out.
    #[param(example = "EURUSD,BTCUSD")]
    symbols: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CandlesQuery {
    #[param(example = "EURUSD")]
    symbol: String,
    /// 1m, 5m, 15m, 30m, 1h, 4h, 1d or 1w.
    #[param(example = "1m")]
    interval: String,
    /// 1 to 5000; 1000 where left out.
    #[param(value_type = Option<u32>, example = 1000)]
    limit: Option<String>,
    /// Candles that start before this time.
    #[param(example = "2026-01-31T09:30:00.000Z")]
    before: Option<String>,
}

/// Lists the instruments, by symbol.
#[utoipa::path(get, path = "/market/symbols", operation_id = "listSymbols", tag = "market", params(SymbolsQuery),
    responses(
        (status = 200, description = "Instruments", body = Vec<SymbolItem>),
        (status = 400, description = "Malformed query", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn symbols(
    State(app): State<Shared>,
    Query(query): Query<SymbolsQuery>,
) -> Json<Vec<SymbolItem>> {
    let wanted = query.search.unwrap_or_default().to_lowercase();
    let now = Utc::now();
    let rules = &app.handles.config.rules;
    let mut instruments = app.instruments();
    instruments.sort_by_key(|terms| terms.symbol);
    let found = instruments.iter().filter(|terms| {
        let named = |text: &str| text.to_lowercase().contains(&wanted);
        named(terms.symbol.as_str()) || named(&terms.name)
    });
    Json(found.map(|terms| symbol_item(terms, now, rules)).collect())
}

fn symbol_item(terms: &Instrument, now: Timestamp, rules: &Rules) -> SymbolItem {
    let volume = |value| number::volume(value, Some(terms));
    SymbolItem {
        symbol: terms.symbol.to_string(),
        name: terms.name.clone(),
        class: class_name(terms.class),
        base: terms.base.to_string(),
        quote: terms.quote.to_string(),
        digits: terms.digits,
        contract_size: number::plain(terms.contract_size),
        min_volume: volume(terms.min_volume),
        max_volume: volume(terms.max_volume),
        volume_step: volume(terms.volume_step),
        max_leverage: terms.max_leverage,
        swap_long: number::plain(terms.swap_long),
        swap_short: number::plain(terms.swap_short),
        session_open: in_session(terms, now, rules),
        enabled: match terms.availability {
            Availability::Enabled => true,
            Availability::CloseOnly | Availability::Disabled => false,
        },
    }
}

const fn class_name(class: AssetClass) -> &'static str {
    match class {
        AssetClass::Fx => "fx",
        AssetClass::Metal => "metal",
        AssetClass::Energy => "energy",
        AssetClass::Index => "index",
        AssetClass::Crypto => "crypto",
    }
}

/// The newest quotes; an instrument without one since the start is left out.
#[utoipa::path(get, path = "/market/quotes", operation_id = "listQuotes", tag = "market", params(QuotesQuery),
    responses(
        (status = 200, description = "Quotes", body = Vec<QuoteItem>),
        (status = 400, description = "`unknown_symbol`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn quotes(
    State(app): State<Shared>,
    Query(query): Query<QuotesQuery>,
) -> Answered<Json<Vec<QuoteItem>>> {
    let instruments = match query.symbols.as_deref() {
        Some(list) => {
            let names = list
                .split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty());
            names
                .map(|name| app.named_instrument(name))
                .collect::<Answered<Vec<_>>>()?
        }
        None => {
            let mut all = app.instruments();
            all.sort_by_key(|terms| terms.symbol);
            all
        }
    };
    if query.symbols.is_some() {
        // By name: somebody wants to know, so these are worth a subscription for a while.
        let interest = &app.handles.interest;
        instruments
            .iter()
            .for_each(|terms| interest.touch(terms.symbol));
    }
    let now = Utc::now();
    let max_age = max_quote_age(&app.handles.config.rules);
    let items = instruments.iter().filter_map(|terms| {
        let quote = app.handles.hub.last(terms.symbol)?;
        Some(quote_item(&quote, terms, now, max_age))
    });
    Ok(Json(items.collect()))
}

fn max_quote_age(rules: &Rules) -> Duration {
    rules
        .max_quote_age_ms
        .map_or(Duration::MAX, Duration::from_millis)
}

fn quote_item(quote: &Quote, terms: &Instrument, now: Timestamp, max_age: Duration) -> QuoteItem {
    QuoteItem {
        symbol: quote.symbol.to_string(),
        bid: number::price(quote.bid, Some(terms)),
        ask: number::price(quote.ask, Some(terms)),
        time: text::time(quote.at),
        stale: is_stale(quote, now, max_age),
    }
}

/// Candles of one instrument, oldest first.
#[utoipa::path(get, path = "/market/candles", operation_id = "listCandles", tag = "market", params(CandlesQuery),
    responses(
        (status = 200, description = "Candles", body = CandlesBody),
        (status = 400, description = "`unknown_symbol`, or a malformed parameter", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The provider is away and nothing is known", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn candles(
    State(app): State<Shared>,
    Query(query): Query<CandlesQuery>,
) -> Answered<Json<CandlesBody>> {
    let terms = app.named_instrument(&query.symbol)?;
    let interval = Interval::parse(&query.interval).map_err(|_| {
        let expected = "must be 1m, 5m, 15m, 30m, 1h, 4h, 1d or 1w";
        Problem::field(Code::InvalidValue, "interval", expected)
    })?;
    let limit = parameter("limit", query.limit.as_deref(), "must be 1 to 5000")?;
    let limit = limit.unwrap_or(CANDLES_DEFAULT);
    if !(1..=CANDLES_MAX).contains(&limit) {
        return Err(Problem::field(
            Code::InvalidValue,
            "limit",
            "must be 1 to 5000",
        ));
    }
    let before = time_parameter("before", query.before.as_deref())?;
    app.handles.interest.touch(terms.symbol);
    let page = app
        .handles
        .candles
        .page(terms.symbol, interval, limit, before)
        .await?;
    let item = |candle: &Candle| candle_item(candle, &terms);
    Ok(Json(CandlesBody {
        symbol: terms.symbol.to_string(),
        interval: interval.as_str(),
        candles: page.candles.iter().map(item).collect(),
        stale: page.stale,
    }))
}

/// An instant in a query.
pub(crate) fn time_parameter(field: &str, text: Option<&str>) -> Answered<Option<Timestamp>> {
    let parse = |text| text::parse_time(text);
    text.map(parse)
        .transpose()
        .map_err(|error| Problem::field(Code::InvalidValue, field, error.to_string()))
}

fn candle_item(candle: &Candle, terms: &Instrument) -> CandleItem {
    let price = |value| number::price(value, Some(terms));
    CandleItem {
        time: text::time(candle.time),
        open: price(candle.open),
        high: price(candle.high),
        low: price(candle.low),
        close: price(candle.close),
        volume: number::plain(candle.volume),
    }
}

/// Symbols of a comma-separated list: those that are instruments, and those that are not.
pub(crate) fn split_symbols(app: &Shared, list: &str) -> (Vec<Symbol>, Vec<String>) {
    let mut known = Vec::new();
    let mut unknown = Vec::new();
    for name in list
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
    {
        match app.named_instrument(name) {
            Ok(terms) if known.contains(&terms.symbol) => {}
            Ok(terms) => known.push(terms.symbol),
            Err(_) => unknown.push(name.chars().take(32).collect()),
        }
    }
    (known, unknown)
}
