//! An exchange's public book ticker, from the server's side: crypto pairs in its own words, over
//! the same price path. No key is asked for.

use std::{collections::HashMap, sync::Arc};

use axum::{
    Json,
    extract::{
        Query, State,
        ws::{WebSocket, WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Connections,
    socket::{self, Dialect},
    tape::Tape,
    world::{Listed, Sides, World, now_us},
};
use crate::upstream::book_ticker::exchange_name;

/// Its words.
pub(super) struct Exchange;

#[derive(Deserialize)]
struct Request {
    method: String,
    #[serde(default)]
    params: Vec<String>,
    id: Value,
}

impl Dialect for Exchange {
    fn price(&self, listed: &Listed, sides: Sides, at_ms: i64) -> String {
        let name = exchange_name(&listed.instrument).unwrap_or_default();
        let stream = stream_name(&name);
        let (bid, ask) = (sides.bid, sides.ask);
        format!(
            r#"{{"stream":"{stream}","data":{{"E":{at_ms},"s":"{name}","b":"{bid}","B":"1.00000000","a":"{ask}","A":"1.00000000"}}}}"#
        )
    }

    fn answer(&self, text: &str, tape: &mut Tape, world: &World) -> String {
        let Ok(request) = serde_json::from_str::<Request>(text) else {
            return refusal(2, "Invalid JSON", &Value::Null);
        };
        let listed: Option<Vec<_>> = request.params.iter().map(|it| find(world, it)).collect();
        let Some(listed) = listed else {
            return refusal(2, "Invalid request: unknown stream", &request.id);
        };
        let symbols = listed.iter().map(|listed| listed.symbol);
        match request.method.as_str() {
            "SUBSCRIBE" => symbols.for_each(|symbol| tape.subscribe(world, symbol, now_us())),
            "UNSUBSCRIBE" => symbols.for_each(|symbol| tape.unsubscribe(symbol)),
            _ => return refusal(1, "Invalid request: unknown method", &request.id),
        }
        json!({"result": null, "id": request.id}).to_string()
    }
}

fn refusal(code: u16, message: &str, id: &Value) -> String {
    json!({"error": {"code": code, "msg": message}, "id": id}).to_string()
}

fn stream_name(name: &str) -> String {
    format!("{}@bookTicker", name.to_ascii_lowercase())
}

/// The instrument of a stream.
fn find<'a>(world: &'a World, stream: &str) -> Option<&'a Listed> {
    let named = |listed: &&Listed| {
        exchange_name(&listed.instrument).is_some_and(|name| stream_name(&name) == stream)
    };
    world.all().find(named)
}

/// `GET /stream?streams=btcusdt@bookTicker/ethusdt@bookTicker`
pub(super) async fn stream(
    State(connections): State<Connections>,
    Query(params): Query<HashMap<String, String>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    if connections.desk.faults().sockets_down {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let streams = params.get("streams").cloned().unwrap_or_default();
    match upgrade {
        Ok(upgrade) => upgrade.on_upgrade(move |socket| serve(socket, connections, streams)),
        Err(rejection) => rejection.into_response(),
    }
}

async fn serve(socket: WebSocket, connections: Connections, streams: String) {
    let mut tape = Tape::default();
    let names = streams.split('/').filter(|name| !name.is_empty());
    for listed in names.filter_map(|name| find(&connections.world, name)) {
        tape.subscribe(&connections.world, listed.symbol, now_us());
    }
    socket::serve(socket, connections, tape, Exchange).await;
}

/// `GET /api/v3/ticker/bookTicker?symbols=["BTCUSDT"]`
pub(super) async fn ticker(
    State(connections): State<Connections>,
    Query(params): Query<HashMap<String, String>>,
) -> Response {
    connections.desk.requested("/api/v3/ticker/bookTicker");
    if connections.desk.faults().rest_down {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let names: Vec<String> = params
        .get("symbols")
        .and_then(|list| serde_json::from_str(list).ok())
        .unwrap_or_default();
    let world: Arc<World> = connections.world;
    let found: Option<Vec<Value>> = names.iter().map(|name| book(&world, name)).collect();
    match found {
        Some(books) => Json(books).into_response(),
        None => {
            let body = json!({"code": -1121, "msg": "Invalid symbol."});
            (StatusCode::BAD_REQUEST, Json(body)).into_response()
        }
    }
}

fn book(world: &World, name: &str) -> Option<Value> {
    let listed = find(world, &stream_name(name))?;
    let (sides, _) = world.newest(listed, now_us() / 1_000);
    Some(json!({
        "symbol": name,
        "bidPrice": sides.bid.to_string(), "bidQty": "1.00000000",
        "askPrice": sides.ask.to_string(), "askQty": "1.00000000",
    }))
}
