//! Deposits and withdrawals: ask, take back, look. **Permission:** the account's own client.
//!
//! Method and destination may name a bank account or a person: they are sealed under the client's
//! key before they enter a command, and opened for the client alone.

use axum::{Json, extract::State, response::Response};
use daybook_domain::{
    AccountCommand, AccountId, Currency, FundingId,
    account::{FundingKind, FundingStatus},
};
use daybook_projections::{FundingOf, FundingRow, crm::Deliveries, names};
use daybook_store::SubjectKey;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::trading::{Thing, command_account, may_trade, read_account, thing_account};
use crate::{
    app::{AccountRef, App, Shared},
    extract::{Command, Fresh, Items, JsonBody, PathId, Query, SignedIn, answered, done, page_of},
    number::{self, Positive},
    problem::{Answered, Code, Problem, ProblemBody},
    text,
};

/// Names of sealed texts, as the events have them.
const METHOD: &str = "method";
const DESTINATION: &str = "destination";
const CHANNEL_MAX: usize = 200;

/// Money that is to come in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DepositBody {
    /// A live account.
    #[schema(value_type = Uuid)]
    account_id: AccountId,
    /// With at most the currency's decimals; a string or a number.
    #[schema(value_type = String, example = "500.00")]
    amount: Positive,
    /// The account's.
    #[schema(example = "USD")]
    currency: String,
    /// How it comes: 1 to 200 characters.
    #[schema(example = "bank_transfer")]
    method: String,
}

/// Money that is to go out.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct WithdrawalBody {
    /// A live account.
    #[schema(value_type = Uuid)]
    account_id: AccountId,
    /// With at most the currency's decimals; a string or a number.
    #[schema(value_type = String, example = "120.50")]
    amount: Positive,
    /// The account's.
    #[schema(example = "USD")]
    currency: String,
    /// Where it goes: 1 to 200 characters.
    #[schema(example = "DE89 3704 0044 0532 0130 00")]
    destination: String,
}

/// What was asked for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RequestedBody {
    #[schema(value_type = Uuid)]
    request_id: FundingId,
    #[schema(example = "requested")]
    status: &'static str,
}

