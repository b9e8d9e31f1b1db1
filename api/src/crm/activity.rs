//! `GET /crm/users/{id}/activity`: what a client did, and what was done about them.

use std::collections::HashMap;

use axum::{Json, extract::State, http::HeaderMap};
use daybook_projections::{AuditRow, names};
use daybook_store::{Recorded, SubjectKey};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::named::named;
use crate::{
    app::Shared,
    extract::{Crm, Items, PathId, Query, min_position, page_of},
    problem::{Answered, Code, Problem, ProblemBody},
    text,
};

/// What is told, by the kind that it is told as.
const KINDS: &[(&str, &[&str])] = &[
    (
        "sign_in",
        &[
            "SignedIn",
            "SignInFailed",
            "UnusualSignIn",
            "SessionsRevoked",
            "PasswordResetRequested",
            "PasswordChanged",
            "TwoFactorEnabled",
            "TwoFactorDisabled",
        ],
    ),
    (
        "profile",
        &[
            "ClientRegistered",
            "EmailVerified",
            "ProfileUpdated",
            "KycSubmitted",
            "KycStatusChanged",
            "TierChanged",
            "TradingDisabled",
            "TradingEnabled",
            "LimitsChanged",
            "ExternalIdLinked",
            "ClientSuspended",
            "ClientReinstated",
        ],
    ),
    (
        "order",
        &[
            "OrderPlaced",
            "OrderRejected",
            "OrderModified",
            "OrderCancelled",
            "OrderExpired",
            "OrderFilled",
        ],
    ),
    (
        "position",
        &[
            "PositionOpened",
            "PositionIncreased",
            "PositionReduced",
            "PositionClosed",
            "ProtectionChanged",
        ],
    ),
    (
        "funding",
        &[
            "DepositRequested",
            "DepositApproved",
            "DepositCompleted",
            "DepositRejected",
            "DepositCancelled",
            "WithdrawalRequested",
            "WithdrawalApproved",
            "WithdrawalCompleted",
            "WithdrawalRejected",
            "WithdrawalCancelled",
            "FundsAdjusted",
        ],
    ),
    ("account", &["AccountOpened", "LeverageChanged"]),
    ("note", &["NoteAdded"]),
];

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ActivityQuery {
    /// Of this kind alone: `sign_in`, `profile`, `order`, `position`, `funding`, `account` or
    /// `note`.
    #[param(example = "order")]
    kind: Option<String>,
    /// 1 to 500; 50 where left out.
    limit: Option<String>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// One thing that happened.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ActivityItem {
    /// Place in the book.
    #[schema(example = 42)]
    position: i64,
    #[schema(example = "2026-01-31T09:31:00.000Z")]
    at: String,
    #[schema(example = "order")]
    kind: &'static str,
    /// Type of the event.
    #[schema(example = "OrderPlaced")]
    action: String,
    /// Who did it.
    #[schema(example = "client:01997d0a-5a3e-7d31-9a53-0a4f2f1c7a00")]
    actor: Option<String>,
    #[schema(value_type = Option<Uuid>)]
    account_id: Option<String>,
    /// The event's payload, under the name of its type.
    #[schema(value_type = Object)]
    event: Box<RawValue>,
}

/// What a client did and what was done about them, newest first: sign-ins, orders, positions,
/// funding, notes.
#[utoipa::path(get, path = "/crm/users/{id}/activity", operation_id = "listActivity", tag = "crm",
    params(("id" = String, Path, description = "The client's identifier, `external:<externalId>` or `email:<address>`"), ActivityQuery),
    security(("crm" = [])),
    responses(
        (status = 200, description = "What happened", body = Items<ActivityItem>),
        (status = 400, description = "Malformed query", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthenticated`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such client", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`read_model_behind`, `unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn list(
    State(app): State<Shared>,
    _crm: Crm,
    PathId(id): PathId<String>,
    headers: HeaderMap,
    Query(query): Query<ActivityQuery>,
) -> Answered<Json<Items<ActivityItem>>> {
    let page = page_of(query.limit.as_deref(), query.cursor.as_deref())?;
    let types = types(query.kind.as_deref())?;
    let asked = min_position(&headers)?.unwrap_or_default();
    let committed = *app.handles.store.committed().borrow();
    let client = named(&app, &id).await?;
    app.wait_for(&[names::AUDIT], committed.max(asked)).await?;
    let reads = &app.handles.reads;
    let found = reads.activity(client.client_id, &types, page).await?;
    let positions: Vec<i64> = found.items.iter().map(|row| row.position).collect();
    let recorded = app.handles.store.read_at(&positions).await?;
    let mut events: HashMap<i64, Recorded> = recorded
        .into_iter()
        .map(|recorded| (recorded.position, recorded))
        .collect();
    let mut items = Vec::with_capacity(positions.len());
    for row in found.items {
        let event = events.remove(&row.position);
        items.push(item(row, event, &client.key)?);
    }
    Ok(Json(Items {
        items,
        next_cursor: found.next_cursor.map(|cursor| cursor.to_string()),
    }))
}

/// Types of event of a kind, or of all.
fn types(kind: Option<&str>) -> Answered<Vec<&'static str>> {
    let Some(kind) = kind else {
        let all = KINDS.iter().flat_map(|(_, types)| types.iter());
        return Ok(all.copied().collect());
    };
    let known = KINDS.iter().find(|(name, _)| *name == kind);
    known.map(|(_, types)| types.to_vec()).ok_or_else(|| {
        let names: Vec<&str> = KINDS.iter().map(|(name, _)| *name).collect();
        let message = format!("must be one of {}", names.join(", "));
        Problem::field(Code::InvalidValue, "kind", message)
    })
}

fn item(row: AuditRow, event: Option<Recorded>, key: &SubjectKey) -> Answered<ActivityItem> {
    let position = row.position;
    let broken = |detail: String| {
        tracing::error!(detail, position, "an event cannot be shown");
        Problem::new(Code::Internal)
    };
    let event = event.ok_or_else(|| broken("it is not in the book".to_owned()))?;
    let opened = key.open_fields(&event.payload)?;
    let event = RawValue::from_string(opened).map_err(|error| broken(error.to_string()))?;
    let mut kinds = KINDS.iter();
    let kind = kinds.find(|(_, types)| types.contains(&row.event_type.as_str()));
    Ok(ActivityItem {
        position,
        at: text::time(row.at),
        kind: kind.map_or("", |(name, _)| name),
        action: row.event_type,
        actor: row.actor,
        account_id: row.account_id.map(|id| id.to_string()),
        event,
    })
}
