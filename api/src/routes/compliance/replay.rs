//! `GET /compliance/accounts/{id}/replay`: the whole story, a line of JSON for each event.

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use daybook_domain::{
    Account, AccountId, Currency,
    postings::{self, Posting},
    staff::Look,
};
use daybook_engine::{Step, Story, Until};
use futures::stream;
use serde::Serialize;
use utoipa::ToSchema;

use super::{EventItem, looked_at};
use crate::{
    app::Shared,
    extract::{Compliance, PathId, StaffOf, json},
    number,
    problem::{Answered, ProblemBody},
};

/// One event, what it posted, and what it left.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReplayLine<'a> {
    #[serde(flatten)]
    event: EventItem,
    /// Its double entry; debits are positive.
    #[schema(value_type = Vec<Object>)]
    postings: Vec<Posting>,
    /// The balance after it.
    #[schema(example = "10000.00")]
    balance: String,
    /// The account after it.
    #[schema(value_type = Object)]
    state: &'a Account,
}

/// Every event of an account, oldest first, each with the state after it: one JSON object a line,
/// written while the book is read. **Permission:** compliance.
#[utoipa::path(get, path = "/compliance/accounts/{id}/replay", operation_id = "replayAccount", tag = "compliance",
    params(("id" = Uuid, Path, description = "The account")),
    security(("staff" = ["compliance"])),
    responses(
        (status = 200, description = "The story, a line for each event", body = ReplayLine, content_type = "application/x-ndjson"),
        (status = 401, description = "`unauthenticated`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such account", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn replay(
    State(app): State<Shared>,
    staff: StaffOf<Compliance>,
    PathId(account_id): PathId<AccountId>,
) -> Answered<Response> {
    let account = looked_at(&app, &staff, Look::Replay, account_id).await?;
    let story = Story::of(app.handles.store.clone(), account_id, Until::default());
    let currency = account.currency;
    // A line is made when the one before it has been taken: the book waits for a slow reader.
    let lines = stream::try_unfold(story, move |mut story| async move {
        let step = story.next().await.map_err(|error| {
            tracing::warn!(%error, "a replay broke off");
            std::io::Error::other(error)
        })?;
        let Some(step) = step else {
            return Ok(None);
        };
        let line = line(step, story.account(), currency)?;
        Ok::<_, std::io::Error>(Some((line, story)))
    });
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    Ok((kind, Body::from_stream(lines)).into_response())
}

fn line(step: Step, account: &Account, currency: Currency) -> Result<Bytes, std::io::Error> {
    let postings = postings::post(&step.event);
    let event = EventItem::of(step.recorded);
    let event = event.map_err(|_logged| std::io::Error::other("an event is no JSON"))?;
    let line = ReplayLine {
        event,
        postings,
        balance: number::money(account.funds.balance(), currency),
        state: account,
    };
    Ok(Bytes::from(json(&line) + "\n"))
}
