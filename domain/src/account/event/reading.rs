//! What every event can be asked: its name, its time, what it moved, what of it is personal.

use rust_decimal::Decimal;

use super::{AccountEvent, FundingCancelReason, FundingDecision, FundsChange};
use crate::{
    Currency, FundingId, Timestamp,
    account::{FundingKind, FundingVerdict},
};

/// A step in the life of a deposit or withdrawal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FundingStep<'a> {
    /// The client asked.
    Requested {
        /// Which way the money goes.
        kind: FundingKind,
        /// How much.
        amount: Decimal,
        /// The account's currency.
        currency: Currency,
        /// The method of a deposit, the destination of a withdrawal: sealed.
        channel: &'a str,
    },
    /// Staff decided.
    Decided(FundingVerdict, &'a FundingDecision),
    /// It ended without staff.
    Cancelled(FundingCancelReason),
}

impl AccountEvent {
    /// Stable name, as in the `event_type` column.
    #[must_use]
    pub const fn event_type(&self) -> &'static str {
        match self {
            Self::AccountOpened { .. } => "AccountOpened",
            Self::FundsAdjusted { .. } => "FundsAdjusted",
            Self::DepositRequested { .. } => "DepositRequested",
            Self::DepositApproved { .. } => "DepositApproved",
            Self::DepositCompleted { .. } => "DepositCompleted",
            Self::DepositRejected { .. } => "DepositRejected",
            Self::DepositCancelled { .. } => "DepositCancelled",
            Self::WithdrawalRequested { .. } => "WithdrawalRequested",
            Self::WithdrawalApproved { .. } => "WithdrawalApproved",
            Self::WithdrawalCompleted { .. } => "WithdrawalCompleted",
            Self::WithdrawalRejected { .. } => "WithdrawalRejected",
            Self::WithdrawalCancelled { .. } => "WithdrawalCancelled",
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
            Self::PositionIncreased { .. } => "PositionIncreased",
            Self::OrderNetted { .. } => "OrderNetted",
            Self::LeverageChanged { .. } => "LeverageChanged",
            Self::ControlsChanged { .. } => "ControlsChanged",
            Self::SwapCharged { .. } => "SwapCharged",
            Self::MarginCallRaised { .. } => "MarginCallRaised",
            Self::MarginCallCleared { .. } => "MarginCallCleared",
            Self::StopOutStarted { .. } => "StopOutStarted",
            Self::StopOutStep { .. } => "StopOutStep",
            Self::StopOutFinished { .. } => "StopOutFinished",
            Self::NegativeBalanceCompensated { .. } => "NegativeBalanceCompensated",
            Self::TradingDayStarted { .. } => "TradingDayStarted",
            Self::DailyLossLimitReached { .. } => "DailyLossLimitReached",
            Self::DealBusted { .. } => "DealBusted",
            Self::DealRepriced { .. } => "DealRepriced",
        }
    }

    /// When it was decided.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::AccountOpened { at, .. }
            | Self::FundsAdjusted { at, .. }
            | Self::DepositRequested { at, .. }
            | Self::DepositApproved { at, .. }
            | Self::DepositCompleted { at, .. }
            | Self::DepositRejected { at, .. }
            | Self::DepositCancelled { at, .. }
            | Self::WithdrawalRequested { at, .. }
            | Self::WithdrawalApproved { at, .. }
            | Self::WithdrawalCompleted { at, .. }
            | Self::WithdrawalRejected { at, .. }
            | Self::WithdrawalCancelled { at, .. }
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
            | Self::ProtectionChanged { at, .. }
            | Self::PositionIncreased { at, .. }
            | Self::OrderNetted { at, .. }
            | Self::LeverageChanged { at, .. }
            | Self::ControlsChanged { at, .. }
            | Self::SwapCharged { at, .. }
            | Self::MarginCallRaised { at, .. }
            | Self::MarginCallCleared { at, .. }
            | Self::StopOutStarted { at, .. }
            | Self::StopOutStep { at, .. }
            | Self::StopOutFinished { at, .. }
            | Self::NegativeBalanceCompensated { at, .. }
            | Self::TradingDayStarted { at, .. }
            | Self::DailyLossLimitReached { at, .. }
            | Self::DealBusted { at, .. }
            | Self::DealRepriced { at, .. } => *at,
        }
    }

    /// Its fields that are ciphertext in the book; whoever shows it to its client opens them.
    #[must_use]
    pub fn personal_fields(&self) -> &'static [&'static str] {
        match self {
            Self::DepositRequested { .. } | Self::DepositCompleted { .. } => &["method"],
            Self::WithdrawalRequested { .. } | Self::WithdrawalCompleted { .. } => &["destination"],
            Self::DepositApproved { .. }
            | Self::DepositRejected { .. }
            | Self::DepositCancelled { .. }
            | Self::WithdrawalApproved { .. }
            | Self::WithdrawalRejected { .. }
            | Self::WithdrawalCancelled { .. } => &[],
            Self::AccountOpened { .. }
            | Self::FundsAdjusted { .. }
            | Self::OrderPlaced { .. }
            | Self::OrderRejected { .. }
            | Self::OrderModified { .. }
            | Self::OrderCancelled { .. }
            | Self::OrderExpired { .. }
            | Self::OrderTriggered { .. }
            | Self::OrderFilled { .. }
            | Self::PositionOpened { .. }
            | Self::PositionIncreased { .. }
            | Self::OrderNetted { .. }
            | Self::PositionReduced { .. }
            | Self::PositionClosed { .. }
            | Self::ProtectionChanged { .. }
            | Self::LeverageChanged { .. }
            | Self::ControlsChanged { .. }
            | Self::SwapCharged { .. }
            | Self::MarginCallRaised { .. }
            | Self::MarginCallCleared { .. }
            | Self::StopOutStarted { .. }
            | Self::StopOutStep { .. }
            | Self::StopOutFinished { .. }
            | Self::NegativeBalanceCompensated { .. }
            | Self::TradingDayStarted { .. }
            | Self::DailyLossLimitReached { .. }
            | Self::DealBusted { .. }
            | Self::DealRepriced { .. } => &[],
        }
    }

    /// The deposit or withdrawal that it is about, and the step it takes; none of other events.
    #[must_use]
    pub fn funding(&self) -> Option<(FundingId, FundingStep<'_>)> {
        self.funding_asked_for()
            .or_else(|| self.funding_decided())
            .or_else(|| self.funding_cancelled())
    }

    fn funding_asked_for(&self) -> Option<(FundingId, FundingStep<'_>)> {
        let (request_id, kind, amount, currency, channel) = if let Self::DepositRequested {
            request_id,
            amount,
            currency,
            method,
            ..
        } = self
        {
            (request_id, FundingKind::Deposit, amount, currency, method)
        } else if let Self::WithdrawalRequested {
            request_id,
            amount,
            currency,
            destination,
            ..
        } = self
        {
            (
                request_id,
                FundingKind::Withdrawal,
                amount,
                currency,
                destination,
            )
        } else {
            return None;
        };
        let step = FundingStep::Requested {
            kind,
            amount: *amount,
            currency: *currency,
            channel,
        };
        Some((*request_id, step))
    }

    #[rustfmt::skip]
    fn funding_decided(&self) -> Option<(FundingId, FundingStep<'_>)> {
        let (id, verdict, decision) = if let
            Self::DepositApproved { request_id, decision, .. }
            | Self::WithdrawalApproved { request_id, decision, .. } = self
        {
            (request_id, FundingVerdict::Approve, decision)
        } else if let
            Self::DepositCompleted { request_id, decision, .. }
            | Self::WithdrawalCompleted { request_id, decision, .. } = self
        {
            (request_id, FundingVerdict::Complete, decision)
        } else if let
            Self::DepositRejected { request_id, decision, .. }
            | Self::WithdrawalRejected { request_id, decision, .. } = self
        {
            (request_id, FundingVerdict::Reject, decision)
        } else {
            return None;
        };
        Some((*id, FundingStep::Decided(verdict, decision)))
    }

    fn funding_cancelled(&self) -> Option<(FundingId, FundingStep<'_>)> {
        if let Self::DepositCancelled { request_id, .. } = self {
            let step = FundingStep::Cancelled(FundingCancelReason::Client);
            return Some((*request_id, step));
        }
        let Self::WithdrawalCancelled {
            request_id, reason, ..
        } = self
        else {
            return None;
        };
        Some((*request_id, FundingStep::Cancelled(*reason)))
    }

    /// What it moved in the buckets or held; none when no money moved.
    #[must_use]
    pub fn funds(&self) -> Option<&FundsChange> {
        match self {
            Self::FundsAdjusted { funds, .. }
            | Self::DepositCompleted { funds, .. }
            | Self::WithdrawalRequested { funds, .. }
            | Self::WithdrawalCompleted { funds, .. }
            | Self::WithdrawalRejected { funds, .. }
            | Self::WithdrawalCancelled { funds, .. }
            | Self::OrderFilled { funds, .. }
            | Self::NegativeBalanceCompensated { funds, .. } => Some(funds),
            Self::DealBusted { bust, .. } => Some(&bust.funds),
            Self::DealRepriced { reprice, .. } => Some(&reprice.funds),
            Self::PositionReduced { deal, .. } | Self::PositionClosed { deal, .. } => {
                Some(&deal.funds)
            }
            Self::AccountOpened { .. }
            | Self::DepositRequested { .. }
            | Self::DepositApproved { .. }
            | Self::DepositRejected { .. }
            | Self::DepositCancelled { .. }
            | Self::WithdrawalApproved { .. }
            | Self::OrderPlaced { .. }
            | Self::OrderRejected { .. }
            | Self::OrderModified { .. }
            | Self::OrderCancelled { .. }
            | Self::OrderExpired { .. }
            | Self::OrderTriggered { .. }
            | Self::PositionOpened { .. }
            | Self::ProtectionChanged { .. }
            | Self::PositionIncreased { .. }
            | Self::OrderNetted { .. }
            | Self::LeverageChanged { .. }
            | Self::ControlsChanged { .. }
            | Self::SwapCharged { .. }
            | Self::MarginCallRaised { .. }
            | Self::MarginCallCleared { .. }
            | Self::StopOutStarted { .. }
            | Self::StopOutStep { .. }
            | Self::StopOutFinished { .. }
            | Self::TradingDayStarted { .. }
            | Self::DailyLossLimitReached { .. } => None,
        }
    }
}
