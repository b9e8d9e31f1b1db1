//! `POST /trading/order/preview`: what an order would do, by the code that would decide it.

use axum::{Json, extract::State};
use daybook_domain::{Account, Instrument, account::Context};
use serde::Serialize;
use utoipa::ToSchema;

use super::place::{Asked, OrderBody, asked};
use crate::{
    app::{AccountRef, Shared},
    extract::{Command, JsonBody},
    number,
    problem::{Answered, Problem, ProblemBody},
};

/// An order seen before it is placed; null is what cannot be said.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PreviewBody {
    /// The price it would deal at now; of an order that would wait, its own.
    #[schema(example = "1.08731")]
    price: Option<String>,
    /// What margin in use would grow by; negative where the order releases some.
    #[schema(example = "108.73")]
    margin: Option<String>,
    #[schema(example = "0.00")]
    commission: Option<String>,
    /// In percent; null without margin in use.
    #[schema(example = "9196.36")]
    margin_level_after: Option<String>,
    #[schema(example = "9890.47")]
    free_margin_after: Option<String>,
    /// The price of the symbol at which the account would reach the stop-out, all other prices
    /// unchanged; null where there is none.
    #[schema(example = "0.09214")]
    liquidation_price: Option<String>,
    /// Whether it would be accepted now.
    accepted: bool,
    /// Why not: a code of docs/ERRORS.md.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "insufficient_margin")]
    code: Option<&'static str>,
}

/// Says what an order would do if it was placed now. Changes nothing, in the book neither: what
/// placing would refuse by a rule is told here as `accepted: false` with its code.
#[utoipa::path(post, path = "/trading/order/preview", operation_id = "previewOrder", tag = "trading", request_body = OrderBody,
    security(("bearer" = [])),
    responses(
        (status = 200, description = "What it would do", body = PreviewBody),
        (status = 400, description = "Malformed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`email_unverified`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such account, or somebody else's", body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "`rate_limited`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`no_quote`, `unavailable` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn preview(
    State(app): State<Shared>,
    command: Command,
    JsonBody { value, .. }: JsonBody<OrderBody>,
) -> Answered<Json<PreviewBody>> {
    let Asked {
        account,
        terms,
        ticket,
    } = asked(&app, command.client_id, value).await?;
    let engine = app.engine()?;
    let seen = engine.inspect(
        command.client_id,
        account.account_id,
        move |live: &Account, context: &Context<'_>| live.preview(&ticket, context),
    );
    let seen = seen.await?;
    match &seen.refusal {
        // What is malformed, or cannot be decided yet, is answered as placing would answer it.
        Some(refusal) if !refusal.is_rule() => Err(Problem::from(refusal)),
        Some(_) | None => Ok(Json(PreviewBody::of(&seen, &terms, account))),
    }
}

impl PreviewBody {
    fn of(
        seen: &daybook_domain::account::Preview,
        terms: &Instrument,
        account: AccountRef,
    ) -> Self {
        let money = |amount| number::money(amount, account.currency);
        let price = |value| number::price(value, Some(terms));
        Self {
            price: seen.price.map(price),
            margin: seen.margin.map(money),
            commission: seen.commission.map(money),
            margin_level_after: seen.margin_level_after.map(number::two_decimals),
            free_margin_after: seen.free_margin_after.map(money),
            liquidation_price: seen.liquidation_price.map(price),
            accepted: seen.accepted,
            code: seen.refusal.as_ref().map(|refusal| refusal.code()),
        }
    }
}
