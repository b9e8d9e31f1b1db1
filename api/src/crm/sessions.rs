//! A client's sessions as the CRM ends them.

use axum::{extract::State, response::Response};
use daybook_domain::{ClientCommand, client::RevokeReason};
use serde::Deserialize;
use utoipa::ToSchema;

use super::named::{change, named, nothing};
use crate::{
    app::Shared,
    extract::{CrmChange, JsonBody, answer},
    problem::{Answered, ProblemBody},
};

/// Whom it is about.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct WhoBody {
    /// The client's identifier, `external:<externalId>` or `email:<address>`.
    #[schema(example = "01997d0a-5a3e-7d31-9a53-0a4f2f1c7a00")]
    client_id: String,
}

/// Ends all of a client's sessions, and their sockets, within a second.
#[utoipa::path(post, path = "/crm/force-logout", operation_id = "forceLogout", tag = "crm", request_body = WhoBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes repeating safe for 24 hours")),
    security(("crm" = [])),
    responses(
        (status = 204, description = "Ended"),
        (status = 400, description = "Malformed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthenticated`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such client", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn force_logout(
    State(app): State<Shared>,
    asked: CrmChange,
    JsonBody { value, bytes }: JsonBody<WhoBody>,
) -> Answered<Response> {
    let commands = vec![end_all(&asked)];
    decide(&app, &asked, &value, commands, ("force_logout", &bytes)).await
}

/// Mails a client a link to choose a new password, and ends all of their sessions. A mailbox gets
/// only so many of these an hour; the sessions end in every case.
#[utoipa::path(post, path = "/crm/password-reset", operation_id = "resetUserPassword", tag = "crm", request_body = WhoBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes repeating safe for 24 hours")),
    security(("crm" = [])),
    responses(
        (status = 204, description = "The mail is on its way"),
        (status = 400, description = "Malformed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthenticated`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such client", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn password_reset(
    State(app): State<Shared>,
    asked: CrmChange,
    JsonBody { value, bytes }: JsonBody<WhoBody>,
) -> Answered<Response> {
    let commands = vec![ClientCommand::RequestPasswordReset, end_all(&asked)];
    decide(&app, &asked, &value, commands, ("reset_password", &bytes)).await
}

fn end_all(asked: &CrmChange) -> ClientCommand {
    ClientCommand::RevokeSessions {
        session_id: None,
        kept: None,
        reason: RevokeReason::ForceLogout,
        by: asked.crm.actor.clone(),
    }
}

async fn decide(
    app: &Shared,
    asked: &CrmChange,
    who: &WhoBody,
    commands: Vec<ClientCommand>,
    (reason, body): (&str, &[u8]),
) -> Answered<Response> {
    let client = named(app, &who.client_id).await?;
    let told = (reason, body, nothing());
    let reply = change(app, asked, client, commands, told).await?;
    app.ended.look().await;
    Ok(answer(reply))
}
