//! Registration and sign-in. **Permission:** public. Answers never tell whether an address is
//! registered.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode},
};
use chrono::Utc;
use daybook_domain::{
    AccountId, Client, ClientCommand, ClientId, ClientRejection, Currency,
    account::{AccountKind, Bucket, PositionMode},
    client::{Registration, normalised_email},
};
use daybook_engine::{EngineError, NewAccount, RegisterRequest};
use daybook_projections::names;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{guard::Tried, password};
use crate::{
    app::{App, Shared, sealed_origin},
    extract::{Info, JsonBody},
    problem::{Answered, Code, FieldError, Problem, ProblemBody},
    request::RequestInfo,
    routes::user::{MeBody, me_body},
};

const UNIQUE_EMAIL: &str = "email";
const SECRET_PASSWORD: &str = "password";

/// A person who signs up.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RegisterBody {
    #[schema(example = "ada@example.com")]
    email: String,
    /// 10 to 200 characters.
    #[serde(deserialize_with = "password::secret")]
    #[schema(value_type = String, example = "correct-horse-battery-staple")]
    password: SecretString,
    #[schema(example = "Ada")]
    first_name: String,
    #[schema(example = "Lovelace")]
    last_name: String,
    #[schema(example = "+44 20 7946 0000")]
    phone: Option<String>,
    /// ISO 3166-1 alpha-2.
    #[schema(example = "GB")]
    country: Option<String>,
    /// What the captcha gave the page, where one is configured.
    captcha_token: Option<String>,
}

/// The new client; a random identifier when the address was in use.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RegisteredBody {
    #[schema(example = "01997d0a-5a3e-7d31-9a53-0a4f2f1c7a00")]
    client_id: String,
}

/// Who signs in.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct LoginBody {
    #[schema(example = "ada@example.com")]
    email: String,
    #[serde(deserialize_with = "password::secret")]
    #[schema(value_type = String, example = "correct-horse-battery-staple")]
    password: SecretString,
    /// Not asked for at present.
    #[expect(
        dead_code,
        reason = "part of the contract, checked once there are second factors"
    )]
    totp: Option<String>,
    /// What the captcha gave the page, where one is configured.
    captcha_token: Option<String>,
}

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
    /// Null: there are no refresh tokens yet, sign in again.
    refresh_token: Option<String>,
    client: MeBody,
}

