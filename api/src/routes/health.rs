//! Is it alive, and can it be used?

use std::{collections::BTreeMap, time::Duration};

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::app::Shared;

const PATIENCE: Duration = Duration::from_secs(2);

/// The process answers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Liveness {
    /// `alive`.
    #[schema(example = "alive")]
    status: &'static str,
}

/// What the process works with.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Readiness {
    /// `ready`, `starting` (leader, its engine still recovering) or `unavailable`.
    #[schema(example = "ready")]
    status: &'static str,
    /// `leader` or `standby`.
    #[schema(example = "leader")]
    role: &'static str,
    /// `up` or `down`.
    #[schema(example = "up")]
    database: &'static str,
    /// `live`, `polling`, `stale` or `simulated`.
    #[schema(example = "simulated")]
    feed: &'static str,
    /// How many positions each read model lags behind the book; null where it cannot be read.
    projections: BTreeMap<&'static str, Option<i64>>,
}

/// Is the process alive?
#[utoipa::path(get, path = "/health/live", operation_id = "isAlive", tag = "operations",
    responses((status = 200, description = "The process answers", body = Liveness)))]
pub(crate) async fn live() -> Json<Liveness> {
    Json(Liveness { status: "alive" })
}

/// Can requests be sent here? A standby is ready: it serves reads.
#[utoipa::path(get, path = "/health/ready", operation_id = "isReady", tag = "operations",
    responses(
        (status = 200, description = "Ready", body = Readiness),
        (status = 503, description = "The database is away, or the engine is starting", body = Readiness),
    ))]
pub(crate) async fn ready(State(app): State<Shared>) -> (StatusCode, Json<Readiness>) {
    let leads = app.handles.engine.borrow().is_some();
    let head = timeout(PATIENCE, app.handles.store.head()).await;
    let head = head.ok().and_then(Result::ok);
    let mut projections = BTreeMap::new();
    for projection in daybook_projections::all() {
        let name = projection.name();
        let lag = match &head {
            Some(head) => lag(&app, name, head.position).await,
            None => None,
        };
        projections.insert(name, lag);
    }
    // Named the leader in the book, but without an engine: it has just begun to lead.
    let advertise = app.handles.config.advertise.as_str();
    let named = |head: &daybook_store::Head| {
        head.leader.is_none() || head.leader.as_deref() == Some(advertise)
    };
    let status = match &head {
        None => "unavailable",
        Some(head) if !leads && named(head) => "starting",
        Some(_) => "ready",
    };
    let body = Readiness {
        status,
        role: if leads { "leader" } else { "standby" },
        database: if head.is_some() { "up" } else { "down" },
        feed: app.handles.hub.status().borrow().as_str(),
        projections,
    };
    let code = if status == "ready" {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (code, Json(body))
}

async fn lag(app: &Shared, name: &str, head: i64) -> Option<i64> {
    let checkpoint = timeout(PATIENCE, app.handles.reads.checkpoint(name)).await;
    let reached = checkpoint.ok()?.ok()?;
    Some(head.saturating_sub(reached).max(0))
}
