//! The client's accounts: list them, open one more. **Permission:** the client.

use std::sync::Arc;

use axum::{Json, extract::State, response::Response};
use daybook_domain::{
    AccountId, Currency,
    account::{AccountKind, AccountTerms, Bucket, Funds, PositionMode},
    instrument::AssetClass,
    rules::TradingState,
};
use daybook_engine::{NewAccount, OpenAccountRequest, Outcome};
use daybook_projections::{AccountRow, names};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::trading::account::{kind_name, mode_name, state_name};
use crate::{
    app::{AccountRef, App, Shared},
    extract::{Command, Fresh, JsonBody, SignedIn, answer, answered, refusal},
    number,
    problem::{Answered, Code, Problem, ProblemBody},
};

/// One of the client's accounts.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountItem {
    #[schema(example = "01997d0a-5a3e-7d31-9a53-0a4f2f1c7a13")]
    account_id: String,
    #[schema(example = 100_001)]
    number: u64,
    #[schema(example = "demo")]
    kind: &'static str,
    #[schema(example = "hedging")]
    mode: &'static str,
    #[schema(example = "USD")]
    currency: String,
    #[schema(example = 100)]
    leverage: u32,
    #[schema(example = "10000.00")]
    balance: String,
    #[schema(example = "active")]
    state: &'static str,
}

/// An account to be opened.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewAccountBody {
    /// `demo` (starts with demo funds) or `live`.
    #[schema(value_type = String, example = "demo")]
    kind: AccountKind,
    /// `hedging` (opposite positions stand side by side) or `netting` (one position per symbol).
    #[schema(value_type = String, example = "netting")]
    mode: PositionMode,
    /// A currency of the pairs that are traded here.
    #[schema(example = "EUR")]
    currency: String,
}

/// The client's accounts, oldest first.
#[utoipa::path(get, path = "/user/accounts", operation_id = "listAccounts", tag = "me", security(("bearer" = [])),
    responses(
        (status = 200, description = "Accounts", body = Vec<AccountItem>),
        (status = 401, description = "`unauthenticated`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`read_model_behind`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn accounts(
    State(app): State<Shared>,
    client: SignedIn,
    fresh: Fresh,
) -> Answered<Json<Vec<AccountItem>>> {
    fresh.wait(&[names::ACCOUNTS]).await?;
    let rows = app.handles.reads.accounts_of(client.client_id()).await?;
    let house = app.handles.config.rules.trading_state;
    let items = rows.iter().map(|row| AccountItem::of_row(row, house));
    Ok(Json(items.collect()))
}

/// Opens one more account, up to the house's limit. A demo account starts with the house's demo
/// funds, as many units of its currency.
#[utoipa::path(post, path = "/user/accounts", operation_id = "openAccount", tag = "me", request_body = NewAccountBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes repeating safe for 24 hours")),
    security(("bearer" = [])),
    responses(
        (status = 201, description = "Opened", body = AccountItem),
        (status = 400, description = "Malformed, or no such currency", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`too_many_accounts`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable`, `read_model_behind` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn open(
    State(app): State<Shared>,
    command: Command,
    fresh: Fresh,
    JsonBody { value, bytes }: JsonBody<NewAccountBody>,
) -> Answered<Response> {
    let currency = offered(&app, &value.currency)?;
    let client_id = command.client_id;
    let idempotency = command.idempotency("", &bytes);
    // Counted and opened by one request at a time, so that no two are the last.
    let _turn = app.openings.lock().await;
    let asked_before = match &idempotency {
        Some(key) => app.handles.store.idempotency(&key.scope, &key.key).await?,
        None => None,
    };
    if asked_before.is_none() {
        fresh.wait(&[names::ACCOUNTS]).await?;
        check_count(&app, client_id).await?;
    }
    let account = new_account(&app, value.kind, value.mode, currency).await?;
    let account_id = account.account_id;
    let house = app.handles.config.rules.trading_state;
    let request_id = Arc::clone(&command.info.id);
    let render = move |outcome: &Outcome<'_>| match &outcome.account.terms {
        Some(terms) => {
            let state = outcome.account.controls().state_under(house);
            let item = AccountItem::of(account_id, terms, &outcome.account.funds, state);
            answered(201, &item)
        }
        None => refusal(&Problem::new(Code::Internal), &request_id),
    };
    let request = OpenAccountRequest {
        client_id,
        account,
        origin: app.origin(client_id, &command.info, "open_account").await?,
        idempotency,
        render: Box::new(render),
    };
    let reply = app.engine()?.open_account(request).await?;
    app.acknowledge(client_id, reply.position, true);
    if !reply.replayed {
        let known = AccountRef {
            account_id,
            client_id,
            kind: value.kind,
            currency,
        };
        app.accounts.insert(account_id, known);
    }
    Ok(answer(reply))
}

/// What can be converted into whatever is traded: the currencies of the pairs.
fn offered(app: &App, text: &str) -> Answered<Currency> {
    let instruments = app.instruments();
    let pairs = instruments
        .iter()
        .filter(|terms| terms.class == AssetClass::Fx);
    let mut known = pairs.flat_map(|terms| [terms.base, terms.quote]);
    let asked = Currency::parse(text).ok();
    let asked = asked.filter(|asked| known.any(|currency| currency == *asked));
    asked.ok_or_else(|| {
        let message = "must be a currency of the pairs that are traded here";
        Problem::field(Code::InvalidValue, "currency", message)
    })
}

async fn check_count(app: &App, client_id: daybook_domain::ClientId) -> Answered<()> {
    let open = app.handles.reads.accounts_of(client_id).await?.len();
    let most = app.handles.config.accounts_max;
    if open < most {
        return Ok(());
    }
    let detail = format!("{open} accounts are open already, {most} may be");
    Err(Problem::with_detail(Code::TooManyAccounts, detail))
}

async fn new_account(
    app: &App,
    kind: AccountKind,
    mode: PositionMode,
    currency: Currency,
) -> Answered<NewAccount> {
    let config = &app.handles.config;
    let numbers = app.handles.store.next_account_numbers(1).await?;
    let number = numbers.first().copied();
    let number = number.ok_or_else(|| Problem::new(Code::Internal))?;
    let funds = match kind {
        AccountKind::Demo => Some((Bucket::Demo, currency.round(config.demo_funds))),
        AccountKind::Live => None,
    };
    Ok(NewAccount {
        account_id: AccountId(Uuid::now_v7()),
        number,
        kind,
        mode,
        currency,
        leverage: config.leverage,
        funds,
    })
}

impl AccountItem {
    fn of_row(row: &AccountRow, house: TradingState) -> Self {
        let state = row.controls.state_under(house);
        Self::of(row.account_id, &row.terms(), &row.funds, state)
    }

    fn of(id: AccountId, terms: &AccountTerms, funds: &Funds, state: TradingState) -> Self {
        Self {
            account_id: id.to_string(),
            number: terms.number,
            kind: kind_name(terms.kind),
            mode: mode_name(terms.mode),
            currency: Currency::to_string(&terms.currency),
            leverage: terms.leverage,
            balance: number::money(funds.balance(), terms.currency),
            state: state_name(state),
        }
    }
}
