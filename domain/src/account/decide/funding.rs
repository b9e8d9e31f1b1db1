//! Deposits and withdrawals: asked for, taken back, decided about.
//!
//! Invariant: what is held for withdrawals was withdrawable when it was asked for, and no payment
//! makes real money negative.

use rust_decimal::Decimal;

use super::{Book, Found, funds};
use crate::{
    AccountEvent, AccountRejection, Currency, FundingId, Money,
    account::{
        AMOUNT_MAX, AccountKind, Bucket, FundingKind, FundingRequest, FundingStatus,
        FundingVerdict,
        event::{FundingCancelReason, FundingDecision, FundsChange},
    },
    profit,
};

impl Book<'_> {
    /// Asks for money to come in. Asked again under the same identifier it is already so.
    pub(super) fn request_deposit(
        &self,
        request_id: FundingId,
        (amount, currency): (Decimal, Currency),
        method: &str,
    ) -> Found {
        let amount = self.fundable(amount, currency)?;
        if self.is_known(request_id, FundingKind::Deposit, amount)? {
            return Ok(Vec::new());
        }
        Ok(vec![AccountEvent::DepositRequested {
            request_id,
            amount,
            currency,
            method: method.to_owned(),
            at: self.context.at,
        }])
    }

    /// Asks for money to go out and holds it: never more than is withdrawable now.
    pub(super) fn request_withdrawal(
        &self,
        request_id: FundingId,
        (amount, currency): (Decimal, Currency),
        destination: &str,
    ) -> Found {
        let amount = self.fundable(amount, currency)?;
        if self.is_known(request_id, FundingKind::Withdrawal, amount)? {
            return Ok(Vec::new());
        }
        let available = self.withdrawable()?;
        if amount > available {
            return Err(insufficient(amount, available, currency));
        }
        Ok(vec![AccountEvent::WithdrawalRequested {
            request_id,
            amount,
            currency,
            destination: destination.to_owned(),
            funds: FundsChange::of_hold(currency, amount),
            at: self.context.at,
        }])
    }

    /// The client takes back what nobody has decided about yet.
    pub(super) fn cancel_funding(&self, request_id: FundingId) -> Found {
        let request = self.open_request(request_id)?;
        self.check_writing()?;
        if !request.status.is_cancellable() {
            return Err(AccountRejection::FundingNotOpen(request_id));
        }
        Ok(vec![self.cancelled(request, FundingCancelReason::Client)])
    }

    /// The fact that a request ends without staff.
    pub(super) fn cancelled(
        &self,
        request: &FundingRequest,
        reason: FundingCancelReason,
    ) -> AccountEvent {
        let (request_id, at) = (request.request_id, self.context.at);
        match request.kind {
            FundingKind::Deposit => AccountEvent::DepositCancelled { request_id, at },
            FundingKind::Withdrawal => AccountEvent::WithdrawalCancelled {
                request_id,
                reason,
                funds: FundsChange::of_hold(self.terms.currency, -request.amount),
                at,
            },
        }
    }

    /// Staff's verdict on a request.
    pub(super) fn decide_funding(
        &self,
        request_id: FundingId,
        verdict: FundingVerdict,
        decision: FundingDecision,
    ) -> Found {
        let request = self.open_request(request_id)?;
        let (currency, at) = (self.terms.currency, self.context.at);
        let amount = request.amount;
        let decision = Box::new(decision);
        let status = request.status.after(verdict);
        let status = status.ok_or(AccountRejection::FundingNotOpen(request_id))?;
        let event = match (request.kind, status) {
            (_, FundingStatus::Requested | FundingStatus::Cancelled) => {
                unreachable!("invariant: no verdict leads there")
            }
            (FundingKind::Deposit, FundingStatus::Approved) => AccountEvent::DepositApproved {
                request_id,
                decision,
                at,
            },
            (FundingKind::Deposit, FundingStatus::Rejected) => AccountEvent::DepositRejected {
                request_id,
                decision,
                at,
            },
            (FundingKind::Deposit, FundingStatus::Completed) => {
                let funds = FundsChange::of_bucket(currency, Bucket::Real, amount);
                AccountEvent::DepositCompleted {
                    request_id,
                    amount,
                    method: request.channel.to_string(),
                    decision,
                    funds: self.account.funds.checked(funds)?,
                    at,
                }
            }
            (FundingKind::Withdrawal, FundingStatus::Approved) => {
                AccountEvent::WithdrawalApproved {
                    request_id,
                    decision,
                    at,
                }
            }
            (FundingKind::Withdrawal, FundingStatus::Rejected) => {
                AccountEvent::WithdrawalRejected {
                    request_id,
                    decision,
                    funds: FundsChange::of_hold(currency, -amount),
                    at,
                }
            }
            (FundingKind::Withdrawal, FundingStatus::Completed) => {
                self.check_payable(amount)?;
                AccountEvent::WithdrawalCompleted {
                    request_id,
                    amount,
                    destination: request.channel.to_string(),
                    decision,
                    funds: FundsChange::of_payout(currency, amount),
                    at,
                }
            }
        };
        Ok(vec![event])
    }

    /// Losses since the request may have taken what it held.
    fn check_payable(&self, amount: Decimal) -> Result<(), AccountRejection> {
        let real = self.account.funds.real;
        if real >= amount {
            return Ok(());
        }
        let available = real.max(Decimal::ZERO);
        Err(insufficient(amount, available, self.terms.currency))
    }

    /// The amount as money, if it may be asked of this account at all.
    fn fundable(&self, amount: Decimal, asked: Currency) -> Result<Decimal, AccountRejection> {
        match self.terms.kind {
            AccountKind::Live => {}
            AccountKind::Demo => return Err(AccountRejection::DemoAccount),
        }
        let currency = self.terms.currency;
        if asked != currency {
            return Err(AccountRejection::CurrencyMismatch { asked, currency });
        }
        let amount = funds::amount_of(currency, amount)?;
        if amount < Decimal::ZERO {
            let message = "amount must be greater than zero".to_owned();
            return Err(AccountRejection::InvalidAmount(message));
        }
        if amount > AMOUNT_MAX {
            return Err(AccountRejection::Overflow);
        }
        self.check_writing()?;
        Ok(amount)
    }

    /// Whether this very request is open. Another under its name, or one too many, is refused.
    fn is_known(
        &self,
        request_id: FundingId,
        kind: FundingKind,
        amount: Decimal,
    ) -> Result<bool, AccountRejection> {
        if let Some(known) = self.account.funding_request(request_id) {
            let is_same = known.kind == kind && known.amount == amount;
            return is_same
                .then_some(true)
                .ok_or(AccountRejection::FundingNotOpen(request_id));
        }
        let open = self.account.funding.len();
        if open >= self.context.rules.funding_max {
            return Err(AccountRejection::TooManyFundingRequests(open));
        }
        Ok(false)
    }

    /// Nothing may be asked by a client who may only read.
    fn check_writing(&self) -> Result<(), AccountRejection> {
        if self.account.controls().read_only {
            return Err(AccountRejection::TradingDisabled);
        }
        Ok(())
    }

    fn open_request(&self, id: FundingId) -> Result<&FundingRequest, AccountRejection> {
        let request = self.account.funding_request(id);
        request.ok_or(AccountRejection::FundingNotOpen(id))
    }

    /// What may be withdrawn now, or why that cannot be said.
    fn withdrawable(&self) -> Result<Decimal, AccountRejection> {
        let (market, rules) = (self.context.market, self.context.rules);
        let figures = self.account.figures(market, rules);
        if let Some(withdrawable) = figures.and_then(|figures| figures.withdrawable) {
            return Ok(withdrawable);
        }
        let (currency, group) = (self.terms.currency, self.account.group());
        for position in &self.account.positions {
            profit::value(position, currency, group, market, rules)?;
        }
        Err(AccountRejection::Overflow)
    }
}

/// The refusal that names what is needed and what is there.
pub(super) fn insufficient(
    required: Decimal,
    available: Decimal,
    currency: Currency,
) -> AccountRejection {
    AccountRejection::InsufficientFunds {
        required: Money::rounded(required, currency),
        available: Money::rounded(available, currency),
    }
}
