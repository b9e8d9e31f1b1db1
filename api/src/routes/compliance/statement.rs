//! `GET /compliance/accounts/{id}/statement`: what the client could read at that time.

use axum::{extract::State, response::Response};
use chrono::{Duration, SubsecRound};
use daybook_domain::{AccountId, staff::Look};
use serde::Deserialize;
use utoipa::IntoParams;

use super::looked_at;
use crate::{
    app::Shared,
    extract::{Compliance, PathId, Query, StaffOf},
    problem::{Answered, ProblemBody},
    routes::{
        market::time_parameter,
        trading::statement::{Format, StatementBody, written_out},
    },
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PastStatementQuery {
    /// From this time on; from the opening of the account where left out.
    #[param(example = "2026-01-01T00:00:00.000Z")]
    from: Option<String>,
    /// Up to and including this time; until now where left out.
    #[param(example = "2026-01-31T09:30:00.000Z")]
    as_of: Option<String>,
    /// `json` (where left out), `csv` or `hledger`.
    #[param(example = "json")]
    format: Option<String>,
}

/// An account's statement as of an instant: what was corrected later is not in it.
/// **Permission:** compliance.
#[utoipa::path(get, path = "/compliance/accounts/{id}/statement", operation_id = "getAccountStatement", tag = "compliance",
    params(("id" = Uuid, Path, description = "The account"), PastStatementQuery),
    security(("staff" = ["compliance"])),
    responses(
        (status = 200, description = "The statement", content(
            (StatementBody = "application/json"),
            (String = "text/csv"),
            (String = "text/plain"),
        )),
        (status = 400, description = "Malformed query", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthenticated`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such account", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn statement(
    State(app): State<Shared>,
    staff: StaffOf<Compliance>,
    PathId(account_id): PathId<AccountId>,
    Query(query): Query<PastStatementQuery>,
) -> Answered<Response> {
    let format = Format::of(query.format.as_deref())?;
    let from = time_parameter("from", query.from.as_deref())?;
    let as_of = time_parameter("asOf", query.as_of.as_deref())?;
    // A statement ends before its end, and tells instants to the millisecond.
    let to = as_of.map(|as_of| as_of.trunc_subsecs(3) + Duration::milliseconds(1));
    let account = looked_at(&app, &staff, Look::Statement, account_id).await?;
    written_out(&app, &account, (from, to), format).await
}
