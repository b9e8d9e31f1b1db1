//! Choosing another password.

use axum::{extract::State, http::StatusCode};
use daybook_domain::{Client, ClientCommand, ClientRejection};
use daybook_mail::PasswordReset;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use super::email_hash;
use crate::{
    app::{App, Shared},
    auth::{
        SECRET_PASSWORD,
        act::{Act, Beside},
        guard::Tried,
        link, password,
    },
    extract::{InPerson, Info, JsonBody},
    problem::{Answered, Code, FieldError, Problem, ProblemBody},
    request::RequestInfo,
};

/// A new password through a mail's link.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ResetBody {
    token: String,
    #[serde(deserialize_with = "password::secret")]
    #[schema(value_type = String, example = "tuesday-kettle-nine-marbles")]
    password: SecretString,
}

/// A new password with the former one.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ChangeBody {
    #[serde(deserialize_with = "password::secret")]
    #[schema(value_type = String, example = "correct-horse-battery-staple")]
    current: SecretString,
    #[serde(deserialize_with = "password::secret")]
    #[schema(value_type = String, example = "tuesday-kettle-nine-marbles")]
    password: SecretString,
}

/// Chooses a new password through a mail's link, which works once. All sessions end, and a block of
/// the account is lifted, unless it guards a second factor too.
#[utoipa::path(post, path = "/auth/reset", operation_id = "resetPassword", tag = "auth", request_body = ResetBody,
    responses(
        (status = 204, description = "Changed; sign in with the new one"),
        (status = 400, description = "`invalid_token`, `weak_password`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable`, `overloaded` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn reset(
    State(app): State<Shared>,
    Info(info): Info,
    JsonBody { value, .. }: JsonBody<ResetBody>,
) -> Answered<StatusCode> {
    let PasswordReset { client_id, number } = link::reset_password(&app, &value.token)?;
    let act = Act::of(&app, &info, client_id).await;
    let act = act.map_err(link::of_nobody)?;
    let client = act.state().await?;
    if !client.security.reset_open || client.security.resets != number {
        // Before a password is hashed for a link that is spent.
        return Err(Problem::from(&ClientRejection::ResetLinkSpent));
    }
    check(&client, &value.password)?;
    let hash = app.passwords.hash(value.password).await?;
    let command = ClientCommand::ResetPassword { number };
    keep(&act, "reset_password", command, hash).await?;
    // A mailbox is no second factor: whoever has nothing else must not get more guesses at codes.
    if client.security.two_factor.is_none() {
        app.sign_ins.forgive(&account_of(&app, &client)).await;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// The same route under its other name.
#[utoipa::path(post, path = "/auth/password/reset", operation_id = "resetPasswordAlias", tag = "auth", request_body = ResetBody,
    responses(
        (status = 204, description = "Changed; sign in with the new one"),
        (status = 400, description = "`invalid_token`, `weak_password`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable`, `overloaded` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn reset_alias(
    state: State<Shared>,
    info: Info,
    body: JsonBody<ResetBody>,
) -> Answered<StatusCode> {
    reset(state, info, body).await
}

/// Chooses a new password with the former one. All other sessions end. **Permission:** the client
/// in person.
#[utoipa::path(post, path = "/auth/password", operation_id = "changePassword", tag = "auth", request_body = ChangeBody,
    security(("bearer" = [])),
    responses(
        (status = 204, description = "Changed"),
        (status = 400, description = "`weak_password`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`impersonation_restricted`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthenticated`, `invalid_credentials`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "`sign_in_blocked`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable`, `overloaded` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn change(
    State(app): State<Shared>,
    InPerson(identity): InPerson,
    Info(info): Info,
    JsonBody { value, .. }: JsonBody<ChangeBody>,
) -> Answered<StatusCode> {
    let act = Act::of(&app, &info, identity.client_id).await?;
    let client = act.state().await?;
    check(&client, &value.password)?;
    prove_password(&app, &info, &act, &client, value.current).await?;
    let hash = app.passwords.hash(value.password).await?;
    let command = ClientCommand::ChangePassword {
        kept: identity.session_id,
    };
    keep(&act, "change_password", command, hash).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn check(client: &Client, password: &SecretString) -> Answered<()> {
    let known = client.profile.as_ref();
    let known = known.ok_or_else(|| Problem::new(Code::NotFound))?;
    let names = [known.first_name.as_str(), known.last_name.as_str()];
    password::check(password.expose_secret(), &known.email, &names).map_err(|message| {
        let error = FieldError::new("password", message);
        Problem::fields(Code::WeakPassword, vec![error])
    })
}

async fn keep(
    act: &Act<'_>,
    reason: &'static str,
    command: ClientCommand,
    hash: String,
) -> Answered<()> {
    let beside = Beside {
        secrets: vec![act.secret(SECRET_PASSWORD, hash)],
        session: None,
    };
    let asked = act.ask_with(reason, command, beside).await?;
    asked.map_err(|refusal| Problem::from(&refusal))?;
    act.app.ended.look().await;
    Ok(())
}

/// Whoever holds a session still has to know the password; guesses count as failed sign-ins.
pub(super) async fn prove_password(
    app: &App,
    info: &RequestInfo,
    act: &Act<'_>,
    client: &Client,
    password: SecretString,
) -> Answered<()> {
    let account = account_of(app, client);
    let check = async {
        let stored = app.handles.store.secret(act.client_id.0, SECRET_PASSWORD);
        let checked = app.passwords.verify(password, stored.await?).await?;
        Ok(if checked.right {
            Tried::Right(())
        } else {
            Tried::Wrong(Problem::new(Code::InvalidCredentials))
        })
    };
    app.sign_ins.attempt(&account, info.address, check).await
}

/// What failed sign-ins to the client are counted for.
pub(super) fn account_of(app: &App, client: &Client) -> String {
    let known = client.profile.as_ref();
    known.map_or_else(String::new, |known| email_hash(app, &known.email))
}
