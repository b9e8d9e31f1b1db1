//! Open positions: protect, close, list.

use std::sync::Arc;

use axum::{Json, extract::State, response::Response};
use daybook_domain::{
    AccountCommand, AccountEvent, AccountId, DealId, PositionId, account::Change,
    account::event::ClosingDeal,
};
use daybook_engine::{Answer, Outcome, Render};
use daybook_projections::names;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    Thing,
    items::{PositionItem, Valuation},
    may_trade,
    order::{json, render_empty},
    read_account, thing_account,
};
use crate::{
    app::{AccountRef, App, Shared},
    extract::{Command, Fresh, Items, JsonBody, PathId, Query, SignedIn, answer, page_of, refusal},
    number::{self, Patch, Positive},
    problem::{Answered, Code, Problem, ProblemBody},
};

/// Changes to a position's protection; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ProtectionBody {
    /// Checked against the position's account where given.
    #[schema(value_type = Option<Uuid>)]
    account_id: Option<AccountId>,
    /// Null removes it.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "1.07500")]
    stop_loss: Patch<Positive>,
    /// Null removes it.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "1.09500")]
    take_profit: Patch<Positive>,
    /// Not available yet: only null.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    trailing_distance: Patch<Positive>,
}

/// How much to close.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CloseBody {
    /// Checked against the position's account where given.
    #[schema(value_type = Option<Uuid>)]
    account_id: Option<AccountId>,
    /// Lots; all where left out.
    #[schema(value_type = Option<String>, example = "0.04")]
    volume: Option<Positive>,
}

