//! `POST /staff/auth/login`.

use std::sync::Arc;

use axum::{Json, extract::State};
use chrono::Utc;
use daybook_domain::{
    SessionId, StaffCommand, StaffId, StaffRejection,
    client::{Factor, SignInFailure},
};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::StaffSessionBody;
use crate::{
    app::Shared,
    auth::{
        SECRET_PASSWORD, UNIQUE_STAFF_EMAIL,
        act::Beside,
        first::staff_email_hash,
        guard::Tried,
        password, session,
        staff_act::StaffAct,
        token::Audience,
        totp::{self, SECRET_TOTP},
    },
    extract::{Info, JsonBody},
    problem::{Answered, Code, Problem, ProblemBody},
    request::RequestInfo,
};

/// Who signs in.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StaffLoginBody {
    #[schema(example = "ines@broker.example")]
    email: String,
    #[serde(deserialize_with = "password::secret")]
    #[schema(value_type = String, example = "k7mwq-2xhbv-9pdtn-c4rja")]
    password: SecretString,
    /// A code of the authenticator: without one nobody signs in.
    #[schema(example = "492039")]
    totp: Option<String>,
}

/// Signs in. A code works once.
#[utoipa::path(post, path = "/staff/auth/login", operation_id = "staffLogin", tag = "staff", request_body = StaffLoginBody,
    responses(
        (status = 200, description = "Signed in", body = StaffSessionBody),
        (status = 400, description = "Malformed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`invalid_credentials`, `totp_required`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`staff_disabled`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "`sign_in_blocked`, `rate_limited`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable`, `overloaded` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn login(
    State(app): State<Shared>,
    Info(info): Info,
    JsonBody { value, .. }: JsonBody<StaffLoginBody>,
) -> Answered<Json<StaffSessionBody>> {
    app.engine()?;
    let store = &app.handles.store;
    let account = staff_email_hash(store.keys(), &value.email);
    let owner = store.unique_owner(UNIQUE_STAFF_EMAIL, &account).await?;
    let owner = owner.map(StaffId);
    let check = sign_in(&app, &info, owner, value);
    let attempt = app.sign_ins.attempt(&account, info.address, check);
    Ok(Json(attempt.await?))
}

/// Takes as long for an address that nobody of staff has.
async fn sign_in(
    app: &Shared,
    info: &Arc<RequestInfo>,
    owner: Option<StaffId>,
    shown: StaffLoginBody,
) -> Answered<Tried<StaffSessionBody>> {
    let store = &app.handles.store;
    let subject = owner.map_or_else(Uuid::now_v7, |id| id.0);
    let stored = store.secret(subject, SECRET_PASSWORD).await?;
    let checked = app.passwords.verify(shown.password, stored);
    let checked = checked.await?;
    let Some(staff_id) = owner.filter(|_| checked.right) else {
        return Ok(wrong(app, info, owner, SignInFailure::Password));
    };
    let Some(code) = shown.totp.filter(|code| !code.trim().is_empty()) else {
        return Err(Problem::new(Code::TotpRequired));
    };
    let act = StaffAct::of(app, info, staff_id).await?;
    let Some(step) = step_of(&act, &code).await? else {
        return Ok(wrong(app, info, owner, SignInFailure::SecondFactor));
    };
    let new = session::begin(app, info, &act.key, Audience::Staff, None);
    let first = session::first_refresh(&new);
    let session_id = SessionId(new.session_id);
    let rehashed = checked.rehashed;
    let rehashed = rehashed.map(|hash| act.secret(SECRET_PASSWORD, hash));
    let beside = Beside {
        secrets: rehashed.into_iter().collect(),
        session: Some(Box::new(new)),
    };
    let factor = Factor::Totp { step };
    let command = StaffCommand::SignIn { session_id, factor };
    match act.ask_with("sign_in", command, beside).await? {
        Ok(reply) => {
            let role = Some(reply.member.role);
            let issued = session::issued_in_role(app, session_id, &first, Audience::Staff, role);
            let body = StaffSessionBody::of(staff_id, &reply.member, &issued);
            Ok(Tried::Right(body))
        }
        Err(StaffRejection::Disabled) => {
            note(app, info, staff_id, SignInFailure::Suspended);
            Err(Problem::new(Code::StaffDisabled))
        }
        Err(StaffRejection::CodeUsed | StaffRejection::CodeRequired) => {
            Ok(wrong(app, info, owner, SignInFailure::SecondFactor))
        }
        Err(
            other @ (StaffRejection::AlreadyCreated
            | StaffRejection::NotCreated
            | StaffRejection::InvalidField { .. }),
        ) => Err(Problem::from(&other)),
    }
}

/// The time step that a code is of, where it is right in itself.
async fn step_of(act: &StaffAct<'_>, code: &str) -> Answered<Option<i64>> {
    let store = &act.app.handles.store;
    let sealed = store.secret(act.staff_id.0, SECRET_TOTP).await?;
    let sealed = sealed.ok_or_else(|| {
        tracing::error!(staff = %act.staff_id, "the secret of an authenticator is missing");
        Problem::new(Code::Internal)
    })?;
    let secret = totp::open(&act.key, SECRET_TOTP, &sealed)?;
    totp::step_of(&secret, code, Utc::now())
}

/// Tells the stream of it behind the answer's back: what is not there for an unknown address must
/// take no time.
fn wrong<T>(
    app: &Shared,
    info: &Arc<RequestInfo>,
    owner: Option<StaffId>,
    reason: SignInFailure,
) -> Tried<T> {
    if let Some(staff_id) = owner {
        note(app, info, staff_id, reason);
    }
    Tried::Wrong(Problem::new(Code::InvalidCredentials))
}

fn note(app: &Shared, info: &Arc<RequestInfo>, staff_id: StaffId, reason: SignInFailure) {
    let (app, info) = (Arc::clone(app), Arc::clone(info));
    tokio::spawn(async move {
        let noted = async {
            let act = StaffAct::of(&app, &info, staff_id).await?;
            let command = StaffCommand::FailSignIn { reason };
            act.ask("sign_in_failed", command).await
        };
        if let Err(problem) = noted.await {
            tracing::warn!(
                code = problem.code().entry().code,
                "a failed sign-in of staff is not in the book"
            );
        }
    });
}
