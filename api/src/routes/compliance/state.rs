//! `GET /compliance/accounts/{id}/state`: an account as it was at some point.

use axum::{Json, extract::State};
use daybook_domain::{Account, AccountId, staff::Look};
use daybook_engine::{Story, Until};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{looked_at, whole_millisecond};
use crate::{
    app::Shared,
    extract::{Compliance, PathId, Query, StaffOf, parameter},
    number,
    problem::{Answered, Code, Problem, ProblemBody},
    routes::market::time_parameter,
    text,
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StateQuery {
    /// After all that was recorded by this time.
    #[param(example = "2026-01-31T09:30:00.000Z")]
    as_of: Option<String>,
    /// After all that stands at this position of the book or in front of it.
    #[param(example = "42")]
    position: Option<String>,
    /// After this event of the stream.
    #[param(example = "7")]
    sequence: Option<String>,
}

/// An account, and the event that left it so.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StateBody {
    #[schema(example = "01997d0a-5a3e-7d31-9a53-0a4f2f1c7a13")]
    account_id: String,
    /// Of the last event.
    #[schema(example = 7)]
    sequence: i64,
    #[schema(example = 42)]
    position: i64,
    #[schema(example = "OrderFilled")]
    event_type: String,
    #[schema(example = "2026-01-31T09:31:00.000Z")]
    recorded_at: String,
    /// Link of the stream's chain, in hexadecimal.
    hash: String,
    #[schema(example = "10000.00")]
    balance: String,
    /// All that is decided on.
    #[schema(value_type = Object)]
    state: Account,
}

/// An account as it is, or as it was, folded from its events by the code that trades.
/// **Permission:** compliance.
#[utoipa::path(get, path = "/compliance/accounts/{id}/state", operation_id = "getAccountState", tag = "compliance",
    params(("id" = Uuid, Path, description = "The account"), StateQuery),
    security(("staff" = ["compliance"])),
    responses(
        (status = 200, description = "The state", body = StateBody),
        (status = 400, description = "Malformed query, or more than one point in it", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthenticated`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such account, or none by then", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn state(
    State(app): State<Shared>,
    staff: StaffOf<Compliance>,
    PathId(account_id): PathId<AccountId>,
    Query(query): Query<StateQuery>,
) -> Answered<Json<StateBody>> {
    let until = until(&query)?;
    let row = looked_at(&app, &staff, Look::State, account_id).await?;
    let mut story = Story::of(app.handles.store.clone(), account_id, until);
    let mut last = None;
    while let Some(step) = story.next().await? {
        last = Some(step.recorded);
    }
    let last = last.ok_or_else(|| {
        Problem::with_detail(Code::NotFound, "the account was not open yet by then")
    })?;
    let account = story.into_account();
    Ok(Json(StateBody {
        account_id: account_id.to_string(),
        sequence: last.sequence,
        position: last.position,
        event_type: last.event_type.into_string(),
        recorded_at: text::time(last.recorded_at),
        hash: hex::encode(last.hash),
        balance: number::money(account.funds.balance(), row.currency),
        state: account,
    }))
}

/// One point, or none: then it is now.
fn until(query: &StateQuery) -> Answered<Until> {
    let given = [&query.as_of, &query.position, &query.sequence];
    if given.into_iter().flatten().count() > 1 {
        let message = "asOf, position and sequence exclude one another";
        return Err(Problem::field(Code::InvalidValue, "asOf", message));
    }
    let number = "must be a whole number";
    let as_of = time_parameter("asOf", query.as_of.as_deref())?;
    Ok(Until {
        as_of: as_of.map(whole_millisecond),
        position: parameter("position", query.position.as_deref(), number)?,
        sequence: parameter("sequence", query.sequence.as_deref(), number)?,
    })
}
