//! `order.*` and `position.*`: the REST items, less what depends on a price of the moment.

use daybook_domain::{
    Currency, Decimal, OrderId, Symbol, Timestamp,
    account::{Position, Ticket, event::ClosingDeal},
};
use serde::Serialize;

use crate::{
    crm::number::{self, Instruments},
    slug,
};

/// An order.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderData {
    /// The owner.
    pub(crate) client_id: String,
    /// The account.
    pub(crate) account_id: String,
    /// The order.
    pub(crate) order_id: String,
    /// Its instrument.
    pub(crate) symbol: String,
    /// `buy` or `sell`.
    pub(crate) side: String,
    /// `market`, `limit`, `stop` or `stop_limit`.
    pub(crate) r#type: String,
    /// `working`, `cancelled`, `expired` or `rejected`.
    pub(crate) status: String,
    /// Lots.
    pub(crate) volume: String,
    /// For `limit` and `stop_limit`.
    pub(crate) limit_price: Option<String>,
    /// For `stop` and `stop_limit`.
    pub(crate) stop_price: Option<String>,
    /// Protection of the position to be.
    pub(crate) stop_loss: Option<String>,
    /// Protection of the position to be.
    pub(crate) take_profit: Option<String>,
    /// How far behind the market the stop loss of the position to be trails.
    pub(crate) trailing_distance: Option<String>,
    /// `gtc`, `day`, `gtd`, `ioc` or `fok`.
    pub(crate) time_in_force: String,
    /// When it ends by itself.
    pub(crate) expires_at: Option<String>,
    /// The client's own name for it.
    pub(crate) client_order_id: Option<String>,
    /// When it was placed.
    pub(crate) created_at: String,
    /// When this happened.
    pub(crate) updated_at: String,
    /// Why it was cancelled or rejected; null otherwise.
    pub(crate) reason: Option<String>,
}

/// A position.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct PositionData {
    /// The owner.
    pub(crate) client_id: String,
    /// The account.
    pub(crate) account_id: String,
    /// The position.
    pub(crate) position_id: String,
    /// The order that opened it.
    pub(crate) order_id: String,
    /// Its instrument.
    pub(crate) symbol: String,
    /// `buy` (long) or `sell` (short).
    pub(crate) side: String,
    /// Lots; of a position that is closed or reduced those before the deal.
    pub(crate) volume: String,
    /// The opening price.
    pub(crate) open_price: String,
    /// When it opened.
    pub(crate) open_time: String,
    /// Protection.
    pub(crate) stop_loss: Option<String>,
    /// Protection.
    pub(crate) take_profit: Option<String>,
    /// How far behind the market its stop loss trails.
    pub(crate) trailing_distance: Option<String>,
    /// Swap accrued and not yet posted, in the account's currency.
    pub(crate) swap: String,
    /// Commission of opening it, in the account's currency.
    pub(crate) commission: String,
    /// The account's currency.
    pub(crate) currency: String,
}

/// A position that was closed, or part of it: `volume` = `closedVolume` + `remainingVolume`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClosedData {
    /// As it was before the deal.
    #[serde(flatten)]
    pub(crate) position: PositionData,
    /// The deal.
    pub(crate) deal_id: String,
    /// Its price.
    pub(crate) close_price: String,
    /// Lots closed.
    pub(crate) closed_volume: String,
    /// Lots still open.
    pub(crate) remaining_volume: String,
    /// Price profit alone, in the account's currency.
    pub(crate) realised: String,
    /// Swap posted by the deal, in the account's currency.
    pub(crate) realised_swap: String,
    /// Commission of the deal, in the account's currency.
    pub(crate) closing_commission: String,
    /// `client`, `stop_loss`, `take_profit`, `stop_out`, `close_by`, `close_all` or `admin`.
    pub(crate) reason: String,
}

/// Whose a thing is.
#[derive(Clone, Copy)]
pub(crate) struct Owner<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) account_id: &'a str,
    pub(crate) currency: Currency,
}

/// What became of an order, and when.
pub(crate) struct Fate<'a> {
    pub(crate) status: &'a str,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) reason: Option<String>,
}

pub(crate) fn order_data(
    owner: Owner<'_>,
    order_id: OrderId,
    ticket: &Ticket,
    fate: Fate<'_>,
    instruments: &Instruments,
) -> OrderData {
    let write = Write::of(ticket.symbol, instruments);
    OrderData {
        client_id: owner.client_id.to_owned(),
        account_id: owner.account_id.to_owned(),
        order_id: order_id.to_string(),
        symbol: ticket.symbol.to_string(),
        side: ticket.side.as_str().to_owned(),
        r#type: slug::of(&ticket.order_type),
        status: fate.status.to_owned(),
        volume: write.volume(ticket.volume),
        limit_price: write.level(ticket.limit_price),
        stop_price: write.level(ticket.stop_price),
        stop_loss: write.level(ticket.stop_loss),
        take_profit: write.level(ticket.take_profit),
        trailing_distance: write.level(ticket.trailing_distance),
        time_in_force: slug::of(&ticket.time_in_force),
        expires_at: ticket.expires_at.map(number::time),
        client_order_id: ticket.client_order_id.as_deref().map(str::to_owned),
        created_at: number::time(fate.created_at),
        updated_at: number::time(fate.updated_at),
        reason: fate.reason,
    }
}

pub(crate) fn position_data(
    owner: Owner<'_>,
    position: &Position,
    instruments: &Instruments,
) -> PositionData {
    let write = Write::of(position.symbol, instruments);
    PositionData {
        client_id: owner.client_id.to_owned(),
        account_id: owner.account_id.to_owned(),
        position_id: position.position_id.to_string(),
        order_id: position.order_id.to_string(),
        symbol: position.symbol.to_string(),
        side: position.side.as_str().to_owned(),
        volume: write.volume(position.volume),
        open_price: write.price(position.open_price),
        open_time: number::time(position.opened_at),
        stop_loss: write.level(position.stop_loss),
        take_profit: write.level(position.take_profit),
        trailing_distance: write.level(position.trailing_distance),
        swap: number::money(position.swap, owner.currency),
        commission: number::money(position.commission, owner.currency),
        currency: owner.currency.to_string(),
    }
}

impl ClosedData {
    /// `position` as it was before the deal.
    pub(crate) fn of(
        owner: Owner<'_>,
        position: &Position,
        deal: &ClosingDeal,
        instruments: &Instruments,
    ) -> Self {
        let write = Write::of(deal.symbol, instruments);
        let money = |amount| number::money(amount, owner.currency);
        Self {
            position: position_data(owner, position, instruments),
            deal_id: deal.deal_id.to_string(),
            close_price: write.price(deal.execution.price),
            closed_volume: write.volume(deal.volume),
            remaining_volume: write.volume(deal.remaining),
            realised: money(deal.realised),
            realised_swap: money(deal.swap),
            closing_commission: money(deal.execution.commission),
            reason: slug::of(&deal.reason),
        }
    }
}

/// Numbers of one instrument.
#[derive(Clone, Copy)]
pub(crate) struct Write(number::Digits);

impl Write {
    pub(crate) fn of(symbol: Symbol, instruments: &Instruments) -> Self {
        Self(instruments.get(&symbol).copied().unwrap_or_default())
    }

    pub(crate) fn price(self, price: Decimal) -> String {
        number::at_least(price, self.0.price)
    }

    pub(crate) fn volume(self, lots: Decimal) -> String {
        number::at_least(lots, self.0.volume)
    }

    fn level(self, price: Option<Decimal>) -> Option<String> {
        price.map(|price| self.price(price))
    }
}
