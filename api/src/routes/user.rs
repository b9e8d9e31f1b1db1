//! The client itself: profile and default account. **Permission:** the client.

use std::sync::Arc;

use axum::{Json, extract::State, response::Response};
use daybook_domain::{
    AccountId, Client, ClientCommand, ClientId, ClientRejection,
    client::{KycStatus, Registration},
};
use daybook_engine::{Answer, ClientRequest, RenderClient, Reply};
use daybook_projections::{ClientRow, names};
use daybook_store::SubjectKey;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::trading::{default_account, demo_account};
use crate::{
    app::{AccountRef, App, Shared, sealed_origin},
    auth::{session::SEALED_REASON, token::Identity},
    extract::{Command, Fresh, JsonBody, SignedIn, answer, json, refusal},
    number::Patch,
    problem::{Answered, Code, FieldError, Problem, ProblemBody},
};

/// Binds a kept answer's ciphertext to its purpose.
const SEALED_ANSWER: &str = "idempotent_answer";

/// The client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MeBody {
    #[schema(example = "01997d0a-5a3e-7d31-9a53-0a4f2f1c7a00")]
    client_id: String,
    #[schema(example = "ada@example.com")]
    email: String,
    /// Whether the link in the mail was opened.
    email_verified: bool,
    #[schema(example = "Ada")]
    first_name: String,
    #[schema(example = "Lovelace")]
    last_name: String,
    phone: Option<String>,
    #[schema(example = "GB")]
    country: Option<String>,
    /// `none`, `pending`, `approved`, `rejected` or `expired`.
    #[schema(example = "none")]
    kyc_status: &'static str,
    #[schema(example = "standard")]
    tier: String,
    two_factor_enabled: bool,
    /// False while the house lets the client take no new risk, on any account.
    trading_enabled: bool,
    /// Used where a request names no account.
    #[schema(example = "01997d0a-5a3e-7d31-9a53-0a4f2f1c7a13")]
    default_account_id: String,
    /// Somebody of the broker's acts in the client's place; left out: nobody does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) impersonation: Option<ImpersonationBody>,
}

/// Who acts in the client's place, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Impersonation)]
pub(crate) struct ImpersonationBody {
    #[schema(example = "ines@broker.example")]
    admin_id: String,
    #[schema(example = "cannot find the statement")]
    reason: String,
}

impl ImpersonationBody {
    /// From what rests beside the session.
    pub(crate) fn open(key: &SubjectKey, (admin_id, sealed): (String, String)) -> Answered<Self> {
        let reason = key.open(SEALED_REASON, &sealed)?;
        Ok(Self { admin_id, reason })
    }
}

/// Changes to the client; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct MeChanges {
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "Ada")]
    first_name: Patch<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "Lovelace")]
    last_name: Patch<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "+44 20 7946 0000")]
    phone: Patch<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "GB")]
    country: Patch<String>,
    #[serde(default)]
    #[schema(value_type = Option<Uuid>)]
    default_account_id: Patch<AccountId>,
}

