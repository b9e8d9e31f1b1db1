//! Query strings, pages, and identifiers in paths.

use std::str::FromStr;

use axum::{
    extract::{FromRequestParts, Path, Query as RawQuery},
    http::request::Parts,
};
use daybook_projections::{Cursor, Page, PageOf};
use serde::{Serialize, de::DeserializeOwned};
use utoipa::ToSchema;

use crate::problem::{Answered, Code, Problem};

const LIMIT_DEFAULT: i64 = 50;
const LIMIT_MAX: i64 = 500;

/// A query string. Its types hold text and refuse unknown fields; handlers parse what they use.
#[derive(Debug)]
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let query = RawQuery::<T>::try_from_uri(&parts.uri).map_err(|rejection| {
            let text = rejection.body_text();
            let named = |prefix: &str| text.split_once(prefix)?.1.split('`').next();
            if let Some(field) = named("unknown field `") {
                return Problem::field(Code::UnknownField, field, "is not known here");
            }
            match named("missing field `") {
                Some(field) => Problem::field(Code::InvalidValue, field, "is required"),
                None => Problem::with_detail(Code::Malformed, text),
            }
        })?;
        Ok(Self(query.0))
    }
}

/// Parses a parameter where it was given.
pub(crate) fn parameter<T: FromStr>(
    field: &str,
    text: Option<&str>,
    expected: &str,
) -> Answered<Option<T>> {
    text.map(|text| {
        let parsed = text.parse();
        parsed.map_err(|_| Problem::field(Code::InvalidValue, field, expected))
    })
    .transpose()
}

/// Which page was asked for.
pub(crate) fn page_of(limit: Option<&str>, cursor: Option<&str>) -> Answered<Page> {
    let limit: Option<i64> = parameter("limit", limit, "must be 1 to 500")?;
    let limit = limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::field(
            Code::InvalidValue,
            "limit",
            "must be 1 to 500",
        ));
    }
    let cursor: Option<Cursor> = parameter(
        "cursor",
        cursor,
        "must be the `nextCursor` of a page before",
    )?;
    Ok(Page { limit, cursor })
}

/// One page of a list, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Items<T> {
    /// Newest first.
    pub(crate) items: Vec<T>,
    /// Cursor of the page that follows; null on the last one.
    pub(crate) next_cursor: Option<String>,
}

impl<T> Items<T> {
    pub(crate) fn of<R>(page: PageOf<R>, item: impl FnMut(R) -> T) -> Self {
        Self {
            items: page.items.into_iter().map(item).collect(),
            next_cursor: page.next_cursor.map(|cursor| cursor.to_string()),
        }
    }
}

/// An identifier in the path. One that cannot be ours is absent like any other.
#[derive(Debug)]
pub(crate) struct PathId<T>(pub(crate) T);

impl<T: FromStr, S: Send + Sync> FromRequestParts<S> for PathId<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = Path::<String>::from_request_parts(parts, state).await;
        let id = text.ok().and_then(|Path(text)| text.parse().ok());
        id.map(Self).ok_or_else(|| Problem::new(Code::NotFound))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_fifty_items_unless_told_otherwise() {
        let page = page_of(None, None).unwrap();
        assert_eq!((page.limit, page.cursor), (50, None));
        assert_eq!(page_of(Some("500"), None).unwrap().limit, 500);
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        for limit in ["0", "501", "-1", "x", "", "1.5", "99999999999999999999"] {
            assert_eq!(
                page_of(Some(limit), None).unwrap_err().code(),
                Code::InvalidValue
            );
        }
        let refused = page_of(None, Some("nonsense")).unwrap_err();
        assert!(refused.detail().starts_with("cursor: "));
    }
}
