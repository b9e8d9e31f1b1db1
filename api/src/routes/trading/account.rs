//! `GET /trading/account`: money, margin and state, now or at an instant.

use std::ops::ControlFlow;

use axum::{Json, extract::State};
use chrono::SubsecRound;
use daybook_domain::{
    Account, AccountEvent, AccountId, Currency, Market, Rules, Timestamp,
    account::{AccountKind, AccountTerms, Funds, Position, PositionMode},
    margin::{Figures, figures},
    rules::TradingState,
};
use daybook_engine::{Step, Story, Until};
use daybook_projections::{AccountRow, names};
use daybook_store::Recorded;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::read_account;
use crate::{
    app::Shared,
    extract::{Fresh, Query, SignedIn},
    number,
    problem::{Answered, Code, Problem, ProblemBody},
    routes::market::time_parameter,
};

const SIGHTINGS_MAX: u32 = 20;

/// An account's figures, in its currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountBody {
    #[schema(example = "01997d0a-5a3e-7d31-9a53-0a4f2f1c7a13")]
    account_id: String,
    #[schema(example = 100_001)]
    number: u64,
    /// `live` or `demo`.
    #[schema(example = "demo")]
    kind: &'static str,
    /// `hedging` or `netting`.
    #[schema(example = "hedging")]
    mode: &'static str,
    #[schema(example = "USD")]
    currency: String,
    #[schema(example = 100)]
    leverage: u32,
    /// Real, demo and bonus money together.
    #[schema(example = "10000.00")]
    balance: String,
    #[schema(example = "0.00")]
    real_balance: String,
    #[schema(example = "10000.00")]
    demo_balance: String,
    #[schema(example = "0.00")]
    bonus_balance: String,
    /// Held for requested withdrawals.
    #[schema(example = "0.00")]
    held: String,
    /// Null where a position has no quote, like all that depends on it.
    #[schema(example = "9999.20")]
    equity: Option<String>,
    #[schema(example = "-0.80")]
    unrealised: Option<String>,
    #[schema(example = "108.73")]
    used_margin: String,
    #[schema(example = "9890.47")]
    free_margin: Option<String>,
    /// In percent; null without positions.
    #[schema(example = "9196.36")]
    margin_level: Option<String>,
    #[schema(example = "0.00")]
    withdrawable: Option<String>,
    /// `active`, `reducing` (only what lessens risk) or `halted` (nothing, closing included): the
    /// stricter of what holds for the account and for the house.
    #[schema(example = "active")]
    state: &'static str,
    /// Position of the book that this stands at.
    #[schema(example = 42)]
    as_of_position: i64,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AccountQuery {
    /// The default account where left out.
    account_id: Option<String>,
    /// Answers for that instant; what depends on a price is null then.
    #[param(example = "2026-01-31T09:30:00.000Z")]
    as_of: Option<String>,
}

