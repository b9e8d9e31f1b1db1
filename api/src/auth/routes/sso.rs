//! Somebody of the broker's comes in a client's place: by a token of ours that the CRM asked for, or
//! by one that the CRM made. Either lets in once. See docs/IMPERSONATION.md.

use axum::{
    extract::State,
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::Utc;
use daybook_domain::{
    ClientCommand, ClientEvent, ClientId, GrantId, SessionId,
    client::{Grant, Pass, impersonation::GRANT_LIVES_S},
};
use daybook_engine::{Answer, ClientRequest, Reply};
use daybook_store::{Impersonation, SubjectKey};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::client_of;
use crate::{
    app::{App, Shared},
    auth::{
        act::{Act, Beside},
        browser,
        session::{self, SEALED_REASON},
        sso::Permission,
        token::Audience,
    },
    extract::{Info, JsonBody, Query, SsoIssuer, answer, json, refusal},
    problem::{Answered, Code, Problem, ProblemBody},
    request::RequestInfo,
};

/// Binds a kept answer's ciphertext to its purpose: it holds a token.
const SEALED_ANSWER: &str = "sso_answer";
/// What the contract says to all of them.
const REFUSED: &str = "Invalid or expired SSO token";

/// Who comes in whose place, and why.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ImpersonateBody {
    #[schema(value_type = Uuid, example = "01997d0a-5a3e-7d31-9a53-0a4f2f1c7a00")]
    client_id: ClientId,
    /// One line of 1 to 500 characters. The client reads it.
    #[schema(example = "cannot find the statement")]
    reason: String,
    /// Who comes, 1 to 100 characters; `X-Crm-Actor` where left out, else `crm`.
    #[schema(example = "ines@broker.example")]
    admin_id: Option<String>,
}

/// A token that lets in once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SsoTokenBody {
    #[schema(example = "eyJhbGciOiJIUzI1NiIsImtpZCI6IjY2ZjYxN2Y0YTdjZSJ9.…")]
    sso_token: String,
    /// To be opened in the browser of whoever comes.
    #[schema(example = "https://api.example.com/api/v1/sso/consume?token=eyJ…")]
    sso_url: String,
    /// Seconds that it lives.
    #[schema(example = 120)]
    expires_in: i64,
}

/// The token.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SsoQuery {
    /// What was handed out, or what the CRM made.
    #[param(value_type = String)]
    token: Option<String>,
}