/// Opens a client with a demo account, which trades at once, and a live account.
#[utoipa::path(post, path = "/auth/register", operation_id = "register", tag = "auth", request_body = RegisterBody,
    responses(
        (status = 201, description = "Registered, or the address was in use", body = RegisteredBody),
        (status = 400, description = "Malformed, `weak_password`, `captcha_failed`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "`rate_limited`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable`, `overloaded`, `captcha_unavailable` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn register(
    State(app): State<Shared>,
    Info(info): Info,
    JsonBody { value, .. }: JsonBody<RegisterBody>,
) -> Answered<(StatusCode, HeaderMap, Json<RegisteredBody>)> {
    app.engine()?;
    let captcha_token = value.captcha_token.clone();
    let (registration, password) = checked(value)?;
    let captcha = app.captcha.check(captcha_token.as_deref(), info.address);
    captcha.await?;
    let client_id = ClientId(Uuid::now_v7());
    // Hashed in every case, so that an address in use takes as long as a new one.
    let password_hash = app.passwords.hash(password).await?;
    let email_hash = app
        .handles
        .store
        .keys()
        .lookup_hash(UNIQUE_EMAIL, &registration.email);
    let taken = app
        .handles
        .store
        .unique_owner(UNIQUE_EMAIL, &email_hash)
        .await?
        .is_some();
    let position = if taken {
        // Whose it is learns of this by mail, once there is mail.
        *app.handles.store.committed().borrow()
    } else {
        open_client(
            &app,
            &info,
            client_id,
            registration,
            email_hash,
            password_hash,
        )
        .await?
    };
    let mut headers = HeaderMap::new();
    headers.insert("daybook-position", HeaderValue::from(position));
    let body = RegisteredBody {
        client_id: client_id.to_string(),
    };
    Ok((StatusCode::CREATED, headers, Json(body)))
}

/// Commits the client and both accounts in one append.
async fn open_client(
    app: &App,
    info: &RequestInfo,
    client_id: ClientId,
    registration: Registration,
    email_hash: String,
    password_hash: String,
) -> Answered<i64> {
    let numbers = app.handles.store.next_account_numbers(2).await?;
    let accounts = accounts(&numbers, app);
    let (key, new_key) = app.handles.store.keys().create(client_id.0);
    let request = RegisterRequest {
        client_id,
        registration,
        email_hash,
        password_hash,
        accounts,
        origin: sealed_origin(&key, client_id, info, "register"),
        key,
        new_key,
    };
    match app.engine()?.register(request).await {
        Ok(reply) => {
            app.acknowledge(client_id, reply.position, true);
            Ok(reply.position)
        }
        // Somebody was faster with the same address.
        Err(EngineError::UniqueTaken { kind }) if kind == UNIQUE_EMAIL => {
            Ok(*app.handles.store.committed().borrow())
        }
        Err(error) => Err(error.into()),
    }
}

fn accounts(numbers: &[u64], app: &App) -> Vec<NewAccount> {
    let config = &app.handles.config;
    let kinds = [
        (AccountKind::Demo, Some((Bucket::Demo, config.demo_funds))),
        (AccountKind::Live, None),
    ];
    let account = |((kind, funds), number): ((AccountKind, _), &u64)| NewAccount {
        account_id: AccountId(Uuid::now_v7()),
        number: *number,
        kind,
        mode: PositionMode::Hedging,
        currency: Currency::USD,
        leverage: config.leverage,
        funds,
    };
    kinds.into_iter().zip(numbers).map(account).collect()
}

/// What the domain would refuse is refused here already, together with a weak password.
fn checked(body: RegisterBody) -> Answered<(Registration, SecretString)> {
    let given = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    let registration = Registration {
        email: body.email,
        first_name: body.first_name,
        last_name: body.last_name,
        phone: given(body.phone),
        country: given(body.country),
    };
    let registration = registration.normalised();
    let mut errors = Vec::new();
    let asked = ClientCommand::Register(registration.clone());
    match Client::default().decide(&asked, Utc::now()) {
        Ok(_) => {}
        Err(ClientRejection::InvalidField { field, message }) => {
            errors.push(FieldError::new(field, message));
        }
        Err(other @ (ClientRejection::AlreadyRegistered | ClientRejection::NotRegistered)) => {
            return Err(Problem::from(&other));
        }
    }
    let code = if errors.is_empty() {
        Code::WeakPassword
    } else {
        Code::InvalidValue
    };
    if let Err(message) = password::check(body.password.expose_secret(), &registration.email) {
        errors.push(FieldError::new("password", message));
    }
    if errors.is_empty() {
        Ok((registration, body.password))
    } else {
        Err(Problem::fields(code, errors))
    }
}

/// Signs in.
#[utoipa::path(post, path = "/auth/login", operation_id = "login", tag = "auth", request_body = LoginBody,
    responses(
        (status = 200, description = "Signed in", body = SessionBody),
        (status = 400, description = "Malformed, `captcha_failed`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`invalid_credentials`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "`sign_in_blocked`, `rate_limited`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable`, `overloaded` or `captcha_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn login(
    State(app): State<Shared>,
    Info(info): Info,
    JsonBody { value, .. }: JsonBody<LoginBody>,
) -> Answered<Json<SessionBody>> {
    let captcha = app
        .captcha
        .check(value.captcha_token.as_deref(), info.address);
    captcha.await?;
    let email = normalised_email(&value.email);
    let keys = app.handles.store.keys();
    let account = keys.lookup_hash(UNIQUE_EMAIL, &email);
    let check = owner_of(&app, &account, value.password);
    let attempt = app.sign_ins.attempt(&account, info.address, check);
    let client_id = attempt.await?;
    let client = signed_in_client(&app, client_id).await?;
    Ok(Json(SessionBody {
        access_token: app.tokens.issue(client_id, Utc::now()),
        expires_in: app.tokens.lifetime_s(),
        refresh_token: None,
        client,
    }))
}

/// Whose account it is, if the password is the account's.
async fn owner_of(app: &App, account: &str, password: SecretString) -> Answered<Tried<ClientId>> {
    let store = &app.handles.store;
    let owner = store.unique_owner(UNIQUE_EMAIL, account).await?;
    let stored = match owner {
        Some(owner) => store.secret(owner, SECRET_PASSWORD).await?,
        None => None,
    };
    let matches = app.passwords.verify(password, stored, || Ok(())).await?;
    Ok(match owner.filter(|_| matches) {
        Some(owner) => Tried::Right(ClientId(owner)),
        None => Tried::Wrong(Problem::new(Code::InvalidCredentials)),
    })
}

/// A client who registered a moment ago may not have reached this node's read model yet.
async fn signed_in_client(app: &App, client_id: ClientId) -> Answered<MeBody> {
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
