//! `/crm/accounts`: a client's accounts, their balances and leverage.

use std::sync::{Arc, OnceLock};

use axum::{Json, extract::State, http::HeaderMap, response::Response};
use daybook_domain::{AccountCommand, AccountId, ClientId, account::Bucket, margin::figures};
use daybook_engine::{Answer, Outcome, Reply, StaffRequest};
use daybook_projections::names;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{figures::FiguresBody, named::named};
use crate::{
    app::{App, Shared},
    extract::{Crm, CrmChange, JsonBody, PathId, Query, answer, answered, min_position, refusal},
    number::Signed,
    problem::{Answered, Code, Problem, ProblemBody},
    routes::trading::account::{kind_name, mode_name, see, state_name},
};

/// Longest note, in characters.
const NOTES_MAX: usize = 500;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AccountsQuery {
    /// The client's identifier, `external:<externalId>` or `email:<address>`.
    #[param(example = "01997d0a-5a3e-7d31-9a53-0a4f2f1c7a00")]
    client_id: String,
}

/// One account of a client.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountItem {
    #[serde(flatten)]
    figures: FiguresBody,
    #[schema(example = 100_001)]
    number: u64,
    /// `live` or `demo`.
    #[schema(example = "live")]
    kind: &'static str,
    /// `hedging` or `netting`.
    #[schema(example = "hedging")]
    mode: &'static str,
    /// `active`, `reducing` or `halted`.
    #[schema(example = "active")]
    state: &'static str,
}

/// Money that comes or goes without a trade.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AdjustBody {
    /// Negative: it goes.
    #[schema(value_type = String, example = "-50.00")]
    amount: Signed,
    /// `real`, `demo` or `bonus`.
    #[schema(value_type = String, example = "real")]
    fund_type: Bucket,
    /// The client reads them.
    #[schema(example = "goodwill")]
    notes: Option<String>,
}

/// Another leverage.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct LeverageBody {
    /// 1 to 500, or to the client's own limit.
    #[schema(example = 100)]
    leverage: u32,
}