/// Lets somebody of the broker's come in a client's place, once. **Permission:** `CRM_SERVICE_TOKEN`
/// or `SSO_IMPERSONATION_SECRET` as the bearer.
#[utoipa::path(post, path = "/sso/impersonate", operation_id = "grantImpersonation", tag = "crm", request_body = ImpersonateBody,
    params(
        ("X-Crm-Actor" = Option<String>, Header, description = "The operator in the CRM"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes repeating safe for 24 hours"),
    ),
    security(("crm" = [])),
    responses(
        (status = 200, description = "A token, good for one use within two minutes", body = SsoTokenBody),
        (status = 400, description = "Malformed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthenticated`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`client_suspended`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such client", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable`, `overloaded` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn grant(
    State(app): State<Shared>,
    issuer: SsoIssuer,
    JsonBody { value, bytes }: JsonBody<ImpersonateBody>,
) -> Answered<Response> {
    let client_id = value.client_id;
    let key = app.handles.store.keys().find(client_id.0).await?;
    let key = key.ok_or_else(|| Problem::new(Code::NotFound))?;
    let admin_id = value.admin_id.as_deref().unwrap_or(issuer.operator());
    let permission = Permission {
        client_id,
        grant_id: GrantId(Uuid::now_v7()),
        admin_id: admin_id.trim().to_owned(),
    };
    let now = Utc::now();
    let expires_at = now + chrono::Duration::seconds(GRANT_LIVES_S);
    let token = app.sso.issue(&permission, now, expires_at);
    let grant = Grant {
        admin_id: permission.admin_id,
        reason: value.reason.trim().to_owned(),
        expires_at,
        used: false,
    };
    let request = ClientRequest {
        client_id,
        command: ClientCommand::GrantImpersonation {
            grant_id: permission.grant_id,
            grant,
            by: issuer.actor.clone(),
        },
        key: key.clone(),
        origin: issuer.origin("grant_impersonation"),
        idempotency: issuer.idempotency(&bytes),
        render: rendered(&app, token, key.clone(), &issuer.info),
    };
    let reply = app.engine()?.client(request).await;
    let reply = reply.map_err(|error| absent(error.into()))?;
    let body = key.open(SEALED_ANSWER, &reply.body)?;
    Ok(answer(Reply { body, ..reply }))
}

/// The answer holds a token and is kept under the idempotency key: so it is sealed.
fn rendered(
    app: &App,
    sso_token: String,
    key: SubjectKey,
    info: &RequestInfo,
) -> daybook_engine::RenderClient {
    let api_url = &app.handles.config.impersonation.api_url;
    let body = json(&SsoTokenBody {
        sso_url: format!("{api_url}/api/v1/sso/consume?token={sso_token}"),
        sso_token,
        expires_in: GRANT_LIVES_S,
    });
    let request_id = info.id.clone();
    Box::new(move |outcome| match outcome {
        Err(rejection) => refusal(&Problem::from(rejection), &request_id),
        Ok(_) => Answer {
            status: 200,
            body: key.seal(SEALED_ANSWER, &body),
            keep: true,
        },
    })
}

/// Opens a client's session to whoever holds a token of `POST /sso/impersonate`: sets the cookies of
/// a browser's session and leads to the site. Works once. **Permission:** the token.
#[utoipa::path(get, path = "/sso/consume", operation_id = "consumeSso", tag = "auth", params(SsoQuery),
    responses(
        (status = 302, description = "Signed in: on to `{APP_URL}/dashboard`, with the cookies `daybook_refresh` and `daybook_csrf`"),
        (status = 401, description = "`invalid_sso_token`: invalid, expired or used", body = ProblemBody, content_type = "application/problem+json"),
        (status = 405, description = "`HEAD`: a preview must not use the token up", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable`, `overloaded` or `not_leader`; the token was not used", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn consume(
    State(app): State<Shared>,
    Info(info): Info,
    method: Method,
    Query(query): Query<SsoQuery>,
) -> Answered<Response> {
    let token = asked(&app, &method, query)?;
    let read = app.sso.verify(&token);
    let read = read.map_err(|_| refused("consume", "not_genuine"))?;
    let grant_id = read.grant_id;
    let act = Act::in_place(&app, &info, read.client_id, &read.admin_id).await;
    let act = act.map_err(of_nobody)?;
    let client = act.state().await;
    let client = client.map_err(of_nobody)?;
    // One that is not remembered lets nobody in, whatever reason stands beside it.
    let grant = client.impersonations.grant(grant_id);
    let reason = grant.map_or("", |grant| grant.reason.as_str());
    enter(&act, &read.admin_id, reason, Pass::Grant { grant_id }).await
}

/// The same for a token that the CRM made: HS256 with `CRM_SSO_SECRET`, claims `clientEmail`,
/// `impersonatedBy`, `iat`, `exp` (at most 15 minutes later), optionally `reason`. Works once.
/// **Permission:** the token.
#[utoipa::path(get, path = "/sso/impersonate", operation_id = "consumeCrmSso", tag = "auth", params(SsoQuery),
    responses(
        (status = 302, description = "Signed in: on to `{APP_URL}/dashboard`, with the cookies `daybook_refresh` and `daybook_csrf`"),
        (status = 401, description = "`invalid_sso_token`: invalid, expired or used", body = ProblemBody, content_type = "application/problem+json"),
        (status = 405, description = "`HEAD`: a preview must not use the token up", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable`, `overloaded` or `not_leader`; the token was not used", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn consume_crm(
    State(app): State<Shared>,
    Info(info): Info,
    method: Method,
    Query(query): Query<SsoQuery>,
) -> Answered<Response> {
    let token = asked(&app, &method, query)?;
    let read = app.sso.verify_crm(&token);
    let read = read.map_err(|_| refused("impersonate", "not_genuine"))?;
    let client_id = client_of(&app, &read.client_email).await?;
    let client_id = client_id.ok_or_else(|| refused("impersonate", "no_such_client"))?;
    let act = Act::in_place(&app, &info, client_id, &read.admin_id).await;
    let act = act.map_err(of_nobody)?;
    let pass = Pass::Crm {
        hash: read.hash,
        admin_id: read.admin_id.clone(),
        reason: read.reason.clone(),
        issued_at: read.issued_at,
        expires_at: read.expires_at,
    };
    enter(&act, &read.admin_id, &read.reason, pass).await
}

/// The token that is shown, where the book is written. Whoever only looks ahead, as mail programs
/// and messengers do, uses none up.
fn asked(app: &App, method: &Method, query: SsoQuery) -> Answered<String> {
    if *method == Method::HEAD {
        return Err(Problem::new(Code::MethodNotAllowed));
    }
    app.engine()?;
    query.token.ok_or_else(|| refused("any", "missing"))
}

/// Whoever is absent, or was erased, is visited by nobody; everything else that fails, the database
/// for example, says nothing about the token.
fn of_nobody(problem: Problem) -> Problem {
    if is_absent(&problem) {
        refused("any", "no_such_client")
    } else {
        problem
    }
}

fn is_absent(problem: &Problem) -> bool {
    matches!(problem.code(), Code::Unauthenticated | Code::NotFound)
}

/// The same, told to the CRM.
fn absent(problem: Problem) -> Problem {
    if is_absent(&problem) {
        Problem::new(Code::NotFound)
    } else {
        problem
    }
}

/// One answer to everything that lets nobody in: which it was stands in the log, and of a genuine
/// token in the book.
fn refused(door: &'static str, reason: &'static str) -> Problem {
    tracing::warn!(door, reason, "an SSO token was refused");
    metrics::counter!("daybook_sso_refused_total", "reason" => reason).increment(1);
    Problem::with_detail(Code::InvalidSsoToken, REFUSED)
}

async fn enter(act: &Act<'_>, admin_id: &str, reason: &str, pass: Pass) -> Answered<Response> {
    let app = act.app;
    let lives = app.handles.config.impersonation.session_ttl;
    let lives = chrono::Duration::from_std(lives).unwrap_or(chrono::Duration::hours(1));
    let impersonation = Impersonation {
        admin_id: admin_id.to_owned(),
        reason: act.key.seal(SEALED_REASON, reason),
        ends_at: Utc::now() + lives,
    };
    let new = session::begin(
        app,
        act.info,
        &act.key,
        Audience::Client,
        Some(impersonation),
    );
    let issued = session::issued_first(app, &new, Audience::Client);
    let command = ClientCommand::Impersonate {
        session_id: SessionId(new.session_id),
        pass,
    };
    let beside = Beside {
        session: Some(Box::new(new)),
        ..Beside::default()
    };
    let told = act.ask_with("impersonate", command, beside).await;
    let told = told.map_err(of_nobody)?;
    let came = |event: &ClientEvent| matches!(event, ClientEvent::ImpersonationConsumed { .. });
    if !told.is_ok_and(|reply| reply.events.iter().any(came)) {
        return Err(refused("any", "not_good"));
    }
    let mut response = StatusCode::FOUND.into_response();
    let config = &app.handles.config;
    let headers = response.headers_mut();
    let token = issued.refresh_token.expose_secret();
    let cookies = browser::cookies(config, issued.session_id, token, issued.refresh_lives);
    session::set_cookies(headers, cookies);
    headers.insert(header::LOCATION, dashboard(config)?);
    Ok(response)
}

/// Where the site takes over. No part of it comes from the request.
fn dashboard(config: &crate::config::ApiConfig) -> Answered<HeaderValue> {
    let url = format!("{}/dashboard", config.impersonation.app_url);
    HeaderValue::from_str(&url).map_err(|error| {
        tracing::error!(%error, "APP_URL is no address");
        Problem::new(Code::Internal)
    })
}