/// Who am I?
#[utoipa::path(get, path = "/user/me", operation_id = "getMe", tag = "me", security(("bearer" = [])),
    responses(
        (status = 200, description = "The client", body = MeBody),
        (status = 401, description = "`unauthenticated`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`read_model_behind`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn me(
    State(app): State<Shared>,
    client: SignedIn,
    fresh: Fresh,
) -> Answered<Json<MeBody>> {
    fresh.wait(&[names::CLIENTS, names::ACCOUNTS]).await?;
    let mut body = me_body(&app, client.client_id()).await?;
    body.impersonation = impersonation(&app, &client.0).await?;
    Ok(Json(body))
}

/// Who acts in the client's place, where somebody does.
async fn impersonation(app: &App, identity: &Identity) -> Answered<Option<ImpersonationBody>> {
    if identity.impersonated_by.is_none() {
        return Ok(None);
    }
    let store = &app.handles.store;
    let key = store.keys().get(identity.client_id.0).await?;
    let told = store.impersonation_of(identity.session_id.0).await?;
    told.map(|told| ImpersonationBody::open(&key, told))
        .transpose()
}

/// The client as the read model has them; 404 for one it does not know.
pub(crate) async fn me_body(app: &App, client: ClientId) -> Answered<MeBody> {
    let row = app.handles.reads.client(client).await?;
    let row = row.ok_or_else(|| Problem::new(Code::NotFound))?;
    let key = app.handles.store.keys().get(client.0).await?;
    let profile = opened(&key, &row)?;
    let default = default_account(app, client).await?;
    let standing = Standing {
        email_verified: row.email_verified,
        kyc_status: row.kyc_status,
        two_factor: row.two_factor,
        tier: row.tier,
        trading_disabled: row.trading_disabled,
    };
    Ok(MeBody::of(client, &profile, standing, default))
}

/// What the read model or the book says of a client beside the profile.
#[derive(Clone, Debug)]
struct Standing {
    email_verified: bool,
    kyc_status: KycStatus,
    two_factor: bool,
    tier: String,
    trading_disabled: bool,
}

pub(crate) fn opened(key: &SubjectKey, row: &ClientRow) -> Answered<Registration> {
    let open = |field: &str, sealed: &Option<String>| {
        sealed
            .as_deref()
            .map(|text| key.open(field, text))
            .transpose()
    };
    Ok(Registration {
        email: key.open("email", &row.email)?,
        first_name: key.open("first_name", &row.first_name)?,
        last_name: key.open("last_name", &row.last_name)?,
        phone: open("phone", &row.phone)?,
        country: open("country", &row.country)?,
    })
}

impl MeBody {
    fn of(
        client: ClientId,
        profile: &Registration,
        standing: Standing,
        default: AccountId,
    ) -> Self {
        Self {
            client_id: client.to_string(),
            email: profile.email.clone(),
            email_verified: standing.email_verified,
            first_name: profile.first_name.clone(),
            last_name: profile.last_name.clone(),
            phone: profile.phone.clone(),
            country: profile.country.clone(),
            kyc_status: standing.kyc_status.as_str(),
            tier: standing.tier,
            two_factor_enabled: standing.two_factor,
            trading_enabled: !standing.trading_disabled,
            default_account_id: default.to_string(),
            impersonation: None,
        }
    }
}

/// Changes the profile, the default account, or both.
#[utoipa::path(patch, path = "/user/me", operation_id = "changeMe", tag = "me", request_body = MeChanges,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes repeating safe for 24 hours")),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The client after the change", body = MeBody),
        (status = 400, description = "Malformed, or nothing to change", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such account, or somebody else's", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn change(
    State(app): State<Shared>,
    command: Command,
    JsonBody { value, bytes }: JsonBody<MeChanges>,
) -> Answered<Response> {
    let client = command.client_id;
    let (profile, chosen) = changes(value)?;
    let default = match chosen {
        Some(account_id) => own_account(&app, client, account_id).await?,
        None => {
            let known = app.acknowledged.get(&client).unwrap_or_default();
            app.wait_for(&[names::CLIENTS, names::ACCOUNTS], known.profile)
                .await?;
            demo_account(&app, client).await?
        }
    };
    let key = app.handles.store.keys().get(client.0).await?;
    let identity = command.info.identity.clone()?;
    let impersonation = impersonation(&app, &identity).await?;
    let mut reply = None;
    if let Some(update) = profile {
        let part = Part {
            name: "profile",
            command: update,
            default,
            impersonation: impersonation.clone(),
        };
        reply = Some(change_part(&app, &command, &key, part, &bytes).await?);
    }
    // The second part only after the first went through; both are kept under the one key.
    let refused = reply.as_ref().is_some_and(|reply| reply.status >= 400);
    if let (Some(account_id), false) = (chosen, refused) {
        let choose = ClientCommand::ChangeDefaultAccount { account_id };
        let part = Part {
            name: "default_account",
            command: choose,
            default,
            impersonation,
        };
        let chosen = change_part(&app, &command, &key, part, &bytes).await?;
        if chosen.status < 300 && !chosen.replayed {
            app.default_accounts.insert(client, account_id);
        }
        reply = Some(chosen);
    }
    let reply = reply.ok_or_else(|| Problem::new(Code::Malformed))?;
    let body = key.open(SEALED_ANSWER, &reply.body)?;
    Ok(answer(Reply { body, ..reply }))
}

/// One of the two commands that a change may be.
struct Part {
    name: &'static str,
    command: ClientCommand,
    default: AccountId,
    impersonation: Option<ImpersonationBody>,
}

async fn change_part(
    app: &App,
    command: &Command,
    key: &SubjectKey,
    part: Part,
    bytes: &[u8],
) -> Answered<Reply> {
    let client_id = command.client_id;
    let request = ClientRequest {
        client_id,
        command: part.command,
        key: key.clone(),
        origin: sealed_origin(key, client_id, &command.info, part.name),
        idempotency: command.idempotency(&format!(" {}", part.name), bytes),
        render: render_me(
            client_id,
            key.clone(),
            (part.default, part.impersonation),
            Arc::clone(&command.info.id),
        ),
    };
    let reply = app.engine()?.client(request).await?;
    app.acknowledge(client_id, reply.position, true);
    Ok(reply)
}

/// The answer holds personal data and is kept under the idempotency key: so it is sealed.
fn render_me(
    client: ClientId,
    key: SubjectKey,
    (demo, impersonation): (AccountId, Option<ImpersonationBody>),
    request_id: Arc<str>,
) -> RenderClient {
    Box::new(
        move |outcome: Result<&Client, &ClientRejection>| match outcome {
            Err(rejection) => refusal(&Problem::from(rejection), &request_id),
            Ok(state) => match &state.profile {
                None => refusal(&Problem::new(Code::NotFound), &request_id),
                Some(profile) => {
                    let default = state.default_account.unwrap_or(demo);
                    let standing = Standing {
                        email_verified: state.email_verified,
                        kyc_status: state.kyc.status,
                        two_factor: state.security.two_factor.is_some(),
                        tier: state.standing.tier.clone(),
                        trading_disabled: state.standing.trading_disabled,
                    };
                    let body = json(&MeBody {
                        impersonation: impersonation.clone(),
                        ..MeBody::of(client, profile, standing, default)
                    });
                    Answer {
                        status: 200,
                        body: key.seal(SEALED_ANSWER, &body),
                        keep: true,
                    }
                }
            },
        },
    )
}

async fn own_account(app: &App, client: ClientId, account_id: AccountId) -> Answered<AccountId> {
    let row = app.handles.reads.account(account_id).await?;
    let row = row.filter(|row| row.client_id == client);
    let row = row.ok_or_else(|| Problem::new(Code::NotFound))?;
    app.accounts.insert(account_id, AccountRef::from(&row));
    Ok(account_id)
}

fn changes(body: MeChanges) -> Answered<(Option<ClientCommand>, Option<AccountId>)> {
    let mut errors = Vec::new();
    let first_name = kept("firstName", body.first_name, &mut errors);
    let last_name = kept("lastName", body.last_name, &mut errors);
    let phone = kept("phone", body.phone, &mut errors);
    let country = kept("country", body.country, &mut errors);
    let account_id = kept("defaultAccountId", body.default_account_id, &mut errors);
    if !errors.is_empty() {
        return Err(Problem::fields(Code::InvalidValue, errors));
    }
    let profile = [&first_name, &last_name, &phone, &country]
        .iter()
        .any(|field| field.is_some());
    if !profile && account_id.is_none() {
        return Err(Problem::with_detail(
            Code::Malformed,
            "nothing to change was named",
        ));
    }
    let update = ClientCommand::UpdateProfile {
        first_name,
        last_name,
        phone,
        country,
    };
    Ok((profile.then_some(update), account_id))
}

/// A profile's fields change but do not go away.
fn kept<T>(field: &str, patch: Patch<T>, errors: &mut Vec<FieldError>) -> Option<T> {
    match patch {
        Patch::Keep => None,
        Patch::Set(value) => Some(value),
        Patch::Remove => {
            errors.push(FieldError::new(field, "cannot be removed"));
            None
        }
    }
}
