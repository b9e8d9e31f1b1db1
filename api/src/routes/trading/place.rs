//! `POST /trading/order`: what is asked, and what became of it.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use daybook_domain::{
    AccountCommand, AccountEvent, AccountId, ClientId, DealId, Instrument, OrderId, PositionId,
    account::{Decision, OrderType, Ticket, TimeInForce},
    quote::Side,
};
use daybook_engine::Outcome;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{close::closing_deal, command_account, may_trade, receipt::Receipt};
use crate::{
    app::{AccountRef, App, Shared},
    extract::{Command, JsonBody, answered},
    number::Positive,
    problem::{Answered, Code, FieldError, Problem, ProblemBody},
    text::Time,
};

const NAME_MAX: usize = 64;

/// An order to be placed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct OrderBody {
    /// The default account where left out.
    #[schema(value_type = Option<Uuid>)]
    account_id: Option<AccountId>,
    #[schema(example = "EURUSD")]
    symbol: String,
    #[schema(value_type = String, example = "buy")]
    side: Side,
    /// `market`, `limit`, `stop` or `stop_limit`.
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "limit")]
    order_type: OrderType,
    /// Lots; a string or a number.
    #[schema(value_type = String, example = "0.10")]
    volume: Positive,
    /// For `limit` and `stop_limit`.
    #[schema(value_type = Option<String>, example = "1.08000")]
    limit_price: Option<Positive>,
    /// For `stop` and `stop_limit`.
    #[schema(value_type = Option<String>)]
    stop_price: Option<Positive>,
    #[schema(value_type = Option<String>, example = "1.07500")]
    stop_loss: Option<Positive>,
    #[schema(value_type = Option<String>, example = "1.09500")]
    take_profit: Option<Positive>,
    /// How far behind the market the position's stop loss trails, in price units.
    #[schema(value_type = Option<String>, example = "0.00150")]
    trailing_distance: Option<Positive>,
    /// `gtc` where left out, or `day`, `gtd`, `ioc`, `fok`.
    #[schema(value_type = Option<String>, example = "gtc")]
    time_in_force: Option<TimeInForce>,
    /// For `gtd`.
    #[schema(value_type = Option<String>, example = "2026-02-01T00:00:00.000Z")]
    expires_at: Option<Time>,
    /// Orders of one group cancel each other when one fills.
    oco_group: Option<String>,
    /// Your own name for the order.
    #[schema(example = "my-order-7")]
    client_order_id: Option<String>,
}

/// An accepted order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlacedBody {
    #[schema(example = "01997d0a-5a3e-7d31-9a53-0a4f2f1c7a10")]
    order_id: String,
    /// `filled`, `working`, or `cancelled` (`ioc` and `fok` that could not fill at once).
    #[schema(example = "filled")]
    status: &'static str,
    /// The position it opened or, on a netting account, increased, reduced or closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    position_id: Option<String>,
    /// What the fill rested on.
    #[serde(skip_serializing_if = "Option::is_none")]
    execution: Option<Receipt>,
}

/// Places an order. With `Idempotency-Key` it is safe to ask again.
#[utoipa::path(post, path = "/trading/order", operation_id = "placeOrder", tag = "trading", request_body = OrderBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes repeating safe for 24 hours")),
    security(("bearer" = [])),
    responses(
        (status = 201, description = "Accepted", body = PlacedBody),
        (status = 400, description = "Malformed; nothing was appended", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`email_unverified`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such account, or somebody else's", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Refused by a rule, and so recorded", body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "`rate_limited`, or `order_rate` of the account; nothing was appended", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`no_quote`, `overloaded`, `unavailable` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn place(
    State(app): State<Shared>,
    command: Command,
    JsonBody { value, bytes }: JsonBody<OrderBody>,
) -> Answered<Response> {
    let Asked {
        account,
        terms,
        ticket,
    } = asked(&app, command.client_id, value).await?;
    let order_id = OrderId(Uuid::now_v7());
    let position_id = PositionId(Uuid::now_v7());
    let place = AccountCommand::PlaceOrder {
        order_id,
        deal_id: DealId(Uuid::now_v7()),
        position_id,
        ticket: Box::new(ticket),
    };
    let accepted = move |outcome: &Outcome<'_>| {
        answered(201, &placed(order_id, outcome.decision, &terms, account))
    };
    let executed = command.execute(&app, &account, place, "place_order", &bytes, accepted);
    let executed = executed.await?;
    if !executed.reply.replayed {
        app.owners.insert(order_id.0, account);
        app.owners.insert(position_id.0, account);
    }
    Ok(executed.answer())
}

