//! How a session begins and goes on: an access token for a quarter of an hour, a refresh token for
//! a week, replaced with every use.

use std::time::Duration;

use axum::{
    Json,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use chrono::Utc;
use daybook_domain::{ClientId, SessionId, StaffRole};
use daybook_store::{Impersonation, Metadata, NewSession, RefreshRow, SubjectKey};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    browser,
    token::{Audience, Bearer, Refresh},
};
use crate::{
    app::App,
    problem::Answered,
    request::RequestInfo,
    routes::user::{ImpersonationBody, MeBody, me_body},
};

/// For so long after it was replaced, a refresh token gives the same child again: two tabs of a
/// browser may present it at the same time.
pub(crate) const REUSE_WINDOW: chrono::Duration = chrono::Duration::seconds(10);

/// Binds a reason's ciphertext, in the row of a session, to its purpose.
pub(crate) const SEALED_REASON: &str = "impersonation_reason";

/// A session.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionBody {
    /// Sent as `Authorization: Bearer …`.
    #[schema(example = "eyJhbGciOiJIUzI1NiIsImtpZCI6IjY2ZjYxN2Y0YTdjZSJ9.…")]
    access_token: String,
    /// Seconds that it lives.
    #[schema(example = 900)]
    expires_in: u64,
    /// Good for one `POST /auth/refresh`. Null with `X-Client: web`: the browser has it in a cookie.
    refresh_token: Option<String>,
    client: MeBody,
}

/// Tokens of a session, ready to be handed out.
pub(crate) struct Issued {
    pub(crate) access_token: String,
    /// Seconds that it lives.
    pub(crate) expires_in: u64,
    pub(crate) refresh_token: SecretString,
    pub(crate) session_id: SessionId,
    pub(crate) refresh_lives: Duration,
    /// Who acts in the client's place, and why, sealed.
    impersonation: Option<(String, String)>,
}

/// A session that begins; its row is committed with the event that says so.
pub(crate) fn begin(
    app: &App,
    info: &RequestInfo,
    key: &SubjectKey,
    audience: Audience,
    impersonation: Option<Impersonation>,
) -> NewSession {
    let now = Utc::now();
    let max_age = app.handles.config.session_max_age;
    let lives_for = max_age.map_or(app.tokens.refresh_ttl(), |max_age| {
        app.tokens.refresh_ttl().min(max_age)
    });
    let expires_at = now + lives_for;
    let ends_at = impersonation.as_ref().map(|told| told.ends_at);
    let user_agent = info.user_agent.as_deref();
    NewSession {
        session_id: Uuid::now_v7(),
        subject: key.subject,
        audience: audience.as_str(),
        user_agent: user_agent.map(|text| key.seal(Metadata::USER_AGENT, text)),
        address: key.seal(Metadata::IP, &info.address.to_string()),
        refresh_id: Uuid::now_v7(),
        issued_at: now,
        expires_at: ends_at.map_or(expires_at, |end| end.min(expires_at)),
        impersonation,
    }
}

/// The first tokens of a session.
pub(crate) fn issued_first(app: &App, session: &NewSession, audience: Audience) -> Issued {
    let session_id = SessionId(session.session_id);
    issued(app, session_id, &first_refresh(session), audience)
}

/// The refresh token that a session begins with.
pub(crate) fn first_refresh(session: &NewSession) -> RefreshRow {
    let told = session.impersonation.as_ref();
    RefreshRow {
        subject: session.subject,
        refresh_id: session.refresh_id,
        refresh_issued_at: session.issued_at,
        expires_at: session.expires_at,
        impersonated_by: told.map(|told| told.admin_id.clone()),
        impersonation_reason: told.map(|told| told.reason.clone()),
        ends_at: told.map(|told| told.ends_at),
    }
}

/// The tokens of a session whose newest refresh token is this.
pub(crate) fn issued(
    app: &App,
    session_id: SessionId,
    row: &RefreshRow,
    audience: Audience,
) -> Issued {
    issued_in_role(app, session_id, row, audience, None)
}

/// The same; of staff with their role.
pub(crate) fn issued_in_role(
    app: &App,
    session_id: SessionId,
    row: &RefreshRow,
    audience: Audience,
    role: Option<StaffRole>,
) -> Issued {
    let bearer = Bearer {
        subject: row.subject,
        session_id,
        audience,
        impersonated_by: row.impersonated_by.clone(),
        role,
    };
    let refresh = Refresh {
        subject: row.subject,
        session_id,
        token_id: row.refresh_id,
        issued_at: row.refresh_issued_at,
        expires_at: row.expires_at,
    };
    // A session that is about to end gives out no access beyond its end.
    let (now, until) = (Utc::now(), row.expires_at);
    let refresh_ttl = app.tokens.refresh_ttl();
    let left = |end: daybook_domain::Timestamp| (end - now).to_std().unwrap_or_default();
    let by = row.impersonated_by.clone();
    Issued {
        expires_in: app.tokens.lifetime_s(now, until),
        refresh_lives: row
            .ends_at
            .map_or(refresh_ttl, |end| left(end).min(refresh_ttl)),
        impersonation: by.zip(row.impersonation_reason.clone()),
        access_token: app.tokens.issue_access(&bearer, now, until),
        refresh_token: app.tokens.issue_refresh(&refresh, audience).into(),
        session_id,
    }
}

/// The answer of a sign-in or a refresh: the refresh token in the body, or in a browser's cookie.
pub(crate) async fn answer(
    app: &App,
    client_id: ClientId,
    issued: Issued,
    in_cookie: bool,
) -> Answered<Response> {
    let mut client = signed_in_client(app, client_id).await?;
    if let Some(told) = issued.impersonation {
        let key = app.handles.store.keys().get(client_id.0).await?;
        client.impersonation = Some(ImpersonationBody::open(&key, told)?);
    }
    let refresh_token = issued.refresh_token.expose_secret();
    let body = SessionBody {
        access_token: issued.access_token,
        expires_in: issued.expires_in,
        refresh_token: (!in_cookie).then(|| refresh_token.to_owned()),
        client,
    };
    let mut response = Json(body).into_response();
    if in_cookie {
        let (config, age) = (&app.handles.config, issued.refresh_lives);
        let cookies = browser::cookies(config, issued.session_id, refresh_token, age);
        set_cookies(response.headers_mut(), cookies);
    }
    Ok(response)
}

/// Adds `Set-Cookie` lines.
pub(crate) fn set_cookies(
    headers: &mut HeaderMap,
    cookies: impl IntoIterator<Item = axum::http::HeaderValue>,
) {
    for cookie in cookies {
        headers.append(header::SET_COOKIE, cookie);
    }
}

/// A client who registered a moment ago may not have reached this node's read model yet.
async fn signed_in_client(app: &App, client_id: ClientId) -> Answered<MeBody> {
    use daybook_projections::names;

    use crate::problem::Code;
    const MODELS: [&str; 2] = [names::CLIENTS, names::ACCOUNTS];
    let known = app.acknowledged.get(&client_id).unwrap_or_default();
    app.wait_for(&MODELS, known.any).await?;
    match me_body(app, client_id).await {
        Err(problem) if problem.code() == Code::NotFound => {
            let committed = *app.handles.store.committed().borrow();
            app.wait_for(&MODELS, committed).await?;
            me_body(app, client_id).await
        }
        found => found,
    }
}