/// A client's accounts, oldest first.
#[utoipa::path(get, path = "/crm/accounts", operation_id = "listUserAccounts", tag = "crm", params(AccountsQuery),
    security(("crm" = [])),
    responses(
        (status = 200, description = "Accounts", body = Vec<AccountItem>),
        (status = 400, description = "Malformed query", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthenticated`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such client", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`read_model_behind`, `unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn list(
    State(app): State<Shared>,
    _crm: Crm,
    headers: HeaderMap,
    Query(query): Query<AccountsQuery>,
) -> Answered<Json<Vec<AccountItem>>> {
    let asked = min_position(&headers)?.unwrap_or_default();
    let committed = *app.handles.store.committed().borrow();
    let client = named(&app, &query.client_id).await?;
    app.wait_for(&[names::ACCOUNTS], committed.max(asked))
        .await?;
    let rows = app.handles.reads.accounts_of(client.client_id).await?;
    let (market, rules) = (app.market(), &app.handles.config.rules);
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        let seen = see(&app, row.account_id).await?;
        let row = &seen.row;
        let valued = figures(row.figures_input(&seen.positions), &market, rules);
        let is_flat = seen.positions.is_empty();
        let (id, terms) = (row.account_id, row.terms());
        items.push(AccountItem {
            figures: FiguresBody::of(id, &terms, &row.funds, &valued, is_flat),
            number: row.number,
            kind: kind_name(row.kind),
            mode: mode_name(row.mode),
            state: state_name(row.controls.state_under(rules.trading_state)),
        });
    }
    Ok(Json(items))
}

/// Credits or debits a bucket of an account without a trade. None becomes negative by it.
#[utoipa::path(post, path = "/crm/accounts/{id}/adjust-balance", operation_id = "adjustBalance", tag = "crm", request_body = AdjustBody,
    params(
        ("id" = Uuid, Path, description = "The account"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes repeating safe for 24 hours"),
    ),
    security(("crm" = [])),
    responses(
        (status = 200, description = "The account after it", body = FiguresBody),
        (status = 400, description = "Malformed; `insufficient_funds`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthenticated`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such account", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`idempotency_key_reused`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`overloaded`, `unavailable` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn adjust(
    State(app): State<Shared>,
    asked: CrmChange,
    PathId(account_id): PathId<AccountId>,
    JsonBody { value, bytes }: JsonBody<AdjustBody>,
) -> Answered<Response> {
    check_line("notes", value.notes.as_deref(), NOTES_MAX)?;
    let command = AccountCommand::AdjustFunds {
        bucket: value.fund_type,
        amount: value.amount.0,
        notes: value.notes,
        by: asked.crm.actor.clone(),
    };
    let shown = shown(&app, account_id);
    let why = ("adjust_balance", &*bytes);
    let reply = on_account(&app, &asked, (account_id, command), why, shown).await?;
    Ok(answer(reply))
}

/// Changes an account's leverage; what is open is margined anew. Refused where free margin would
/// become negative by it.
#[utoipa::path(patch, path = "/crm/accounts/{id}/leverage", operation_id = "changeLeverage", tag = "crm", request_body = LeverageBody,
    params(
        ("id" = Uuid, Path, description = "The account"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes repeating safe for 24 hours"),
    ),
    security(("crm" = [])),
    responses(
        (status = 200, description = "The account after it", body = FiguresBody),
        (status = 400, description = "Malformed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthenticated`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such account", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`leverage_out_of_range`, `insufficient_margin`, `idempotency_key_reused`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`overloaded`, `unavailable`, `no_quote` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn leverage(
    State(app): State<Shared>,
    asked: CrmChange,
    PathId(account_id): PathId<AccountId>,
    JsonBody { value, bytes }: JsonBody<LeverageBody>,
) -> Answered<Response> {
    let command = AccountCommand::ChangeLeverage {
        leverage: value.leverage,
        by: asked.crm.actor.clone(),
    };
    let shown = shown(&app, account_id);
    let why = ("change_leverage", &*bytes);
    let reply = on_account(&app, &asked, (account_id, command), why, shown).await?;
    Ok(answer(reply))
}

/// Renders the account after what was decided, on the quotes of now.
fn shown(app: &App, account_id: AccountId) -> impl Fn(&Outcome<'_>) -> Answer + Send + use<> {
    let (market, rules) = (app.market(), app.handles.config.rules.clone());
    move |outcome| {
        let account = outcome.account;
        let terms = account.terms.as_ref();
        let figures = account.figures(&market, &rules);
        let (Some(terms), Some(figures)) = (terms, figures) else {
            unreachable!("invariant: only an open account accepts")
        };
        let is_flat = account.positions.is_empty();
        let body = FiguresBody::of(account_id, terms, &account.funds, &figures, is_flat);
        answered(200, &body)
    }
}

/// Has a command executed on whosever account it is. A refusal becomes its problem; `accepted`
/// renders everything else.
pub(super) async fn on_account(
    app: &App,
    asked: &CrmChange,
    (account_id, command): (AccountId, AccountCommand),
    (reason, body): (&str, &[u8]),
    accepted: impl Fn(&Outcome<'_>) -> Answer + Send + 'static,
) -> Answered<Reply> {
    let owner = Arc::new(OnceLock::<ClientId>::new());
    let (told, request_id) = (Arc::clone(&owner), asked.crm.request_id());
    let request = StaffRequest {
        account_id,
        command,
        origin: asked.crm.origin(reason),
        idempotency: asked.idempotency(body),
        render: Box::new(move |outcome| {
            if let Some(terms) = &outcome.account.terms {
                let _told_before = told.set(terms.client_id);
            }
            match &outcome.decision.refusal {
                None => accepted(outcome),
                Some(rejection) => refusal(&Problem::from(rejection), &request_id),
            }
        }),
    };
    let reply = app.engine()?.execute_for_staff(request).await?;
    if let Some(client_id) = owner.get() {
        app.acknowledge(*client_id, reply.position, false);
    }
    Ok(reply)
}

/// A text of one line, where there is one.
pub(super) fn check_line(field: &str, text: Option<&str>, max: usize) -> Answered<()> {
    let fits = |text: &str| {
        let length = text.trim().chars().count();
        (1..=max).contains(&length) && !text.chars().any(char::is_control)
    };
    if text.is_none_or(fits) {
        return Ok(());
    }
    let message = format!("must be a line of 1 to {max} characters");
    Err(Problem::field(Code::InvalidValue, field, message))
}
