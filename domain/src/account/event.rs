//! Facts about one account. Names are stable: they are stored.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{
    AccountKind, Bucket, PositionMode,
    order::{OrderLevels, Ticket},
};
use crate::{
    ClientId, Currency, DealId, OrderId, PositionId, Symbol, Timestamp, execution::Execution,
    quote::Side,
};

/// What an event moved in each bucket, in the account's currency. Zero parts are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FundsChange {
    /// The account's currency.
    pub currency: Currency,
    /// Signed change of real money.
    #[serde(default, skip_serializing_if = "Decimal::is_zero")]
    pub real: Decimal,
    /// Signed change of demo money.
    #[serde(default, skip_serializing_if = "Decimal::is_zero")]
    pub demo: Decimal,
    /// Signed change of bonus money.
    #[serde(default, skip_serializing_if = "Decimal::is_zero")]
    pub bonus: Decimal,
}

impl FundsChange {
    /// A change of the three buckets. Zero is always the same zero, so that what is read back
    /// equals what was decided to the last digit.
    #[must_use]
    pub fn new(currency: Currency, real: Decimal, demo: Decimal, bonus: Decimal) -> Self {
        let plain = |amount: Decimal| {
            if amount.is_zero() {
                Decimal::ZERO
            } else {
                amount
            }
        };
        Self {
            currency,
            real: plain(real),
            demo: plain(demo),
            bonus: plain(bonus),
        }
    }

    /// A change of one bucket.
    #[must_use]
    pub fn of_bucket(currency: Currency, bucket: Bucket, amount: Decimal) -> Self {
        match bucket {
            Bucket::Real => Self::new(currency, amount, Decimal::ZERO, Decimal::ZERO),
            Bucket::Demo => Self::new(currency, Decimal::ZERO, amount, Decimal::ZERO),
            Bucket::Bonus => Self::new(currency, Decimal::ZERO, Decimal::ZERO, amount),
        }
    }

    /// Sum over the buckets.
    #[must_use]
    pub fn total(&self) -> Decimal {
        self.real + self.demo + self.bonus
    }
}

/// Why an order ended without filling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelReason {
    /// The client asked.
    Client,
    /// A sibling of its OCO group filled.
    Oco,
    /// Immediate-or-cancel or fill-or-kill, and not marketable at once.
    NotMarketable,
}

/// Why a position was closed or reduced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseReason {
    /// The client asked.
    Client,
    /// The market reached the stop loss.
    StopLoss,
    /// The market reached the take profit.
    TakeProfit,
}

/// The quote on which a pending order was triggered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriggerQuote {
    /// Bid.
    pub bid: Decimal,
    /// Ask.
    pub ask: Decimal,
    /// The provider's time.
    pub at: Timestamp,
}

/// What a position's margin rests on: fixed when it opened, so that replay needs no market.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarginBasis {
    /// Notional of one lot in the account's currency: `C · rate` (FX), `C · P · rate` (CFD).
    pub notional_per_lot: Decimal,
    /// Factor R of the instrument.
    pub margin_rate: Decimal,
    /// The instrument's largest leverage at the time.
    pub max_leverage: u32,
}

/// A deal that reduces or closes a position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClosingDeal {
    /// Names the deal and its receipt.
    pub deal_id: DealId,
    /// The position.
    pub position_id: PositionId,
    /// Whose money was traded: the general ledger keeps play money apart.
    pub kind: AccountKind,
    /// Its instrument.
    pub symbol: Symbol,
    /// Side of the *deal*: a long position closes with `sell`.
    pub side: Side,
    /// Volume closed, in lots.
    pub volume: Decimal,
    /// Volume still open afterwards, in lots.
    pub remaining: Decimal,
    /// Price profit alone, rounded, in the account's currency.
    pub realised: Decimal,
    /// Accrued swap posted by this deal, in the account's currency.
    pub swap: Decimal,
    /// Why.
    pub reason: CloseReason,
    /// The receipt.
    pub execution: Execution,
    /// `realised + swap − commission`, by bucket.
    pub funds: FundsChange,
}