/// One deposit or withdrawal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FundingItem {
    #[schema(example = "01997d0a-5a3e-7d31-9a53-0a4f2f1c7a40")]
    request_id: String,
    #[schema(example = "01997d0a-5a3e-7d31-9a53-0a4f2f1c7a13")]
    account_id: String,
    /// `deposit` or `withdrawal`.
    #[schema(example = "withdrawal")]
    kind: &'static str,
    #[schema(example = "120.50")]
    amount: String,
    #[schema(example = "USD")]
    currency: String,
    /// `requested`, `approved`, `completed`, `rejected` or `cancelled`.
    #[schema(example = "requested")]
    status: &'static str,
    /// How a deposit comes.
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    /// Where a withdrawal goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    destination: Option<String>,
    /// Why it was decided so; `negative_balance` where it ended with one.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The payment's name elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    /// Of a withdrawal that was paid and that the CRM did not take note of: the HTTP status of its
    /// refusal, or `no answer`.
    #[schema(example = "422")]
    #[serde(skip_serializing_if = "Option::is_none")]
    crm_refused: Option<String>,
    #[schema(example = "2026-01-31T09:30:00.000Z")]
    created_at: String,
    #[schema(example = "2026-01-31T09:30:00.000Z")]
    updated_at: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct FundingQuery {
    /// Of this account alone; of all the client's accounts where left out.
    account_id: Option<String>,
    /// 1 to 500; 50 where left out.
    #[param(value_type = Option<u32>, example = 50)]
    limit: Option<String>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Asks for money to come in. Staff complete it when it has come.
#[utoipa::path(post, path = "/funding/deposit", operation_id = "requestDeposit", tag = "funding", request_body = DepositBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes repeating safe for 24 hours")),
    security(("bearer" = [])),
    responses(
        (status = 201, description = "Requested", body = RequestedBody),
        (status = 400, description = "Malformed, `invalid_amount`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`email_unverified`, `kyc_required`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such account, or somebody else's", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`demo_account`, `currency_mismatch`, `too_many_funding_requests`, …", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn deposit(
    State(app): State<Shared>,
    command: Command,
    JsonBody { value, bytes }: JsonBody<DepositBody>,
) -> Answered<Response> {
    let currency = currency_of(&value.currency)?;
    let method = channel(METHOD, &value.method)?;
    let account = command_account(&app, command.client_id, Some(value.account_id)).await?;
    let key = app.handles.store.keys().get(command.client_id.0).await?;
    let request_id = FundingId(Uuid::now_v7());
    let ask = AccountCommand::RequestDeposit {
        request_id,
        amount: value.amount.0,
        currency,
        method: key.seal(METHOD, method),
    };
    let asked = ("request_deposit", &*bytes);
    request(&app, &command, &account, (request_id, ask), asked).await
}

/// Asks for money to go out. It is held at once, and paid when staff complete it.
#[utoipa::path(post, path = "/funding/withdrawal", operation_id = "requestWithdrawal", tag = "funding", request_body = WithdrawalBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes repeating safe for 24 hours")),
    security(("bearer" = [])),
    responses(
        (status = 201, description = "Requested, and the amount held", body = RequestedBody),
        (status = 400, description = "Malformed, `invalid_amount`, or `insufficient_funds` with `error`, `required` and `available`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`email_unverified`, `kyc_required`, `impersonation_restricted`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such account, or somebody else's", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`demo_account`, `currency_mismatch`, `too_many_funding_requests`, …", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`no_quote`: a position cannot be valued yet", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn withdrawal(
    State(app): State<Shared>,
    command: Command,
    JsonBody { value, bytes }: JsonBody<WithdrawalBody>,
) -> Answered<Response> {
    if command.is_impersonated() && !app.handles.config.impersonation.can_withdraw {
        return Err(Problem::new(Code::ImpersonationRestricted));
    }
    let currency = currency_of(&value.currency)?;
    let destination = channel(DESTINATION, &value.destination)?;
    let account = command_account(&app, command.client_id, Some(value.account_id)).await?;
    let key = app.handles.store.keys().get(command.client_id.0).await?;
    let request_id = FundingId(Uuid::now_v7());
    let ask = AccountCommand::RequestWithdrawal {
        request_id,
        amount: value.amount.0,
        currency,
        destination: key.seal(DESTINATION, destination),
    };
    let asked = ("request_withdrawal", &*bytes);
    request(&app, &command, &account, (request_id, ask), asked).await
}

async fn request(
    app: &App,
    command: &Command,
    account: &AccountRef,
    (request_id, ask): (FundingId, AccountCommand),
    (reason, bytes): (&str, &[u8]),
) -> Answered<Response> {
    may_trade(app, account).await?;
    let body = RequestedBody {
        request_id,
        status: status_name(FundingStatus::Requested),
    };
    let render = move |_: &daybook_engine::Outcome<'_>| answered(201, &body);
    let executed = command
        .execute(app, account, ask, reason, bytes, render)
        .await?;
    if executed.reply.status == 201 && !executed.reply.replayed {
        app.owners.insert(request_id.0, *account);
    }
    Ok(executed.answer())
}

/// Takes a deposit or withdrawal back that nobody has decided about.
#[utoipa::path(delete, path = "/funding/{requestId}", operation_id = "cancelFunding", tag = "funding",
    params(
        ("requestId" = Uuid, Path, description = "The deposit or withdrawal"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes repeating safe for 24 hours"),
    ),
    security(("bearer" = [])),
    responses(
        (status = 204, description = "Cancelled; what was held is there again"),
        (status = 404, description = "No such request, or somebody else's", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`funding_not_open`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn cancel(
    State(app): State<Shared>,
    command: Command,
    PathId(request_id): PathId<FundingId>,
) -> Answered<Response> {
    let account = thing_account(&app, &command, Thing::Funding(request_id), None).await?;
    let cancel = AccountCommand::CancelFunding { request_id };
    let executed = command.execute(&app, &account, cancel, "cancel_funding", b"", done);
    Ok(executed.await?.answer())
}

/// Deposits and withdrawals, newest first.
#[utoipa::path(get, path = "/funding/history", operation_id = "listFunding", tag = "funding", params(FundingQuery),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "One page", body = Items<FundingItem>),
        (status = 400, description = "Malformed query", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such account, or somebody else's", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`read_model_behind`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn history(
    State(app): State<Shared>,
    client: SignedIn,
    fresh: Fresh,
    Query(query): Query<FundingQuery>,
) -> Answered<Json<Items<FundingItem>>> {
    let page = page_of(query.limit.as_deref(), query.cursor.as_deref())?;
    let of = match query.account_id.as_deref() {
        Some(_) => {
            let named = query.account_id.as_deref();
            let account = read_account(&app, client.clone(), &fresh, named, &[names::FUNDING]);
            FundingOf::Account(account.await?.account_id)
        }
        None => {
            fresh.wait(&[names::FUNDING]).await?;
            FundingOf::Client(client.client_id())
        }
    };
    let page = app.handles.reads.funding(of, page).await?;
    let key = app.handles.store.keys().get(client.client_id().0).await?;
    let paid = page.items.iter().filter(|row| row.is_paid_out());
    let paid: Vec<FundingId> = paid.map(|row| row.request_id).collect();
    let deliveries = Deliveries::new(app.handles.store.clone());
    let mut refused = deliveries.refused_payouts(&paid).await?;
    let items = page.items.iter().map(|row| {
        Ok(FundingItem {
            crm_refused: refused.remove(&row.request_id),
            ..FundingItem::of(row, &key)?
        })
    });
    Ok(Json(Items {
        items: items.collect::<Answered<_>>()?,
        next_cursor: page.next_cursor.map(|cursor| cursor.to_string()),
    }))
}

/// A deposit or withdrawal as listed and as pushed, opened for its client.
pub(crate) async fn funding_item(app: &App, row: &FundingRow) -> Answered<FundingItem> {
    let key = app.handles.store.keys().get(row.client_id.0).await?;
    FundingItem::of(row, &key)
}

impl FundingItem {
    fn of(row: &FundingRow, key: &SubjectKey) -> Answered<Self> {
        let open = |field: &str, sealed: &Option<String>| {
            let sealed = sealed.as_deref();
            sealed.map(|text| key.open(field, text)).transpose()
        };
        Ok(Self {
            request_id: row.request_id.to_string(),
            account_id: row.account_id.to_string(),
            kind: kind_name(row.kind),
            amount: number::money(row.amount, row.currency),
            currency: Currency::to_string(&row.currency),
            status: status_name(row.status),
            method: open(METHOD, &row.method)?,
            destination: open(DESTINATION, &row.destination)?,
            reason: row.reason.clone(),
            reference: row.reference.clone(),
            crm_refused: None,
            created_at: text::time(row.created_at),
            updated_at: text::time(row.updated_at),
        })
    }
}

const fn kind_name(kind: FundingKind) -> &'static str {
    match kind {
        FundingKind::Deposit => "deposit",
        FundingKind::Withdrawal => "withdrawal",
    }
}

const fn status_name(status: FundingStatus) -> &'static str {
    match status {
        FundingStatus::Requested => "requested",
        FundingStatus::Approved => "approved",
        FundingStatus::Completed => "completed",
        FundingStatus::Rejected => "rejected",
        FundingStatus::Cancelled => "cancelled",
    }
}

fn currency_of(text: &str) -> Answered<Currency> {
    Currency::parse(text).map_err(|error| {
        let message = error.to_string();
        Problem::field(Code::InvalidValue, "currency", message)
    })
}

/// A method or destination: one line of text.
fn channel<'a>(field: &str, text: &'a str) -> Answered<&'a str> {
    let text = text.trim();
    let is_line = !text.is_empty() && !text.chars().any(char::is_control);
    if is_line && text.chars().count() <= CHANNEL_MAX {
        return Ok(text);
    }
    let message = format!("must have 1 to {CHANNEL_MAX} characters and be one line");
    Err(Problem::field(Code::InvalidValue, field, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_or_destination_is_one_line_of_text() {
        assert_eq!(channel(METHOD, "  card ").unwrap(), "card");
        assert!(channel(METHOD, &"ä".repeat(CHANNEL_MAX)).is_ok());
        for wrong in ["", "  ", "a\nb", "a\0", &"x".repeat(CHANNEL_MAX + 1)] {
            let refused = channel(DESTINATION, wrong).unwrap_err();
            assert_eq!(refused.code(), Code::InvalidValue, "{wrong:?}");
        }
    }

    #[test]
    fn a_currency_is_a_code() {
        assert_eq!(currency_of("USD").unwrap(), Currency::USD);
        for wrong in ["", "usd", "U S", "TOOLONGX"] {
            assert_eq!(currency_of(wrong).unwrap_err().code(), Code::InvalidValue);
        }
    }
}
