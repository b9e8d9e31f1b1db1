//! Opening an account, and moving its money without a trade.

use rust_decimal::Decimal;

use super::{Book, Found, funding::insufficient};
use crate::{
    AccountCommand, AccountEvent, AccountRejection, Currency, Timestamp,
    account::{
        AccountTerms, Bucket,
        event::{FundingDecision, FundsChange},
    },
};

/// The terms that an opening asks for; none of any other command.
pub(super) fn asked_terms(command: &AccountCommand, at: Timestamp) -> Option<AccountTerms> {
    let AccountCommand::Open {
        client_id,
        number,
        kind,
        mode,
        currency,
        leverage,
    } = command
    else {
        return None;
    };
    Some(AccountTerms {
        client_id: *client_id,
        number: *number,
        kind: *kind,
        mode: *mode,
        currency: *currency,
        leverage: *leverage,
        opened_at: at,
    })
}

/// Opens what is not open; asked again with the same terms it is already so.
pub(super) fn open(terms: Option<&AccountTerms>, asked: &AccountTerms) -> Found {
    if asked.leverage == 0 {
        return Err(AccountRejection::InvalidTerms(
            "leverage must be at least 1".to_owned(),
        ));
    }
    let Some(terms) = terms else {
        return Ok(vec![AccountEvent::AccountOpened {
            client_id: asked.client_id,
            number: asked.number,
            kind: asked.kind,
            mode: asked.mode,
            currency: asked.currency,
            leverage: asked.leverage,
            at: asked.opened_at,
        }]);
    };
    let same = AccountTerms {
        opened_at: terms.opened_at,
        ..*asked
    };
    if *terms != same {
        return Err(AccountRejection::AlreadyOpen);
    }
    Ok(Vec::new())
}

/// An amount as money of a currency: neither zero nor finer than its minor unit.
pub(super) fn amount_of(currency: Currency, amount: Decimal) -> Result<Decimal, AccountRejection> {
    if amount.is_zero() {
        return Err(AccountRejection::InvalidAmount("amount is zero".to_owned()));
    }
    let digits = currency.minor_digits();
    if amount.normalize().scale() > digits {
        let message = format!("{currency} has {digits} decimals");
        return Err(AccountRejection::InvalidAmount(message));
    }
    Ok(currency.round(amount))
}

impl Book<'_> {
    /// Money that comes and goes without a trade.
    pub(super) fn move_money(&self, command: &AccountCommand) -> Found {
        use AccountCommand as Command;
        match command {
            Command::AdjustFunds {
                bucket,
                amount,
                notes,
                by,
            } => self.adjust_funds(*bucket, *amount, notes.as_deref(), by),
            Command::RequestDeposit {
                request_id,
                amount,
                currency,
                method,
            } => self.request_deposit(*request_id, (*amount, *currency), method),
            Command::RequestWithdrawal {
                request_id,
                amount,
                currency,
                destination,
            } => self.request_withdrawal(*request_id, (*amount, *currency), destination),
            Command::CancelFunding { request_id } => self.cancel_funding(*request_id),
            Command::DecideFunding {
                request_id,
                verdict,
                reason,
                reference,
                by,
            } => {
                let decision = FundingDecision {
                    reason: reason.clone(),
                    reference: reference.clone(),
                    by: by.clone(),
                };
                self.decide_funding(*request_id, *verdict, decision)
            }
            Command::Open { .. }
            | Command::PlaceOrder { .. }
            | Command::ModifyOrder { .. }
            | Command::CancelOrder { .. }
            | Command::ProtectPosition { .. }
            | Command::ClosePosition { .. }
            | Command::TriggerOrder { .. }
            | Command::TriggerProtection { .. }
            | Command::ExpireOrder { .. }
            | Command::CloseBy { .. }
            | Command::CloseAll { .. }
            | Command::TrailStop { .. }
            | Command::Evaluate { .. }
            | Command::RollOver { .. }
            | Command::ChangeLeverage { .. }
            | Command::SetControls { .. }
            | Command::BustDeal { .. }
            | Command::RepriceDeal { .. } => {
                unreachable!("invariant: only called with what moves money without a trade")
            }
        }
    }

    /// Credits or debits a bucket. No adjustment makes a bucket negative.
    fn adjust_funds(
        &self,
        bucket: Bucket,
        amount: Decimal,
        notes: Option<&str>,
        by: &str,
    ) -> Found {
        let currency = self.terms.currency;
        let amount = amount_of(currency, amount)?;
        let funds = FundsChange::of_bucket(currency, bucket, amount);
        let funds = self.account.funds.checked(funds)?;
        let available = self.account.funds.bucket(bucket).max(Decimal::ZERO);
        if amount < Decimal::ZERO && -amount > available {
            return Err(insufficient(-amount, available, currency));
        }
        Ok(vec![AccountEvent::FundsAdjusted {
            bucket,
            amount,
            notes: notes.map(str::to_owned),
            by: by.to_owned(),
            funds,
            at: self.context.at,
        }])
    }
}
