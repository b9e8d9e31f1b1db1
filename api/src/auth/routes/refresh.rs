//! Going on: a refresh token for the next one.

use axum::{
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use chrono::Utc;
use daybook_domain::{ClientId, client::RevokeReason};
use daybook_store::{Refreshed, Rotation};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::login::end_session;
use crate::{
    app::{App, Shared},
    auth::{
        act::Act,
        browser,
        session::{self, REUSE_WINDOW, SessionBody},
        token::{Audience, Refresh},
    },
    extract::{Info, JsonBody},
    problem::{Answered, Code, Problem, ProblemBody},
    request::RequestInfo,
};

/// The refresh token; a browser has it in its cookie.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RefreshBody {
    refresh_token: Option<String>,
}

/// Replaces the refresh token. For 10 seconds the former one gives the same child again, so that
/// two tabs may ask at the same time; after that its use ends the session: somebody has a copy.
#[utoipa::path(post, path = "/auth/refresh", operation_id = "refresh", tag = "auth", request_body = RefreshBody,
    params(("X-CSRF-Token" = Option<String>, Header, description = "With a cookie: the value of `daybook_csrf`")),
    responses(
        (status = 200, description = "New tokens", body = SessionBody),
        (status = 400, description = "Malformed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthenticated`, `token_expired`, `refresh_reused`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`csrf_failed`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable`, `read_model_behind`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn refresh(
    State(app): State<Shared>,
    Info(info): Info,
    headers: HeaderMap,
    JsonBody { value, .. }: JsonBody<RefreshBody>,
) -> Answered<Response> {
    let in_cookie = value.refresh_token.is_none();
    let token = value
        .refresh_token
        .or_else(|| browser::refresh_token(&headers));
    let token = token.ok_or_else(|| Problem::new(Code::Unauthenticated))?;
    match replace(&app, &info, &headers, &token, in_cookie).await {
        // A browser forgets a token that is good for nothing.
        Err(problem) if in_cookie && problem.status() == 401 => {
            let gone = browser::no_cookies(&app.handles.config);
            let mut response = problem.into_response();
            session::set_cookies(response.headers_mut(), gone);
            Ok(response)
        }
        answered => answered,
    }
}

async fn replace(
    app: &App,
    info: &RequestInfo,
    headers: &HeaderMap,
    token: &str,
    in_cookie: bool,
) -> Answered<Response> {
    let presented = app.tokens.verify_refresh(token, Audience::Client)?;
    if in_cookie {
        browser::check(headers, &app.handles.config, presented.session_id)?;
    }
    let client_id = ClientId(presented.subject);
    match rotate(app, &presented, Audience::Client).await? {
        Refreshed::Child(row) => {
            let issued = session::issued(app, presented.session_id, &row, Audience::Client);
            session::answer(app, client_id, issued, in_cookie).await
        }
        Refreshed::Reused { .. } => {
            // At once, whatever node this is; the book is told where it is written.
            let store = &app.handles.store;
            store.end_session(presented.session_id.0).await?;
            app.ended.look().await;
            if app.engine().is_ok() {
                let told = store.impersonation_of(presented.session_id.0).await?;
                let by = told.as_ref().map(|(admin_id, _)| admin_id.as_str());
                let act = Act::of_session(app, info, client_id, by).await?;
                end_session(&act, presented.session_id, RevokeReason::RefreshReused).await?;
            }
            Err(Problem::new(Code::RefreshReused))
        }
        Refreshed::Gone => Err(Problem::new(Code::Unauthenticated)),
    }
}

/// Puts a new refresh token in the place of the presented one.
pub(crate) async fn rotate(
    app: &App,
    presented: &Refresh,
    audience: Audience,
) -> Answered<Refreshed> {
    let at = Utc::now();
    let rotation = Rotation {
        session_id: presented.session_id.0,
        audience: audience.as_str(),
        presented: presented.token_id,
        child: Uuid::now_v7(),
        at,
        expires_at: at + app.tokens.refresh_ttl(),
        max_age: app.handles.config.session_max_age,
        grace: REUSE_WINDOW,
    };
    Ok(app.handles.store.rotate_refresh(rotation).await?)
}
