//! `/stream`: quotes for anybody, over WebSocket and as server-sent events. **Permission:** public.
//!
//! WebSockets are handed to the threads of quotes. Streams of events stay with the request: all that
//! waits is one chunk, and what the listener could not take is conflated by the hub.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use daybook_domain::Symbol;
use daybook_relay::{FeedStatus, Hub, HubSubscription, QuoteMessage, Watch};
use futures::stream;
use serde::Deserialize;
use tokio::{sync::watch, time::timeout};
use utoipa::IntoParams;

use super::{
    gate::{Cut, Permit, check_origin},
    handshake::{accept, upgraded},
    protocol::{status, unknown_symbol},
    shard::Arrival,
    socket::SYMBOLS_MAX,
};
use crate::{
    app::Shared,
    extract::Query,
    problem::{Answered, Code, Problem, ProblemBody},
    request::RequestInfo,
    routes::market::split_symbols,
};

const KEEP_ALIVE: Duration = Duration::from_secs(15);

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StreamQuery {
    /// Comma-separated.
    #[param(example = "EURUSD,BTCUSD")]
    symbols: Option<String>,
}

/// Quotes as they come: a WebSocket where the upgrade is asked for, else server-sent events.
///
/// The last quote of each symbol at once, then each newer one:
/// `{"type":"quote","symbol","bid","ask","time","seq"}`; the feed's state at the start and at each
/// change: `{"type":"status","feed":"live|polling|stale|simulated"}`. A WebSocket also takes
/// `{"op":"subscribe|unsubscribe","symbols":[…]}` and `{"op":"ping"}`; a symbol that does not exist
/// gets `{"type":"error","code":"unknown_symbol","symbol"}`. A slow listener gets the newest quote of
/// each symbol. Events of quotes carry an `id`; with it in `Last-Event-ID` a listener who comes back
/// is not sent again what it has seen. A server that stops closes with code 1001, or ends the stream.
#[utoipa::path(get, path = "/stream", operation_id = "streamQuotes", tag = "market", params(StreamQuery),
    responses(
        (status = 101, description = "A WebSocket of JSON messages"),
        (status = 200, description = "Server-sent events; `data` holds the same JSON", body = String, content_type = "text/event-stream"),
        (status = 400, description = "No symbols named (server-sent events), or more than 500", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`origin_refused`: a WebSocket asked for by a page of another site", body = ProblemBody, content_type = "application/problem+json"),
        (status = 406, description = "`Accept` does not take `text/event-stream`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "`too_many_connections`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn stream(
    State(app): State<Shared>,
    Query(query): Query<StreamQuery>,
    Extension(info): Extension<Arc<RequestInfo>>,
    request: Request,
) -> Answered<Response> {
    let names = query.symbols.unwrap_or_default();
    if names.split(',').count() > SYMBOLS_MAX {
        let most = format!("has at most {SYMBOLS_MAX}");
        return Err(Problem::field(Code::InvalidValue, "symbols", most));
    }
    let (known, unknown) = split_symbols(&app, &names);
    if request.headers().contains_key(header::UPGRADE) {
        let permit = app.handles.sockets.enter(&info)?;
        return upgrade(app, request, permit, known, unknown);
    }
    let headers = request.headers();
    if !takes_events(headers) {
        return Err(Problem::new(Code::NotAcceptable));
    }
    if known.is_empty() && unknown.is_empty() {
        return Err(Problem::field(Code::InvalidValue, "symbols", "is required"));
    }
    let permit = app.handles.sockets.enter(&info)?;
    let after = last_seen(&app, headers);
    Ok(events(&app, permit, &known, &unknown, after))
}

fn takes_events(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT).map(HeaderValue::to_str);
    match accepted {
        None => true,
        Some(Ok(kinds)) => ["text/event-stream", "*/*", "text/*"]
            .iter()
            .any(|k| kinds.contains(k)),
        Some(Err(_)) => false,
    }
}

/// The answer that accepts a WebSocket; one of the threads of quotes takes it from there.
fn upgrade(
    app: Shared,
    request: Request,
    permit: Permit,
    symbols: Vec<Symbol>,
    unknown: Vec<String>,
) -> Answered<Response> {
    check_origin(request.headers(), &app.handles.config.cors_origins)?;
    let (response, upgrade) = accept(request)?;
    tokio::spawn(async move {
        let Some(raw) = upgraded(upgrade).await else {
            return;
        };
        let sockets = app.handles.sockets.clone();
        let arrival = Arrival {
            raw,
            app,
            permit,
            symbols,
            unknown,
        };
        sockets.adopt(arrival).await;
    });
    Ok(response)
}

/// Number of the last quote that a listener has seen who comes back.
fn last_seen(app: &Shared, headers: &HeaderMap) -> u64 {
    let id = headers.get("last-event-id").map(HeaderValue::to_str);
    let Some(Ok(id)) = id else {
        return 0;
    };
    // The id of another process, or of none, says nothing here.
    app.handles.hub.sequence_of(id.trim()).unwrap_or_default()
}

/// The feed's state, and which symbols there are not.
fn greeting(state: FeedStatus, unknown: &[String]) -> Vec<String> {
    let mut messages = vec![status(state)];
    messages.extend(unknown.iter().map(|symbol| unknown_symbol(symbol)));
    messages
}

/// What a stream of events holds between two chunks.
struct Events {
    hub: Hub,
    quotes: HubSubscription,
    _watch: Watch,
    feed: watch::Receiver<FeedStatus>,
    closing: watch::Receiver<bool>,
    cut: Cut,
    /// Sent before anything else.
    greeting: Option<Bytes>,
    _permit: Permit,
}

fn events(
    app: &Shared,
    permit: Permit,
    known: &[Symbol],
    unknown: &[String],
    after: u64,
) -> Response {
    let hub = app.handles.hub.clone();
    let mut feed = hub.status();
    let state = *feed.borrow_and_update();
    let events = Events {
        quotes: hub.subscribe_after(known, after),
        _watch: app.handles.interest.watch(known),
        hub,
        feed,
        closing: app.handles.sockets.closing(),
        cut: permit.cut(),
        greeting: Some(chunk(greeting(state, unknown))),
        _permit: permit,
    };
    let chunks = stream::unfold(events, async |mut events| {
        let chunk = events.next().await?;
        Some((Ok::<_, std::convert::Infallible>(chunk), events))
    });
    let mut response = Body::from_stream(chunks).into_response();
    let headers = response.headers_mut();
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    set(header::CONTENT_TYPE, "text/event-stream");
    set(header::CACHE_CONTROL, "no-cache");
    // Proxies of the nginx family would hold events back otherwise.
    set(header::HeaderName::from_static("x-accel-buffering"), "no");
    response
}

impl Events {
    /// Everything that waits, as one chunk; a comment when nothing does for a while.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(greeting) = self.greeting.take() {
            return Some(greeting);
        }
        let waiting = async {
            tokio::select! {
                messages = self.quotes.next() => Some(quotes_chunk(&self.hub, &messages)),
                // The end of the stream is how a listener learns of ours.
                _ = self.closing.wait_for(|closing| *closing) => None,
                () = self.cut.off() => None,
                changed = self.feed.changed() => {
                    changed.ok()?;
                    let state = *self.feed.borrow_and_update();
                    Some(chunk([status(state)]))
                }
            }
        };
        match timeout(KEEP_ALIVE, waiting).await {
            Ok(chunk) => chunk,
            Err(_) => Some(Bytes::from_static(b": still here\n\n")),
        }
    }
}

