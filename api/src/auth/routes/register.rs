//! Signing up. The answer for an address in use is the one for a new one; its owner gets a mail.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode},
};
use chrono::Utc;
use daybook_domain::{
    AccountId, Client, ClientCommand, ClientId, ClientRejection, Currency,
    account::{AccountKind, Bucket, PositionMode},
    client::Registration,
};
use daybook_engine::{Answer, EngineError, NewAccount, RegisterRequest};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{email_hash, owner_of};
use crate::{
    app::{App, Shared, sealed_origin},
    auth::{UNIQUE_EMAIL, act::Act, password},
    extract::{Info, JsonBody},
    problem::{Answered, Code, FieldError, Problem, ProblemBody},
    request::RequestInfo,
};

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
    let email_hash = email_hash(&app, &registration.email);
    let position = match owner_of(&app, &email_hash).await? {
        Some(owner) => tell_owner(&app, &info, ClientId(owner)).await?,
        None => {
            let asked = (registration, email_hash, password_hash);
            open_client(&app, &info, client_id, asked).await?
        }
    };
    let mut headers = HeaderMap::new();
    headers.insert("daybook-position", HeaderValue::from(position));
    let body = RegisteredBody {
        client_id: client_id.to_string(),
    };
    Ok((StatusCode::CREATED, headers, Json(body)))
}

/// Whose it is learns of it by mail. It takes about as long as a registration.
async fn tell_owner(app: &App, info: &RequestInfo, owner: ClientId) -> Answered<i64> {
    let act = Act::of(app, info, owner).await?;
    let command = ClientCommand::RepeatRegistration;
    let asked = act.ask("register", command).await?;
    Ok(asked.position)
}

/// Commits the client and both accounts in one append.
async fn open_client(
    app: &App,
    info: &RequestInfo,
    client_id: ClientId,
    (registration, email_hash, password_hash): (Registration, String, String),
) -> Answered<i64> {
    let numbers = app.handles.store.next_account_numbers(2).await?;
    let accounts = accounts(&numbers, app);
    let (key, new_key) = app.handles.store.keys().create(client_id.0);
    let request = RegisterRequest {
        client_id,
        registration,
        email_hash,
        password_hash: Some(password_hash),
        further: Vec::new(),
        accounts,
        origin: sealed_origin(&key, client_id, info, "register"),
        key,
        new_key,
        idempotency: None,
        answer: Answer {
            status: 201,
            body: String::new(),
            keep: false,
        },
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

/// What everybody begins with.
pub(crate) fn accounts(numbers: &[u64], app: &App) -> Vec<NewAccount> {
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
        Err(other) => return Err(Problem::from(&other)),
    }
    let code = if errors.is_empty() {
        Code::WeakPassword
    } else {
        Code::InvalidValue
    };
    if let Err(message) = password::check(
        body.password.expose_secret(),
        &registration.email,
        &[&registration.first_name, &registration.last_name],
    ) {
        errors.push(FieldError::new("password", message));
    }
    if errors.is_empty() {
        Ok((registration, body.password))
    } else {
        Err(Problem::fields(code, errors))
    }
}