/// A fact in an account's stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccountEvent {
    /// The account exists from now on.
    AccountOpened {
        /// Its owner.
        client_id: ClientId,
        /// The number people use (100001…).
        number: u64,
        /// Live or demo money.
        kind: AccountKind,
        /// Hedging or netting.
        mode: PositionMode,
        /// Currency of every amount.
        currency: Currency,
        /// 1:`leverage`.
        leverage: u32,
        /// When.
        at: Timestamp,
    },
    /// Money came or went without a trade.
    FundsAdjusted {
        /// Which bucket.
        bucket: Bucket,
        /// Signed amount.
        amount: Decimal,
        /// For people.
        notes: Option<String>,
        /// Who did it.
        by: String,
        /// The same, by bucket and with its currency.
        funds: FundsChange,
        /// When.
        at: Timestamp,
    },
    /// An order was accepted.
    OrderPlaced {
        /// The order.
        order_id: OrderId,
        /// What was asked.
        ticket: Box<Ticket>,
        /// When.
        at: Timestamp,
    },
    /// A well-formed order was refused by a rule, at placement or when it triggered.
    OrderRejected {
        /// The order.
        order_id: OrderId,
        /// What was asked.
        ticket: Box<Ticket>,
        /// Stable slug of the broken rule.
        reason: String,
        /// The numbers, for people.
        detail: String,
        /// When.
        at: Timestamp,
    },
    /// A working order's levels or volume changed.
    OrderModified {
        /// The order.
        order_id: OrderId,
        /// Before.
        from: Box<OrderLevels>,
        /// After.
        to: Box<OrderLevels>,
        /// When.
        at: Timestamp,
    },
    /// An order ended without filling.
    OrderCancelled {
        /// The order.
        order_id: OrderId,
        /// Why.
        reason: CancelReason,
        /// When.
        at: Timestamp,
    },
    /// An order's time ran out.
    OrderExpired {
        /// The order.
        order_id: OrderId,
        /// When.
        at: Timestamp,
    },
    /// The market reached a pending order's trigger.
    OrderTriggered {
        /// The order.
        order_id: OrderId,
        /// On which quote.
        quote: TriggerQuote,
        /// When.
        at: Timestamp,
    },
    /// An order filled whole.
    OrderFilled {
        /// The order.
        order_id: OrderId,
        /// The opening deal.
        deal_id: DealId,
        /// The position it opened.
        position_id: PositionId,
        /// Its instrument.
        symbol: Symbol,
        /// Side of the deal.
        side: Side,
        /// Lots.
        volume: Decimal,
        /// The receipt.
        execution: Box<Execution>,
        /// The commission, by bucket.
        funds: FundsChange,
        /// When.
        at: Timestamp,
    },
    /// A position came into being.
    PositionOpened {
        /// The position.
        position_id: PositionId,
        /// The order that opened it.
        order_id: OrderId,
        /// The opening deal.
        deal_id: DealId,
        /// Its instrument.
        symbol: Symbol,
        /// Long (`buy`) or short (`sell`).
        side: Side,
        /// Lots.
        volume: Decimal,
        /// The opening price.
        open_price: Decimal,
        /// Units of the base in one lot, as dealt.
        contract_size: Decimal,
        /// What its margin rests on.
        margin: MarginBasis,
        /// Commission of the opening deal, in the account's currency.
        commission: Decimal,
        /// Protection.
        stop_loss: Option<Decimal>,
        /// Protection.
        take_profit: Option<Decimal>,
        /// When.
        at: Timestamp,
    },
    /// Part of a position was closed.
    PositionReduced {
        /// The deal.
        deal: Box<ClosingDeal>,
        /// When.
        at: Timestamp,
    },
    /// A position ended.
    PositionClosed {
        /// The deal.
        deal: Box<ClosingDeal>,
        /// When.
        at: Timestamp,
    },
    /// Stop loss or take profit of a position changed; these are the levels from now on.
    ProtectionChanged {
        /// The position.
        position_id: PositionId,
        /// Stop loss, none: removed.
        stop_loss: Option<Decimal>,
        /// Take profit, none: removed.
        take_profit: Option<Decimal>,
        /// When.
        at: Timestamp,
    },
}

impl AccountEvent {
    /// Stable name, as in the `event_type` column.
    #[must_use]
    pub const fn event_type(&self) -> &'static str {
        match self {
            Self::AccountOpened { .. } => "AccountOpened",
            Self::FundsAdjusted { .. } => "FundsAdjusted",
            Self::OrderPlaced { .. } => "OrderPlaced",
            Self::OrderRejected { .. } => "OrderRejected",
            Self::OrderModified { .. } => "OrderModified",
            Self::OrderCancelled { .. } => "OrderCancelled",
            Self::OrderExpired { .. } => "OrderExpired",
            Self::OrderTriggered { .. } => "OrderTriggered",
            Self::OrderFilled { .. } => "OrderFilled",
            Self::PositionOpened { .. } => "PositionOpened",
            Self::PositionReduced { .. } => "PositionReduced",
            Self::PositionClosed { .. } => "PositionClosed",
            Self::ProtectionChanged { .. } => "ProtectionChanged",
        }
    }
    /// When it was decided.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::AccountOpened { at, .. }
            | Self::FundsAdjusted { at, .. }
            | Self::OrderPlaced { at, .. }
            | Self::OrderRejected { at, .. }
            | Self::OrderModified { at, .. }
            | Self::OrderCancelled { at, .. }
            | Self::OrderExpired { at, .. }
            | Self::OrderTriggered { at, .. }
            | Self::OrderFilled { at, .. }
            | Self::PositionOpened { at, .. }
            | Self::PositionReduced { at, .. }
            | Self::PositionClosed { at, .. }
            | Self::ProtectionChanged { at, .. } => *at,
        }
    }

    /// What it moved in the buckets; none when no money moved.
    #[must_use]
    pub fn funds(&self) -> Option<&FundsChange> {
        match self {
            Self::FundsAdjusted { funds, .. } | Self::OrderFilled { funds, .. } => Some(funds),
            Self::PositionReduced { deal, .. } | Self::PositionClosed { deal, .. } => {
                Some(&deal.funds)
            }
            Self::AccountOpened { .. }
            | Self::OrderPlaced { .. }
            | Self::OrderRejected { .. }
            | Self::OrderModified { .. }
            | Self::OrderCancelled { .. }
            | Self::OrderExpired { .. }
            | Self::OrderTriggered { .. }
            | Self::PositionOpened { .. }
            | Self::ProtectionChanged { .. } => None,
        }
    }
}
