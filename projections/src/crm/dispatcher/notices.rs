//! What staff are told: in the log and in metrics.

use std::time::Duration;

use sqlx::PgConnection;

use super::lane::Try;
use crate::crm::{
    circuit::Turn,
    outbox::EndpointRow,
    retry::{Verdict, Why},
};

/// How often what waits is counted.
pub(super) const EVERY: Duration = Duration::from_secs(5);

/// A delivery was tried.
pub(super) fn tried(tried: &Try) {
    let outcome = match &tried.verdict {
        Verdict::Delivered => "delivered",
        Verdict::Again(_) => "failed",
        Verdict::Parked(_) => "parked",
        Verdict::Gone => "gone",
    };
    let labels = [
        ("endpoint", tried.endpoint.clone()),
        ("outcome", outcome.to_owned()),
    ];
    metrics::counter!("daybook_webhook_attempts_total", &labels).increment(1);
    let endpoint = tried.endpoint.clone();
    metrics::histogram!("daybook_webhook_duration_seconds", "endpoint" => endpoint)
        .record(tried.latency);
    let (endpoint, id, event) = (&tried.endpoint, tried.id, &tried.event);
    match &tried.verdict {
        Verdict::Delivered | Verdict::Gone => {}
        Verdict::Again(pause) => {
            let pause_s = pause.as_secs();
            tracing::info!(endpoint, %id, event, status = tried.status, pause_s, "webhook failed");
        }
        Verdict::Parked(why) => {
            let why = match why {
                Why::Refused => "the receiver refused it",
                Why::Exhausted => "every try has failed",
                Why::Unreadable => "it could not be rendered",
            };
            tracing::error!(endpoint, %id, event, status = tried.status, why, "webhook parked");
        }
    }
}

/// A circuit opened or closed.
pub(super) fn circuit(endpoint: &str, turn: Turn, is_open: bool) {
    match turn {
        Turn::Same => return,
        Turn::Opened => {
            tracing::error!(endpoint, "webhooks: the endpoint fails, and is left alone")
        }
        Turn::Closed => tracing::info!(endpoint, "webhooks: the endpoint answers again"),
    }
    let value = if is_open { 1.0 } else { 0.0 };
    let endpoint = endpoint.to_owned();
    metrics::gauge!("daybook_webhook_circuit_open", "endpoint" => endpoint).set(value);
}

/// The receiver wants nothing more.
pub(super) fn gone(endpoint: &str) {
    tracing::error!(
        endpoint,
        "webhooks: the receiver answered 410 and is disabled; `daybook webhooks endpoints enable` \
         sends again what waits"
    );
}

/// How an endpoint stands.
pub(super) fn endpoint(row: &EndpointRow) {
    let endpoint = row.endpoint.clone();
    let value = if row.disabled.is_some() { 1.0 } else { 0.0 };
    metrics::gauge!("daybook_webhook_disabled", "endpoint" => endpoint).set(value);
}

/// Counts what waits and what is parked.
pub(super) async fn count(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let waiting = "select endpoint, sum(waiting)::bigint from public.webhook_lanes \
         where waiting > 0 group by endpoint";
    let parked = "select endpoint, count(*) from public.webhook_deliveries \
         where status = 'parked' group by endpoint";
    let endpoints = "select endpoint, 0::bigint from read.webhook_endpoints";
    for (name, query) in [
        ("daybook_webhook_waiting", waiting),
        ("daybook_webhook_parked", parked),
    ] {
        // Whatever has nothing is told too.
        let query = format!(
            "select endpoint, sum(many)::float8 from ({query} union all {endpoints}) \
             as counted (endpoint, many) group by endpoint"
        );
        let counts: Vec<(String, f64)> = sqlx::query_as(&query).fetch_all(&mut *connection).await?;
        for (endpoint, many) in counts {
            metrics::gauge!(name, "endpoint" => endpoint).set(many);
        }
    }
    Ok(())
}
