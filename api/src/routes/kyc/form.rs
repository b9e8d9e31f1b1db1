//! The form that a document comes in.

use axum::extract::multipart::MultipartError;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::{
    body::Bytes,
    extract::{FromRequest, Multipart, Request, multipart::Field},
};
use daybook_domain::client::DocumentKind;

use crate::problem::{Answered, Code, FieldError, Problem};

/// Longest text of a field that is no file.
const TEXT_MAX: usize = 100;

/// A form that was read whole.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) kind: DocumentKind,
    /// As the sender calls the file.
    pub(super) claimed: String,
    pub(super) bytes: Bytes,
}

/// Reads the form; fields may come in any order, each once.
pub(super) async fn read<S: Send + Sync>(request: Request, state: &S) -> Answered<Form> {
    let multipart = Multipart::from_request(request, state).await;
    let mut multipart = multipart.map_err(|rejection| {
        let status = rejection.into_response().status();
        if status == StatusCode::BAD_REQUEST {
            // No boundary, or no form at all.
            Problem::new(Code::UnsupportedMediaType)
        } else {
            Problem::of_status(status)
        }
    })?;
    let (mut kind, mut file) = (None, None);
    while let Some(field) = multipart.next_field().await.map_err(refused)? {
        match field.name().unwrap_or_default() {
            "kind" => once("kind", &mut kind, read_kind(field).await?)?,
            "file" => once("file", &mut file, read_file(field).await?)?,
            other => {
                let name: String = other.chars().take(TEXT_MAX).collect();
                let error = FieldError::new(&name, "is not known here");
                return Err(Problem::fields(Code::UnknownField, vec![error]));
            }
        }
    }
    let missing = |field| Problem::field(Code::InvalidValue, field, "is required");
    let kind = kind.ok_or_else(|| missing("kind"))?;
    let (claimed, bytes) = file.ok_or_else(|| missing("file"))?;
    Ok(Form {
        kind,
        claimed,
        bytes,
    })
}

fn once<T>(name: &str, place: &mut Option<T>, value: T) -> Answered<()> {
    if place.replace(value).is_some() {
        return Err(Problem::field(Code::InvalidValue, name, "is there twice"));
    }
    Ok(())
}

async fn read_kind(field: Field<'_>) -> Answered<DocumentKind> {
    let text = field.bytes().await.map_err(refused)?;
    let text = std::str::from_utf8(&text).ok();
    let text = text.filter(|text| text.len() <= TEXT_MAX);
    let kind = text.and_then(|text| serde_json::from_value(text.into()).ok());
    kind.ok_or_else(|| {
        let expected = "must be passport, id_card, driving_licence, proof_of_address, \
                        source_of_funds, selfie or other";
        Problem::field(Code::InvalidValue, "kind", expected)
    })
}

async fn read_file(field: Field<'_>) -> Answered<(String, Bytes)> {
    let claimed = field.file_name().unwrap_or_default().to_owned();
    Ok((claimed, field.bytes().await.map_err(refused)?))
}

/// The parser's own words stay with us.
#[expect(clippy::needless_pass_by_value, reason = "it is used with map_err")]
fn refused(error: MultipartError) -> Problem {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(Code::PayloadTooLarge),
        StatusCode::BAD_REQUEST => {
            Problem::with_detail(Code::Malformed, "the form ends early or does not parse")
        }
        status => Problem::of_status(status),
    }
}
