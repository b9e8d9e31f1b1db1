//! `GET /trading/statement`: what happened to an account's money within a time, corrections shown.

mod fold;
mod formats;

use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use chrono::{SubsecRound, Utc};
use daybook_domain::{Currency, Timestamp};
use daybook_projections::AccountRow;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use self::fold::{Line, Statement};
use super::read_account;
use crate::{
    app::Shared,
    extract::{Fresh, Query, SignedIn},
    number,
    problem::{Answered, Code, Problem, ProblemBody},
    routes::market::time_parameter,
    text,
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StatementQuery {
    /// The default account where left out.
    account_id: Option<String>,
    /// From this time on; from the opening of the account where left out.
    #[param(example = "2026-01-01T00:00:00.000Z")]
    from: Option<String>,
    /// Before this time; until now where left out.
    #[param(example = "2026-02-01T00:00:00.000Z")]
    to: Option<String>,
    /// `json` (where left out), `csv` or `hledger` (a journal for hledger and its like).
    #[param(example = "json")]
    format: Option<String>,
}

/// An account's statement. `closing = opening + deposits − withdrawals + realised − commission +
/// swap + compensated`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatementBody {
    #[schema(example = "01997d0a-5a3e-7d31-9a53-0a4f2f1c7a13")]
    account_id: String,
    #[schema(example = 100_001)]
    number: u64,
    #[schema(example = "USD")]
    currency: String,
    #[schema(example = "2026-01-01T00:00:00.000Z")]
    from: String,
    #[schema(example = "2026-02-01T00:00:00.000Z")]
    to: String,
    /// Balance at `from`.
    #[schema(example = "10000.00")]
    opening: String,
    /// Balance at `to`.
    #[schema(example = "10008.50")]
    closing: String,
    /// What came in without a trade.
    #[schema(example = "0.00")]
    deposits: String,
    /// What went out without a trade.
    #[schema(example = "0.00")]
    withdrawals: String,
    /// Price profit, corrections included.
    #[schema(example = "9.20")]
    realised: String,
    /// Commission paid, less what corrections gave back.
    #[schema(example = "0.70")]
    commission: String,
    /// Swap posted by deals.
    #[schema(example = "0.00")]
    swap: String,
    /// Negative balances made good.
    #[schema(example = "0.00")]
    compensated: String,
    /// Oldest first.
    entries: Vec<StatementEntry>,
}

/// One line of a statement.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatementEntry {
    #[schema(example = "2026-01-31T09:31:00.000Z")]
    time: String,
    /// `deposit`, `withdrawal`, `deal`, `bust` and `reprice` (corrections), or `compensation`.
    #[schema(example = "deal")]
    kind: &'static str,
    deal_id: Option<String>,
    order_id: Option<String>,
    position_id: Option<String>,
    #[schema(example = "EURUSD")]
    symbol: Option<String>,
    /// Side of the deal.
    #[schema(example = "sell")]
    side: Option<&'static str>,
    #[schema(example = "0.10")]
    volume: Option<String>,
    #[schema(example = "1.08823")]
    price: Option<String>,
    #[schema(example = "9.20")]
    realised: String,
    /// Negative in a correction: given back.
    #[schema(example = "0.00")]
    commission: String,
    #[schema(example = "0.00")]
    swap: String,
    /// What the line moved.
    #[schema(example = "9.20")]
    amount: String,
    /// The balance after it.
    #[schema(example = "10009.20")]
    balance: String,
    /// Why a position was closed.
    #[schema(example = "client")]
    reason: Option<&'static str>,
    /// For people.
    note: Option<String>,
    /// Place in the book.
    #[schema(example = 42)]
    position: i64,
}

/// How the statement is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Csv,
    Hledger,
}

impl Format {
    /// The one that was asked for; JSON where none was.
    pub(crate) fn of(text: Option<&str>) -> Answered<Self> {
        match text {
            None | Some("json") => Ok(Self::Json),
            Some("csv") => Ok(Self::Csv),
            Some("hledger") => Ok(Self::Hledger),
            Some(_) => {
                let message = "must be json, csv or hledger";
                Err(Problem::field(Code::InvalidValue, "format", message))
            }
        }
    }
}

