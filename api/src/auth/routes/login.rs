//! Signing in and out.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use chrono::Utc;
use daybook_domain::{
    Client, ClientCommand, ClientId, ClientRejection, SessionId,
    client::{Factor, RevokeReason, SignInFailure},
};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{email_hash, owner_of};
use crate::{
    app::{App, Shared},
    auth::{
        SECRET_PASSWORD,
        act::{Act, Beside},
        browser,
        guard::Tried,
        password, session,
        session::SessionBody,
        token::Audience,
        totp::{self, SECRET_RECOVERY, SECRET_TOTP},
    },
    extract::{Info, JsonBody},
    problem::{Answered, Code, Problem, ProblemBody},
    request::RequestInfo,
};

/// Who signs in.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct LoginBody {
    #[schema(example = "ada@example.com")]
    email: String,
    #[serde(deserialize_with = "password::secret")]
    #[schema(value_type = String, example = "correct-horse-battery-staple")]
    password: SecretString,
    /// A code of the authenticator, or a recovery code, where a second factor is on.
    #[schema(example = "492039")]
    totp: Option<String>,
    /// What the captcha gave the page, where one is configured.
    captcha_token: Option<String>,
}

/// Who signs out, where no access token says so.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct LogoutBody {
    refresh_token: Option<String>,
}

