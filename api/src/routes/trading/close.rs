//! Closing positions: one, two by one another, all. **Permission:** the account's own client.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use daybook_domain::{
    AccountCommand, AccountEvent, AccountId, DealId, Decimal, PositionId,
    account::{CloseFilter, PositionOutcome, event::ClosingDeal},
};
use daybook_engine::Outcome;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Thing, command_account, thing_account};
use crate::{
    app::{AccountRef, App, Shared},
    extract::{Command, JsonBody, PathId, answered, refusal},
    number::{self, Positive},
    problem::{Answered, Code, Problem, ProblemBody},
};

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
    #[schema(example = "01997d0a-5a3e-7d31-9a53-0a4f2f1c7a11")]
    position_id: String,
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

/// Two positions of one symbol, one long and one short.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CloseByBody {
    /// Checked against the positions' account where given.
    #[schema(value_type = Option<Uuid>)]
    account_id: Option<AccountId>,
    #[schema(value_type = Uuid)]
    position_id: PositionId,
    #[schema(value_type = Uuid)]
    opposite_position_id: PositionId,
}

/// What two positions closed of one another.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClosedByBody {
    /// Price profit of both deals.
    #[schema(example = "3.68")]
    realised: String,
    /// The closing deal of each position.
    deals: Vec<ClosedBody>,
}

/// Which positions to close; all where nothing is said.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CloseAllBody {
    /// The default account where left out.
    #[schema(value_type = Option<Uuid>)]
    account_id: Option<AccountId>,
    /// Of this instrument alone.
    #[schema(example = "EURUSD")]
    symbol: Option<String>,
    /// `winners` or `losers`, as they stand when their turn comes.
    #[schema(value_type = Option<String>, example = "losers")]
    only: Option<CloseFilter>,
}

/// What became of each position, in the order they were tried.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ClosedAllBody {
    results: Vec<ClosedItem>,
}

/// What became of one position.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClosedItem {
    #[schema(example = "01997d0a-5a3e-7d31-9a53-0a4f2f1c7a11")]
    position_id: String,
    /// `closed` or `failed`.
    #[schema(example = "closed")]
    outcome: &'static str,
    /// Price profit alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "9.20")]
    realised: Option<String>,
    /// Why it stays open: a code of docs/ERRORS.md.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
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
    let (shared, request_id) = (Arc::clone(&app), Arc::clone(&command.info.id));
    let accepted = move |outcome: &Outcome<'_>| {
        if let Some(deal) = outcome.decision.events.iter().find_map(closing_deal) {
            return answered(200, &closed(&shared, deal, account));
        }
        tracing::error!("a close was decided without a deal");
        refusal(&Problem::new(Code::Internal), &request_id)
    };
    let executed = command.execute(&app, &account, close, "close_position", &bytes, accepted);
    Ok(executed.await?.answer())
}

/// The deal of an event that reduces or closes a position.
pub(super) fn closing_deal(event: &AccountEvent) -> Option<&ClosingDeal> {
    if let AccountEvent::PositionReduced { deal, .. } | AccountEvent::PositionClosed { deal, .. } =
        event
    {
        Some(deal)
    } else {
        None
    }
}

fn closed(app: &App, deal: &ClosingDeal, account: AccountRef) -> ClosedBody {
    let terms = app.instrument(deal.symbol);
    let terms = terms.as_deref();
    ClosedBody {
        deal_id: deal.deal_id.to_string(),
        position_id: deal.position_id.to_string(),
        closed_volume: number::volume(deal.volume, terms),
        price: number::price(deal.execution.price, terms),
        realised: number::money(deal.realised, account.currency),
        remaining_volume: number::volume(deal.remaining, terms),
    }
}

/// Closes two opposite positions of one symbol by one another, as far as the smaller goes, without
/// paying the spread. Hedging accounts only.
#[utoipa::path(post, path = "/trading/close-by", operation_id = "closePositionBy", tag = "trading", request_body = CloseByBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes repeating safe for 24 hours")),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "Closed or reduced, both", body = ClosedByBody),
        (status = 400, description = "Malformed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such position, or somebody else's", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`not_opposite`, `wrong_mode`, `position_not_open`, `market_closed`, `stale_quote`, …", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`no_quote`, `overloaded`, `unavailable` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn close_by(
    State(app): State<Shared>,
    command: Command,
    JsonBody { value, bytes }: JsonBody<CloseByBody>,
) -> Answered<Response> {
    let [position_id, opposite_id] = [value.position_id, value.opposite_position_id];
    let thing = Thing::Position(position_id);
    let account = thing_account(&app, &command, thing, value.account_id).await?;
    // The other has to be of the same account; if it is nobody's, that is told here too.
    let (thing, named) = (Thing::Position(opposite_id), Some(account.account_id));
    thing_account(&app, &command, thing, named).await?;
    let close = AccountCommand::CloseBy {
        position_id,
        opposite_id,
        deal_id: DealId(Uuid::now_v7()),
        opposite_deal_id: DealId(Uuid::now_v7()),
    };
    let shared = Arc::clone(&app);
    let accepted = move |outcome: &Outcome<'_>| {
        let events = &outcome.decision.events;
        let deals: Vec<_> = events.iter().filter_map(closing_deal).collect();
        let realised: Decimal = deals.iter().map(|deal| deal.realised).sum();
        let body = ClosedByBody {
            realised: number::money(realised, account.currency),
            deals: deals
                .into_iter()
                .map(|deal| closed(&shared, deal, account))
                .collect(),
        };
        answered(200, &body)
    };
    let executed = command.execute(&app, &account, close, "close_by", &bytes, accepted);
    Ok(executed.await?.answer())
}

/// Closes all positions of an account, or those of a kind, at the market: oldest first, each with
/// its own outcome.
#[utoipa::path(post, path = "/trading/close-all", operation_id = "closeAllPositions", tag = "trading", request_body = CloseAllBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes repeating safe for 24 hours")),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "What became of each", body = ClosedAllBody),
        (status = 400, description = "Malformed, `unknown_symbol`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such account, or somebody else's", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`trading_disabled`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`overloaded`, `unavailable` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn close_all(
    State(app): State<Shared>,
    command: Command,
    JsonBody { value, bytes }: JsonBody<CloseAllBody>,
) -> Answered<Response> {
    let symbol = value.symbol.as_deref();
    let symbol = symbol.map(|name| app.named_instrument(name)).transpose()?;
    let account = command_account(&app, command.client_id, value.account_id).await?;
    let close = AccountCommand::CloseAll {
        seed: DealId(Uuid::now_v7()),
        symbol: symbol.map(|terms| terms.symbol),
        only: value.only,
    };
    let accepted = move |outcome: &Outcome<'_>| {
        let outcomes = outcome.decision.outcomes.iter();
        let results = outcomes.map(|outcome| ClosedItem::of(outcome, account));
        let body = ClosedAllBody {
            results: results.collect(),
        };
        answered(200, &body)
    };
    let executed = command.execute(&app, &account, close, "close_all", &bytes, accepted);
    Ok(executed.await?.answer())
}

impl ClosedItem {
    fn of(outcome: &PositionOutcome, account: AccountRef) -> Self {
        let (told, realised, code) = match &outcome.result {
            Ok(realised) => (
                "closed",
                Some(number::money(*realised, account.currency)),
                None,
            ),
            Err(rejection) => ("failed", None, Some(rejection.code())),
        };
        Self {
            position_id: outcome.position_id.to_string(),
            outcome: told,
            realised,
            code,
        }
    }
}
