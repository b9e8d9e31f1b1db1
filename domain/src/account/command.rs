//! What may be asked of an account. Identifiers of what may come into being arrive with the command.

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{
    AccountKind, Bucket, Controls, FundingVerdict, PositionMode, event::DealRecord, order::Ticket,
};
use crate::{ClientId, Currency, DealId, FundingId, OrderId, PositionId, Symbol, Timestamp};

/// Leave a value, set it, or remove it (`null` on the wire).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change<T> {
    /// As it is.
    #[default]
    Keep,
    /// To this.
    Set(T),
    /// Away with it.
    Remove,
}

impl<T> Change<T> {
    /// Whether nothing is asked.
    #[must_use]
    pub const fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }

    /// The value after the change.
    #[must_use]
    pub fn apply(self, current: Option<T>) -> Option<T> {
        match self {
            Self::Keep => current,
            Self::Set(value) => Some(value),
            Self::Remove => None,
        }
    }
}

/// Changes to a working order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OrderChanges {
    /// Limit price.
    pub limit_price: Option<Decimal>,
    /// Stop price.
    pub stop_price: Option<Decimal>,
    /// Lots.
    pub volume: Option<Decimal>,
    /// Stop loss.
    pub stop_loss: Change<Decimal>,
    /// Take profit.
    pub take_profit: Change<Decimal>,
    /// Expiry; removing it makes the order good till cancelled.
    pub expires_at: Change<Timestamp>,
}

/// Which positions are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseFilter {
    /// Those with a profit now.
    Winners,
    /// Those with a loss now.
    Losers,
}

