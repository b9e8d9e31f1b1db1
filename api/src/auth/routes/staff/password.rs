//! `POST /staff/auth/password`.

use axum::{extract::State, http::StatusCode};
use daybook_domain::StaffCommand;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use super::member_of;
use crate::{
    app::Shared,
    auth::{SECRET_PASSWORD, act::Beside, first::staff_email_hash, guard::Tried, password},
    extract::{JsonBody, StaffOf, Support},
    problem::{Answered, Code, FieldError, Problem, ProblemBody},
};

/// Another password.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StaffPasswordBody {
    #[serde(deserialize_with = "password::secret")]
    #[schema(value_type = String, example = "k7mwq-2xhbv-9pdtn-c4rja")]
    current: SecretString,
    #[serde(deserialize_with = "password::secret")]
    #[schema(value_type = String, example = "correct-horse-battery-staple")]
    password: SecretString,
}

/// Chooses another password with the former one; all other sessions end. Guesses count as failed
/// sign-ins. **Permission:** anybody of staff, for their own.
#[utoipa::path(post, path = "/staff/auth/password", operation_id = "staffPassword", tag = "staff", request_body = StaffPasswordBody,
    security(("staff" = ["support"])),
    responses(
        (status = 204, description = "Changed"),
        (status = 400, description = "Malformed, `weak_password`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthenticated`, `invalid_credentials`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "`sign_in_blocked`, `rate_limited`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable`, `overloaded` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn change(
    State(app): State<Shared>,
    staff: StaffOf<Support>,
    JsonBody { value, .. }: JsonBody<StaffPasswordBody>,
) -> Answered<StatusCode> {
    let act = staff.act(&app).await?;
    let member = member_of(&app, act.staff_id).await?;
    let chosen = value.password.expose_secret();
    password::check(chosen, &member.email, &[]).map_err(|message| {
        let error = FieldError::new("password", message);
        Problem::fields(Code::WeakPassword, vec![error])
    })?;
    let prove = async {
        let stored = app.handles.store.secret(act.staff_id.0, SECRET_PASSWORD);
        let checked = app.passwords.verify(value.current, stored.await?);
        Ok(if checked.await?.right {
            Tried::Right(())
        } else {
            Tried::Wrong(Problem::new(Code::InvalidCredentials))
        })
    };
    let account = staff_email_hash(app.handles.store.keys(), &member.email);
    let attempt = app.sign_ins.attempt(&account, staff.info.address, prove);
    attempt.await?;
    let hash = app.passwords.hash(value.password).await?;
    let command = StaffCommand::ChangePassword {
        kept: staff.identity.session_id,
    };
    let beside = Beside {
        secrets: vec![act.secret(SECRET_PASSWORD, hash)],
        session: None,
    };
    let asked = act.ask_with("change_password", command, beside).await?;
    asked.map_err(|refusal| Problem::from(&refusal))?;
    app.ended.look().await;
    Ok(StatusCode::NO_CONTENT)
}
