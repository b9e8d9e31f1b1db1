//! The API around a real book, engine and read models, with quotes pushed by the test.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode},
};
use chrono::Utc;
use daybook_api::{ApiConfig, ApiState, Sockets, SocketsConfig};
use daybook_documents::{Documents, DocumentsConfig};
use daybook_domain::{
    Instrument, Quote, Rules, Symbol, instrument::seed, quote::QuoteSource, rules::SessionRule,
};
use daybook_engine::{Engine, EngineConfig};
use daybook_projections::{Reads, Runners};
use daybook_relay::{Candles, CandlesConfig, Hub, Interest};
use daybook_store::{Leadership, Role, Store, perimeter::BlockedAddresses, testing::TestDatabase};
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::Service;

pub const PASSWORD: &str = "correct-horse-battery-staple";

/// One node, in this process.
pub struct World {
    pub router: Router,
    pub store: Store,
    pub hub: Hub,
    engine: Option<Engine>,
    _runners: Option<Runners>,
    _leadership: Option<Leadership>,
    _engines: watch::Sender<Option<Engine>>,
    _instruments: watch::Sender<Vec<Arc<Instrument>>>,
}

/// An answer, read whole.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    #[track_caller]
    pub fn expecting(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self
    }

    #[track_caller]
    pub fn problem(self, status: u16, code: &str) -> Self {
        let answer = self.expecting(status);
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        let problem = answer.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(
            problem["requestId"],
            answer.headers["x-request-id"].to_str().expect("text")
        );
        answer
    }

    pub fn text(&self, pointer: &str) -> String {
        let json = self.json();
        let text = json.pointer(pointer).and_then(Value::as_str);
        text.unwrap_or_else(|| panic!("no text at {pointer} in {json}"))
            .to_owned()
    }
}

impl World {
    /// A leader without rate limits.
    pub async fn leader() -> Self {
        Self::start(true, |config| {
            config.limits.requests_max = None;
            config.limits.auth_max = None;
            config.limits.orders_max = None;
        })
        .await
    }

    pub async fn start(leads: bool, configure: impl FnOnce(&mut ApiConfig)) -> Self {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            let _raced = rustls::crypto::ring::default_provider().install_default();
        }
        let store = TestDatabase::start().await.store().await;
        let reads = Reads::new(store.clone());
        let hub = Hub::new();
        let rules = Rules {
            sessions: SessionRule::Always,
            ..Rules::default()
        };
        let mut config = ApiConfig::new("a secret for tests alone".into());
        config.rules = rules.clone();
        configure(&mut config);
        let seeds: Vec<_> = seed().into_iter().map(Arc::new).collect();
        let candles =
            CandlesConfig::new("http://127.0.0.1:9".to_owned(), "k".into(), seeds.clone());
        let mut world = Self::followers(store.clone(), hub.clone());
        if leads {
            world.lead(&reads, rules).await;
        }
        let (engines, engine) = watch::channel(world.engine.clone());
        let (instruments_sender, instruments) = watch::channel(seeds.clone());
        let interest = Interest::new(&seeds, None);
        let blocked = BlockedAddresses::follow(&store).await;
        world.router = daybook_api::router(ApiState {
            store,
            blocked: blocked.expect("the list is there"),
            reads,
            sockets: Sockets::start(&hub, &interest, SocketsConfig::default())
                .expect("threads start"),
            hub,
            documents: Documents::try_new(DocumentsConfig::Directory(documents()))
                .expect("a directory needs nothing"),
            candles: Candles::new(candles),
            interest,
            engine,
            instruments,
            config: Arc::new(config),
        });
        world._engines = engines;
        world._instruments = instruments_sender;
        world
    }

    fn followers(store: Store, hub: Hub) -> Self {
        Self {
            router: Router::new(),
            store,
            hub,
            engine: None,
            _runners: None,
            _leadership: None,
            _engines: watch::channel(None).0,
            _instruments: watch::channel(Vec::new()).0,
        }
    }

    async fn lead(&mut self, reads: &Reads, rules: Rules) {
        let mut leadership = Leadership::start(self.store.clone(), String::new());
        let is_leader = |role: &Role| matches!(role, Role::Leader { .. });
        let role =
            tokio::time::timeout(Duration::from_secs(60), leadership.role.wait_for(is_leader));
        let role = role
            .await
            .expect("a lone node leads soon")
            .expect("it campaigns")
            .clone();
        let Role::Leader { writer, .. } = role else {
            unreachable!("waited for")
        };
        let config = EngineConfig {
            rules,
            ..EngineConfig::default()
        };
        let engine = Engine::start(self.store.clone(), writer, config).await;
        self.engine = Some(engine.expect("the engine starts on an empty book"));
        self._runners = Some(Runners::start(self.store.clone(), reads));
        self._leadership = Some(leadership);
    }

    /// A quote of now, seen by engine and hub.
    pub async fn quote(&self, symbol: &str, bid: &str, ask: &str) {
        let quote = Quote {
            symbol: Symbol::parse(symbol).expect("a symbol"),
            bid: bid.parse().expect("a price"),
            ask: ask.parse().expect("a price"),
            at: Utc::now(),
            source: QuoteSource::Simulator,
        };
        self.hub.publish(&quote);
        if let Some(engine) = &self.engine {
            engine.quote(quote).await;
        }
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let mut router = self.router.clone();
        let response = router
            .call(request)
            .await
            .unwrap_or_else(|never| match never {});
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 10_000_000).await.expect("bodies end");
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).expect("bodies are text"),
        }
    }

    pub async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !body.is_empty() {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(
            request
                .body(Body::from(body.to_owned()))
                .expect("a request"),
        )
        .await
    }

    /// GETs as the owner of a token.
    pub async fn get(&self, token: &str, path: &str) -> Answer {
        self.call(Method::GET, path, &[("authorization", token)], "")
            .await
    }

    /// POSTs as the owner of a token.
    pub async fn post(&self, token: &str, path: &str, body: &str) -> Answer {
        self.call(Method::POST, path, &[("authorization", token)], body)
            .await
    }

    /// Registers a client and signs in; the header to send along.
    pub async fn trader(&self, email: &str) -> String {
        let body = json!({
            "email": email, "password": PASSWORD, "firstName": "Ada", "lastName": "Lovelace",
        });
        let registered = self
            .call(Method::POST, "/auth/register", &[], &body.to_string())
            .await;
        registered.expecting(201);
        let body = json!({ "email": email, "password": PASSWORD });
        let signed_in = self
            .call(Method::POST, "/auth/login", &[], &body.to_string())
            .await;
        format!("Bearer {}", signed_in.expecting(200).text("/accessToken"))
    }
}

/// Where the documents of this process's tests go.
fn documents() -> std::path::PathBuf {
    std::env::temp_dir().join(format!("daybook-documents-{}", std::process::id()))
}
