//! A market that speaks Twelve Data's protocol on a local port, so that the production client is
//! what runs everywhere. Prices are generated from a seed, or replayed from recorded ticks; the
//! symbols of a recording are never generated.
//!
//! The simulator holds no state of its own but the moment at which its replay began: every price is
//! a function of time, so any number of clients see the same market, and a slow one delays nobody.

mod book_ticker;
mod faults;
mod history;
mod prices;
mod recorded;
mod replay;
mod rest;
mod socket;
mod tape;
mod virtual_market;
mod world;

use std::{collections::HashMap, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State, WebSocketUpgrade, ws::rejection::WebSocketUpgradeRejection},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Json, Response},
    routing::get,
};
use daybook_domain::{Decimal, Instrument};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use self::{faults::Desk, replay::Replay, rest::VendorError, tape::Tape, world::World};
pub use self::{faults::Faults, virtual_market::VirtualMarket};
use crate::RelayError;

/// The path of the simulator's WebSocket.
pub const WEBSOCKET_PATH: &str = "/v1/quotes/price";

/// The path of the simulator's second market: an exchange's public book ticker.
pub const BOOK_TICKER_PATH: &str = "/stream";

/// Bytes that a connection buffers before a write; a whole batch of prices.
const WRITE_BUFFER_BYTES: usize = 64 * 1024;

/// Time for requests under way when the simulator stops.
const GRACE: Duration = Duration::from_secs(2);

/// What the simulator plays and where.
#[derive(Clone, Debug)]
pub struct SimulatorConfig {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Files of recorded ticks (`timestamp_ms_utc,symbol,bid,ask`), merged by time.
    pub ticks: Vec<PathBuf>,
    /// Speed of the replay: 1 is the recorded pace.
    pub speed: Decimal,
    /// Seed of the generated prices.
    pub seed: u64,
    /// Whether the replay begins again at its end. Otherwise the last price is repeated.
    pub looping: bool,
    /// Longest wait between two ticks of the replay, in milliseconds of our clock.
    pub max_gap_ms: u64,
    /// Whether faults can be switched on at `/control/…`, by anybody who reaches the port.
    pub control: bool,
    /// What can be subscribed to. Recorded ticks of anything else are refused.
    pub instruments: Vec<Arc<Instrument>>,
}

/// The running simulator.
pub struct Simulator {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
}

#[derive(Clone)]
struct Connections {
    world: Arc<World>,
    desk: Desk,
    stop: watch::Receiver<bool>,
}

