//! `POST /user/kyc/documents`: looked at, sealed, stored, and only then told to the book.
//!
//! Whatever is stored without its event is deleted: here where the book refuses, later where nobody
//! knows.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use bytes::Bytes;
use chrono::Utc;
use daybook_documents::{sanitised, sniff};
use daybook_domain::{
    Client, ClientCommand, ClientRejection, DocumentId,
    client::{DocumentFormat, KycDocument},
};
use daybook_engine::{ClientRequest, Engine, EngineError, RenderClient, Reply};
use daybook_store::SubjectKey;
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use utoipa::ToSchema;
use uuid::Uuid;

use super::form::{self, Form};
use crate::{
    app::{App, Shared, sealed_origin},
    extract::{Command, answer, answered, refusal},
    problem::{Answered, Code, Problem, ProblemBody},
};

/// Largest body of an upload.
pub(crate) const UPLOAD_MAX: usize = 10 * 1024 * 1024;
/// Each holds its file in memory, plain and sealed.
const AT_ONCE: usize = 8;

static UPLOADS: Semaphore = Semaphore::const_new(AT_ONCE);

/// A form with a file.
#[derive(ToSchema)]
#[expect(dead_code, reason = "described here, read field by field")]
pub(crate) struct UploadForm {
    /// `passport`, `id_card`, `driving_licence`, `proof_of_address`, `source_of_funds`, `selfie` or
    /// `other`.
    #[schema(example = "passport")]
    kind: String,
    /// A PDF, JPEG or PNG.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// The document's name from now on.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UploadedBody {
    #[schema(example = "01997d0a-5a3e-7d31-9a53-0a4f2f1c7a20")]
    document_id: String,
}

/// Hands a document in. What it is decides its content alone.
#[utoipa::path(post, path = "/user/kyc/documents", operation_id = "submitKycDocument", tag = "me",
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes repeating safe for 24 hours")),
    security(("bearer" = [])),
    responses(
        (status = 201, description = "Handed in", body = UploadedBody),
        (status = 400, description = "Malformed form, unknown or missing field", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthenticated`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`client_suspended`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "The body is larger than 10 MiB", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "`unsupported_document`: by its content no PDF, JPEG or PNG; `unsupported_media_type`: no form", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`too_many_documents`, `idempotency_key_reused`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "`rate_limited`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable`, `overloaded`, `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn upload(
    State(app): State<Shared>,
    command: Command,
    request: Request,
) -> Answered<Response> {
    let turn = UPLOADS.try_acquire();
    let _turn = turn.map_err(|_full| Problem::new(Code::Overloaded))?;
    let engine = app.engine()?;
    let key = app.handles.store.keys().get(command.client_id.0).await?;
    // Before a megabyte is read. A repeated request has its answer whatever holds by now.
    if !command.has_key() {
        let client = engine.client_state(command.client_id, &key).await?;
        check_may_submit(&client)?;
    }
    let form = form::read(request, &app).await?;
    let format = sniff(&form.bytes).ok_or_else(|| Problem::new(Code::UnsupportedDocument))?;
    let reply = submit(&app, &engine, &command, &key, form, format).await?;
    app.acknowledge(command.client_id, reply.position, true);
    Ok(answer(reply))
}

/// What the book would refuse whatever the document is.
fn check_may_submit(client: &Client) -> Answered<()> {
    let any = KycDocument {
        document_id: DocumentId::default(),
        kind: daybook_domain::client::DocumentKind::Other,
        format: DocumentFormat::Pdf,
        size: 0,
        sha256: String::new(),
    };
    let asked = ClientCommand::SubmitDocument {
        document: any,
        name: "document.pdf".to_owned(),
    };
    client
        .decide(&asked, Utc::now())
        .map(drop)
        .map_err(|rejection| Problem::from(&rejection))
}

async fn submit(
    app: &App,
    engine: &Engine,
    command: &Command,
    key: &SubjectKey,
    form: Form,
    format: DocumentFormat,
) -> Answered<Reply> {
    let client_id = command.client_id;
    let document_id = DocumentId(Uuid::now_v7());
    let name = sanitised(&form.claimed, format);
    let told = identity(&form);
    let documents = &app.handles.documents;
    let size = u64::try_from(form.bytes.len()).unwrap_or(u64::MAX);
    let sha256 = documents.put(key, document_id, form.bytes).await?;
    let document = KycDocument {
        document_id,
        kind: form.kind,
        format,
        size,
        sha256,
    };
    let request = ClientRequest {
        client_id,
        command: ClientCommand::SubmitDocument { document, name },
        key: key.clone(),
        origin: sealed_origin(key, client_id, &command.info, "submit_document"),
        idempotency: command.idempotency("", told.as_bytes()),
        render: render(document_id, Arc::clone(&command.info.id)),
    };
    let told = engine.client(request).await;
    if is_without_event(&told)
        && let Err(error) = documents.delete(document_id).await
    {
        // The next sweep finds it.
        tracing::warn!(%error, %document_id, "a document that was refused could not be deleted");
    }
    Ok(told?)
}

/// What an idempotency key is bound to: the boundary of a form differs from one try to the next.
fn identity(form: &Form) -> String {
    let digest = |bytes: &Bytes| hex::encode(Sha256::digest(bytes));
    format!("{:?}\0{}\0{}", form.kind, form.claimed, digest(&form.bytes))
}

/// Whether it is certain that no event tells of the document just stored.
fn is_without_event(told: &Result<Reply, EngineError>) -> bool {
    match told {
        Ok(reply) => reply.replayed || reply.status >= 400,
        Err(
            EngineError::NotFound
            | EngineError::IdempotencyKeyReused
            | EngineError::Overloaded
            | EngineError::NotLeader
            | EngineError::ClientRefused(_),
        ) => true,
        Err(
            EngineError::Unavailable
            | EngineError::UniqueTaken { .. }
            | EngineError::AccountRefused(_)
            | EngineError::NotSettled { .. }
            | EngineError::StaffRefused(_)
            | EngineError::EndpointRefused(_)
            | EngineError::InstrumentRefused(_)
            | EngineError::Corrupt(_)
            | EngineError::Store(_),
        ) => false,
    }
}

fn render(document_id: DocumentId, request_id: Arc<str>) -> RenderClient {
    Box::new(
        move |outcome: Result<&Client, &ClientRejection>| match outcome {
            Err(rejection) => refusal(&Problem::from(rejection), &request_id),
            Ok(_) => answered(
                201,
                &UploadedBody {
                    document_id: document_id.to_string(),
                },
            ),
        },
    )
}
