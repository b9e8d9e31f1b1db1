//! `GET /compliance/accounts/{id}/events`: an account's stream, page by page.

use axum::{Json, extract::State};
use daybook_domain::{AccountId, staff::Look};
use daybook_projections::PageOf;
use daybook_store::{StreamFilter, StreamId};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{EventItem, looked_at};
use crate::{
    app::Shared,
    extract::{Compliance, Items, PathId, Query, StaffOf, page_of},
    problem::{Answered, ProblemBody},
    routes::market::time_parameter,
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventsQuery {
    /// Recorded from this time on.
    #[param(example = "2026-01-01T00:00:00.000Z")]
    from: Option<String>,
    /// Recorded before this time.
    #[param(example = "2026-02-01T00:00:00.000Z")]
    to: Option<String>,
    /// Of this type.
    #[param(example = "OrderFilled")]
    r#type: Option<String>,
    /// 1 to 500; 50 where left out.
    limit: Option<String>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// An account's events, newest first, as they stand in the book. **Permission:** compliance.
#[utoipa::path(get, path = "/compliance/accounts/{id}/events", operation_id = "listAccountEvents", tag = "compliance",
    params(("id" = Uuid, Path, description = "The account"), EventsQuery),
    security(("staff" = ["compliance"])),
    responses(
        (status = 200, description = "Events", body = Items<EventItem>),
        (status = 400, description = "Malformed query", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthenticated`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such account", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn list(
    State(app): State<Shared>,
    staff: StaffOf<Compliance>,
    PathId(account_id): PathId<AccountId>,
    Query(query): Query<EventsQuery>,
) -> Answered<Json<Items<EventItem>>> {
    let page = page_of(query.limit.as_deref(), query.cursor.as_deref())?;
    let filter = StreamFilter {
        before: Some(page.before()),
        from: time_parameter("from", query.from.as_deref())?,
        to: time_parameter("to", query.to.as_deref())?,
        event_type: query.r#type,
    };
    looked_at(&app, &staff, Look::Events, account_id).await?;
    let stream = StreamId::new("account", account_id);
    let store = &app.handles.store;
    let found = store.read_stream_back(&stream, &filter, page.one_more());
    let rows = found.await?.into_iter().map(|recorded| {
        let sequence = recorded.sequence;
        EventItem::of(recorded).map(|item| (sequence, item))
    });
    let rows = rows.collect::<Answered<Vec<_>>>()?;
    let page = PageOf::cut(rows, page.limit);
    Ok(Json(Items::of(page, std::convert::identity)))
}