/// An account's statement.
#[utoipa::path(get, path = "/trading/statement", operation_id = "getStatement", tag = "trading", params(StatementQuery),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The statement", content(
            (StatementBody = "application/json"),
            (String = "text/csv"),
            (String = "text/plain"),
        )),
        (status = 400, description = "Malformed query, or a format that is not offered", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such account, or somebody else's", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`read_model_behind`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn statement(
    State(app): State<Shared>,
    client: SignedIn,
    fresh: Fresh,
    Query(query): Query<StatementQuery>,
) -> Answered<Response> {
    let format = Format::of(query.format.as_deref())?;
    let from = time_parameter("from", query.from.as_deref())?;
    let to = time_parameter("to", query.to.as_deref())?;
    let account = read_account(&app, client, &fresh, query.account_id.as_deref(), &[]).await?;
    written_out(&app, &account, (from, to), format).await
}

/// The statement of an account that the caller may see.
pub(crate) async fn written_out(
    app: &Shared,
    account: &AccountRow,
    (from, to): (Option<Timestamp>, Option<Timestamp>),
    format: Format,
) -> Answered<Response> {
    // To the millisecond, as every time of an answer: the opening itself is part of it.
    let from = from.unwrap_or_else(|| account.opened_at.trunc_subsecs(3));
    let to = to.unwrap_or_else(Utc::now);
    if to < from {
        let message = "must not be before from";
        return Err(Problem::field(Code::InvalidValue, "to", message));
    }
    let statement = Statement::of(app, account, (from, to)).await?;
    Ok(match format {
        Format::Json => Json(StatementBody::of(app, &statement)).into_response(),
        Format::Csv => {
            let body = StatementBody::of(app, &statement);
            written("text/csv; charset=utf-8", formats::csv(&body.entries))
        }
        Format::Hledger => written("text/plain; charset=utf-8", formats::hledger(&statement)),
    })
}

fn written(content_type: &'static str, text: String) -> Response {
    ([(header::CONTENT_TYPE, content_type)], text).into_response()
}

impl StatementBody {
    fn of(app: &Shared, statement: &Statement) -> Self {
        let money = |amount| number::money(amount, statement.currency);
        let sums = &statement.sums;
        let entries = statement.lines.iter().filter(|line| line.kind.is_shown());
        Self {
            account_id: statement.account_id.to_string(),
            number: statement.number,
            currency: Currency::to_string(&statement.currency),
            from: time_of(statement.from),
            to: time_of(statement.to),
            opening: money(statement.opening.balance()),
            closing: money(statement.closing.balance()),
            deposits: money(sums.deposits),
            withdrawals: money(sums.withdrawals),
            realised: money(sums.realised),
            commission: money(sums.commission),
            swap: money(sums.swap),
            compensated: money(sums.compensated),
            entries: entries
                .map(|line| StatementEntry::of(app, line, statement.currency))
                .collect(),
        }
    }
}

impl StatementEntry {
    fn of(app: &Shared, line: &Line, currency: Currency) -> Self {
        let money = |amount| number::money(amount, currency);
        let terms = line.symbol.and_then(|symbol| app.instrument(symbol));
        let terms = terms.as_deref();
        let dealt = line.dealt.as_ref();
        Self {
            time: time_of(line.at),
            kind: line.kind.as_str(),
            deal_id: line.deal_id.map(|id| id.to_string()),
            order_id: dealt.and_then(|dealt| Some(dealt.order_id?.to_string())),
            position_id: line.position_id.map(|id| id.to_string()),
            symbol: line.symbol.map(|symbol| symbol.to_string()),
            side: dealt.map(|dealt| dealt.side.as_str()),
            volume: dealt.map(|dealt| number::volume(dealt.volume, terms)),
            price: dealt.map(|dealt| number::price(dealt.price, terms)),
            realised: money(line.realised),
            commission: money(line.commission),
            swap: money(line.swap),
            amount: money(line.amount),
            balance: money(line.balance),
            reason: line.reason.map(super::items::close_reason),
            note: line.note.clone(),
            position: line.position,
        }
    }
}

fn time_of(at: Timestamp) -> String {
    text::time(at)
}
