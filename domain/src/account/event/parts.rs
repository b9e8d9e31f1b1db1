//! What events are made of.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::{
    Currency, DealId, OrderId, PositionId, Symbol, Timestamp,
    account::{AccountKind, Bucket},
    execution::Execution,
    quote::Side,
};

/// What an event moved in each bucket and what it held or let go, in the account's currency. Zero
/// parts are left out.
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
    /// Signed change of what is held of real money.
    #[serde(default, skip_serializing_if = "Decimal::is_zero")]
    pub held: Decimal,
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
            held: Decimal::ZERO,
        }
    }

    /// A hold of real money, or with a negative amount its release: no bucket moves.
    #[must_use]
    pub fn of_hold(currency: Currency, held: Decimal) -> Self {
        Self {
            held,
            ..Self::of_bucket(currency, Bucket::Real, Decimal::ZERO)
        }
    }

    /// Held real money that is paid out.
    #[must_use]
    pub fn of_payout(currency: Currency, amount: Decimal) -> Self {
        Self {
            held: -amount,
            ..Self::of_bucket(currency, Bucket::Real, -amount)
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
    /// The daily loss limit was reached.
    DailyLoss,
    /// Staff.
    Admin,
}

/// What staff said when they decided about a deposit or withdrawal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FundingDecision {
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The payment's name elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Who.
    pub by: String,
}

/// Why a deposit or withdrawal ended without a decision of staff.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FundingCancelReason {
    /// The client took it back.
    Client,
    /// The balance went negative: what was held is not there any more.
    NegativeBalance,
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
    /// The stop-out.
    StopOut,
    /// Closed by an opposite position.
    CloseBy,
    /// One of many that the client closed at once.
    CloseAll,
    /// Staff, or a rule of the house such as the daily loss limit.
    Admin,
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
    /// The instrument's largest leverage at the time, for the notional reached.
    pub max_leverage: u32,
    /// Units of the base in one lot of hedged volume (0: hedged volume needs no margin).
    #[serde(default, skip_serializing_if = "Decimal::is_zero")]
    pub hedged_contract_size: Decimal,
}

/// A deal that reduces or closes a position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClosingDeal {
    /// Names the deal and its receipt.
    pub deal_id: DealId,
    /// The position.
    pub position_id: PositionId,
    /// The order that dealt; none where no order did. (Netting: an opposite order reduces.)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<OrderId>,
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
