//! Going on with a session of staff, and ending it.

use axum::{Json, extract::State, http::StatusCode};
use daybook_domain::{StaffId, client::RevokeReason};
use daybook_store::Refreshed;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{StaffSessionBody, member_of};
use crate::{
    app::Shared,
    auth::{routes::refresh::rotate, session, staff_act::StaffAct, token::Audience},
    extract::{Info, JsonBody},
    problem::{Answered, Code, Problem, ProblemBody},
};

/// The refresh token.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StaffRefreshBody {
    refresh_token: String,
}

/// Who signs out, where no access token says so.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StaffLogoutBody {
    refresh_token: Option<String>,
}

/// Replaces the refresh token; works on every node. One that comes back after it had been replaced
/// ends the session: somebody has a copy.
#[utoipa::path(post, path = "/staff/auth/refresh", operation_id = "staffRefresh", tag = "staff", request_body = StaffRefreshBody,
    responses(
        (status = 200, description = "New tokens", body = StaffSessionBody),
        (status = 400, description = "Malformed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthenticated`, `token_expired`, `refresh_reused`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn refresh(
    State(app): State<Shared>,
    Info(info): Info,
    JsonBody { value, .. }: JsonBody<StaffRefreshBody>,
) -> Answered<Json<StaffSessionBody>> {
    let token = &value.refresh_token;
    let presented = app.tokens.verify_refresh(token, Audience::Staff)?;
    let (staff_id, session_id) = (StaffId(presented.subject), presented.session_id);
    match rotate(&app, &presented, Audience::Staff).await? {
        Refreshed::Child(row) => {
            let member = member_of(&app, staff_id).await?;
            let role = Some(member.role);
            let issued = session::issued_in_role(&app, session_id, &row, Audience::Staff, role);
            let body = StaffSessionBody::of(staff_id, &member, &issued);
            Ok(Json(body))
        }
        Refreshed::Reused { .. } => {
            // At once, whatever node this is; the book is told where it is written.
            app.handles.store.end_session(session_id.0).await?;
            app.ended.look().await;
            if app.engine().is_ok() {
                let act = StaffAct::of(&app, &info, staff_id).await?;
                let reason = RevokeReason::RefreshReused;
                act.end_session(session_id, reason).await?;
            }
            Err(Problem::new(Code::RefreshReused))
        }
        Refreshed::Gone => Err(Problem::new(Code::Unauthenticated)),
    }
}

/// Signs out: ends the session of the access token, else of the refresh token in the body.
#[utoipa::path(post, path = "/staff/auth/logout", operation_id = "staffLogout", tag = "staff", request_body = StaffLogoutBody,
    responses(
        (status = 204, description = "Signed out, or nobody was signed in"),
        (status = 503, description = "`unavailable`, `overloaded` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn logout(
    State(app): State<Shared>,
    Info(info): Info,
    JsonBody { value, .. }: JsonBody<StaffLogoutBody>,
) -> Answered<StatusCode> {
    let bearer = info.staff.as_ref().ok();
    let bearer = bearer.map(|identity| (identity.staff_id, identity.session_id));
    let by_token = || {
        let token = value.refresh_token.as_deref()?;
        let refresh = app.tokens.verify_refresh(token, Audience::Staff).ok()?;
        Some((StaffId(refresh.subject), refresh.session_id))
    };
    if let Some((staff_id, session_id)) = bearer.or_else(by_token) {
        let act = StaffAct::of(&app, &info, staff_id).await?;
        act.end_session(session_id, RevokeReason::SignedOut).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}
