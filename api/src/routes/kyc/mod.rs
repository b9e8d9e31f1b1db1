//! Documents that a client hands in, and where the checks stand. **Permission:** the client, for
//! what is their own.

mod disposition;
mod form;
mod upload;

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderValue, header},
    response::Response,
};
use daybook_domain::{
    ClientId, DocumentId,
    client::{DocumentFormat, DocumentKind},
};
use daybook_projections::{DocumentRow, names};
use daybook_store::SubjectKey;
use serde::Serialize;
use utoipa::ToSchema;

pub(crate) use self::upload::{__path_upload, UPLOAD_MAX, upload};
use crate::{
    app::{App, Shared},
    extract::{Fresh, PathId, SignedIn},
    problem::{Answered, Code, Problem, ProblemBody},
    text,
};

/// Where the checks stand, and what they rest on.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KycBody {
    /// `none`, `pending`, `approved`, `rejected` or `expired`.
    #[schema(example = "pending")]
    status: &'static str,
    /// What whoever decided has to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    notes: Option<String>,
    /// Oldest first.
    documents: Vec<DocumentBody>,
}

/// A document that was handed in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DocumentBody {
    #[schema(example = "01997d0a-5a3e-7d31-9a53-0a4f2f1c7a20")]
    document_id: String,
    /// What it shows.
    #[schema(value_type = String, example = "passport")]
    kind: DocumentKind,
    /// Of its file, made safe.
    #[schema(example = "passport.pdf")]
    name: String,
    /// Bytes.
    #[schema(example = 482_133)]
    size: i64,
    #[schema(example = "2026-01-31T09:30:00.000Z")]
    uploaded_at: String,
}

/// Where do the checks stand?
#[utoipa::path(get, path = "/user/kyc", operation_id = "getKyc", tag = "me", security(("bearer" = [])),
    responses(
        (status = 200, description = "Status and documents", body = KycBody),
        (status = 401, description = "`unauthenticated`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`read_model_behind`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn kyc(
    State(app): State<Shared>,
    client: SignedIn,
    fresh: Fresh,
) -> Answered<Json<KycBody>> {
    fresh.wait(&[names::CLIENTS]).await?;
    let client_id = client.client_id();
    let key = app.handles.store.keys().get(client_id.0).await?;
    Ok(Json(kyc_body(&app, client_id, &key).await?))
}

/// The same as the read model has it; 404 for a client that it does not know.
pub(crate) async fn kyc_body(
    app: &App,
    client_id: ClientId,
    key: &SubjectKey,
) -> Answered<KycBody> {
    let row = app.handles.reads.client(client_id).await?;
    let row = row.ok_or_else(|| Problem::new(Code::NotFound))?;
    let notes = row.kyc_notes.map(|sealed| key.open("notes", &sealed));
    let documents = app.handles.reads.documents_of(client_id).await?;
    let documents = documents.iter().map(|row| document_body(row, key));
    Ok(KycBody {
        status: row.kyc_status.as_str(),
        notes: notes.transpose()?,
        documents: documents.collect::<Answered<_>>()?,
    })
}

fn document_body(row: &DocumentRow, key: &SubjectKey) -> Answered<DocumentBody> {
    Ok(DocumentBody {
        document_id: row.document_id.to_string(),
        kind: row.kind,
        name: key.open("name", &row.name)?,
        size: row.size,
        uploaded_at: text::time(row.uploaded_at),
    })
}

/// One of the client's own documents, as it was handed in.
#[utoipa::path(get, path = "/user/kyc/documents/{id}", operation_id = "getKycDocument", tag = "me",
    params(("id" = Uuid, Path, description = "`documentId`")), security(("bearer" = [])),
    responses(
        (status = 200, description = "The file, to be saved: `application/pdf`, `image/jpeg` or `image/png`", content((Vec<u8> = "application/pdf"), (Vec<u8> = "image/jpeg"), (Vec<u8> = "image/png"))),
        (status = 401, description = "`unauthenticated`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such document, or somebody else's", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable`, `read_model_behind`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn document(
    State(app): State<Shared>,
    client: SignedIn,
    fresh: Fresh,
    PathId(id): PathId<DocumentId>,
) -> Answered<Response> {
    fresh.wait(&[names::CLIENTS]).await?;
    serve_document(&app, client.client_id(), id).await
}

/// A client's document. Whoever calls has seen to it that the reader may have it; a document of
/// another client than the one named is absent.
pub(crate) async fn serve_document(
    app: &App,
    client_id: ClientId,
    document_id: DocumentId,
) -> Answered<Response> {
    let row = app.handles.reads.document(document_id).await?;
    let row = row.filter(|row| row.client_id == client_id);
    let row = row.ok_or_else(|| Problem::new(Code::NotFound))?;
    let key = app.handles.store.keys().get(client_id.0).await?;
    let name = key.open("name", &row.name)?;
    let documents = &app.handles.documents;
    let bytes = documents.get(&key, document_id, &row.sha256).await?;
    let mut response = Response::new(Body::from(bytes));
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static(content_type(row.format));
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CONTENT_DISPOSITION, disposition::attachment(&name));
    // Even where a browser shows it after all, nothing in it runs.
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("sandbox; default-src 'none'; frame-ancestors 'none'"),
    );
    Ok(response)
}

const fn content_type(format: DocumentFormat) -> &'static str {
    match format {
        DocumentFormat::Pdf => "application/pdf",
        DocumentFormat::Jpeg => "image/jpeg",
        DocumentFormat::Png => "image/png",
    }
}

pub(crate) use disposition::attachment;
