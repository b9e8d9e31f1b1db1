//! What compliance reads of a client's documents, and the end of a client's personal data.

use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use daybook_domain::{ClientId, DocumentId, staff::Look};
use daybook_engine::EraseRequest;
use daybook_projections::names;
use daybook_store::StreamId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    app::Shared,
    extract::{Compliance, JsonBody, PathId, StaffOf},
    problem::{Answered, Code, Problem, ProblemBody},
    routes::kyc::serve_document,
};

/// Why a client is erased.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct EraseBody {
    /// For people; it stands in the book in plain text.
    #[schema(example = "asked for on 2 May")]
    reason: String,
}

/// What became of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ErasedBody {
    #[schema(example = "01997d0a-5a3e-7d31-9a53-0a4f2f1c7a00")]
    client_id: String,
    /// False where it was so already.
    erased_now: bool,
    /// Position of the book.
    position: i64,
}

/// Makes a client's personal data unreadable, for good: their key is destroyed. Refused while
/// anything of theirs is open. **Permission:** compliance.
#[utoipa::path(post, path = "/compliance/clients/{id}/erase", operation_id = "eraseClient", tag = "compliance", request_body = EraseBody,
    params(("id" = Uuid, Path, description = "The client")),
    security(("staff" = ["compliance"])),
    responses(
        (status = 200, description = "Erased, now or before", body = ErasedBody),
        (status = 400, description = "Malformed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthenticated`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such client", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`client_not_settled`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn erase(
    State(app): State<Shared>,
    staff: StaffOf<Compliance>,
    PathId(client_id): PathId<ClientId>,
    JsonBody { value, .. }: JsonBody<EraseBody>,
) -> Answered<Json<ErasedBody>> {
    let act = staff.act(&app).await?;
    let as_of = *app.handles.store.committed().borrow();
    app.wait_for(&[names::CLIENTS, names::ACCOUNTS], as_of)
        .await?;
    let reads = &app.handles.reads;
    let known = reads.client(client_id).await?;
    known.ok_or_else(|| Problem::new(Code::NotFound))?;
    let accounts = reads.accounts_of(client_id).await?;
    let request = EraseRequest {
        client_id,
        reason: value.reason,
        accounts: accounts.iter().map(|row| row.account_id).collect(),
        as_of,
        origin: act.origin("erase"),
    };
    let erased = app.engine()?.erase(request).await?;
    app.handles.store.keys().forget(client_id.0);
    app.ended.look().await;
    Ok(Json(ErasedBody {
        client_id: client_id.to_string(),
        erased_now: !erased.events.is_empty(),
        position: erased.position,
    }))
}

/// A document that a client handed in. **Permission:** compliance; the look is noted.
#[utoipa::path(get, path = "/compliance/clients/{id}/documents/{documentId}", operation_id = "readClientDocument", tag = "compliance",
    params(
        ("id" = Uuid, Path, description = "The client"),
        ("documentId" = Uuid, Path, description = "The document"),
    ),
    security(("staff" = ["compliance"])),
    responses(
        (status = 200, description = "The file", content((Vec<u8> = "application/pdf"), (Vec<u8> = "image/jpeg"), (Vec<u8> = "image/png"))),
        (status = 401, description = "`unauthenticated`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such document of this client", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn document(
    State(app): State<Shared>,
    staff: StaffOf<Compliance>,
    Path((client_id, document_id)): Path<(String, String)>,
) -> Answered<Response> {
    let absent = || Problem::new(Code::NotFound);
    let client_id: ClientId = client_id.parse().map_err(|_| absent())?;
    let document_id: DocumentId = document_id.parse().map_err(|_| absent())?;
    let act = staff.act(&app).await?;
    let stream = StreamId::new("client", client_id);
    act.look(Look::Document, Some(&stream), Some(client_id))
        .await?;
    // Whose key is gone has no documents any more.
    let served = serve_document(&app, client_id, document_id).await;
    served.map_err(|problem| {
        if problem.code() == Code::Unauthenticated {
            absent()
        } else {
            problem
        }
    })
}
