//! The second factor: set up, proved, disabled. **Permission:** the client in
//! person.

use axum::{Json, extract::State, http::StatusCode};
use chrono::Utc;
use daybook_domain::{ClientCommand, ClientRejection};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    login::{Shown, second_factor},
    password::{account_of, prove_password},
};
use crate::{
    app::Shared,
    auth::{
        act::{Act, Beside},
        guard::Tried,
        password,
        totp::{self, SECRET_RECOVERY, SECRET_TOTP, SECRET_TOTP_PENDING},
    },
    extract::{InPerson, Info, JsonBody},
    problem::{Answered, Code, Problem, ProblemBody},
};

/// What goes into an authenticator.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SetupBody {
    /// Base32.
    #[schema(example = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")]
    secret: String,
    #[schema(
        example = "otpauth://totp/Daybook:ada%40example.com?secret=JBSWY3DPEHPK3PXP&issuer=Daybook"
    )]
    otpauth_url: String,
    /// The same as a picture.
    #[schema(example = "<svg …>…</svg>")]
    qr_svg: String,
}

/// A code of the authenticator.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CodeBody {
    #[schema(example = "492039")]
    code: String,
}

/// Ways in without the authenticator, each good for once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RecoveryBody {
    #[schema(example = json!(["k7mwq-2xhbv"]))]
    recovery_codes: Vec<String>,
}

/// Proof that it is the owner who asks.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DisableBody {
    #[serde(deserialize_with = "password::secret")]
    #[schema(value_type = String, example = "correct-horse-battery-staple")]
    password: SecretString,
    /// Of the authenticator, or a recovery code.
    #[schema(example = "492039")]
    code: String,
}

/// Begins: a secret for the authenticator. It is asked for only after `/auth/2fa/verify`.
#[utoipa::path(post, path = "/auth/2fa/setup", operation_id = "setUpTwoFactor", tag = "auth", security(("bearer" = [])),
    responses(
        (status = 200, description = "What goes into the authenticator", body = SetupBody),
        (status = 401, description = "`unauthenticated`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`impersonation_restricted`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`two_factor_on`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn setup(
    State(app): State<Shared>,
    client: InPerson,
    Info(info): Info,
) -> Answered<Json<SetupBody>> {
    let act = Act::of(&app, &info, client.client_id()).await?;
    let known = act.state().await?;
    if known.security.two_factor.is_some() {
        return Err(Problem::new(Code::TwoFactorOn));
    }
    let profile = known.profile.as_ref();
    let profile = profile.ok_or_else(|| Problem::new(Code::NotFound))?;
    let setup = totp::set_up(&profile.email)?;
    let sealed = act.key.seal(SECRET_TOTP, &setup.secret);
    let store = &app.handles.store;
    store
        .keep_secret(act.client_id.0, SECRET_TOTP_PENDING, &sealed)
        .await?;
    Ok(Json(SetupBody {
        secret: setup.secret,
        otpauth_url: setup.url,
        qr_svg: setup.qr_svg,
    }))
}

/// Proves that the authenticator has the secret: from now on its codes are asked for.
#[utoipa::path(post, path = "/auth/2fa/verify", operation_id = "verifyTwoFactor", tag = "auth", request_body = CodeBody,
    security(("bearer" = [])),
    responses(
        (status = 200, description = "On. The recovery codes are shown once", body = RecoveryBody),
        (status = 400, description = "`invalid_code`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthenticated`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`impersonation_restricted`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`two_factor_on`, `two_factor_off`: nothing was set up", body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "`sign_in_blocked`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable`, `overloaded` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn verify(
    State(app): State<Shared>,
    client: InPerson,
    Info(info): Info,
    JsonBody { value, .. }: JsonBody<CodeBody>,
) -> Answered<Json<RecoveryBody>> {
    let act = Act::of(&app, &info, client.client_id()).await?;
    let known = act.state().await?;
    if known.security.two_factor.is_some() {
        return Err(Problem::new(Code::TwoFactorOn));
    }
    let store = &app.handles.store;
    let pending = store.secret(act.client_id.0, SECRET_TOTP_PENDING).await?;
    let pending = pending.ok_or_else(|| Problem::new(Code::TwoFactorOff))?;
    let check = async {
        let secret = totp::open(&act.key, SECRET_TOTP, &pending)?;
        let step = totp::step_of(&secret, &value.code, Utc::now())?;
        Ok(step.map_or_else(wrong, Tried::Right))
    };
    let account = account_of(&app, &known);
    let step = app.sign_ins.attempt(&account, info.address, check).await?;
    let (codes, hashes) = totp::recovery_codes(store.keys());
    let command = ClientCommand::EnableTwoFactor {
        step,
        recovery_codes: u8::try_from(codes.len()).unwrap_or(u8::MAX),
    };
    let beside = Beside {
        secrets: vec![
            act.secret(SECRET_TOTP, pending),
            act.secret(SECRET_RECOVERY, hashes),
        ],
        session: None,
    };
    let asked = act.ask_with("enable_two_factor", command, beside).await?;
    asked.map_err(|refusal| Problem::from(&refusal))?;
    Ok(Json(RecoveryBody {
        recovery_codes: codes,
    }))
}

/// Switches it off.
#[utoipa::path(post, path = "/auth/2fa/disable", operation_id = "disableTwoFactor", tag = "auth", request_body = DisableBody,
    security(("bearer" = [])),
    responses(
        (status = 204, description = "Off"),
        (status = 400, description = "`invalid_code`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthenticated`, `invalid_credentials`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`impersonation_restricted`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`two_factor_off`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "`sign_in_blocked`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable`, `overloaded` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn disable(
    State(app): State<Shared>,
    client: InPerson,
    Info(info): Info,
    JsonBody { value, .. }: JsonBody<DisableBody>,
) -> Answered<StatusCode> {
    let act = Act::of(&app, &info, client.client_id()).await?;
    let known = act.state().await?;
    if known.security.two_factor.is_none() {
        return Err(Problem::new(Code::TwoFactorOff));
    }
    prove_password(&app, &info, &act, &known, value.password).await?;
    let check = async {
        let factor = match second_factor(&act, &known, Some(&value.code)).await? {
            Shown::Right(factor) => factor,
            Shown::Missing | Shown::Wrong => return Ok(wrong()),
        };
        let command = ClientCommand::DisableTwoFactor { factor };
        let asked = act.ask_with("disable_two_factor", command, Beside::default());
        Ok(match asked.await? {
            Ok(_) => Tried::Right(()),
            Err(ClientRejection::CodeUsed) => wrong(),
            Err(refusal) => return Err(Problem::from(&refusal)),
        })
    };
    let account = account_of(&app, &known);
    app.sign_ins.attempt(&account, info.address, check).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Wrong codes count as failed sign-ins: a million of them are soon tried.
fn wrong<T>() -> Tried<T> {
    Tried::Wrong(Problem::new(Code::WrongFactor))
}
