//! `daybook serve`: everything wired together, started in order and stopped in order.

mod crm_sync;
mod holdings;
mod kept_candles;
mod market;
mod node;
mod steps;
mod webhooks;

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context as _;
use daybook_api::{ApiConfig, ApiState, ImpersonationConfig, Sockets};
use daybook_documents::Documents;
use daybook_domain::Instrument;
use daybook_engine::Engine;
use daybook_mail::{OutboxConfig, Pace};
use daybook_projections::Reads;
use daybook_store::{Leadership, Store, perimeter::BlockedAddresses};
use futures::FutureExt as _;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{
    net::TcpListener,
    sync::{oneshot, watch},
    task::JoinHandle,
};

use crate::{
    book,
    config::{Config, MetricsListen},
    database::Database,
    stop::Stop,
};
use market::Market;
use node::{Keeping, Node, Outlets};
use webhooks::Webhooks;

/// Runs until asked to stop, or until it must not go on.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let stop = Stop::on_signals()?;
    // First what fails at once and costs nothing: addresses.
    let listener = bind(config.listen, "DAYBOOK_LISTEN").await?;
    let metrics = daybook_api::install_metrics().context("starting the metrics")?;
    let metrics = serve_metrics(config.metrics, metrics).await?;

    let database = tokio::select! {
        database = Database::serve(&config) => database?,
        () = stop.requested() => return Ok(()),
    };
    let outcome = tokio::select! {
        store = database.prepare(&config) => with_book(&config, store, &database, listener, &stop).await,
        () = stop.requested() => Ok(()),
    };
    database.close().await;
    if let Some(metrics) = metrics {
        metrics.end().await;
    }
    tracing::info!("stopped");
    outcome
}

/// Everything above the database.
async fn with_book(
    config: &Config,
    store: anyhow::Result<Store>,
    database: &Database,
    listener: TcpListener,
    stop: &Stop,
) -> anyhow::Result<()> {
    let store = store?;
    let instruments: Vec<Arc<Instrument>> = book::instruments(&store)
        .await?
        .into_iter()
        .map(Arc::new)
        .collect();
    let mut market = Market::prepare(config, &store, &instruments).await?;
    let reads = Reads::new(store.clone());
    let documents = Documents::try_new(config.documents.clone()).context("documents")?;
    let (engine, engines) = watch::channel(None::<Engine>);
    let (known, instruments) = watch::channel(instruments);
    let sockets = Sockets::start(&market.hub, &market.interest, config.api.sockets);
    let sockets = sockets.context("starting the threads that write quotes")?;
    let state = ApiState {
        store: store.clone(),
        blocked: BlockedAddresses::follow(&store).await?,
        reads: reads.clone(),
        hub: market.hub.clone(),
        sockets: sockets.clone(),
        documents: documents.clone(),
        candles: market.candles.clone(),
        interest: market.interest.clone(),
        engine: engines.clone(),
        instruments,
        config: Arc::new(api_config(config)),
    };
    let api = Served::start(listener, daybook_api::router(state));
    let leadership = Leadership::start(store.clone(), config.advertise.clone());
    let keeping = Keeping {
        reads,
        documents,
        candles: config.market.candles_kept.clone(),
    };
    let outlets = Outlets {
        mail: outbox_config(config),
        webhooks: Webhooks::of(config),
        crm: crm_sync::config_of(config),
    };
    let mut node = Node::new(
        store.clone(),
        keeping,
        config.engine.clone(),
        outlets,
        engine,
        known,
    );

    let url = local_url(config.listen);
    let mut roles = leadership.role.clone();
    let ended = tokio::select! {
        () = stop.requested() => Ok(()),
        failure = node.follow(&mut roles) => Err(failure),
        failure = database_ended(database) => Err(failure),
        failure = market.run(config, engines, &leadership.role, &url) => Err(failure),
    };
    if let Err(failure) = &ended {
        tracing::error!("stopping: {failure:#}");
    }
    // In the order in which work flows: nothing new, then what is under way, then the book.
    let answered = async { tokio::join!(sockets.drain(), api.end()) };
    steps::bounded("answering what was asked", answered.map(drop)).await;
    steps::bounded("leaving the market", market.stop()).await;
    steps::bounded("saving the engine's state", node.stop()).await;
    steps::bounded("giving the lease back", leadership.resign()).await;
    steps::bounded("closing connections", store.pool().close()).await;
    ended
}

