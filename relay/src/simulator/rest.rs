//! The provider's REST API, from the server's side: every answer is JSON, prices are strings, and
//! an error is a body with a code, sent with HTTP 200 unless `X-API-Version: last` asks for more.

use std::{collections::HashMap, sync::Arc};

use axum::{
    extract::{Query, State},
    http::{HeaderName, HeaderValue},
    response::{IntoResponse as _, Json, Response},
};
use daybook_domain::{Decimal, instrument::AssetClass};
use serde_json::{Map, Value, json};

use super::{
    history::{self, Bar, Step},
    world::{Listed, World, now_us},
};

type Params = Query<HashMap<String, String>>;

const OUTPUTSIZE: usize = 30;
const OUTPUTSIZE_MAX: usize = 5_000;

/// An error of the provider's.
pub(super) struct VendorError {
    code: u16,
    message: String,
}

impl VendorError {
    fn bad_request(message: impl Into<String>) -> Self {
        Self {
            code: 400,
            message: message.into(),
        }
    }

    /// The key is missing.
    pub(super) fn unauthorized() -> Self {
        let message = "**apikey** parameter is incorrect or not specified. You can get your free \
                       API key instantly following this link: https://twelvedata.com/pricing";
        Self {
            code: 401,
            message: message.into(),
        }
    }

    fn unknown_symbol() -> Self {
        let message = "**symbol** or **figi** parameter is missing or invalid. Please provide a \
                       valid symbol according to API documentation: \
                       https://twelvedata.com/docs#reference-data";
        Self {
            code: 404,
            message: message.into(),
        }
    }

    /// This minute's credits are used up.
    pub(super) fn out_of_credits() -> Self {
        let message = "You have run out of API credits for the current minute. 9 API credits were \
                       used, with the current limit being 8. Wait for the next minute or consider \
                       switching to a higher tier plan at https://twelvedata.com/pricing";
        Self {
            code: 429,
            message: message.into(),
        }
    }

    /// An address that does not exist.
    pub(super) fn unknown_path() -> Self {
        Self {
            code: 404,
            message: "the simulator has no such endpoint".into(),
        }
    }

    /// The body.
    pub(super) fn body(&self) -> Value {
        json!({"code": self.code, "message": self.message, "status": "error"})
    }
}

/// The code of an answer that is an error, for clients that want it as the HTTP status.
#[derive(Clone, Copy)]
pub(super) struct VendorCode(pub(super) u16);

/// One answer per symbol: by itself for one, under their names for several.
fn batch(
    world: &World,
    params: &HashMap<String, String>,
    answer: impl Fn(&Listed) -> Result<Value, VendorError>,
) -> Response {
    let names = params.get("symbol").map(String::as_str).unwrap_or_default();
    let names: Vec<_> = names.split(',').filter(|name| !name.is_empty()).collect();
    let one = |name: &str| {
        let listed = world.find(name).ok_or_else(VendorError::unknown_symbol);
        let answered = listed.and_then(&answer);
        answered.unwrap_or_else(|error| error.body())
    };
    match names[..] {
        [] => Json(VendorError::unknown_symbol().body()).into_response(),
        [name] => {
            let answer = one(name);
            let code = answer["code"]
                .as_u64()
                .and_then(|code| u16::try_from(code).ok());
            let mut response = Json(answer).into_response();
            if let Some(code) = code {
                response.extensions_mut().insert(VendorCode(code));
            }
            response
        }
        _ => {
            let answers = names.iter().map(|name| ((*name).to_owned(), one(name)));
            let answers = Value::Object(answers.collect::<Map<_, _>>());
            let header = (
                HeaderName::from_static("is_batch"),
                HeaderValue::from_static("true"),
            );
            ([header], Json(answers)).into_response()
        }
    }
}

/// `GET /time_series`
pub(super) async fn time_series(
    State(world): State<Arc<World>>,
    Query(params): Params,
) -> Response {
    batch(&world, &params, |listed| series(&world, listed, &params))
}

