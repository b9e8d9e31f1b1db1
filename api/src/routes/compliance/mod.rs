//! The book as it stands, for compliance. **Permission:** compliance and admins; each look is noted
//! in the stream of whoever looks, before it is answered.

pub(crate) mod audit;
pub(crate) mod clients;
pub(crate) mod events;
pub(crate) mod replay;
pub(crate) mod state;
pub(crate) mod statement;
pub(crate) mod verify;

use daybook_domain::{AccountId, Timestamp, staff::Look};
use daybook_projections::{AccountRow, names};
use daybook_store::{Recorded, StreamId};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::{
    app::App,
    extract::{Compliance, StaffOf},
    problem::{Answered, Code, Problem},
    text,
};

/// One event as it stands in the book: personal fields are sealed, and the hash holds for it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventItem {
    /// Place in the book.
    #[schema(example = 42)]
    position: i64,
    /// Place in the stream.
    #[schema(example = 7)]
    sequence: i64,
    #[schema(example = "OrderFilled")]
    event_type: String,
    #[schema(example = "1.0")]
    event_version: String,
    #[schema(example = "2026-01-31T09:31:00.000Z")]
    recorded_at: String,
    /// The payload, under the name of its type.
    #[schema(value_type = Object)]
    event: Box<RawValue>,
    /// Who, why, from where.
    #[schema(value_type = Object)]
    metadata: Box<RawValue>,
    /// Link of the stream's chain, in hexadecimal.
    hash: String,
}

impl EventItem {
    fn of(recorded: Recorded) -> Answered<Self> {
        let json = |text: Box<str>| RawValue::from_string(text.into_string());
        let position = recorded.position;
        let broken = |error: serde_json::Error| {
            tracing::error!(%error, position, "an event is no JSON");
            Problem::new(Code::Internal)
        };
        Ok(Self {
            position,
            sequence: recorded.sequence,
            event_type: recorded.event_type.into_string(),
            event_version: recorded.event_version.into_string(),
            recorded_at: text::time(recorded.recorded_at),
            event: json(recorded.payload).map_err(broken)?,
            metadata: json(recorded.metadata).map_err(broken)?,
            hash: hex::encode(recorded.hash),
        })
    }
}

/// The account that somebody looks at, once that is noted.
async fn looked_at(
    app: &App,
    staff: &StaffOf<Compliance>,
    what: Look,
    account_id: AccountId,
) -> Answered<AccountRow> {
    let account = account(app, account_id).await?;
    let stream = StreamId::new("account", account_id);
    let act = staff.act(app).await?;
    act.look(what, Some(&stream), Some(account.client_id))
        .await?;
    Ok(account)
}

/// An account, looked up again once the read model has reached what the book held when the request
/// came in.
async fn account(app: &App, id: AccountId) -> Answered<AccountRow> {
    let committed = *app.handles.store.committed().borrow();
    let reads = &app.handles.reads;
    if let Some(account) = reads.account(id).await? {
        return Ok(account);
    }
    app.wait_for(&[names::ACCOUNTS], committed).await?;
    let account = reads.account(id).await?;
    account.ok_or_else(|| Problem::new(Code::NotFound))
}

/// The last instant that has this name to the millisecond, as answers name instants: what was
/// recorded within that millisecond is part of it.
fn whole_millisecond(named: Timestamp) -> Timestamp {
    let within = named.timestamp_subsec_nanos() % 1_000_000;
    if within == 0 {
        named + chrono::Duration::nanoseconds(999_999)
    } else {
        named
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_millisecond_is_meant_whole_and_anything_finer_as_it_is() {
        let at = |text: &str| text::parse_time(text).unwrap();
        let named = whole_millisecond(at("2026-01-31T09:30:00.123Z"));
        assert!(named >= at("2026-01-31T09:30:00.123987Z"));
        assert!(named < at("2026-01-31T09:30:00.124Z"));
        let exact = at("2026-01-31T09:30:00.123456Z");
        assert_eq!(whole_millisecond(exact), exact);
    }
}
