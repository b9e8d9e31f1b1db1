//! What staff does: corrections of deals by compensation. **Permission:** stated by each route.

use std::sync::Arc;

use axum::{Json, body::Bytes, extract::State, response::Response};
use daybook_domain::{AccountEvent, DealId, account::event::FundsChange};
use daybook_engine::{Answer, Correction, CorrectionRequest, Outcome};
use daybook_projections::{DealRow, names};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    app::{App, Shared},
    auth::routes::staff::{StaffBody, member_of},
    extract::{Admin, JsonBody, PathId, StaffCommand, StaffOf, Support, answer, answered, refusal},
    number::{self, Positive},
    problem::{Answered, Code, Problem, ProblemBody},
};

/// Longest reason, in characters.
const REASON_MAX: usize = 500;

/// Why a deal is undone.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct BustBody {
    /// The client reads it.
    #[schema(example = "off-market quote")]
    reason: String,
}

/// The right price of a deal, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RepriceBody {
    #[schema(value_type = String, example = "1.08710")]
    price: Positive,
    /// The client reads it.
    #[schema(example = "off-market quote")]
    reason: String,
}

/// What a correction did.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CorrectedBody {
    #[schema(example = "01997d0a-5a3e-7d31-9a53-0a4f2f1c7a13")]
    account_id: String,
    #[schema(example = "01997d0a-5a3e-7d31-9a53-0a4f2f1c7a15")]
    deal_id: String,
    /// `bust` or `reprice`.
    #[schema(example = "bust")]
    kind: &'static str,
    /// What it moved.
    #[schema(example = "-19.00")]
    amount: String,
    /// The balance after it.
    #[schema(example = "10000.00")]
    balance: String,
}

/// Who asks. **Permission:** anybody of staff.
#[utoipa::path(get, path = "/staff/me", operation_id = "staffMe", tag = "staff", security(("staff" = ["support"])),
    responses(
        (status = 200, description = "The member of staff", body = StaffBody),
        (status = 401, description = "`unauthenticated`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn me(
    State(app): State<Shared>,
    staff: StaffOf<Support>,
) -> Answered<Json<StaffBody>> {
    let member = member_of(&app, staff.staff_id()).await?;
    Ok(Json(StaffBody::of(staff.staff_id(), &member)))
}

/// Undoes a deal: gives its money back, takes its lots off the open position. What was dealt stays
/// in the book. **Permission:** admin.
#[utoipa::path(post, path = "/staff/deals/{id}/bust", operation_id = "bustDeal", tag = "staff", request_body = BustBody,
    params(
        ("id" = Uuid, Path, description = "The deal"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes repeating safe for 24 hours"),
    ),
    security(("staff" = ["admin"])),
    responses(
        (status = 200, description = "Undone", body = CorrectedBody),
        (status = 400, description = "Malformed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthenticated`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such deal", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`deal_busted`, `not_correctable`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`overloaded`, `unavailable` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn bust(
    State(app): State<Shared>,
    command: StaffCommand<Admin>,
    PathId(deal_id): PathId<DealId>,
    JsonBody { value, bytes }: JsonBody<BustBody>,
) -> Answered<Response> {
    correct(
        &app,
        &command,
        deal_id,
        Correction::Bust,
        value.reason,
        &bytes,
    )
    .await
}

/// Corrects a deal's price: moves the open position, or settles the difference. **Permission:**
/// admin.
#[utoipa::path(post, path = "/staff/deals/{id}/reprice", operation_id = "repriceDeal", tag = "staff", request_body = RepriceBody,
    params(
        ("id" = Uuid, Path, description = "The deal"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes repeating safe for 24 hours"),
    ),
    security(("staff" = ["admin"])),
    responses(
        (status = 200, description = "Corrected", body = CorrectedBody),
        (status = 400, description = "Malformed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthenticated`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such deal", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`deal_busted`, `not_correctable`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`overloaded`, `unavailable` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn reprice(
    State(app): State<Shared>,
    command: StaffCommand<Admin>,
    PathId(deal_id): PathId<DealId>,
    JsonBody { value, bytes }: JsonBody<RepriceBody>,
) -> Answered<Response> {
    let correction = Correction::Reprice(value.price.0);
    correct(&app, &command, deal_id, correction, value.reason, &bytes).await
}

async fn correct(
    app: &App,
    command: &StaffCommand<Admin>,
    deal_id: DealId,
    correction: Correction,
    reason: String,
    body: &Bytes,
) -> Answered<Response> {
    check_reason(&reason)?;
    let deal = deal(app, deal_id).await?;
    let act = command.staff.act(app).await?;
    let (kind, why) = match correction {
        Correction::Bust => ("bust", "bust_deal"),
        Correction::Reprice(_) => ("reprice", "reprice_deal"),
    };
    let request_id = Arc::clone(&command.staff.info.id);
    let request = CorrectionRequest {
        account_id: deal.account_id,
        deal_id,
        correction,
        reason,
        origin: act.origin(why),
        idempotency: command.idempotency(body),
        render: Box::new(move |outcome| match &outcome.decision.refusal {
            None => corrected(outcome, kind, &deal),
            Some(rejection) => refusal(&Problem::from(rejection), &request_id),
        }),
    };
    Ok(answer(app.engine()?.correct(request).await?))
}

/// What became of it; nothing moved where it was so already.
fn corrected(outcome: &Outcome<'_>, kind: &'static str, deal: &DealRow) -> Answer {
    let money = |amount| number::money(amount, deal.currency);
    let moved = outcome.decision.events.iter().find_map(|event| {
        if let AccountEvent::DealBusted { .. } | AccountEvent::DealRepriced { .. } = event {
            event.funds().map(FundsChange::total)
        } else {
            None
        }
    });
    let body = CorrectedBody {
        account_id: deal.account_id.to_string(),
        deal_id: deal.deal_id.to_string(),
        kind,
        amount: money(moved.unwrap_or_default()),
        balance: money(outcome.account.funds.balance()),
    };
    answered(200, &body)
}

fn check_reason(reason: &str) -> Answered<()> {
    let length = reason.trim().chars().count();
    if (1..=REASON_MAX).contains(&length) && !reason.chars().any(char::is_control) {
        return Ok(());
    }
    let message = format!("must be a line of 1 to {REASON_MAX} characters");
    Err(Problem::field(Code::InvalidValue, "reason", message))
}

/// The deal, looked up again once the read model has reached what the book held when the request
/// came in.
async fn deal(app: &App, deal_id: DealId) -> Answered<DealRow> {
    let committed = *app.handles.store.committed().borrow();
    let reads = &app.handles.reads;
    if let Some(deal) = reads.deal(deal_id).await? {
        return Ok(deal);
    }
    app.wait_for(&[names::DEALS], committed).await?;
    let deal = reads.deal(deal_id).await?;
    deal.ok_or_else(|| Problem::new(Code::NotFound))
}
