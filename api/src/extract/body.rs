//! JSON bodies: at most 64 KiB, of the documented shape, every refusal naming its field.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request, rejection::BytesRejection},
    http::{HeaderMap, header},
    response::IntoResponse,
};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::problem::{Answered, Code, FieldError, Problem};

/// A body, and the bytes it was read from: idempotency keys are bound to those.
#[derive(Debug)]
pub(crate) struct JsonBody<T> {
    pub(crate) value: T,
    pub(crate) bytes: Bytes,
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let json = is_json(request.headers());
        let untyped = !request.headers().contains_key(header::CONTENT_TYPE);
        let bytes = Bytes::from_request(request, state).await;
        let bytes = bytes.map_err(|rejection: BytesRejection| {
            Problem::of_status(rejection.into_response().status())
        })?;
        // No body at all stands for an object without fields.
        let empty = bytes.is_empty() && (untyped || json);
        if !empty && !json {
            return Err(Problem::new(Code::UnsupportedMediaType));
        }
        let value = parse(if empty { b"{}" } else { &bytes })?;
        Ok(Self { value, bytes })
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = value
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

/// Reads JSON; the first thing wrong is named by its path.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Answered<T> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer);
    let value = value.map_err(|error| {
        let path = error.path().to_string();
        refused(&path, error.inner())
    })?;
    deserializer.end().map_err(|error| refused(".", &error))?;
    Ok(value)
}

fn refused(path: &str, error: &serde_json::Error) -> Problem {
    let message = error.to_string();
    // The place is for people who read JSON by the line; a field's path says more.
    let plain = message
        .rsplit_once(" at line ")
        .map_or(message.as_str(), |(text, _)| text);
    match error.classify() {
        Category::Syntax | Category::Eof | Category::Io => {
            Problem::with_detail(Code::Malformed, format!("not JSON: {message}"))
        }
        Category::Data => {
            if let Some(field) = quoted(plain, "unknown field `") {
                let error = FieldError::new(field, "is not known here");
                return Problem::fields(Code::UnknownField, vec![error]);
            }
            if let Some(field) = quoted(plain, "missing field `") {
                return Problem::field(Code::InvalidValue, field, "is required");
            }
            if let Some(field) = quoted(plain, "duplicate field `") {
                return Problem::field(Code::InvalidValue, field, "is there twice");
            }
            if path == "." {
                return Problem::with_detail(Code::Malformed, plain);
            }
            Problem::field(Code::InvalidValue, path, plain)
        }
    }
}

fn quoted<'a>(message: &'a str, prefix: &str) -> Option<&'a str> {
    message.strip_prefix(prefix)?.split('`').next()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::number::Positive;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Body {
        #[expect(dead_code, reason = "only its reading is tested")]
        limit_price: Positive,
    }

    fn refusal(text: &str) -> (Code, String) {
        let problem = parse::<Body>(text.as_bytes()).unwrap_err();
        let body = problem.body("r");
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        let field = body["errors"][0]["field"]
            .as_str()
            .unwrap_or("-")
            .to_owned();
        (problem.code(), field)
    }

    #[test]
    fn every_refusal_names_its_field() {
        for (text, code, field) in [
            ("", Code::Malformed, "-"),
            ("{", Code::Malformed, "-"),
            ("[]", Code::Malformed, "-"),
            ("null", Code::Malformed, "-"),
            (r#"{"limitPrice":"1"} x"#, Code::Malformed, "-"),
            (r#"{"limitPrice":"1","qty":2}"#, Code::UnknownField, "qty"),
            (r"{}", Code::InvalidValue, "limitPrice"),
            (
                r#"{"limitPrice":"1","limitPrice":"2"}"#,
                Code::InvalidValue,
                "limitPrice",
            ),
            (r#"{"limitPrice":"-1"}"#, Code::InvalidValue, "limitPrice"),
            (r#"{"limitPrice":1e5}"#, Code::InvalidValue, "limitPrice"),
            (r#"{"limitPrice":{}}"#, Code::InvalidValue, "limitPrice"),
        ] {
            assert_eq!(refusal(text), (code, field.to_owned()), "{text}");
        }
        assert!(parse::<Body>(br#" {"limitPrice":1.5} "#).is_ok());
    }
}