impl Simulator {
    /// Reads the recorded ticks and listens. A replay begins when the first client subscribes to
    /// one of its symbols, so that it misses nothing; who comes later joins.
    ///
    /// # Errors
    /// [`RelayError`] when a file of ticks cannot be read or understood, the speed is not above
    /// zero, or the port cannot be had.
    pub async fn start(config: SimulatorConfig) -> Result<Self, RelayError> {
        let listen = config.listen;
        let unavailable = |source| RelayError::Listen {
            address: listen,
            source,
        };
        let control = config.control;
        let loading = tokio::task::spawn_blocking(move || world(&config));
        let world = loading.await.map_err(|panic| unavailable(panic.into()))??;
        let listener = TcpListener::bind(listen).await.map_err(unavailable)?;
        let address = listener.local_addr().map_err(unavailable)?;
        let (stop, stopped) = watch::channel(false);
        let router = router(world, stopped.clone(), control);
        Ok(Self {
            address,
            stop,
            server: tokio::spawn(serve(listener, router, stopped)),
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of its WebSocket, as [`crate::FeedConfig`] takes it.
    #[must_use]
    pub fn ws_url(&self) -> String {
        format!("ws://{}{WEBSOCKET_PATH}", self.address)
    }

    /// The address of its REST API, as [`crate::FeedConfig`] takes it.
    #[must_use]
    pub fn rest_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address of its book ticker's WebSocket, as [`crate::BookTicker`] takes it.
    #[must_use]
    pub fn book_ticker_url(&self) -> String {
        format!("ws://{}{BOOK_TICKER_PATH}", self.address)
    }

    /// Closes the port and every connection, and waits until that is done.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        // A panic inside has been reported where it happened.
        let _ = self.server.await;
    }
}

fn world(config: &SimulatorConfig) -> Result<Arc<World>, RelayError> {
    let digits = |instrument: &Arc<Instrument>| (instrument.symbol, instrument.digits);
    let known: HashMap<_, _> = config.instruments.iter().map(digits).collect();
    let ticks = recorded::load(&config.ticks, &known)?;
    if !ticks.is_empty() {
        tracing::info!(ticks = ticks.len(), speed = %config.speed, "recorded ticks loaded");
    }
    let replay = Replay::new(ticks, config.speed, config.max_gap_ms, config.looping)?;
    Ok(Arc::new(World::new(
        config.seed,
        &config.instruments,
        replay,
    )))
}

/// Waits for the order to stop; a dropped handle is one.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stopped| *stopped).await;
}

async fn serve(listener: TcpListener, router: Router, mut stop: watch::Receiver<bool>) {
    let mut stopping = stop.clone();
    let graceful = axum::serve(listener, router).with_graceful_shutdown(async move {
        stopped(&mut stop).await;
    });
    let grace = async {
        stopped(&mut stopping).await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        ended = graceful => {
            if let Err(error) = ended {
                tracing::error!(%error, "the simulator's server ended");
            }
        }
        () = grace => tracing::debug!("connections of the simulator cut"),
    }
}

fn router(world: Arc<World>, stop: watch::Receiver<bool>, control: bool) -> Router {
    let desk = Desk::default();
    let connections = Connections {
        world: Arc::clone(&world),
        desk: desk.clone(),
        stop,
    };
    let sockets = Router::new()
        .route(WEBSOCKET_PATH, get(websocket))
        .with_state(connections.clone());
    let provider = Router::new()
        .route("/time_series", get(rest::time_series))
        .route("/price", get(rest::price))
        .route("/quote", get(rest::quote))
        .route("/forex_pairs", get(rest::forex_pairs))
        .route("/cryptocurrencies", get(rest::cryptocurrencies))
        .route("/commodities", get(rest::commodities))
        .route("/symbol_search", get(rest::symbol_search))
        .route("/technical_indicators", get(rest::technical_indicators))
        .with_state(world)
        .layer(middleware::from_fn_with_state(desk.clone(), rest_faults))
        .merge(sockets)
        .layer(middleware::from_fn_with_state(desk.clone(), require_key));
    let exchange = Router::new()
        .route(BOOK_TICKER_PATH, get(book_ticker::stream))
        .route("/api/v3/ticker/bookTicker", get(book_ticker::ticker))
        .with_state(connections);
    let switches = if control {
        faults::control(desk)
    } else {
        Router::new()
    };
    provider.merge(exchange).merge(switches).fallback(async || {
        let body = VendorError::unknown_path().body();
        (StatusCode::NOT_FOUND, Json(body))
    })
}

async fn websocket(
    State(connections): State<Connections>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    if connections.desk.faults().sockets_down {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    match upgrade {
        Ok(upgrade) => upgrade
            .write_buffer_size(WRITE_BUFFER_BYTES)
            .on_upgrade(|socket| {
                socket::serve(socket, connections, Tape::default(), socket::TwelveData)
            }),
        Err(rejection) => rejection.into_response(),
    }
}

/// Counts what is asked for, and does what the switches say of REST.
async fn rest_faults(State(desk): State<Desk>, request: Request, next: Next) -> Response {
    desk.requested(request.uri().path());
    let faults = desk.faults();
    if faults.rest_down {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if faults.rate_limit {
        let refusal = Json(VendorError::out_of_credits().body());
        return (StatusCode::TOO_MANY_REQUESTS, refusal).into_response();
    }
    // The vendor's newer clients ask to be told of errors by the HTTP status too.
    let by_status = request
        .headers()
        .get("x-api-version")
        .is_some_and(|it| it == "last");
    let mut response = next.run(request).await;
    let code = response
        .extensions()
        .get::<rest::VendorCode>()
        .map(|code| code.0);
    if let Some(status) = code.filter(|_| by_status).map(StatusCode::from_u16) {
        *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    }
    response
}

async fn require_key(State(desk): State<Desk>, request: Request, next: Next) -> Response {
    if has_key(&request) && !desk.faults().unauthorized {
        return next.run(request).await;
    }
    let refusal = Json(VendorError::unauthorized().body());
    (StatusCode::UNAUTHORIZED, refusal).into_response()
}

/// Any key will do, but there must be one, in any of the three places the provider looks at.
fn has_key(request: &Request) -> bool {
    let query = request.uri().query().unwrap_or_default();
    let in_query = query.split('&').any(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        name == "apikey" && !value.is_empty()
    });
    let header = |name: &str| request.headers().get(name)?.to_str().ok();
    let authorization = header(header::AUTHORIZATION.as_str()).unwrap_or_default();
    let in_header = authorization
        .strip_prefix("apikey ")
        .or_else(|| header("x-td-apikey"))
        .is_some_and(|key| !key.trim().is_empty());
    in_query || in_header
}
