//! `GET /compliance/audit`: who did what, when, from where and why.

use std::collections::HashMap;

use axum::{Json, extract::State, http::HeaderMap};
use daybook_domain::staff::Look;
use daybook_projections::{AuditFilter, AuditRow, names};
use daybook_store::{Metadata, SubjectKey};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    app::{App, Shared},
    extract::{Compliance, Items, Query, StaffOf, min_position, page_of, parameter},
    problem::{Answered, ProblemBody},
    routes::market::time_parameter,
    text,
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    /// Of this actor: `client:<id>`, `staff:<id>`, `crm:<operator>` (in clients' places too), `cli`,
    /// `system:…`.
    #[param(example = "cli")]
    actor: Option<String>,
    /// That concern this client.
    #[param(value_type = Option<Uuid>)]
    client: Option<String>,
    /// Of this type of event, or for this reason.
    #[param(example = "DealBusted")]
    action: Option<String>,
    /// Recorded from this time on.
    #[param(example = "2026-01-01T00:00:00.000Z")]
    from: Option<String>,
    /// Recorded before this time.
    #[param(example = "2026-02-01T00:00:00.000Z")]
    to: Option<String>,
    /// 1 to 500; 50 where left out.
    limit: Option<String>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// One thing that happened.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditItem {
    /// Place in the book.
    #[schema(example = 42)]
    position: i64,
    #[schema(example = "2026-01-31T09:31:00.000Z")]
    at: String,
    #[schema(example = "account-01997d0a-5a3e-7d31-9a53-0a4f2f1c7a13")]
    stream: String,
    #[schema(example = 7)]
    sequence: i64,
    /// Type of the event.
    #[schema(example = "DealBusted")]
    action: String,
    #[schema(example = "staff:01997d0a-5a3e-7d31-9a53-0a4f2f1c7a20")]
    actor: Option<String>,
    /// What for.
    #[schema(example = "bust_deal")]
    reason: Option<String>,
    /// Null where the actor has none, or their data were erased.
    #[schema(example = "203.0.113.9")]
    ip: Option<String>,
    user_agent: Option<String>,
    /// The request that caused it.
    correlation_id: Option<String>,
    /// The client whom it concerns.
    #[schema(value_type = Option<Uuid>)]
    client_id: Option<String>,
    #[schema(value_type = Option<Uuid>)]
    account_id: Option<String>,
}

/// The audit trail, newest first. **Permission:** compliance.
#[utoipa::path(get, path = "/compliance/audit", operation_id = "listAudit", tag = "compliance", params(AuditQuery),
    security(("staff" = ["compliance"])),
    responses(
        (status = 200, description = "What happened", body = Items<AuditItem>),
        (status = 400, description = "Malformed query", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthenticated`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`read_model_behind`, `unavailable` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn list(
    State(app): State<Shared>,
    staff: StaffOf<Compliance>,
    headers: HeaderMap,
    Query(query): Query<AuditQuery>,
) -> Answered<Json<Items<AuditItem>>> {
    let page = page_of(query.limit.as_deref(), query.cursor.as_deref())?;
    let client = parameter("client", query.client.as_deref(), "must be an identifier")?;
    let filter = AuditFilter {
        actor: query.actor,
        client,
        action: query.action,
        from: time_parameter("from", query.from.as_deref())?,
        to: time_parameter("to", query.to.as_deref())?,
    };
    let asked = min_position(&headers)?.unwrap_or_default();
    let act = staff.act(&app).await?;
    act.look(Look::Audit, None, client).await?;
    let committed = *app.handles.store.committed().borrow();
    app.wait_for(&[names::AUDIT], committed.max(asked)).await?;
    let found = app.handles.reads.audit(filter, page).await?;
    let keys = Keys::of(&app, &found.items).await?;
    Ok(Json(Items::of(found, |row| keys.item(row))))
}

/// The keys of a page's actors, as far as they are there.
struct Keys(HashMap<Uuid, SubjectKey>);

impl Keys {
    async fn of(app: &App, rows: &[AuditRow]) -> Answered<Self> {
        let mut keys = HashMap::new();
        for subject in rows.iter().filter_map(subject) {
            if keys.contains_key(&subject) {
                continue;
            }
            // Whose data were erased has none any more.
            if let Some(key) = app.handles.store.keys().find(subject).await? {
                keys.insert(subject, key);
            }
        }
        Ok(Self(keys))
    }

    fn item(&self, row: AuditRow) -> AuditItem {
        let key = subject(&row).and_then(|subject| self.0.get(&subject));
        let opened = |field, sealed: Option<String>| key?.open(field, &sealed?).ok();
        AuditItem {
            position: row.position,
            at: text::time(row.at),
            ip: opened(Metadata::IP, row.ip),
            user_agent: opened(Metadata::USER_AGENT, row.user_agent),
            stream: row.stream,
            sequence: row.sequence,
            action: row.event_type,
            actor: row.actor,
            reason: row.reason,
            correlation_id: row.correlation_id,
            client_id: row.client_id.map(|id| id.to_string()),
            account_id: row.account_id.map(|id| id.to_string()),
        }
    }
}

/// Under whose key what is personal about an actor is sealed.
fn subject(row: &AuditRow) -> Option<Uuid> {
    row.ip.as_ref()?;
    let actor = row.actor.as_deref()?;
    match actor.split_once(':').unwrap_or((actor, "")) {
        ("client" | "staff", id) => id.parse().ok(),
        // An operator whose address is known acted in the client's place.
        ("crm", _) => row.client_id.map(|client| client.0),
        _nobody => None,
    }
}
