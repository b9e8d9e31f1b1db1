//! Open positions.

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::event::MarginBasis;
use crate::{OrderId, PositionId, Symbol, Timestamp, quote::Side};

/// An open position in memory, in snapshots, and as read models hand it to the mathematics.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Its identifier.
    pub position_id: PositionId,
    /// The order that opened it.
    pub order_id: OrderId,
    /// Instrument.
    pub symbol: Symbol,
    /// Long (`buy`) or short (`sell`).
    pub side: Side,
    /// Lots still open.
    pub volume: Decimal,
    /// The opening price; of a netting position made of several deals their average, rounded to
    /// 28 digits and for show.
    pub open_price: Decimal,
    /// Sum of lots times price over the deals of what is open: kept by netting positions made of
    /// several deals, in whose place an average would be rounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Decimal>,
    /// Units of the base in one lot, as dealt.
    pub contract_size: Decimal,
    /// What its margin rests on.
    pub margin: MarginBasis,
    /// Commission of the opening deal, in the account's currency.
    pub commission: Decimal,
    /// Swap accrued and not yet posted, in the account's currency.
    pub swap: Decimal,
    /// Stop loss.
    pub stop_loss: Option<Decimal>,
    /// Take profit.
    pub take_profit: Option<Decimal>,
    /// How far behind the market the stop loss trails, in price units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trailing_distance: Option<Decimal>,
    /// The last trading day that swap was charged for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swap_day: Option<NaiveDate>,
    /// When it opened.
    pub opened_at: Timestamp,
}
