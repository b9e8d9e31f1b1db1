//! Orders, positions and deals as the contract shows them.

use daybook_domain::{
    Decimal, Instrument, Market, Rules,
    account::{OrderType, Position, TimeInForce, event::CloseReason},
    margin::{FiguresInput, position_margin, symbol_margin},
    profit::unrealised,
};
use daybook_projections::{DealKind, DealRow, OrderRow, OrderStatus};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{number, text};

/// One order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderItem {
    #[schema(example = "01997d0a-5a3e-7d31-9a53-0a4f2f1c7a10")]
    order_id: String,
    #[schema(example = "EURUSD")]
    symbol: String,
    /// `buy` or `sell`.
    #[schema(example = "buy")]
    side: &'static str,
    /// `market`, `limit`, `stop` or `stop_limit`.
    #[serde(rename = "type")]
    #[schema(example = "limit")]
    order_type: &'static str,
    /// `working`, `filled`, `cancelled`, `expired` or `rejected`.
    #[schema(example = "working")]
    status: &'static str,
    #[schema(example = "0.10")]
    volume: String,
    #[schema(example = "1.08000")]
    limit_price: Option<String>,
    stop_price: Option<String>,
    #[schema(example = "1.07500")]
    stop_loss: Option<String>,
    #[schema(example = "1.09500")]
    take_profit: Option<String>,
    /// How far behind the market the stop loss of its position will trail.
    trailing_distance: Option<String>,
    /// `gtc`, `day`, `gtd`, `ioc` or `fok`.
    #[schema(example = "gtc")]
    time_in_force: &'static str,
    expires_at: Option<String>,
    client_order_id: Option<String>,
    #[schema(example = "2026-01-31T09:30:00.000Z")]
    created_at: String,
    #[schema(example = "2026-01-31T09:30:00.000Z")]
    updated_at: String,
    /// Why it was cancelled or rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// One open position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PositionItem {
    #[schema(example = "01997d0a-5a3e-7d31-9a53-0a4f2f1c7a11")]
    position_id: String,
    #[schema(example = "EURUSD")]
    symbol: String,
    /// `buy` (long) or `sell` (short).
    #[schema(example = "buy")]
    side: &'static str,
    #[schema(example = "0.10")]
    volume: String,
    #[schema(example = "1.08731")]
    open_price: String,
    #[schema(example = "2026-01-31T09:30:00.000Z")]
    open_time: String,
    stop_loss: Option<String>,
    take_profit: Option<String>,
    /// How far behind the market the stop loss trails, in price units.
    trailing_distance: Option<String>,
    /// The price it would close at; null without a quote.
    #[schema(example = "1.08723")]
    current_price: Option<String>,
    /// In the account's currency; null without a quote.
    #[schema(example = "-0.80")]
    unrealised: Option<String>,
    #[schema(example = "0.00")]
    swap: String,
    #[schema(example = "0.00")]
    commission: String,
    /// Its part of the margin that its symbol uses: of positions that hedge one another, the share
    /// that their own margins have in the sum of them.
    #[schema(example = "108.73")]
    used_margin: String,
}

/// One deal, or the correction of one: the sum over all is what trading came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DealItem {
    /// `deal`, `bust` (undone: the row gives back what the deal moved) or `reprice` (the row has
    /// the new price and the difference in money).
    #[schema(example = "deal")]
    kind: &'static str,
    /// A correction has that of its deal.
    #[schema(example = "01997d0a-5a3e-7d31-9a53-0a4f2f1c7a12")]
    deal_id: String,
    /// The order that filled; null for a closing deal, unless an opposite order of a netting
    /// account dealt.
    order_id: Option<String>,
    position_id: String,
    #[schema(example = "EURUSD")]
    symbol: String,
    /// Side of the deal: a long position closes with `sell`.
    #[schema(example = "sell")]
    side: &'static str,
    #[schema(example = "0.10")]
    volume: String,
    #[schema(example = "1.08823")]
    price: String,
    /// Price profit alone.
    #[schema(example = "9.20")]
    realised: String,
    /// Negative in a correction: given back.
    #[schema(example = "0.00")]
    commission: String,
    #[schema(example = "0.00")]
    swap: String,
    /// `client`, `stop_loss`, `take_profit`, `stop_out`, `close_by`, `close_all` or `admin`; null
    /// for an opening deal.
    #[schema(example = "client")]
    reason: Option<&'static str>,
    /// Why it was corrected; only in corrections.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[schema(example = "2026-01-31T09:31:00.000Z")]
    time: String,
}

impl OrderItem {
    pub(crate) fn of(row: &OrderRow, terms: Option<&Instrument>) -> Self {
        let ticket = &row.ticket;
        let price = |value: Option<Decimal>| value.map(|value| number::price(value, terms));
        Self {
            order_id: row.order_id.to_string(),
            symbol: ticket.symbol.to_string(),
            side: ticket.side.as_str(),
            order_type: order_type(ticket.order_type),
            status: order_status(row.status),
            volume: number::volume(ticket.volume, terms),
            limit_price: price(ticket.limit_price),
            stop_price: price(ticket.stop_price),
            stop_loss: price(ticket.stop_loss),
            take_profit: price(ticket.take_profit),
            trailing_distance: price(ticket.trailing_distance),
            time_in_force: time_in_force(ticket.time_in_force),
            expires_at: ticket.expires_at.map(text::time),
            client_order_id: ticket.client_order_id.as_deref().map(str::to_owned),
            created_at: text::time(row.created_at),
            updated_at: text::time(row.updated_at),
            reason: row.reason.clone(),
        }
    }
}