/// Waits for the end of our own Postgres; forever, where it is somebody else's.
async fn database_ended(database: &Database) -> anyhow::Error {
    let Some(mut ended) = database.ended() else {
        return std::future::pending().await;
    };
    let text = match ended.wait_for(Option::is_some).await {
        Ok(text) => text.clone().unwrap_or_default(),
        Err(_) => "the thread that watches postgres has ended".to_owned(),
    };
    anyhow::anyhow!("the embedded database: {text}")
}

fn api_config(config: &Config) -> ApiConfig {
    let settings = &config.api;
    ApiConfig {
        access_secret_previous: config.secrets.access_previous.clone(),
        refresh_secret: config.secrets.refresh.clone(),
        refresh_secret_previous: config.secrets.refresh_previous.clone(),
        session_max_age: settings.session_max_age,
        breached_passwords: settings.breached_passwords.clone(),
        secure_cookies: settings.secure_cookies,
        live_requires_kyc: settings.live_requires_kyc,
        crm_token: Some(config.secrets.crm_token.clone()),
        crm_token_previous: config.secrets.crm_token_previous.clone(),
        impersonation: impersonation_config(config),
        advertise: config.advertise.clone(),
        behind_tls: settings.behind_tls,
        cors_origins: settings.cors_origins.clone(),
        trusted_proxies: settings.trusted_proxies.clone(),
        limits: settings.limits.clone(),
        perimeter: settings.perimeter.clone(),
        demo_funds: settings.demo_funds,
        leverage: settings.leverage,
        accounts_max: settings.accounts_max,
        data_dir: Some(config.data_dir.clone()),
        rules: config.rules().clone(),
        ..ApiConfig::new(config.secrets.access.clone())
    }
}

fn impersonation_config(config: &Config) -> ImpersonationConfig {
    let (secrets, settings) = (&config.secrets, &config.api);
    ImpersonationConfig {
        sso_secret: secrets.sso.clone(),
        sso_secret_previous: secrets.sso_previous.clone(),
        crm_sso_secret: Some(secrets.crm_sso.clone()),
        crm_sso_secret_previous: secrets.crm_sso_previous.clone(),
        session_ttl: settings.impersonation_session,
        can_withdraw: settings.impersonation_can_withdraw,
        app_url: config.mail.app_url.clone(),
        api_url: settings.url.clone(),
    }
}

fn outbox_config(config: &Config) -> OutboxConfig {
    let settings = &config.mail;
    OutboxConfig {
        smtp: settings.smtp.clone(),
        from: settings.from.clone(),
        app_url: settings.app_url.clone(),
        data_dir: config.data_dir.clone(),
        access_secret: config.secrets.access.clone(),
        access_secret_previous: config.secrets.access_previous.clone(),
        pace: Pace::default(),
    }
}

/// An HTTP server in a task of its own.
struct Served {
    shutdown: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Served {
    fn start(listener: TcpListener, router: axum::Router) -> Self {
        let (shutdown, asked) = oneshot::channel();
        let task = tokio::spawn(daybook_api::serve(listener, router, async {
            // A dropped sender asks too.
            let _ = asked.await;
        }));
        Self { shutdown, task }
    }

    /// Takes no more connections and drains those there are.
    async fn end(self) {
        drop(self.shutdown);
        match self.task.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!("the HTTP server failed: {error}"),
            Err(error) => tracing::error!("the HTTP server failed: {error}"),
        }
    }
}

async fn serve_metrics(
    listen: MetricsListen,
    handle: PrometheusHandle,
) -> anyhow::Result<Option<Served>> {
    let listener = match listen {
        MetricsListen::Off => return Ok(None),
        MetricsListen::Given(address) => bind(address, "DAYBOOK_METRICS_LISTEN").await?,
        MetricsListen::Default(address) => match TcpListener::bind(address).await {
            Ok(listener) => listener,
            Err(error) => {
                tracing::warn!("no metrics: {address} is not free ({error})");
                return Ok(None);
            }
        },
    };
    Ok(Some(Served::start(
        listener,
        daybook_api::metrics_router(handle),
    )))
}

/// What a browser on this machine opens.
pub fn local_url(listen: SocketAddr) -> String {
    if listen.ip().is_unspecified() {
        format!("http://127.0.0.1:{}", listen.port())
    } else {
        format!("http://{listen}")
    }
}

async fn bind(address: SocketAddr, variable: &str) -> anyhow::Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.with_context(|| format!("{variable}: listening on {address}"))
}