/// The account's figures on the newest quotes, or as they were at `asOf`.
#[utoipa::path(get, path = "/trading/account", operation_id = "getAccount", tag = "trading", params(AccountQuery),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "Figures", body = AccountBody),
        (status = 401, description = "`unauthenticated`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such account, or somebody else's", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`read_model_behind`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn account(
    State(app): State<Shared>,
    client: SignedIn,
    fresh: Fresh,
    Query(query): Query<AccountQuery>,
) -> Answered<Json<AccountBody>> {
    let as_of = time_parameter("asOf", query.as_of.as_deref())?;
    let named = query.account_id.as_deref();
    let row = read_account(&app, client, &fresh, named, &[names::POSITIONS]).await?;
    let body = match as_of {
        Some(as_of) => account_at(&app, row.account_id, as_of).await?,
        None => account_now(&app, row.account_id).await?,
    };
    Ok(Json(body))
}

/// The figures on the newest quotes.
async fn account_now(app: &Shared, id: AccountId) -> Answered<AccountBody> {
    let seen = see(app, id).await?;
    Ok(valued(&seen, &app.market(), &app.handles.config.rules))
}

/// The figures of what was seen.
pub(crate) fn valued(seen: &Seen, market: &Market, rules: &Rules) -> AccountBody {
    let row = &seen.row;
    let figures = figures(row.figures_input(&seen.positions), market, rules);
    AccountBody::of(
        row.account_id,
        &row.terms(),
        &row.funds,
        &figures,
        row.controls.state_under(rules.trading_state),
        seen.position,
    )
}

/// An account and its open positions, both as they stand at one position of the book.
pub(crate) struct Seen {
    pub(crate) row: AccountRow,
    pub(crate) positions: Vec<Position>,
    pub(crate) position: i64,
}

/// Two read models move on their own: reads them until nothing happened to the account between.
pub(crate) async fn see(app: &Shared, id: AccountId) -> Answered<Seen> {
    let reads = &app.handles.reads;
    let absent = || Problem::new(Code::NotFound);
    let mut row = reads.account(id).await?.ok_or_else(absent)?;
    for _ in 0..SIGHTINGS_MAX {
        app.wait_for(&[names::POSITIONS], row.position).await?;
        let positions = reads.positions(id).await?;
        let position = reads.checkpoint(names::POSITIONS).await?;
        app.wait_for(&[names::ACCOUNTS], position).await?;
        let after = reads.account(id).await?.ok_or_else(absent)?;
        if after.position == row.position {
            return Ok(Seen {
                row,
                positions,
                position,
            });
        }
        row = after;
    }
    let detail = "the account changes faster than it can be read";
    Err(Problem::with_detail(Code::ReadModelBehind, detail))
}

/// The account as it was at an instant, named to the millisecond as answers name it.
async fn account_at(app: &Shared, id: AccountId, as_of: Timestamp) -> Answered<AccountBody> {
    let mut account = Account::default();
    let mut position = 0;
    story(app, id, |recorded, event| {
        if event.at().trunc_subsecs(3) > as_of {
            return ControlFlow::Break(());
        }
        account.evolve(&event);
        position = recorded.position;
        ControlFlow::Continue(())
    })
    .await?;
    let terms = account.terms.ok_or_else(|| {
        Problem::with_detail(Code::NotFound, "the account was not open yet at that time")
    })?;
    // No quotes of the past are kept: a market without any says what needs none.
    let market = Market::new(app.instruments());
    let rules = &app.handles.config.rules;
    let figures = account.figures(&market, rules);
    let figures = figures.ok_or_else(|| Problem::new(Code::NotFound))?;
    Ok(AccountBody::of(
        id,
        &terms,
        &account.funds,
        &figures,
        account.controls().state_under(rules.trading_state),
        position,
    ))
}

/// Reads an account's stream from its beginning, until it ends or the reader has seen enough.
pub(super) async fn story(
    app: &Shared,
    id: AccountId,
    mut read: impl FnMut(&Recorded, AccountEvent) -> ControlFlow<()>,
) -> Answered<()> {
    let mut story = Story::of(app.handles.store.clone(), id, Until::default());
    while let Some(Step { recorded, event }) = story.next().await? {
        if read(&recorded, event).is_break() {
            return Ok(());
        }
    }
    Ok(())
}

impl AccountBody {
    /// Position of the book that this stands at.
    pub(crate) const fn position(&self) -> i64 {
        self.as_of_position
    }

    fn of(
        id: AccountId,
        terms: &AccountTerms,
        funds: &Funds,
        figures: &Figures,
        state: TradingState,
        as_of_position: i64,
    ) -> Self {
        let money = |value| number::money(value, terms.currency);
        Self {
            account_id: id.to_string(),
            number: terms.number,
            kind: kind_name(terms.kind),
            mode: mode_name(terms.mode),
            currency: Currency::to_string(&terms.currency),
            leverage: terms.leverage,
            balance: money(figures.balance),
            real_balance: money(funds.real),
            demo_balance: money(funds.demo),
            bonus_balance: money(funds.bonus),
            held: money(funds.held),
            equity: figures.equity.map(money),
            unrealised: figures.unrealised.map(money),
            used_margin: money(figures.used_margin),
            free_margin: figures.free_margin.map(money),
            margin_level: figures.margin_level.map(number::two_decimals),
            withdrawable: figures.withdrawable.map(money),
            state: state_name(state),
            as_of_position,
        }
    }
}

pub(crate) const fn kind_name(kind: AccountKind) -> &'static str {
    match kind {
        AccountKind::Live => "live",
        AccountKind::Demo => "demo",
    }
}

pub(crate) const fn mode_name(mode: PositionMode) -> &'static str {
    match mode {
        PositionMode::Hedging => "hedging",
        PositionMode::Netting => "netting",
    }
}

pub(crate) const fn state_name(state: TradingState) -> &'static str {
    match state {
        TradingState::Active => "active",
        TradingState::Reducing => "reducing",
        TradingState::Halted => "halted",
    }
}
