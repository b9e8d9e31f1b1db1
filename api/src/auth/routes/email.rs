//! The address: is it theirs?

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use daybook_domain::{ClientCommand, ClientId};
use serde::Deserialize;
use utoipa::ToSchema;

use super::client_of;
use crate::{
    app::Shared,
    auth::{act::Act, link},
    extract::{Info, JsonBody},
    problem::{Answered, Code, Problem, ProblemBody},
    request::RequestInfo,
};

/// The token of a mail's link.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TokenBody {
    token: String,
}

/// An address.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AddressBody {
    #[schema(example = "ada@example.com")]
    email: String,
}

/// The link in the mail was opened: the address is the client's own.
#[utoipa::path(post, path = "/auth/verify-email", operation_id = "verifyEmail", tag = "auth", request_body = TokenBody,
    responses(
        (status = 204, description = "Verified, now or before"),
        (status = 400, description = "`invalid_token`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable`, `overloaded` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn verify(
    State(app): State<Shared>,
    Info(info): Info,
    JsonBody { value, .. }: JsonBody<TokenBody>,
) -> Answered<StatusCode> {
    let read = link::verify_email(&app, &value.token)?;
    let act = Act::of(&app, &info, read.client_id)
        .await
        .map_err(link::of_nobody)?;
    let client = act.state().await?;
    let profile = client.profile.as_ref();
    let same = profile.is_some_and(|known| read.is_of(&known.email));
    if !same {
        return Err(Problem::new(Code::InvalidToken));
    }
    act.ask("verify_email", ClientCommand::VerifyEmail).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Asks for one more mail to verify the address. The answer is the same for every address.
#[utoipa::path(post, path = "/auth/resend-verification", operation_id = "resendVerification", tag = "auth", request_body = AddressBody,
    responses(
        (status = 202, description = "A mail is on its way, if the address is registered and not verified"),
        (status = 400, description = "Malformed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn resend(
    State(app): State<Shared>,
    Info(info): Info,
    JsonBody { value, .. }: JsonBody<AddressBody>,
) -> Answered<StatusCode> {
    app.engine()?;
    let command = ClientCommand::RequestVerification;
    behind_the_answer(app, info, &value.email, "resend_verification", command).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Asks for a mail with a link to choose a new password. The answer is the same for every address.
#[utoipa::path(post, path = "/auth/forgot", operation_id = "forgotPassword", tag = "auth", request_body = AddressBody,
    responses(
        (status = 202, description = "A mail is on its way, if the address is registered"),
        (status = 400, description = "Malformed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn forgot(
    State(app): State<Shared>,
    Info(info): Info,
    JsonBody { value, .. }: JsonBody<AddressBody>,
) -> Answered<StatusCode> {
    app.engine()?;
    let command = ClientCommand::RequestPasswordReset;
    behind_the_answer(app, info, &value.email, "forgot_password", command).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Looks for the address, which takes as long for any, and does the rest where nobody can measure
/// how long it takes.
async fn behind_the_answer(
    app: Shared,
    info: Arc<RequestInfo>,
    email: &str,
    reason: &'static str,
    command: ClientCommand,
) -> Answered<()> {
    let Some(client_id) = client_of(&app, email).await? else {
        return Ok(());
    };
    tokio::spawn(async move {
        if let Err(problem) = ask(&app, &info, client_id, reason, command).await {
            tracing::warn!(
                reason,
                code = problem.code().entry().code,
                "a mail was not asked for"
            );
        }
    });
    Ok(())
}

async fn ask(
    app: &Shared,
    info: &RequestInfo,
    client_id: ClientId,
    reason: &'static str,
    command: ClientCommand,
) -> Answered<()> {
    let act = Act::of(app, info, client_id).await?;
    act.ask(reason, command).await.map(drop)
}
