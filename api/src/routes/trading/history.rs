//! Deals and their receipts.

use axum::{Json, extract::State};
use daybook_domain::{AccountEvent, DealId, execution::Execution};
use daybook_projections::{DealFilter, names};
use daybook_store::StreamId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{close::closing_deal, items::DealItem, read_account, receipt::Receipt};
use crate::{
    app::Shared,
    extract::{Fresh, Items, PathId, Query, SignedIn, page_of},
    problem::{Answered, Code, Problem, ProblemBody},
    routes::market::time_parameter,
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HistoryQuery {
    /// The default account where left out.
    account_id: Option<String>,
    /// From this time on.
    #[param(example = "2026-01-01T00:00:00.000Z")]
    from: Option<String>,
    /// Before this time.
    #[param(example = "2026-02-01T00:00:00.000Z")]
    to: Option<String>,
    /// Of this instrument.
    #[param(example = "EURUSD")]
    symbol: Option<String>,
    /// 1 to 500; 50 where left out.
    #[param(value_type = Option<u32>, example = 50)]
    limit: Option<String>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// A receipt, and where its event stands in the book.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReceiptBody {
    #[serde(flatten)]
    receipt: Receipt,
    #[schema(example = "account-01997d0a-5a3e-7d31-9a53-0a4f2f1c7a13")]
    stream: String,
    /// Place in the stream.
    #[schema(example = 4)]
    sequence: i64,
    /// Place in the book.
    #[schema(example = 42)]
    position: i64,
    /// Link of the stream's hash chain, in hex.
    #[schema(example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    hash: String,
}

/// An account's deals, newest first.
#[utoipa::path(get, path = "/trading/history", operation_id = "listDeals", tag = "trading", params(HistoryQuery),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "One page", body = Items<DealItem>),
        (status = 400, description = "Malformed query, `unknown_symbol`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such account, or somebody else's", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`read_model_behind`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn list(
    State(app): State<Shared>,
    client: SignedIn,
    fresh: Fresh,
    Query(query): Query<HistoryQuery>,
) -> Answered<Json<Items<DealItem>>> {
    let page = page_of(query.limit.as_deref(), query.cursor.as_deref())?;
    let symbol = query
        .symbol
        .as_deref()
        .map(|name| app.named_instrument(name))
        .transpose()?;
    let filter = DealFilter {
        from: time_parameter("from", query.from.as_deref())?,
        to: time_parameter("to", query.to.as_deref())?,
        symbol: symbol.map(|terms| terms.symbol),
    };
    let account = read_account(
        &app,
        client,
        &fresh,
        query.account_id.as_deref(),
        &[names::DEALS],
    );
    let account = account.await?;
    let rows = app
        .handles
        .reads
        .deals(account.account_id, filter, page)
        .await?;
    let item = |row: daybook_projections::DealRow| {
        DealItem::of(&row, app.instrument(row.symbol).as_deref())
    };
    Ok(Json(Items::of(rows, item)))
}

/// What a deal rested on, and where its event stands in the book.
#[utoipa::path(get, path = "/trading/execution/{dealId}", operation_id = "getExecution", tag = "trading",
    params(("dealId" = Uuid, Path, description = "The deal")),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The receipt", body = ReceiptBody),
        (status = 404, description = "No such deal, or somebody else's", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`read_model_behind`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn execution(
    State(app): State<Shared>,
    client: SignedIn,
    fresh: Fresh,
    PathId(deal_id): PathId<DealId>,
) -> Answered<Json<ReceiptBody>> {
    fresh.wait(&[names::DEALS]).await?;
    let row = app.handles.reads.deal(deal_id).await?;
    let row = row.filter(|row| row.client_id == client.client_id());
    let row = row.ok_or_else(|| Problem::new(Code::NotFound))?;
    let stream = StreamId::new("account", row.account_id);
    let events = app
        .handles
        .store
        .read_stream(&stream, row.sequence - 1, 1)
        .await?;
    let recorded = events
        .first()
        .filter(|event| event.position == row.position);
    let recorded = recorded.ok_or_else(|| {
        tracing::error!(%deal_id, "the deal's event is not where its read model says");
        Problem::new(Code::Internal)
    })?;
    let event: AccountEvent = recorded.decode()?;
    let execution = execution_of(&event).ok_or_else(|| Problem::new(Code::Internal))?;
    let terms = app.instrument(row.symbol);
    Ok(Json(ReceiptBody {
        receipt: Receipt::of(&deal_id, execution, terms.as_deref(), row.currency),
        stream: row.stream,
        sequence: row.sequence,
        position: row.position,
        hash: hex::encode(recorded.hash),
    }))
}

fn execution_of(event: &AccountEvent) -> Option<&Execution> {
    if let AccountEvent::OrderFilled { execution, .. } = event {
        Some(execution)
    } else {
        closing_deal(event).map(|deal| &deal.execution)
    }
}
