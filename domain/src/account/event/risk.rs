//! What events of swap, stop-out, netting and corrections are made of.

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{ClosingDeal, FundsChange, MarginBasis};
use crate::{
    DealId, OrderId, PositionId, Symbol,
    account::AccountKind,
    execution::{Conversion, Execution},
    instrument::SwapMode,
    quote::Side,
};

/// A position of a netting account after a deal on its own side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PositionIncrease {
    /// The position.
    pub position_id: PositionId,
    /// The order that increased it.
    pub order_id: OrderId,
    /// The deal.
    pub deal_id: DealId,
    /// Its instrument.
    pub symbol: Symbol,
    /// Its side, and the deal's.
    pub side: Side,
    /// Lots added.
    pub volume: Decimal,
    /// Price of the lots added.
    pub price: Decimal,
    /// Commission of this deal, in the account's currency.
    pub commission: Decimal,
    /// Lots after it.
    pub total_volume: Decimal,
    /// Sum of lots times price over the deals of what is open, in price units: exact, where an
    /// average price would be rounded.
    pub cost: Decimal,
    /// What the margin of all of it rests on.
    pub margin: MarginBasis,
    /// Protection after it.
    pub stop_loss: Option<Decimal>,
    /// Protection after it.
    pub take_profit: Option<Decimal>,
    /// Trailing distance after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trailing_distance: Option<Decimal>,
}

/// Swap of one position at one rollover.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwapCharge {
    /// The position.
    pub position_id: PositionId,
    /// Its instrument.
    pub symbol: Symbol,
    /// The trading day that ended, by its date in New York.
    pub day: NaiveDate,
    /// Nights charged: the day's weight, and that of holidays after it.
    pub days: u32,
    /// Lots at that instant.
    pub volume: Decimal,
    /// What `rate` is.
    pub mode: SwapMode,
    /// The terms' figure for the position's side.
    pub rate: Decimal,
    /// The price that percents were taken of; none for points and money.
    pub price: Option<Decimal>,
    /// Conversion into the account's currency.
    pub conversion: Conversion,
    /// Signed amount in the account's currency, rounded; negative is a charge.
    pub amount: Decimal,
}

/// What a step of a stop-out did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopOutAction {
    /// Closed a position whole.
    Close {
        /// Which.
        position_id: PositionId,
    },
    /// Closed part of one.
    Reduce {
        /// Which.
        position_id: PositionId,
        /// Lots closed.
        volume: Decimal,
    },
}

/// A deal as the book knows it, for whoever corrects it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DealRecord {
    /// One that opened or increased a position.
    Opening {
        /// The deal.
        deal_id: DealId,
        /// The position.
        position_id: PositionId,
        /// Its instrument.
        symbol: Symbol,
        /// Side.
        side: Side,
        /// Lots.
        volume: Decimal,
        /// The receipt.
        execution: Box<Execution>,
        /// The commission, by bucket.
        funds: FundsChange,
    },
    /// One that reduced or closed a position.
    Closing {
        /// The deal.
        deal: Box<ClosingDeal>,
        /// Units of the base in one lot, as dealt.
        contract_size: Decimal,
    },
}

/// A deal undone: the opposite of what it moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BustedDeal {
    /// The deal.
    pub deal_id: DealId,
    /// Its position.
    pub position_id: PositionId,
    /// Its instrument.
    pub symbol: Symbol,
    /// Whose money was traded.
    pub kind: AccountKind,
    /// Lots taken off the open position with an opening deal; zero for a closing deal, whose
    /// position stays as it is.
    pub volume_removed: Decimal,
    /// Sum of lots times price taken off a netting position made of several deals, in price units;
    /// zero for every other position.
    #[serde(default, skip_serializing_if = "Decimal::is_zero")]
    pub cost_removed: Decimal,
    /// Price profit given back, signed.
    pub realised: Decimal,
    /// Swap given back, signed.
    pub swap: Decimal,
    /// Commission given back; never negative.
    pub commission: Decimal,
    /// `realised + swap + commission`, by bucket.
    pub funds: FundsChange,
    /// For people.
    pub reason: String,
    /// Who.
    pub by: String,
}

/// A deal at another price: the difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepricedDeal {
    /// The deal.
    pub deal_id: DealId,
    /// Its position.
    pub position_id: PositionId,
    /// Its instrument.
    pub symbol: Symbol,
    /// Whose money was traded.
    pub kind: AccountKind,
    /// Price before.
    pub from: Decimal,
    /// Price after.
    pub to: Decimal,
    /// Lots of the deal.
    pub volume: Decimal,
    /// Whether the open position has the new price now; else the money was settled.
    pub moves_position: bool,
    /// Price profit added, signed; zero where the position moves.
    pub realised: Decimal,
    /// The same, by bucket.
    pub funds: FundsChange,
    /// For people.
    pub reason: String,
    /// Who.
    pub by: String,
}
