//! Events as their client may read them: personal fields and metadata opened.

use std::collections::BTreeMap;

use axum::body::Bytes;
use daybook_store::{Recorded, Store, StoreError, StreamId, SubjectKey, seal::PREFIX};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::text;

/// Events read, and written, at once.
const PAGE: i64 = 500;

/// An event of the book.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventBody {
    #[schema(example = "client-01997d0a-5a3e-7d31-9a53-0a4f2f1c7a00")]
    stream: String,
    /// Place in the book.
    #[schema(example = 42)]
    position: i64,
    /// Place in the stream.
    #[schema(example = 1)]
    sequence: i64,
    #[serde(rename = "type")]
    #[schema(example = "ClientRegistered")]
    event_type: Box<str>,
    recorded_at: String,
    /// What happened, in the book's own words.
    #[schema(value_type = Object)]
    data: Box<RawValue>,
    /// Who, why, from where.
    #[schema(value_type = Object)]
    metadata: BTreeMap<String, Option<String>>,
}

/// `opening`, every event of the streams, and the end of the document.
pub(super) fn written(
    store: Store,
    key: SubjectKey,
    streams: Vec<StreamId>,
    opening: Bytes,
) -> impl Stream<Item = Result<Bytes, StoreError>> {
    let pages = stream::iter(streams).flat_map(move |id| pages(store.clone(), id));
    let mut is_first = true;
    let pieces = pages.map(move |page| {
        let mut text = String::new();
        for recorded in page? {
            if !is_first {
                text.push(',');
            }
            is_first = false;
            text.push_str(&crate::extract::json(&opened(&recorded, &key)?));
        }
        Ok(Bytes::from(text))
    });
    let whole = |bytes| stream::iter([Ok(bytes)]);
    let all = whole(opening).chain(pieces);
    all.chain(whole(Bytes::from_static(b"]}")))
        .inspect_err(|error| tracing::error!(%error, "an export ended early"))
}

/// The stream, with something that lives as long.
pub(super) fn holding<T>(
    held: T,
    pieces: impl Stream<Item = Result<Bytes, StoreError>>,
) -> impl Stream<Item = Result<Bytes, StoreError>> {
    pieces.inspect(move |_| {
        let _held = &held;
    })
}

fn pages(store: Store, id: StreamId) -> impl Stream<Item = Result<Vec<Recorded>, StoreError>> {
    stream::try_unfold((store, id, 0), |(store, id, after)| async move {
        let page = store.read_stream(&id, after, PAGE).await?;
        let last = page.last().map(|event| event.sequence);
        Ok(last.map(|last| (page, (store, id, last))))
    })
}

fn opened(recorded: &Recorded, key: &SubjectKey) -> Result<EventBody, StoreError> {
    let corrupt = |error: serde_json::Error| StoreError::Corrupt {
        place: format!("position {}", recorded.position),
        detail: error.to_string(),
    };
    let payload = key.open_fields(&recorded.payload)?;
    let tagged: BTreeMap<&str, Box<RawValue>> = serde_json::from_str(&payload).map_err(corrupt)?;
    let data = tagged.into_values().next();
    // What was sealed for somebody else is not the client's to read.
    let open = |(name, value): (String, String)| {
        let value = if value.starts_with(PREFIX) {
            key.open(&name, &value).ok()
        } else {
            Some(value)
        };
        (name, value)
    };
    Ok(EventBody {
        stream: format!("{}-{}", recorded.aggregate_type, recorded.aggregate_id),
        position: recorded.position,
        sequence: recorded.sequence,
        event_type: recorded.event_type.clone(),
        recorded_at: text::time(recorded.recorded_at),
        data: data.unwrap_or_else(|| RawValue::NULL.to_owned()),
        metadata: recorded.metadata()?.0.into_iter().map(open).collect(),
    })
}
