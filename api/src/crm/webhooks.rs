//! Webhooks as the CRM sees them: what was sent, once more please, and the same by asking.
//! **Permission:** the CRM's service token.

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use daybook_domain::{ClientId, EndpointCommand, EndpointId};
use daybook_engine::EndpointRequest;
use daybook_projections::{
    crm::{AttemptRow, Deliveries, Delivery, DeliveryFilter, DeliveryStatus},
    names,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    app::{App, Shared},
    extract::{Crm, CrmCommand, Items, JsonBody, PathId, Query, page_of, parameter},
    problem::{Answered, Code, Problem, ProblemBody},
    text,
};

/// One delivery.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeliveryItem {
    /// The webhook's `id`: its idempotency key.
    #[schema(value_type = Uuid)]
    id: String,
    #[schema(example = "crm")]
    endpoint: String,
    #[schema(example = "client.registered")]
    event: String,
    /// `pending`, `delivered`, `parked` or `skipped`.
    #[schema(example = "delivered")]
    status: &'static str,
    #[schema(value_type = Uuid)]
    client_id: String,
    /// Of the event in the book.
    #[schema(example = 42)]
    position: i64,
    #[schema(example = 7)]
    number: i64,
    #[schema(example = 1)]
    client_number: i64,
    /// Failed or not, since it was last asked for.
    #[schema(example = 1)]
    tries: i32,
    /// When its queue is tried next; null unless it is pending.
    next_at: Option<String>,
}

/// One delivery with every try there was.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeliveryDetail {
    #[serde(flatten)]
    delivery: DeliveryItem,
    /// Oldest first.
    attempts: Vec<AttemptItem>,
}

/// One try.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AttemptItem {
    #[schema(example = "2026-01-31T09:30:00.000Z")]
    at: String,
    /// HTTP status; null without an answer.
    #[schema(example = 200)]
    status: Option<i16>,
    #[schema(example = 12)]
    latency_ms: i32,
    /// The beginning of the answer, or what went wrong.
    answer: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeliveriesQuery {
    /// `pending`, `delivered`, `parked` or `skipped`.
    status: Option<String>,
    /// Name of the webhook.
    event: Option<String>,
    client_id: Option<String>,
    endpoint: Option<String>,
    /// 1 to 500; 50 where left out.
    #[param(value_type = Option<u32>, example = 50)]
    limit: Option<String>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// From where on; one of the two.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ReplayBody {
    /// The first position of the book.
    #[schema(example = 42)]
    from_position: Option<i64>,
    /// The first instant.
    #[schema(example = "2026-01-31T09:30:00.000Z")]
    since: Option<String>,
    /// `crm` where left out.
    endpoint: Option<String>,
}

/// What a replay sends again.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Replayed {
    /// The first position of the book.
    #[schema(example = 42)]
    from_position: i64,
    /// So many deliveries.
    #[schema(example = 17)]
    deliveries: i64,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventsQuery {
    /// The `number` of the last one known; 0 where left out.
    #[param(value_type = Option<i64>, example = 0)]
    after: Option<String>,
    /// `crm` where left out.
    endpoint: Option<String>,
    /// 1 to 500; 50 where left out.
    #[param(value_type = Option<u32>, example = 50)]
    limit: Option<String>,
}

/// Webhooks in order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventsPage {
    /// The same bodies that are sent, oldest first.
    #[schema(value_type = Vec<Object>)]
    items: Vec<Box<RawValue>>,
    /// The `number` to ask after next: that of the last item, or what was asked with.
    #[schema(example = 7)]
    next: i64,
}