/// A closing deal.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClosedBody {
    #[schema(example = "01997d0a-5a3e-7d31-9a53-0a4f2f1c7a12")]
    deal_id: String,
    #[schema(example = "0.04")]
    closed_volume: String,
    #[schema(example = "1.08823")]
    price: String,
    /// Price profit alone.
    #[schema(example = "3.68")]
    realised: String,
    #[schema(example = "0.06")]
    remaining_volume: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PositionsQuery {
    /// The default account where left out.
    account_id: Option<String>,
    /// 1 to 500; 50 where left out.
    #[param(value_type = Option<u32>, example = 50)]
    limit: Option<String>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Changes stop loss and take profit.
#[utoipa::path(patch, path = "/trading/position/{id}", operation_id = "protectPosition", tag = "trading", request_body = ProtectionBody,
    params(
        ("id" = Uuid, Path, description = "The position"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes repeating safe for 24 hours"),
    ),
    security(("bearer" = [])),
    responses(
        (status = 204, description = "Changed"),
        (status = 400, description = "Malformed, or nothing to change", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such position, or somebody else's", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`position_not_open`, `invalid_stops`, …", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn protect(
    State(app): State<Shared>,
    command: Command,
    PathId(position_id): PathId<PositionId>,
    JsonBody { value, bytes }: JsonBody<ProtectionBody>,
) -> Answered<Response> {
    app.engine()?;
    if matches!(value.trailing_distance, Patch::Set(_)) {
        let message = "trailing stops are not available yet";
        return Err(Problem::field(
            Code::InvalidValue,
            "trailingDistance",
            message,
        ));
    }
    let stop_loss = value.stop_loss.into_change(|price| price.0);
    let take_profit = value.take_profit.into_change(|price| price.0);
    if (stop_loss, take_profit) == (Change::Keep, Change::Keep) {
        return Err(Problem::with_detail(
            Code::Malformed,
            "nothing to change was named",
        ));
    }
    let account = thing_account(
        &app,
        &command,
        Thing::Position(position_id),
        value.account_id,
    )
    .await?;
    may_trade(&account)?;
    let protect = AccountCommand::ProtectPosition {
        position_id,
        stop_loss,
        take_profit,
    };
    let render = render_empty(Arc::clone(&command.info.id));
    let reply = command
        .execute(&app, &account, protect, "protect_position", &bytes, render)
        .await?;
    Ok(answer(reply))
}

/// Closes a position at the market, whole or in part.
#[utoipa::path(post, path = "/trading/close/{id}", operation_id = "closePosition", tag = "trading", request_body = CloseBody,
    params(
        ("id" = Uuid, Path, description = "The position"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes repeating safe for 24 hours"),
    ),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "Closed or reduced", body = ClosedBody),
        (status = 404, description = "No such position, or somebody else's", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`position_not_open`, `market_closed`, `stale_quote`, …", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`no_quote`, `overloaded`, `unavailable` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn close(
    State(app): State<Shared>,
    command: Command,
    PathId(position_id): PathId<PositionId>,
    JsonBody { value, bytes }: JsonBody<CloseBody>,
) -> Answered<Response> {
    app.engine()?;
    let account = thing_account(
        &app,
        &command,
        Thing::Position(position_id),
        value.account_id,
    )
    .await?;
    let close = AccountCommand::ClosePosition {
        position_id,
        deal_id: DealId(Uuid::now_v7()),
        volume: value.volume.map(|volume| volume.0),
    };
    let render = render_closed(Arc::clone(&app), account, Arc::clone(&command.info.id));
    let reply = command
        .execute(&app, &account, close, "close_position", &bytes, render)
        .await?;
    Ok(answer(reply))
}

fn render_closed(app: Shared, account: AccountRef, request_id: Arc<str>) -> Render {
    Box::new(move |outcome: &Outcome<'_>| {
        if let Some(rejection) = &outcome.decision.refusal {
            return refusal(&Problem::from(rejection), &request_id);
        }
        match outcome.decision.events.iter().find_map(closing_deal) {
            Some(deal) => Answer {
                status: 200,
                body: json(&closed(&app, deal, account)),
                keep: true,
            },
            None => {
                tracing::error!("a close was decided without a deal");
                refusal(&Problem::new(Code::Internal), &request_id)
            }
        }
    })
}

fn closing_deal(event: &AccountEvent) -> Option<&ClosingDeal> {
    match event {
        AccountEvent::PositionReduced { deal, .. } | AccountEvent::PositionClosed { deal, .. } => {
            Some(deal)
        }
        AccountEvent::AccountOpened { .. }
        | AccountEvent::FundsAdjusted { .. }
        | AccountEvent::OrderPlaced { .. }
        | AccountEvent::OrderRejected { .. }
        | AccountEvent::OrderModified { .. }
        | AccountEvent::OrderCancelled { .. }
        | AccountEvent::OrderExpired { .. }
        | AccountEvent::OrderTriggered { .. }
        | AccountEvent::OrderFilled { .. }
        | AccountEvent::PositionOpened { .. }
        | AccountEvent::ProtectionChanged { .. }
        | AccountEvent::PositionIncreased { .. }
        | AccountEvent::OrderNetted { .. }
        | AccountEvent::LeverageChanged { .. }
        | AccountEvent::ControlsChanged { .. }
        | AccountEvent::SwapCharged { .. }
        | AccountEvent::MarginCallRaised { .. }
        | AccountEvent::MarginCallCleared { .. }
        | AccountEvent::StopOutStarted { .. }
        | AccountEvent::StopOutStep { .. }
        | AccountEvent::StopOutFinished { .. }
        | AccountEvent::NegativeBalanceCompensated { .. }
        | AccountEvent::TradingDayStarted { .. }
        | AccountEvent::DailyLossLimitReached { .. }
        | AccountEvent::DealBusted { .. }
        | AccountEvent::DealRepriced { .. } => None,
    }
}

fn closed(app: &App, deal: &ClosingDeal, account: AccountRef) -> ClosedBody {
    let terms = app.instrument(deal.symbol);
    let terms = terms.as_deref();
    ClosedBody {
        deal_id: deal.deal_id.to_string(),
        closed_volume: number::volume(deal.volume, terms),
        price: number::price(deal.execution.price, terms),
        realised: number::money(deal.realised, account.currency),
        remaining_volume: number::volume(deal.remaining, terms),
    }
}

/// An account's open positions, newest first, valued on the newest quotes.
#[utoipa::path(get, path = "/trading/positions", operation_id = "listPositions", tag = "trading", params(PositionsQuery),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "One page", body = Items<PositionItem>),
        (status = 400, description = "Malformed query", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such account, or somebody else's", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`read_model_behind`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn list(
    State(app): State<Shared>,
    client: SignedIn,
    fresh: Fresh,
    Query(query): Query<PositionsQuery>,
) -> Answered<Json<Items<PositionItem>>> {
    let page = page_of(query.limit.as_deref(), query.cursor.as_deref())?;
    fresh
        .wait(&[names::CLIENTS, names::ACCOUNTS, names::POSITIONS])
        .await?;
    let account = read_account(&app, client.client_id(), query.account_id.as_deref()).await?;
    let rows = app
        .handles
        .reads
        .positions_page(account.account_id, page)
        .await?;
    let market = app.market();
    let valuation = Valuation {
        currency: account.currency,
        leverage: account.leverage,
        market: &market,
        rules: &app.handles.config.rules,
    };
    Ok(Json(Items::of(rows, |row| {
        PositionItem::of(&row, valuation)
    })))
}
