//! `/crm/users/{id}`: a client as the CRM sees and changes them, and notes about them.

use axum::{Json, extract::State, http::HeaderMap, response::Response};
use daybook_domain::{
    ClientCommand,
    account::Limits,
    client::{Flags, KycStatus, Registration},
};
use daybook_projections::{ClientRow, names};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    named::{Named, change, named, nothing},
    wishes::{self, FlagsBody, LimitsBody},
};
use crate::{
    app::{App, Shared},
    extract::{Crm, CrmChange, JsonBody, PathId, answer, min_position},
    number::{self, Patch},
    problem::{Answered, Code, Problem, ProblemBody},
    routes::user::opened,
    text,
};

/// A client as the CRM sees them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserBody {
    #[schema(example = "01997d0a-5a3e-7d31-9a53-0a4f2f1c7a00")]
    client_id: String,
    /// The CRM's own identifier of the person.
    #[schema(example = "C-10433")]
    external_id: Option<String>,
    #[schema(example = "ada@example.com")]
    email: String,
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
    /// What the client was told about it.
    kyc_notes: Option<String>,
    #[schema(example = "standard")]
    tier: String,
    /// New risk is refused.
    trading_disabled: bool,
    flags: FlagsShown,
    limits: LimitsShown,
    two_factor_enabled: bool,
    /// May not sign in.
    suspended: bool,
    #[schema(example = "2026-01-31T09:30:00.000Z")]
    registered_at: String,
}

/// Flags of all the client's accounts.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FlagsShown {
    close_only: bool,
    read_only: bool,
    swap_free: bool,
}

/// Limits of each of the client's accounts; null: the house's or the instrument's alone.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LimitsShown {
    #[schema(example = 100)]
    max_leverage: Option<u32>,
    #[schema(example = "10")]
    max_volume: Option<String>,
    max_notional: Option<String>,
    max_open_orders: Option<u32>,
    max_positions: Option<u32>,
    #[schema(example = "500")]
    daily_loss: Option<String>,
    orders_per_minute: Option<u32>,
}

/// What changes about a client; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct UserChanges {
    flags: Option<FlagsBody>,
    limits: Option<LimitsBody>,
    /// True: new risk is refused on every account.
    trading_disabled: Option<bool>,
    /// Why trading is disabled.
    #[schema(example = "under review")]
    reason: Option<String>,
    /// 1 to 32 of the characters a-z, 0-9, _ and -.
    #[schema(example = "gold")]
    tier: Option<String>,
    /// `pending`, `approved`, `rejected` or `expired`.
    #[schema(value_type = Option<String>, example = "approved")]
    kyc_status: Option<KycStatus>,
    /// The client reads them; null takes them away.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "All clear")]
    kyc_notes: Patch<String>,
    profile: Option<ProfileBody>,
}

/// Changes to the profile; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ProfileBody {
    #[schema(example = "Ada")]
    first_name: Option<String>,
    #[schema(example = "Lovelace")]
    last_name: Option<String>,
    #[schema(example = "+44 20 7946 0000")]
    phone: Option<String>,
    #[schema(example = "GB")]
    country: Option<String>,
}

/// Something to be written down.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NoteBody {
    /// 1 to 4,000 characters.
    #[schema(example = "Called about a withdrawal")]
    comment: String,
}