fn series(
    world: &World,
    listed: &Listed,
    params: &HashMap<String, String>,
) -> Result<Value, VendorError> {
    let interval = params
        .get("interval")
        .map(String::as_str)
        .unwrap_or_default();
    let step = Step::parse(interval)
        .ok_or_else(|| VendorError::bad_request("**interval** is missing or invalid"))?;
    let count = match params.get("outputsize").map(|text| text.parse()) {
        None => OUTPUTSIZE,
        Some(Ok(count @ 1..=OUTPUTSIZE_MAX)) => count,
        Some(Ok(_) | Err(_)) => {
            return Err(VendorError::bad_request(
                "**outputsize** must be from 1 to 5000",
            ));
        }
    };
    if let Some(zone) = params.get("timezone").filter(|zone| !is_utc(zone)) {
        let message = format!("**timezone** {zone}: the simulator keeps UTC alone");
        return Err(VendorError::bad_request(message));
    }
    let range = (
        time(params, "start_date", 0)?,
        time(params, "end_date", i64::MAX)?,
    );
    let mut bars = history::bars(world, listed, step, count, range, now_us() / 1_000);
    if params
        .get("order")
        .is_some_and(|order| order.eq_ignore_ascii_case("asc"))
    {
        bars.reverse();
    }
    let digits = digits(params)?;
    let values: Vec<_> = bars.iter().map(|bar| value(bar, step, digits)).collect();
    Ok(json!({"meta": meta(listed, interval), "values": values, "status": "ok"}))
}

/// Currencies have no exchange whose clock could differ.
fn is_utc(zone: &str) -> bool {
    zone.eq_ignore_ascii_case("utc") || zone.eq_ignore_ascii_case("exchange")
}

fn time(params: &HashMap<String, String>, name: &str, default: i64) -> Result<i64, VendorError> {
    let Some(text) = params.get(name) else {
        return Ok(default);
    };
    let invalid = || VendorError::bad_request(format!("**{name}** is not a date or a time"));
    history::parse_time(text).ok_or_else(invalid)
}

/// Decimals asked for; none: as many as there are.
fn digits(params: &HashMap<String, String>) -> Result<Option<u32>, VendorError> {
    match params.get("dp").map(|text| text.parse::<i32>()) {
        None | Some(Ok(-1)) => Ok(None),
        Some(Ok(digits @ 0..=11)) => Ok(Some(digits.unsigned_abs())),
        Some(Ok(_) | Err(_)) => Err(VendorError::bad_request("**dp** must be from 0 to 11")),
    }
}

fn text(price: Decimal, digits: Option<u32>) -> String {
    digits
        .map_or(price, |digits| price.round_dp(digits))
        .to_string()
}

fn value(bar: &Bar, step: Step, digits: Option<u32>) -> Value {
    json!({
        "datetime": history::datetime(bar.start_s, step),
        "open": text(bar.open, digits),
        "high": text(bar.high, digits),
        "low": text(bar.low, digits),
        "close": text(bar.close, digits),
    })
}

fn meta(listed: &Listed, interval: &str) -> Value {
    let listing = &listed.listing;
    let mut meta = json!({
        "symbol": listing.provider_symbol,
        "interval": interval,
        "currency_base": listing.base_name,
        "currency_quote": listing.quote_name,
        "type": listing.kind,
    });
    match listed.instrument.class {
        AssetClass::Index | AssetClass::Crypto => meta["exchange"] = listing.exchange.into(),
        AssetClass::Fx | AssetClass::Metal | AssetClass::Energy => {}
    }
    meta
}

/// `GET /price`
pub(super) async fn price(State(world): State<Arc<World>>, Query(params): Params) -> Response {
    batch(&world, &params, |listed| {
        let (sides, _) = world.newest(listed, now_us() / 1_000);
        Ok(json!({"price": text(sides.middle(), digits(&params)?)}))
    })
}

/// `GET /quote`
pub(super) async fn quote(State(world): State<Arc<World>>, Query(params): Params) -> Response {
    batch(&world, &params, |listed| {
        day(&world, listed, digits(&params)?)
    })
}

