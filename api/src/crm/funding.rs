//! `PATCH /crm/funding/{requestId}`: what becomes of a deposit or withdrawal.

use axum::{extract::State, response::Response};
use daybook_domain::{AccountCommand, FundingId, account::FundingVerdict};
use daybook_projections::{FundingRow, names};
use serde::Deserialize;
use utoipa::ToSchema;

use super::accounts::{check_line, on_account};
use crate::{
    app::{App, Shared},
    extract::{CrmChange, JsonBody, PathId, answer, done},
    problem::{Answered, Code, Problem, ProblemBody},
};

/// Longest reason and reference, in characters.
const REASON_MAX: usize = 500;
const REFERENCE_MAX: usize = 200;

/// A step of a request.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StepBody {
    Approved,
    Completed,
    Rejected,
}

/// What was decided about a deposit or withdrawal.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DecisionBody {
    /// `approved`, `completed` or `rejected`.
    #[schema(value_type = String, example = "completed")]
    status: StepBody,
    /// The client reads it.
    #[schema(example = "received")]
    reason: Option<String>,
    /// The payment's name elsewhere; the client reads it.
    #[schema(example = "SEPA-8841")]
    reference: Option<String>,
}

/// Moves a deposit or withdrawal on: requested → approved → completed, or completed directly;
/// either → rejected.
#[utoipa::path(patch, path = "/crm/funding/{requestId}", operation_id = "decideFunding", tag = "crm", request_body = DecisionBody,
    params(
        ("requestId" = Uuid, Path, description = "The deposit or withdrawal"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes repeating safe for 24 hours"),
    ),
    security(("crm" = [])),
    responses(
        (status = 204, description = "It is so"),
        (status = 400, description = "Malformed; `insufficient_funds`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthenticated`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such request", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`funding_not_open`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`idempotency_key_reused`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`overloaded`, `unavailable` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn decide(
    State(app): State<Shared>,
    asked: CrmChange,
    PathId(request_id): PathId<FundingId>,
    JsonBody { value, bytes }: JsonBody<DecisionBody>,
) -> Answered<Response> {
    check_line("reason", value.reason.as_deref(), REASON_MAX)?;
    check_line("reference", value.reference.as_deref(), REFERENCE_MAX)?;
    let row = request(&app, request_id).await?;
    let (verdict, why) = match value.status {
        StepBody::Approved => (FundingVerdict::Approve, "approve_funding"),
        StepBody::Completed => (FundingVerdict::Complete, "complete_funding"),
        StepBody::Rejected => (FundingVerdict::Reject, "reject_funding"),
    };
    let command = AccountCommand::DecideFunding {
        request_id,
        verdict,
        reason: value.reason,
        reference: value.reference,
        by: asked.crm.actor.clone(),
    };
    let on = (row.account_id, command);
    let reply = on_account(&app, &asked, on, (why, &bytes), done).await?;
    Ok(answer(reply))
}

/// The request, looked up again once the read model has reached what the book held when this one
/// came in.
async fn request(app: &App, id: FundingId) -> Answered<FundingRow> {
    let committed = *app.handles.store.committed().borrow();
    let reads = &app.handles.reads;
    if let Some(row) = reads.funding_request(id).await? {
        return Ok(row);
    }
    app.wait_for(&[names::FUNDING], committed).await?;
    let row = reads.funding_request(id).await?;
    row.ok_or_else(|| Problem::new(Code::NotFound))
}