/// Deliveries, newest first.
#[utoipa::path(get, path = "/crm/webhooks/deliveries", operation_id = "listDeliveries", tag = "crm", params(DeliveriesQuery),
    security(("crm" = [])),
    responses(
        (status = 200, description = "Deliveries", body = Items<DeliveryItem>),
        (status = 400, description = "Malformed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthenticated`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn list(
    State(app): State<Shared>,
    _crm: Crm,
    Query(query): Query<DeliveriesQuery>,
) -> Answered<Json<Items<DeliveryItem>>> {
    let page = page_of(query.limit.as_deref(), query.cursor.as_deref())?;
    let status = query.status.as_deref().map(|text| {
        DeliveryStatus::parse(text).ok_or_else(|| {
            let message = "must be pending, delivered, parked or skipped";
            Problem::field(Code::InvalidValue, "status", message)
        })
    });
    let client_id: Option<ClientId> =
        parameter("clientId", query.client_id.as_deref(), "must be a UUID")?;
    let filter = DeliveryFilter {
        status: status.transpose()?,
        event: query.event,
        client_id,
        endpoint: query.endpoint,
    };
    let rows = deliveries(&app).page(&filter, page).await?;
    Ok(Json(Items::of(rows, DeliveryItem::of)))
}

/// One delivery with its tries.
#[utoipa::path(get, path = "/crm/webhooks/deliveries/{id}", operation_id = "getDelivery", tag = "crm",
    params(("id" = Uuid, Path, description = "The webhook's `id`")),
    security(("crm" = [])),
    responses(
        (status = 200, description = "The delivery", body = DeliveryDetail),
        (status = 401, description = "`unauthenticated`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such delivery", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn get(
    State(app): State<Shared>,
    _crm: Crm,
    PathId(id): PathId<Uuid>,
) -> Answered<Json<DeliveryDetail>> {
    let found = deliveries(&app).get(id).await?;
    let (delivery, tries) = found.ok_or_else(|| Problem::new(Code::NotFound))?;
    Ok(Json(DeliveryDetail {
        delivery: DeliveryItem::of(delivery),
        attempts: tries.into_iter().map(AttemptItem::of).collect(),
    }))
}

/// Sends one delivery once more, whatever became of it, under the same `id`. It holds up no other.
#[utoipa::path(post, path = "/crm/webhooks/deliveries/{id}/resend", operation_id = "resendDelivery", tag = "crm",
    params(("id" = Uuid, Path, description = "The webhook's `id`")),
    security(("crm" = [])),
    responses(
        (status = 204, description = "It will be sent"),
        (status = 401, description = "`unauthenticated`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such delivery", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn resend(
    State(app): State<Shared>,
    CrmCommand(crm): CrmCommand,
    PathId(id): PathId<Uuid>,
) -> Answered<Response> {
    let found = deliveries(&app).get(id).await?;
    let (delivery, _) = found.ok_or_else(|| Problem::new(Code::NotFound))?;
    let endpoint = endpoint_of(Some(&delivery.endpoint))?;
    let command = EndpointCommand::Resend { delivery_id: id };
    let position = ask(&app, &crm, endpoint, command, "resend_delivery").await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    tell_position(&mut response, position);
    Ok(response)
}

/// Sends everything from a position or an instant on once more, in order, under the same `id`s.
#[utoipa::path(post, path = "/crm/webhooks/replay", operation_id = "replayDeliveries", tag = "crm", request_body = ReplayBody,
    security(("crm" = [])),
    responses(
        (status = 200, description = "So much will be sent", body = Replayed),
        (status = 400, description = "Malformed, or neither or both were given", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthenticated`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such endpoint", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn replay(
    State(app): State<Shared>,
    CrmCommand(crm): CrmCommand,
    JsonBody { value, .. }: JsonBody<ReplayBody>,
) -> Answered<Response> {
    let endpoint = endpoint_of(value.endpoint.as_deref())?;
    let from_position = match (value.from_position, value.since) {
        (Some(position), None) => position,
        (None, Some(since)) => {
            let since = text::parse_time(&since)
                .map_err(|error| Problem::field(Code::InvalidValue, "since", error.to_string()))?;
            app.handles.store.first_position_since(since).await?
        }
        (None, None) | (Some(_), Some(_)) => {
            let message = "one of fromPosition and since is needed";
            return Err(Problem::with_detail(Code::Malformed, message));
        }
    };
    let head = app.handles.store.head().await?.position;
    app.wait_for(&[names::OUTBOX], head).await?;
    let many = deliveries(&app)
        .count_from(endpoint.as_str(), from_position)
        .await?;
    let command = EndpointCommand::Replay { from_position };
    let position = ask(&app, &crm, endpoint, command, "replay_deliveries").await?;
    let mut response = Json(Replayed {
        from_position,
        deliveries: many,
    })
    .into_response();
    tell_position(&mut response, position);
    Ok(response)
}

/// Webhooks by asking: the bodies that are sent, in order, without gaps in `number`.
#[utoipa::path(get, path = "/crm/events", operation_id = "pullEvents", tag = "crm", params(EventsQuery),
    security(("crm" = [])),
    responses(
        (status = 200, description = "Webhooks", body = EventsPage),
        (status = 400, description = "Malformed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthenticated`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn events(
    State(app): State<Shared>,
    _crm: Crm,
    Query(query): Query<EventsQuery>,
) -> Answered<Json<EventsPage>> {
    let expected = "must be the number of a webhook";
    let after: Option<i64> = parameter("after", query.after.as_deref(), expected)?;
    let after = after.unwrap_or(0);
    let limit = page_of(query.limit.as_deref(), None)?.limit;
    let endpoint = endpoint_of(query.endpoint.as_deref())?;
    let found = deliveries(&app)
        .events(endpoint.as_str(), after, limit)
        .await?;
    let next = found.last().map_or(after, |event| event.number);
    let items = found.into_iter().map(|event| event.body).collect();
    Ok(Json(EventsPage { items, next }))
}

fn deliveries(app: &App) -> Deliveries {
    Deliveries::new(app.handles.store.clone())
}

/// The endpoint that was named; the environment's where none was.
fn endpoint_of(name: Option<&str>) -> Answered<EndpointId> {
    let named: Option<EndpointId> = parameter("endpoint", name, "must be an endpoint's name")?;
    Ok(named.unwrap_or_else(EndpointId::of_environment))
}

/// Hands a command to the endpoint's stream; the position that it stands at.
async fn ask(
    app: &App,
    crm: &Crm,
    endpoint: EndpointId,
    command: EndpointCommand,
    reason: &str,
) -> Answered<i64> {
    let request = EndpointRequest {
        endpoint,
        command,
        key: None,
        origin: crm.origin(reason),
    };
    Ok(app.engine()?.endpoint(request).await?.position)
}

/// Says where the command stands.
fn tell_position(response: &mut Response, position: i64) {
    let headers = response.headers_mut();
    headers.insert("daybook-position", HeaderValue::from(position));
}

impl DeliveryItem {
    fn of(delivery: Delivery) -> Self {
        Self {
            id: delivery.id.to_string(),
            endpoint: delivery.endpoint,
            event: delivery.event,
            status: delivery.status.as_str(),
            client_id: delivery.client_id.to_string(),
            position: delivery.position,
            number: delivery.number,
            client_number: delivery.client_number,
            tries: delivery.tries,
            next_at: delivery.next_at.map(text::time),
        }
    }
}

impl AttemptItem {
    fn of(row: AttemptRow) -> Self {
        Self {
            at: text::time(row.at),
            status: row.status,
            latency_ms: row.latency_ms,
            answer: row.answer,
        }
    }
}