/// Signs in. With `X-Client: web` the refresh token comes in the cookie `daybook_refresh`, and
/// `daybook_csrf` holds what `X-CSRF-Token` has to repeat.
#[utoipa::path(post, path = "/auth/login", operation_id = "login", tag = "auth", request_body = LoginBody,
    params(("X-Client" = Option<String>, Header, description = "`web`: cookies instead of a refresh token in the body")),
    responses(
        (status = 200, description = "Signed in", body = SessionBody),
        (status = 400, description = "Malformed, `captcha_failed`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`invalid_credentials`, `totp_required`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`client_suspended`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "`sign_in_blocked`, `rate_limited`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable`, `overloaded`, `captcha_unavailable` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn login(
    State(app): State<Shared>,
    Info(info): Info,
    headers: HeaderMap,
    JsonBody { value, .. }: JsonBody<LoginBody>,
) -> Answered<Response> {
    app.engine()?;
    let captcha_token = value.captcha_token.as_deref();
    app.captcha.check(captcha_token, info.address).await?;
    let account = email_hash(&app, &value.email);
    let shown = Credentials {
        owner: owner_of(&app, &account).await?.map(ClientId),
        password: value.password,
        totp: value.totp,
    };
    let check = check(&app, &info, shown);
    let attempt = app.sign_ins.attempt(&account, info.address, check);
    let (client_id, issued) = attempt.await?;
    let in_browser = browser::is_browser(&headers);
    if in_browser && let Some(former) = browser::refresh_token(&headers) {
        end_former(&app, &info, &former).await;
    }
    session::answer(&app, client_id, issued, in_browser).await
}

/// Ends the session that a browser had when somebody signed in on it anew: its cookie is replaced,
/// so nobody could end it any more. Only our own page sends the cookie. Where it cannot be ended it
/// runs out by itself.
async fn end_former(app: &Shared, info: &RequestInfo, refresh_token: &str) {
    let Ok(former) = app.tokens.verify_refresh(refresh_token, Audience::Client) else {
        return;
    };
    let client_id = ClientId(former.subject);
    if let Err(problem) = sign_out(app, info, client_id, former.session_id).await {
        let code = problem.code().entry().code;
        tracing::warn!(code, "a browser's former session goes on");
    }
}

/// Ends a session unless it has ended: that is no news to the book.
async fn sign_out(
    app: &App,
    info: &RequestInfo,
    client_id: ClientId,
    session_id: SessionId,
) -> Answered<()> {
    let live = app.handles.store.sessions_of(client_id.0, Utc::now());
    let live = live.await?;
    if let Some(row) = live.iter().find(|row| row.session_id == session_id.0) {
        let by = row.impersonated_by.as_deref();
        let act = Act::of_session(app, info, client_id, by).await?;
        end_session(&act, session_id, RevokeReason::SignedOut).await?;
    }
    Ok(())
}

/// What somebody shows to be let in.
struct Credentials {
    owner: Option<ClientId>,
    password: SecretString,
    totp: Option<String>,
}

/// Takes as long for an address that nobody has.
async fn check(
    app: &Shared,
    info: &Arc<RequestInfo>,
    shown: Credentials,
) -> Answered<Tried<(ClientId, session::Issued)>> {
    let subject = shown.owner.map_or_else(Uuid::now_v7, |owner| owner.0);
    let stored = app.handles.store.secret(subject, SECRET_PASSWORD).await?;
    let checked = app.passwords.verify(shown.password, stored).await?;
    let wrong = |reason| {
        if let Some(owner) = shown.owner {
            note(app, info, owner, reason);
        }
        Ok(Tried::Wrong(Problem::new(Code::InvalidCredentials)))
    };
    let Some(client_id) = shown.owner.filter(|_| checked.right) else {
        return wrong(SignInFailure::Password);
    };
    let act = Act::of(app, info, client_id).await?;
    let client = act.state().await?;
    let factor = match second_factor(&act, &client, shown.totp.as_deref()).await? {
        Shown::Right(factor) => factor,
        Shown::Missing => return Err(Problem::new(Code::TotpRequired)),
        Shown::Wrong => return wrong(SignInFailure::SecondFactor),
    };
    match sign_in(&act, factor, checked.rehashed).await? {
        Ok(issued) => Ok(Tried::Right((client_id, issued))),
        Err(ClientRejection::CodeUsed) => wrong(SignInFailure::SecondFactor),
        Err(refusal) => {
            if refusal == ClientRejection::Suspended {
                note(app, info, client_id, SignInFailure::Suspended);
            }
            Err(Problem::from(&refusal))
        }
    }
}

/// Tells the client's stream of a failure behind the answer's back: what is not there for an
/// unknown address must take no time.
fn note(app: &Shared, info: &Arc<RequestInfo>, client_id: ClientId, reason: SignInFailure) {
    let (app, info) = (Arc::clone(app), Arc::clone(info));
    tokio::spawn(async move {
        let noted = async {
            let act = Act::of(&app, &info, client_id).await?;
            let command = ClientCommand::FailSignIn { reason };
            act.ask("sign_in_failed", command).await
        };
        if let Err(problem) = noted.await {
            tracing::warn!(
                code = problem.code().entry().code,
                "a failed sign-in is not in the book"
            );
        }
    });
}

/// What was shown beside the password.
pub(super) enum Shown {
    Right(Factor),
    Missing,
    Wrong,
}

pub(super) async fn second_factor(
    act: &Act<'_>,
    client: &Client,
    shown: Option<&str>,
) -> Answered<Shown> {
    if client.security.two_factor.is_none() {
        return Ok(Shown::Right(Factor::None));
    }
    let Some(shown) = shown.filter(|text| !text.trim().is_empty()) else {
        return Ok(Shown::Missing);
    };
    let store = &act.app.handles.store;
    let totp = store.secret(act.client_id.0, SECRET_TOTP).await?;
    let recovery = store.secret(act.client_id.0, SECRET_RECOVERY).await?;
    let (Some(totp), Some(recovery)) = (totp, recovery) else {
        tracing::error!(client = %act.client_id, "a second factor is on and its secret is missing");
        return Err(Problem::new(Code::Internal));
    };
    let kept = totp::Kept { totp, recovery };
    let factor = totp::factor_of(store.keys(), &act.key, &kept, shown, Utc::now())?;
    Ok(factor.map_or(Shown::Wrong, Shown::Right))
}

async fn sign_in(
    act: &Act<'_>,
    factor: Factor,
    rehashed: Option<String>,
) -> Answered<Result<session::Issued, ClientRejection>> {
    let new = session::begin(act.app, act.info, &act.key, Audience::Client, None);
    let issued = session::issued_first(act.app, &new, Audience::Client);
    let keys = act.app.handles.store.keys();
    let command = ClientCommand::SignIn {
        session_id: SessionId(new.session_id),
        factor,
        device: keys.lookup_hash("device", &act.info.device),
        network: keys.lookup_hash("network", &act.info.network()),
    };
    let secrets = rehashed.map(|hash| act.secret(SECRET_PASSWORD, hash));
    let beside = Beside {
        secrets: secrets.into_iter().collect(),
        session: Some(Box::new(new)),
    };
    let asked = act.ask_with("sign_in", command, beside).await?;
    Ok(asked.map(|_| issued))
}

/// Signs out: ends the session of the access token, else of the refresh token in the body or in
/// the browser's cookie.
#[utoipa::path(post, path = "/auth/logout", operation_id = "logout", tag = "auth", request_body = LogoutBody,
    security((), ("bearer" = [])),
    responses(
        (status = 204, description = "Signed out, or nobody was signed in"),
        (status = 403, description = "`csrf_failed`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable`, `overloaded` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn logout(
    State(app): State<Shared>,
    Info(info): Info,
    headers: HeaderMap,
    JsonBody { value, .. }: JsonBody<LogoutBody>,
) -> Answered<Response> {
    let cookie = browser::refresh_token(&headers);
    let bearer = info.identity.as_ref().ok();
    let bearer = bearer.map(|identity| (identity.client_id, identity.session_id));
    let found = match (bearer, value.refresh_token.as_deref().or(cookie.as_deref())) {
        (Some(bearer), _) => Some(bearer),
        (None, Some(token)) => app
            .tokens
            .verify_refresh(token, Audience::Client)
            .ok()
            .map(|refresh| (ClientId(refresh.subject), refresh.session_id)),
        (None, None) => None,
    };
    if let Some((client_id, session_id)) = found {
        let by_cookie = bearer.is_none() && value.refresh_token.is_none();
        if by_cookie {
            browser::check(&headers, &app.handles.config, session_id)?;
        }
        sign_out(&app, &info, client_id, session_id).await?;
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    if cookie.is_some() {
        let gone = browser::no_cookies(&app.handles.config);
        session::set_cookies(response.headers_mut(), gone);
    }
    Ok(response)
}

/// Ends one session of the client, here and on every other node.
pub(crate) async fn end_session(
    act: &Act<'_>,
    session_id: SessionId,
    reason: RevokeReason,
) -> Answered<()> {
    let command = ClientCommand::RevokeSessions {
        session_id: Some(session_id),
        kept: None,
        reason,
        by: act.doer(),
    };
    act.ask("end_session", command).await?;
    act.app.ended.look().await;
    Ok(())
}
