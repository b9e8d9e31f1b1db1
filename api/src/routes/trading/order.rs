//! Orders: change, cancel, list. Placing them is in `place`.

use axum::{Json, extract::State, response::Response};
use daybook_domain::{AccountCommand, AccountId, OrderId, account::OrderChanges};
use daybook_projections::names;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{Thing, items::OrderItem, may_trade, read_account, thing_account};
use crate::{
    app::Shared,
    extract::{Command, Fresh, Items, JsonBody, PathId, Query, SignedIn, done, page_of, parameter},
    number::{Patch, Positive},
    problem::{Answered, Code, Problem, ProblemBody},
    text::Time,
};

/// Changes to a working order; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct OrderChangesBody {
    /// Checked against the order's account where given.
    #[schema(value_type = Option<Uuid>)]
    account_id: Option<AccountId>,
    #[schema(value_type = Option<String>, example = "1.08000")]
    limit_price: Option<Positive>,
    #[schema(value_type = Option<String>)]
    stop_price: Option<Positive>,
    #[schema(value_type = Option<String>, example = "0.20")]
    volume: Option<Positive>,
    /// Null removes it.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "1.07500")]
    stop_loss: Patch<Positive>,
    /// Null removes it.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    take_profit: Patch<Positive>,
    /// Null makes the order good till cancelled.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    expires_at: Patch<Time>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CancelQuery {
    /// Checked against the order's account where given.
    account_id: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct OrdersQuery {
    /// The default account where left out.
    account_id: Option<String>,
    /// `working` (where left out) or `all`.
    #[param(example = "working")]
    status: Option<String>,
    /// 1 to 500; 50 where left out.
    #[param(value_type = Option<u32>, example = 50)]
    limit: Option<String>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Changes a working order.
#[utoipa::path(patch, path = "/trading/order/{id}", operation_id = "modifyOrder", tag = "trading", request_body = OrderChangesBody,
    params(
        ("id" = Uuid, Path, description = "The order"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes repeating safe for 24 hours"),
    ),
    security(("bearer" = [])),
    responses(
        (status = 204, description = "Changed"),
        (status = 400, description = "Malformed, or nothing to change", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such order, or somebody else's", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`order_not_working`, `invalid_stops`, …", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn modify(
    State(app): State<Shared>,
    command: Command,
    PathId(order_id): PathId<OrderId>,
    JsonBody { value, bytes }: JsonBody<OrderChangesBody>,
) -> Answered<Response> {
    let changes = OrderChanges {
        limit_price: value.limit_price.map(|price| price.0),
        stop_price: value.stop_price.map(|price| price.0),
        volume: value.volume.map(|volume| volume.0),
        stop_loss: value.stop_loss.into_change(|price| price.0),
        take_profit: value.take_profit.into_change(|price| price.0),
        expires_at: value.expires_at.into_change(|time| time.0),
    };
    if changes == OrderChanges::default() {
        return Err(Problem::with_detail(
            Code::Malformed,
            "nothing to change was named",
        ));
    }
    let account = thing_account(&app, &command, Thing::Order(order_id), value.account_id).await?;
    may_trade(&app, &account).await?;
    let modify = AccountCommand::ModifyOrder {
        order_id,
        changes: Box::new(changes),
    };
    let executed = command.execute(&app, &account, modify, "modify_order", &bytes, done);
    Ok(executed.await?.answer())
}

/// Cancels a working order.
#[utoipa::path(delete, path = "/trading/order/{id}", operation_id = "cancelOrder", tag = "trading",
    params(
        ("id" = Uuid, Path, description = "The order"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes repeating safe for 24 hours"),
        CancelQuery,
    ),
    security(("bearer" = [])),
    responses(
        (status = 204, description = "Cancelled"),
        (status = 404, description = "No such order, or somebody else's", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`order_not_working`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn cancel(
    State(app): State<Shared>,
    command: Command,
    PathId(order_id): PathId<OrderId>,
    Query(query): Query<CancelQuery>,
) -> Answered<Response> {
    let named = query.account_id.as_deref();
    let named = parameter("accountId", named, "must be an identifier")?;
    let account = thing_account(&app, &command, Thing::Order(order_id), named).await?;
    let cancel = AccountCommand::CancelOrder { order_id };
    let executed = command.execute(&app, &account, cancel, "cancel_order", b"", done);
    Ok(executed.await?.answer())
}

/// An account's orders, newest first.
#[utoipa::path(get, path = "/trading/orders", operation_id = "listOrders", tag = "trading", params(OrdersQuery),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "One page", body = Items<OrderItem>),
        (status = 400, description = "Malformed query", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such account, or somebody else's", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`read_model_behind`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn list(
    State(app): State<Shared>,
    client: SignedIn,
    fresh: Fresh,
    Query(query): Query<OrdersQuery>,
) -> Answered<Json<Items<OrderItem>>> {
    let page = page_of(query.limit.as_deref(), query.cursor.as_deref())?;
    let working_only = match query.status.as_deref() {
        None | Some("working") => true,
        Some("all") => false,
        Some(_) => {
            return Err(Problem::field(
                Code::InvalidValue,
                "status",
                "must be working or all",
            ));
        }
    };
    let account = read_account(
        &app,
        client,
        &fresh,
        query.account_id.as_deref(),
        &[names::ORDERS],
    );
    let account = account.await?;
    let rows = app
        .handles
        .reads
        .orders(account.account_id, working_only, page)
        .await?;
    let item = |row| order_item(&app, &row);
    Ok(Json(Items::of(rows, item)))
}

/// An order as listed and as pushed.
pub(crate) fn order_item(app: &Shared, row: &daybook_projections::OrderRow) -> OrderItem {
    OrderItem::of(row, app.instrument(row.ticket.symbol).as_deref())
}