/// Quotes carry an id, by which a listener who comes back says what it has seen.
fn quotes_chunk(hub: &Hub, messages: &[QuoteMessage]) -> Bytes {
    let mut chunk = Vec::new();
    for message in messages {
        chunk.extend_from_slice(b"id: ");
        chunk.extend_from_slice(hub.event_id(message.sequence()).as_bytes());
        chunk.extend_from_slice(b"\ndata: ");
        chunk.extend_from_slice(&message.text());
        chunk.extend_from_slice(b"\n\n");
    }
    chunk.into()
}

fn chunk<T: AsRef<[u8]>>(messages: impl IntoIterator<Item = T>) -> Bytes {
    let mut chunk = Vec::new();
    for message in messages {
        chunk.extend_from_slice(b"data: ");
        chunk.extend_from_slice(message.as_ref());
        chunk.extend_from_slice(b"\n\n");
    }
    chunk.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_framed_one_by_one_and_sent_together() {
        let chunk = chunk(["{\"a\":1}", "{\"b\":2}"]);
        assert_eq!(&chunk[..], b"data: {\"a\":1}\n\ndata: {\"b\":2}\n\n");
    }

    #[test]
    fn events_go_to_whoever_takes_them() {
        let with = |accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            takes_events(&headers)
        };
        assert!(takes_events(&HeaderMap::new()));
        assert!(with("text/event-stream"));
        assert!(with("text/html, */*;q=0.8"));
        assert!(!with("application/json"));
    }
}