/// An order as it was asked for.
pub(super) struct Asked {
    pub(super) account: AccountRef,
    pub(super) terms: Arc<Instrument>,
    pub(super) ticket: Ticket,
}

/// Reads what is asked, and for which account of the caller.
pub(super) async fn asked(app: &App, client: ClientId, body: OrderBody) -> Answered<Asked> {
    let terms = app.named_instrument(&body.symbol)?;
    let account_id = body.account_id;
    let ticket = ticket(body, &terms)?;
    let account = command_account(app, client, account_id).await?;
    may_trade(app, &account).await?;
    Ok(Asked {
        account,
        terms,
        ticket,
    })
}

fn ticket(body: OrderBody, terms: &Instrument) -> Answered<Ticket> {
    let mut errors = Vec::new();
    for (field, text) in [
        ("ocoGroup", &body.oco_group),
        ("clientOrderId", &body.client_order_id),
    ] {
        let length = text.as_ref().map(|text| text.chars().count());
        if length.is_some_and(|length| !(1..=NAME_MAX).contains(&length)) {
            errors.push(FieldError::new(field, "must have 1 to 64 characters"));
        }
        if text
            .as_ref()
            .is_some_and(|text| text.chars().any(char::is_control))
        {
            errors.push(FieldError::new(field, "must not have control characters"));
        }
    }
    if !errors.is_empty() {
        return Err(Problem::fields(Code::InvalidValue, errors));
    }
    let price = |value: Option<Positive>| value.map(|value| value.0);
    Ok(Ticket {
        symbol: terms.symbol,
        side: body.side,
        order_type: body.order_type,
        volume: body.volume.0,
        limit_price: price(body.limit_price),
        stop_price: price(body.stop_price),
        stop_loss: price(body.stop_loss),
        take_profit: price(body.take_profit),
        trailing_distance: price(body.trailing_distance),
        time_in_force: body.time_in_force.unwrap_or_default(),
        expires_at: body.expires_at.map(|time| time.0),
        oco_group: body.oco_group.map(Into::into),
        client_order_id: body.client_order_id.map(Into::into),
    })
}

/// What became of the order: its own events among the decision's say so.
fn placed(
    placed: OrderId,
    decision: &Decision,
    terms: &Instrument,
    account: AccountRef,
) -> PlacedBody {
    let mut body = PlacedBody {
        order_id: placed.to_string(),
        status: "working",
        position_id: None,
        execution: None,
    };
    for event in &decision.events {
        if let AccountEvent::OrderFilled {
            order_id,
            deal_id,
            position_id,
            execution,
            ..
        } = event
            && *order_id == placed
        {
            body.filled(
                *position_id,
                Receipt::of(deal_id, execution, Some(terms), account.currency),
            );
        }
        // The one way in which an order fills without a position of its own.
        if let Some(deal) = closing_deal(event).filter(|deal| deal.order_id == Some(placed)) {
            let receipt = Receipt::of(
                &deal.deal_id,
                &deal.execution,
                Some(terms),
                account.currency,
            );
            body.filled(deal.position_id, receipt);
        }
        if let AccountEvent::OrderCancelled { order_id, .. } = event
            && *order_id == placed
        {
            body.status = "cancelled";
        }
    }
    body
}

impl PlacedBody {
    fn filled(&mut self, position_id: PositionId, receipt: Receipt) {
        self.status = "filled";
        self.position_id = Some(position_id.to_string());
        self.execution = Some(receipt);
    }
}