/// A request to an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccountCommand {
    /// Open it.
    Open {
        /// Owner.
        client_id: ClientId,
        /// The number people use.
        number: u64,
        /// Live or demo.
        kind: AccountKind,
        /// Hedging or netting.
        mode: PositionMode,
        /// Currency.
        currency: Currency,
        /// 1:`leverage`.
        leverage: u32,
    },
    /// Move money without a trade.
    AdjustFunds {
        /// Bucket.
        bucket: Bucket,
        /// Signed amount.
        amount: Decimal,
        /// For people.
        notes: Option<String>,
        /// Who.
        by: String,
    },
    /// Ask for money to come in.
    RequestDeposit {
        /// The request.
        request_id: FundingId,
        /// How much.
        amount: Decimal,
        /// In which currency: the account's.
        currency: Currency,
        /// How it comes, sealed under the client's key.
        method: String,
    },
    /// Ask for money to go out. It is held at once.
    RequestWithdrawal {
        /// The request.
        request_id: FundingId,
        /// How much.
        amount: Decimal,
        /// In which currency: the account's.
        currency: Currency,
        /// Where it goes, sealed under the client's key.
        destination: String,
    },
    /// Take a request back, while nobody has decided about it.
    CancelFunding {
        /// The request.
        request_id: FundingId,
    },
    /// Staff decide about a request.
    DecideFunding {
        /// The request.
        request_id: FundingId,
        /// What.
        verdict: FundingVerdict,
        /// Why, for people.
        reason: Option<String>,
        /// The payment's name elsewhere.
        reference: Option<String>,
        /// Who.
        by: String,
    },
    /// Place an order.
    PlaceOrder {
        /// Its identifier.
        order_id: OrderId,
        /// The deal, should it fill at once.
        deal_id: DealId,
        /// The position, should it fill at once.
        position_id: PositionId,
        /// What is asked.
        ticket: Box<Ticket>,
    },
    /// Change a working order. A limit that becomes marketable rests until the next trigger.
    ModifyOrder {
        /// The order.
        order_id: OrderId,
        /// What changes.
        changes: Box<OrderChanges>,
    },
    /// Cancel a working order.
    CancelOrder {
        /// The order.
        order_id: OrderId,
    },
    /// Change a position's protection.
    ProtectPosition {
        /// The position.
        position_id: PositionId,
        /// Stop loss.
        stop_loss: Change<Decimal>,
        /// Take profit.
        take_profit: Change<Decimal>,
        /// Distance of the trailing stop, in price units.
        trailing_distance: Change<Decimal>,
    },
    /// Close a position, whole or in part, at the market.
    ClosePosition {
        /// The position.
        position_id: PositionId,
        /// The closing deal.
        deal_id: DealId,
        /// Lots; none: all.
        volume: Option<Decimal>,
    },
    /// From the trigger book: the newest quote touches this order's level.
    TriggerOrder {
        /// The order.
        order_id: OrderId,
        /// The deal, should it fill.
        deal_id: DealId,
        /// The position, should it fill.
        position_id: PositionId,
    },
    /// From the trigger book: the newest quote touches this position's stop loss or take profit.
    TriggerProtection {
        /// The position.
        position_id: PositionId,
        /// The closing deal.
        deal_id: DealId,
    },
    /// From the clock: the order's `expires_at` has come.
    ExpireOrder {
        /// The order.
        order_id: OrderId,
    },
    /// Close two opposite positions by one another, as far as the smaller goes.
    CloseBy {
        /// One.
        position_id: PositionId,
        /// The other, of the same symbol.
        opposite_id: PositionId,
        /// The closing deal of the one.
        deal_id: DealId,
        /// The closing deal of the other.
        opposite_deal_id: DealId,
    },
    /// Close all positions, or those of a kind, at the market.
    CloseAll {
        /// From which the deals' names are derived.
        seed: DealId,
        /// Of this symbol alone.
        symbol: Option<Symbol>,
        /// Of this kind alone.
        only: Option<CloseFilter>,
    },
    /// From the trigger book: the market has moved a trailing stop's step in the client's favour.
    TrailStop {
        /// The position.
        position_id: PositionId,
    },
    /// From the margin watch: margin call, daily loss limit, stop-out, negative balance.
    Evaluate {
        /// From which the deals' names are derived.
        seed: DealId,
    },
    /// From the clock: the trading day `day` has ended. The market carries that day's terms.
    RollOver {
        /// The day, by its date in New York.
        day: NaiveDate,
    },
    /// Change the leverage.
    ChangeLeverage {
        /// 1:`leverage`.
        leverage: u32,
        /// Who.
        by: String,
    },
    /// Set flags, limits and group, all of them.
    SetControls {
        /// From now on.
        controls: Box<Controls>,
        /// For people.
        reason: Option<String>,
        /// Who.
        by: String,
    },
    /// Undo a deal by compensation.
    BustDeal {
        /// The deal, as the book knows it.
        deal: Box<DealRecord>,
        /// For people.
        reason: String,
        /// Who.
        by: String,
    },
    /// Correct a deal's price by compensation.
    RepriceDeal {
        /// The deal, as the book knows it.
        deal: Box<DealRecord>,
        /// The right price.
        price: Decimal,
        /// For people.
        reason: String,
        /// Who.
        by: String,
    },
}

impl AccountCommand {
    /// Stable name, for logs and metadata.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Open { .. } => "Open",
            Self::AdjustFunds { .. } => "AdjustFunds",
            Self::RequestDeposit { .. } => "RequestDeposit",
            Self::RequestWithdrawal { .. } => "RequestWithdrawal",
            Self::CancelFunding { .. } => "CancelFunding",
            Self::DecideFunding { .. } => "DecideFunding",
            Self::PlaceOrder { .. } => "PlaceOrder",
            Self::ModifyOrder { .. } => "ModifyOrder",
            Self::CancelOrder { .. } => "CancelOrder",
            Self::ProtectPosition { .. } => "ProtectPosition",
            Self::ClosePosition { .. } => "ClosePosition",
            Self::TriggerOrder { .. } => "TriggerOrder",
            Self::TriggerProtection { .. } => "TriggerProtection",
            Self::ExpireOrder { .. } => "ExpireOrder",
            Self::CloseBy { .. } => "CloseBy",
            Self::CloseAll { .. } => "CloseAll",
            Self::TrailStop { .. } => "TrailStop",
            Self::Evaluate { .. } => "Evaluate",
            Self::RollOver { .. } => "RollOver",
            Self::ChangeLeverage { .. } => "ChangeLeverage",
            Self::SetControls { .. } => "SetControls",
            Self::BustDeal { .. } => "BustDeal",
            Self::RepriceDeal { .. } => "RepriceDeal",
        }
    }
}
