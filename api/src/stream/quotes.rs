//! `/stream`: quotes for anybody, over WebSocket and as server-sent events. **Permission:** public.
//!
//! Everything that waits for a listener is fed and flushed once; what the listener could not take
//! is conflated by the hub to the newest of each symbol.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    extract::{
        State,
        ws::{Utf8Bytes, WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use daybook_domain::Symbol;
use daybook_relay::{FeedStatus, HubSubscription};
use futures::stream;
use serde::Deserialize;
use tokio::{sync::watch, time::timeout};
use utoipa::IntoParams;

use super::{
    protocol::{QuotesOp, Said, error, status, unknown_symbol},
    socket::{Gone, Peer, limited, utf8},
};
use crate::{
    app::Shared,
    extract::Query,
    problem::{Answered, Code, Problem, ProblemBody},
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
/// gets `{"type":"error","code":"unknown_symbol","symbol"}`.
#[utoipa::path(get, path = "/stream", operation_id = "streamQuotes", tag = "market", params(StreamQuery),
    responses(
        (status = 101, description = "A WebSocket of JSON messages"),
        (status = 200, description = "Server-sent events; `data` holds the same JSON", body = String, content_type = "text/event-stream"),
        (status = 400, description = "No symbols named (server-sent events)", body = ProblemBody, content_type = "application/problem+json"),
        (status = 406, description = "`Accept` does not take `text/event-stream`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn stream(
    State(app): State<Shared>,
    Query(query): Query<StreamQuery>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Answered<Response> {
    let (known, unknown) = split_symbols(&app, query.symbols.as_deref().unwrap_or_default());
    if headers.contains_key(header::UPGRADE) {
        let upgrade = upgrade
            .map_err(|rejection| Problem::with_detail(Code::Malformed, rejection.body_text()))?;
        let session = async move |socket| {
            // The peer being gone is how every such session ends.
            let _gone = listen(Peer::new(socket), app, known, unknown).await;
        };
        return Ok(limited(upgrade).on_upgrade(session));
    }
    if !takes_events(&headers) {
        return Err(Problem::new(Code::NotAcceptable));
    }
    if known.is_empty() && unknown.is_empty() {
        return Err(Problem::field(Code::InvalidValue, "symbols", "is required"));
    }
    Ok(events(&app, &known, &unknown))
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

async fn listen(
    mut peer: Peer,
    app: Shared,
    known: Vec<Symbol>,
    unknown: Vec<String>,
) -> Result<(), Gone> {
    let mut feed = app.handles.hub.status();
    let mut quotes = app.handles.hub.subscribe(&known);
    let state = *feed.borrow_and_update();
    peer.say(greeting(state, &unknown).into_iter().map(Utf8Bytes::from))
        .await?;
    loop {
        tokio::select! {
            messages = quotes.next() => peer.say(messages.into_iter().filter_map(utf8)).await?,
            changed = feed.changed() => {
                if changed.is_err() {
                    return Err(Gone);
                }
                let state = *feed.borrow_and_update();
                peer.say_one(status(state)).await?;
            }
            text = peer.hear() => {
                for reply in answer(&app, &mut quotes, &text?) {
                    peer.say_one(reply).await?;
                }
            }
        }
    }
}

/// The feed's state, and which symbols there are not.
fn greeting(state: FeedStatus, unknown: &[String]) -> Vec<String> {
    let mut messages = vec![status(state)];
    messages.extend(unknown.iter().map(|symbol| unknown_symbol(symbol)));
    messages
}

fn answer(app: &Shared, quotes: &mut HubSubscription, text: &str) -> Vec<String> {
    match serde_json::from_str(text) {
        Ok(QuotesOp::Ping {}) => vec![Said::Pong.text()],
        Ok(QuotesOp::Subscribe { symbols }) => {
            let (known, unknown) = split_symbols(app, &symbols.join(","));
            quotes.add(&known);
            unknown
                .iter()
                .map(|symbol| unknown_symbol(symbol))
                .collect()
        }
        Ok(QuotesOp::Unsubscribe { symbols }) => {
            let (known, unknown) = split_symbols(app, &symbols.join(","));
            quotes.remove(&known);
            unknown
                .iter()
                .map(|symbol| unknown_symbol(symbol))
                .collect()
        }
        Err(_) => vec![error("malformed")],
    }
}

/// What a stream of events holds between two chunks.
struct Events {
    quotes: HubSubscription,
    feed: watch::Receiver<FeedStatus>,
    /// Sent before anything else.
    greeting: Option<Bytes>,
}

fn events(app: &Shared, known: &[Symbol], unknown: &[String]) -> Response {
    let mut feed = app.handles.hub.status();
    let state = *feed.borrow_and_update();
    let events = Events {
        quotes: app.handles.hub.subscribe(known),
        feed,
        greeting: Some(chunk(greeting(state, unknown))),
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
                messages = self.quotes.next() => Some(chunk(messages)),
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