/// One client.
#[utoipa::path(get, path = "/crm/users/{id}", operation_id = "getUser", tag = "crm",
    params(("id" = String, Path, description = "The client's identifier, `external:<externalId>` or `email:<address>`")),
    security(("crm" = [])),
    responses(
        (status = 200, description = "The client", body = UserBody),
        (status = 401, description = "`unauthenticated`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such client", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`read_model_behind`, `unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn get(
    State(app): State<Shared>,
    _crm: Crm,
    PathId(id): PathId<String>,
    headers: HeaderMap,
) -> Answered<Json<UserBody>> {
    let asked = min_position(&headers)?.unwrap_or_default();
    let committed = *app.handles.store.committed().borrow();
    let client = named(&app, &id).await?;
    app.wait_for(&[names::CLIENTS], committed.max(asked))
        .await?;
    let row = app.handles.reads.client(client.client_id).await?;
    let row = row.ok_or_else(|| Problem::new(Code::NotFound))?;
    Ok(Json(UserBody::of(&client, row)?))
}

/// Changes a client, all of it or nothing. Flags, limits and `tradingDisabled` hold for all of the
/// client's accounts, those opened later too; positions may still be closed, but for `readOnly`.
#[utoipa::path(patch, path = "/crm/users/{id}", operation_id = "changeUser", tag = "crm", request_body = UserChanges,
    params(
        ("id" = String, Path, description = "The client's identifier, `external:<externalId>` or `email:<address>`"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes repeating safe for 24 hours"),
    ),
    security(("crm" = [])),
    responses(
        (status = 204, description = "Changed, or it was so already"),
        (status = 400, description = "Malformed, or nothing to change", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthenticated`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such client", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The checks cannot stand so after what they stood like", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`insufficient_margin`: what is open needs a leverage above the limit; `idempotency_key_reused`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`overloaded`, `unavailable` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn patch(
    State(app): State<Shared>,
    asked: CrmChange,
    PathId(id): PathId<String>,
    JsonBody { value, bytes }: JsonBody<UserChanges>,
) -> Answered<Response> {
    let client = named(&app, &id).await?;
    let commands = commands(&app, &client, value, &asked.crm.actor).await?;
    let told = ("change_user", &*bytes, nothing());
    Ok(answer(change(&app, &asked, client, commands, told).await?))
}

/// Writes something down about a client.
#[utoipa::path(post, path = "/crm/users/{id}/notes", operation_id = "addNote", tag = "crm", request_body = NoteBody,
    params(
        ("id" = String, Path, description = "The client's identifier, `external:<externalId>` or `email:<address>`"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes repeating safe for 24 hours"),
    ),
    security(("crm" = [])),
    responses(
        (status = 204, description = "Written down"),
        (status = 400, description = "Malformed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthenticated`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such client", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`overloaded`, `unavailable` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn note(
    State(app): State<Shared>,
    asked: CrmChange,
    PathId(id): PathId<String>,
    JsonBody { value, bytes }: JsonBody<NoteBody>,
) -> Answered<Response> {
    let client = named(&app, &id).await?;
    let note = ClientCommand::AddNote {
        comment: value.comment,
        by: asked.crm.actor.clone(),
    };
    let told = ("add_note", &*bytes, nothing());
    Ok(answer(
        change(&app, &asked, client, vec![note], told).await?,
    ))
}

/// What is asked, in the order in which it is decided.
async fn commands(
    app: &App,
    client: &Named,
    body: UserChanges,
    by: &str,
) -> Answered<Vec<ClientCommand>> {
    if body.reason.is_some() && body.trading_disabled != Some(true) {
        let message = "goes with tradingDisabled: true";
        return Err(Problem::field(Code::InvalidValue, "reason", message));
    }
    let by = || by.to_owned();
    let mut commands = Vec::new();
    if let Some(profile) = body.profile {
        commands.push(ClientCommand::UpdateProfile {
            first_name: profile.first_name,
            last_name: profile.last_name,
            phone: profile.phone,
            country: profile.country,
        });
    }
    if let Some(to) = body.tier {
        commands.push(ClientCommand::ChangeTier { to, by: by() });
    }
    commands.extend(wishes::limits(body.flags, body.limits, &by()));
    if let Some(disabled) = body.trading_disabled {
        commands.push(if disabled {
            let (reason, by) = (body.reason, by());
            ClientCommand::DisableTrading { reason, by }
        } else {
            ClientCommand::EnableTrading { by: by() }
        });
    }
    if body.kyc_status.is_some() || body.kyc_notes != Patch::Keep {
        let (to, notes) = kyc(app, client, body.kyc_status, body.kyc_notes).await?;
        commands.push(ClientCommand::ChangeKycStatus {
            to,
            notes,
            by: by(),
        });
    }
    if commands.is_empty() {
        let detail = "nothing to change was named";
        return Err(Problem::with_detail(Code::Malformed, detail));
    }
    Ok(commands)
}

/// Notes are about the status that they came with: another status has none unless they are given.
async fn kyc(
    app: &App,
    client: &Named,
    status: Option<KycStatus>,
    notes: Patch<String>,
) -> Answered<(KycStatus, Option<String>)> {
    let engine = app.engine()?;
    let known = engine.client_state(client.client_id, &client.key).await?;
    let to = status.unwrap_or(known.kyc.status);
    let notes = match notes {
        Patch::Set(notes) => Some(notes),
        Patch::Remove => None,
        Patch::Keep => known.kyc.notes.filter(|_| to == known.kyc.status),
    };
    Ok((to, notes))
}

impl UserBody {
    fn of(client: &Named, row: ClientRow) -> Answered<Self> {
        let Registration {
            email,
            first_name,
            last_name,
            phone,
            country,
        } = opened(&client.key, &row)?;
        let open = |field: &str, sealed: Option<String>| {
            let opened = sealed.map(|sealed| client.key.open(field, &sealed));
            opened.transpose()
        };
        Ok(Self {
            client_id: row.client_id.to_string(),
            external_id: open("external_id", row.external_id)?,
            email,
            email_verified: row.email_verified,
            first_name,
            last_name,
            phone,
            country,
            kyc_status: row.kyc_status.as_str(),
            kyc_notes: open("notes", row.kyc_notes)?,
            tier: row.tier,
            trading_disabled: row.trading_disabled,
            flags: FlagsShown::of(row.flags),
            limits: LimitsShown::of(&row.limits),
            two_factor_enabled: row.two_factor,
            suspended: row.suspended,
            registered_at: text::time(row.registered_at),
        })
    }
}

impl FlagsShown {
    const fn of(flags: Flags) -> Self {
        Self {
            close_only: flags.close_only,
            read_only: flags.read_only,
            swap_free: flags.swap_free,
        }
    }
}

impl LimitsShown {
    fn of(limits: &Limits) -> Self {
        Self {
            max_leverage: limits.max_leverage,
            max_volume: limits.max_volume.map(number::plain),
            max_notional: limits.max_notional.map(number::plain),
            max_open_orders: limits.max_open_orders,
            max_positions: limits.max_positions,
            daily_loss: limits.daily_loss.map(number::plain),
            orders_per_minute: limits.orders_per_minute,
        }
    }
}
