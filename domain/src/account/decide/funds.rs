//! Opening an account, and moving its money without a trade.

use rust_decimal::Decimal;

use super::{Book, Found};
use crate::{
    AccountCommand, AccountEvent, AccountRejection, Money, Timestamp,
    account::{AccountTerms, Bucket, event::FundsChange},
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

impl Book<'_> {
    /// Credits or debits a bucket. No adjustment makes a bucket negative.
    pub(super) fn adjust_funds(
        &self,
        bucket: Bucket,
        amount: Decimal,
        notes: Option<&str>,
        by: &str,
    ) -> Found {
        let currency = self.terms.currency;
        if amount.is_zero() {
            return Err(AccountRejection::InvalidAmount("amount is zero".to_owned()));
        }
        let digits = currency.minor_digits();
        if amount.normalize().scale() > digits {
            let message = format!("{currency} has {digits} decimals");
            return Err(AccountRejection::InvalidAmount(message));
        }
        let amount = currency.round(amount);
        let funds = FundsChange::of_bucket(currency, bucket, amount);
        let funds = self.account.funds.checked(funds)?;
        let available = self.account.funds.bucket(bucket).max(Decimal::ZERO);
        if amount < Decimal::ZERO && -amount > available {
            return Err(AccountRejection::InsufficientFunds {
                required: Money::rounded(-amount, currency),
                available: Money::rounded(available, currency),
            });
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
