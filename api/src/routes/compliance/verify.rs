//! `GET /compliance/verify/{stream}`: whether a stream's chain of hashes holds.

use axum::{
    Json,
    extract::{Path, State},
};
use daybook_domain::staff::Look;
use daybook_engine::stream_named;
use daybook_store::verify::{BrokenLink, verify_stream};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::Shared,
    extract::{Compliance, StaffOf},
    problem::{Answered, Code, Problem, ProblemBody},
};

/// What a verification found.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VerificationBody {
    #[schema(example = "account-01997d0a-5a3e-7d31-9a53-0a4f2f1c7a13")]
    stream: String,
    /// Events whose links hold, from the first on.
    #[schema(example = 42)]
    events: i64,
    /// Whether all of them do.
    intact: bool,
    /// The first that does not.
    broken: Option<BrokenBody>,
}

/// Where a chain breaks.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BrokenBody {
    #[schema(example = 43)]
    position: i64,
    #[schema(example = 8)]
    sequence: Option<i64>,
    #[schema(example = "its hash does not follow from the stream before it")]
    detail: String,
}

impl From<BrokenLink> for BrokenBody {
    fn from(link: BrokenLink) -> Self {
        Self {
            position: link.position,
            sequence: link.sequence,
            detail: link.detail,
        }
    }
}

/// Walks a stream and proves its chain of hashes, from the bytes as they rest. **Permission:**
/// compliance.
#[utoipa::path(get, path = "/compliance/verify/{stream}", operation_id = "verifyStream", tag = "compliance",
    params(("stream" = String, Path, description = "`account-<id>`, `client-<id>`, `instrument-<symbol>` or `staff-<id>`")),
    security(("staff" = ["compliance"])),
    responses(
        (status = 200, description = "What was found", body = VerificationBody),
        (status = 401, description = "`unauthenticated`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such stream", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn verify(
    State(app): State<Shared>,
    staff: StaffOf<Compliance>,
    Path(stream): Path<String>,
) -> Answered<Json<VerificationBody>> {
    let absent = || Problem::with_detail(Code::NotFound, "there is no such stream");
    let stream = stream_named(&stream).ok_or_else(absent)?;
    let report = verify_stream(&app.handles.store, &stream).await?;
    if report.events == 0 && report.broken.is_none() {
        return Err(absent());
    }
    let act = staff.act(&app).await?;
    act.look(Look::Verification, Some(&stream), None).await?;
    Ok(Json(VerificationBody {
        stream: stream.to_string(),
        events: report.events,
        intact: report.broken.is_none(),
        broken: report.broken.map(BrokenBody::from),
    }))
}
