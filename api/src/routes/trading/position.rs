//! Open positions: protect, list. Closing them is in `close`.

use axum::{Json, extract::State, response::Response};
use daybook_domain::{AccountCommand, AccountId, PositionId, account::Change};
use daybook_projections::names;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{
    Thing,
    items::{PositionItem, Valuation},
    may_trade, read_account, thing_account,
};
use crate::{
    app::Shared,
    extract::{Command, Fresh, Items, JsonBody, PathId, Query, SignedIn, done, page_of},
    number::{Patch, Positive},
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
    /// How far behind the market the stop loss trails, in price units. Null stops it where it is.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "0.00150")]
    trailing_distance: Patch<Positive>,
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

/// Changes stop loss, take profit and trailing distance.
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
    let stop_loss = value.stop_loss.into_change(|price| price.0);
    let take_profit = value.take_profit.into_change(|price| price.0);
    let trailing_distance = value.trailing_distance.into_change(|distance| distance.0);
    if [stop_loss, take_profit, trailing_distance]
        .iter()
        .all(Change::is_keep)
    {
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
    may_trade(&app, &account).await?;
    let protect = AccountCommand::ProtectPosition {
        position_id,
        stop_loss,
        take_profit,
        trailing_distance,
    };
    let executed = command.execute(&app, &account, protect, "protect_position", &bytes, done);
    Ok(executed.await?.answer())
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
    let named = query.account_id.as_deref();
    let account = read_account(&app, client, &fresh, named, &[names::POSITIONS]).await?;
    let reads = &app.handles.reads;
    let rows = reads.positions_page(account.account_id, page).await?;
    let open = reads.positions(account.account_id).await?;
    let market = app.market();
    let valuation = Valuation {
        account: account.figures_input(&open),
        market: &market,
        rules: &app.handles.config.rules,
    };
    Ok(Json(Items::of(rows, |row| {
        PositionItem::of(&row, valuation)
    })))
}
