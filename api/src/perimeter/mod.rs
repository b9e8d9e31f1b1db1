//! What every request passes before anything else looks at it: addresses that are blocked,
//! programs that look for holes, traps, and requests larger than any honest one.

mod traps;

use std::{
    net::IpAddr,
    sync::{Arc, Weak},
    time::Duration,
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use daybook_store::perimeter::BlockedAddresses;
use tokio::time::{sleep, timeout};

use crate::{
    app::{App, Shared},
    config::{ApiConfig, Network},
    problem::{Code, Problem},
    request::RequestInfo,
};

/// Path and query. The longest honest one carries a token or a cursor.
const URI_BYTES_MAX: usize = 8 * 1024;
/// Names and values together.
const HEADER_BYTES_MAX: usize = 32 * 1024;
/// How long the answer waits until the other nodes know of a blocked address too.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often blocked addresses are looked for among those that hold sockets. With the age of a
/// node's list it is less than a second.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Programs that look for holes in web servers, as they name themselves.
pub const SCANNERS: &[&str] = &[
    "acunetix",
    "arachni",
    "dirb/",
    "dirbuster",
    "feroxbuster",
    "gobuster",
    "masscan",
    "nessus",
    "netsparker",
    "nikto",
    "nuclei",
    "openvas",
    "sqlmap",
    "w3af",
    "wfuzz",
    "wpscan",
    "zgrab",
];

/// Marks a request that went into a trap: it is answered like any unknown path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trapped;

/// The rules and the list.
pub(crate) struct Perimeter {
    blocked: BlockedAddresses,
    trusted: Vec<Network>,
    trap_block: Option<Duration>,
    /// In lower case.
    user_agents: Vec<String>,
}

impl Perimeter {
    pub(crate) fn new(config: &ApiConfig, blocked: BlockedAddresses) -> Self {
        let user_agents = config.perimeter.blocked_user_agents.iter();
        Self {
            blocked,
            trusted: config.trusted_proxies.clone(),
            trap_block: config.perimeter.honeypot_block,
            user_agents: user_agents.map(|text| text.to_lowercase()).collect(),
        }
    }

    /// Proxies are never blocked: everybody behind them would be.
    fn is_blocked(&self, address: IpAddr) -> bool {
        self.blocked.contains(address) && !self.is_trusted(address)
    }

    fn is_trusted(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }

    fn is_scanner(&self, headers: &HeaderMap) -> bool {
        if self.user_agents.is_empty() {
            return false;
        }
        let given = headers.get_all(header::USER_AGENT).iter();
        let mut given = given.map(|value| String::from_utf8_lossy(value.as_bytes()).to_lowercase());
        given.any(|given| self.user_agents.iter().any(|known| given.contains(known)))
    }

    /// Blocks whoever went into the trap, here at once and everywhere within a second.
    async fn spring(&self, trap: &str, info: &RequestInfo, headers: &HeaderMap) {
        let Some(span) = self.trap_block else {
            return;
        };
        metrics::counter!("daybook_honeypot_hits_total").increment(1);
        if self.is_trusted(info.address) {
            tracing::warn!(
                trap,
                "a proxy's own address went into a trap: it is not blocked"
            );
            return;
        }
        if headers.contains_key("x-forwarded-for") {
            tracing::warn!(
                trap,
                "an address is blocked that claims to forward for others: if it is your proxy, \
                 name it in TRUSTED_PROXIES and remove it with `daybook blocked remove`"
            );
        }
        let reason = format!("honeypot {trap}");
        let blocking = self.blocked.block(info.address, &reason, span);
        match timeout(PATIENCE, blocking).await {
            Ok(Ok(())) => tracing::info!(trap, "an address is blocked"),
            Ok(Err(error)) => tracing::warn!(%error, "an address is blocked on this node alone"),
            Err(_) => tracing::warn!("an address is blocked, so far on this node alone"),
        }
    }
}

/// Ends sockets of addresses that are blocked while they hold them, as long as the app is there.
pub(crate) fn watch_sockets(app: &Shared) {
    let app = Arc::downgrade(app);
    tokio::spawn(async move {
        while let Some(app) = Weak::<App>::upgrade(&app) {
            let sockets = &app.handles.sockets;
            sockets.cut_off(|address| app.perimeter.is_blocked(address));
            drop(app);
            sleep(LOOK_EVERY).await;
        }
    });
}

/// The layer. Right inside the one that names the request and renders problems.
pub(crate) async fn guard(State(app): State<Shared>, mut request: Request, next: Next) -> Response {
    let info = request.extensions().get::<Arc<RequestInfo>>().cloned();
    let info = info.expect("invariant: the outermost layer has named the request");
    let perimeter = &app.perimeter;
    if perimeter.is_blocked(info.address) {
        return refuse(Code::AddressBlocked, "address");
    }
    if perimeter.trap_block.is_some()
        && let Some(trap) = traps::trap(request.uri().path())
    {
        perimeter.spring(trap, &info, request.headers()).await;
        request.extensions_mut().insert(Trapped);
    }
    if perimeter.is_scanner(request.headers()) {
        return refuse(Code::UserAgentBlocked, "user_agent");
    }
    if let Some(code) = oversized(&request) {
        return refuse(code, "oversized");
    }
    next.run(request).await
}

fn refuse(code: Code, reason: &'static str) -> Response {
    metrics::counter!("daybook_perimeter_refused_total", "reason" => reason).increment(1);
    Problem::new(code).into_response()
}

fn oversized(request: &Request) -> Option<Code> {
    let uri = request.uri();
    let query = uri.query().map_or(0, str::len);
    if uri.path().len() + query > URI_BYTES_MAX {
        return Some(Code::UriTooLong);
    }
    let headers = request.headers().iter();
    let bytes: usize = headers
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    (bytes > HEADER_BYTES_MAX).then_some(Code::HeadersTooLarge)
}