/// The account whose position is shown, with all its positions, and the market to value it on.
#[derive(Clone, Copy)]
pub(crate) struct Valuation<'a> {
    pub(crate) account: FiguresInput<'a>,
    pub(crate) market: &'a Market,
    pub(crate) rules: &'a Rules,
}

impl PositionItem {
    pub(crate) fn of(position: &Position, on: Valuation<'_>) -> Self {
        let FiguresInput {
            currency, group, ..
        } = on.account;
        let terms = on.market.terms(position.symbol, group).map(AsRef::as_ref);
        let price = |value| number::price(value, terms);
        let money = |value| number::money(value, currency);
        let quote = on.market.quote(position.symbol);
        let closing = quote.zip(terms).map(|(quote, terms)| {
            daybook_domain::price::dealing(quote, terms, position.side.opposite())
        });
        let profit = unrealised(position, currency, group, on.market, on.rules);
        Self {
            position_id: position.position_id.to_string(),
            symbol: position.symbol.to_string(),
            side: position.side.as_str(),
            volume: number::volume(position.volume, terms),
            open_price: price(position.open_price),
            open_time: text::time(position.opened_at),
            stop_loss: position.stop_loss.map(price),
            take_profit: position.take_profit.map(price),
            trailing_distance: position.trailing_distance.map(price),
            current_price: closing.map(price),
            unrealised: profit.map(money),
            swap: money(position.swap),
            commission: money(position.commission),
            used_margin: money(share_of_margin(position, on.account)),
        }
    }
}

/// A position's part of the margin that its symbol uses. In one direction alone that is its own
/// margin; a hedged symbol needs less than the sum, and each position has the share of it that its
/// own margin has of the sum. The shares add up to the symbol's margin to the last cent.
fn share_of_margin(position: &Position, account: FiguresInput<'_>) -> Decimal {
    let FiguresInput {
        currency,
        leverage,
        positions,
        ..
    } = account;
    let own = position_margin(position, leverage, currency);
    let of_symbol = || {
        positions
            .iter()
            .filter(|other| other.symbol == position.symbol)
    };
    let margins = || of_symbol().map(|other| position_margin(other, leverage, currency));
    let is_known = of_symbol().any(|other| other.position_id == position.position_id);
    let hedged = of_symbol().any(|other| other.side != position.side);
    if !is_known || !hedged {
        return own;
    }
    let whole = symbol_margin(positions, position.symbol, leverage, currency);
    let place = of_symbol().take_while(|other| other.position_id != position.position_id);
    let before: Decimal = margins().take(place.count()).sum();
    let sum: Decimal = margins().sum();
    let up_to = |part: Decimal| {
        let share = whole.checked_mul(part)?.checked_div(sum)?;
        Some(currency.round(share))
    };
    let share = up_to(before + own).zip(up_to(before));
    share.map_or(own, |(with, without)| with - without)
}

impl DealItem {
    pub(crate) fn of(row: &DealRow, terms: Option<&Instrument>) -> Self {
        let money = |value| number::money(value, row.currency);
        Self {
            kind: deal_kind(row.kind),
            deal_id: row.deal_id.to_string(),
            order_id: row.order_id.map(|id| id.to_string()),
            position_id: row.position_id.to_string(),
            symbol: row.symbol.to_string(),
            side: row.side.as_str(),
            volume: number::volume(row.volume, terms),
            price: number::price(row.price, terms),
            realised: money(row.realised),
            commission: money(row.commission),
            swap: money(row.swap),
            reason: row.reason.map(close_reason),
            note: row.note.clone(),
            time: text::time(row.at),
        }
    }
}

const fn order_type(order_type: OrderType) -> &'static str {
    match order_type {
        OrderType::Market => "market",
        OrderType::Limit => "limit",
        OrderType::Stop => "stop",
        OrderType::StopLimit => "stop_limit",
    }
}

const fn order_status(status: OrderStatus) -> &'static str {
    match status {
        OrderStatus::Working => "working",
        OrderStatus::Filled => "filled",
        OrderStatus::Cancelled => "cancelled",
        OrderStatus::Expired => "expired",
        OrderStatus::Rejected => "rejected",
    }
}

const fn time_in_force(time_in_force: TimeInForce) -> &'static str {
    match time_in_force {
        TimeInForce::Gtc => "gtc",
        TimeInForce::Day => "day",
        TimeInForce::Gtd => "gtd",
        TimeInForce::Ioc => "ioc",
        TimeInForce::Fok => "fok",
    }
}

pub(super) const fn deal_kind(kind: DealKind) -> &'static str {
    match kind {
        DealKind::Deal => "deal",
        DealKind::Bust => "bust",
        DealKind::Reprice => "reprice",
    }
}

pub(super) const fn close_reason(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Client => "client",
        CloseReason::StopLoss => "stop_loss",
        CloseReason::TakeProfit => "take_profit",
        CloseReason::StopOut => "stop_out",
        CloseReason::CloseBy => "close_by",
        CloseReason::CloseAll => "close_all",
        CloseReason::Admin => "admin",
    }
}