fn day(world: &World, listed: &Listed, digits: Option<u32>) -> Result<Value, VendorError> {
    let now_ms = now_us() / 1_000;
    let step = Step::Seconds(86_400);
    let days = history::bars(world, listed, step, 2, (0, i64::MAX), now_ms);
    let [today, yesterday] = days[..] else {
        return Err(VendorError::unknown_symbol());
    };
    let (sides, at_ms) = world.newest(listed, now_ms);
    let close = sides.middle();
    let change = close - yesterday.close;
    let percent = change * Decimal::ONE_HUNDRED / yesterday.close;
    Ok(json!({
        "symbol": listed.listing.provider_symbol,
        "name": listed.instrument.name,
        "exchange": listed.listing.exchange,
        "currency": listed.instrument.quote.as_str(),
        "datetime": history::datetime(today.start_s, step),
        "timestamp": today.start_s,
        "last_quote_at": at_ms / 1_000,
        "open": text(today.open, digits),
        "high": text(today.high.max(close), digits),
        "low": text(today.low.min(close), digits),
        "close": text(close, digits),
        "previous_close": text(yesterday.close, digits),
        "change": text(change, digits),
        "percent_change": text(percent.round_dp(5), digits),
        "is_market_open": true,
    }))
}

/// `GET /forex_pairs`
pub(super) async fn forex_pairs(State(world): State<Arc<World>>) -> Json<Value> {
    reference(&world, &[AssetClass::Fx, AssetClass::Metal], |listed| {
        json!({
            "symbol": listed.listing.provider_symbol,
            "currency_group": if is_major(listed) { "Major" } else { "Minor" },
            "currency_base": listed.listing.base_name,
            "currency_quote": listed.listing.quote_name,
        })
    })
}

/// `GET /cryptocurrencies`
pub(super) async fn cryptocurrencies(State(world): State<Arc<World>>) -> Json<Value> {
    reference(&world, &[AssetClass::Crypto], |listed| {
        json!({
            "symbol": listed.listing.provider_symbol,
            "available_exchanges": [listed.listing.exchange],
            "currency_base": listed.listing.base_name,
            "currency_quote": listed.listing.quote_name,
        })
    })
}

/// `GET /commodities`
pub(super) async fn commodities(State(world): State<Arc<World>>) -> Json<Value> {
    reference(&world, &[AssetClass::Energy, AssetClass::Metal], |listed| {
        json!({
            "symbol": listed.listing.provider_symbol,
            "name": listed.instrument.name,
            "category": listed.listing.kind,
            "description": "",
        })
    })
}

/// `GET /symbol_search`: by a part of the symbol or of the name.
pub(super) async fn symbol_search(
    State(world): State<Arc<World>>,
    Query(params): Params,
) -> Json<Value> {
    let wanted = params
        .get("symbol")
        .map(|text| text.to_lowercase())
        .unwrap_or_default();
    let matches = |listed: &&Listed| {
        let symbol = listed.listing.provider_symbol.to_lowercase();
        symbol.contains(&wanted)
            || symbol.replace('/', "").contains(&wanted)
            || listed.instrument.name.to_lowercase().contains(&wanted)
    };
    let found = world.all().filter(matches).map(|listed| {
        json!({
            "symbol": listed.listing.provider_symbol,
            "instrument_name": listed.instrument.name,
            "exchange": listed.listing.exchange,
            "mic_code": "",
            "instrument_type": listed.listing.kind,
            "country": "",
            "currency": listed.instrument.quote.as_str(),
        })
    });
    let found: Vec<_> = found.collect();
    Json(json!({"data": found, "status": "ok"}))
}

/// `GET /technical_indicators`: the vendor's Python client asks for it first of all.
pub(super) async fn technical_indicators() -> Json<Value> {
    Json(json!({"data": {}, "status": "ok"}))
}

fn reference(world: &World, classes: &[AssetClass], row: impl Fn(&Listed) -> Value) -> Json<Value> {
    let of_class = |listed: &&Listed| classes.contains(&listed.instrument.class);
    let rows: Vec<_> = world.all().filter(of_class).map(row).collect();
    Json(json!({"data": rows, "status": "ok"}))
}

/// The dollar against one of the six it trades with most.
fn is_major(listed: &Listed) -> bool {
    let (base, quote) = (listed.instrument.base, listed.instrument.quote);
    let has = |code: &str| base.as_str() == code || quote.as_str() == code;
    let others = ["EUR", "GBP", "JPY", "CHF", "CAD", "AUD"];
    has("USD") && others.into_iter().any(has)
}
