//! A market that speaks Twelve Data's protocol on a local port, so that the production client is
//! what runs everywhere. Prices are generated from a seed, or replayed from recorded ticks; the
//! symbols of a recording are never generated.
//!
//! The simulator holds no state of its own but the moment at which its replay began: every price is
//! a function of time, so any number of clients see the same market, and a slow one delays nobody.

mod history;
mod prices;
mod recorded;
mod replay;
mod rest;
mod socket;
mod tape;
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

use self::{replay::Replay, rest::VendorError, world::World};
use crate::RelayError;

/// The path of the simulator's WebSocket.
pub const WEBSOCKET_PATH: &str = "/v1/quotes/price";

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
        let loading = tokio::task::spawn_blocking(move || world(&config));
        let world = loading.await.map_err(|panic| unavailable(panic.into()))??;
        let listener = TcpListener::bind(listen).await.map_err(unavailable)?;
        let address = listener.local_addr().map_err(unavailable)?;
        let (stop, stopped) = watch::channel(false);
        let router = router(world, stopped.clone());
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

fn router(world: Arc<World>, stop: watch::Receiver<bool>) -> Router {
    let connections = Connections {
        world: Arc::clone(&world),
        stop,
    };
    let sockets = Router::new()
        .route(WEBSOCKET_PATH, get(websocket))
        .with_state(connections);
    Router::new()
        .route("/time_series", get(rest::time_series))
        .route("/price", get(rest::price))
        .route("/quote", get(rest::quote))
        .route("/forex_pairs", get(rest::forex_pairs))
        .route("/cryptocurrencies", get(rest::cryptocurrencies))
        .route("/commodities", get(rest::commodities))
        .route("/symbol_search", get(rest::symbol_search))
        .route("/technical_indicators", get(rest::technical_indicators))
        .with_state(world)
        .merge(sockets)
        .layer(middleware::from_fn(require_key))
        .fallback(async || {
            (
                StatusCode::NOT_FOUND,
                Json(VendorError::unknown_path().body()),
            )
        })
}

async fn websocket(
    State(connections): State<Connections>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    match upgrade {
        Ok(upgrade) => upgrade
            .write_buffer_size(WRITE_BUFFER_BYTES)
            .on_upgrade(|socket| socket::serve(socket, connections.world, connections.stop)),
        Err(rejection) => rejection.into_response(),
    }
}

async fn require_key(request: Request, next: Next) -> Response {
    if has_key(&request) {
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
