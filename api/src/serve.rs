//! Listening, draining, and the metrics' own door.

use std::{future::Future, io, net::SocketAddr, time::Duration};

use axum::{Router, http::header, routing::get, serve::ListenerExt};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::{net::TcpListener, sync::watch, time::sleep};

/// How long answers under way may take once the end has been announced.
const DRAIN: Duration = Duration::from_secs(3);
/// Upper bounds in seconds; answers take from tens of microseconds to seconds.
const BUCKETS_S: [f64; 12] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0,
];

/// Serves until `shutdown` completes, then drains for a few seconds. Streams that have not ended
/// by then are cut.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let listener = listener.tap_io(|stream| {
        // Small answers, soon: nothing is gained by waiting for more bytes.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps Nagle's algorithm");
        }
    });
    let (announce, mut announced) = watch::channel(false);
    let signal = async move {
        shutdown.await;
        announce.send_replace(true);
    };
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let serving = axum::serve(listener, service).with_graceful_shutdown(signal);
    let drained = async move {
        // An error means that serving has ended by itself.
        if announced.wait_for(|announced| *announced).await.is_ok() {
            sleep(DRAIN).await;
        } else {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        ended = serving => ended,
        () = drained => Ok(()),
    }
}

/// Installs the process-wide Prometheus recorder.
///
/// # Errors
/// When one is installed already.
pub fn install_metrics() -> Result<PrometheusHandle, BuildError> {
    let durations = Matcher::Suffix("_duration_seconds".to_owned());
    PrometheusBuilder::new()
        .set_buckets_for_metric(durations, &BUCKETS_S)?
        .install_recorder()
}

/// `GET /metrics`, for a listener of its own.
pub fn metrics_router(handle: PrometheusHandle) -> Router {
    let render = move || {
        handle.run_upkeep();
        let text = handle.render();
        std::future::ready(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text))
    };
    Router::new().route("/metrics", get(render))
}
