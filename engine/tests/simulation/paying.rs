//! Deposits and withdrawals: what clients ask for, and what staff make of it.

use daybook_domain::{
    Account, AccountCommand, Currency, Decimal, FundingId, account::FundingVerdict,
};

use crate::dice::Dice;

/// Something about a request that is open, or a new one.
pub fn asked(dice: &mut Dice, account: &Account, currency: Currency) -> AccountCommand {
    let open = &account.funding;
    if open.is_empty() || dice.happens(55) {
        return new(dice, currency);
    }
    let request_id = if dice.once_in(12) {
        FundingId(dice.id())
    } else {
        open[dice.index(open.len())].request_id
    };
    if dice.happens(20) {
        return AccountCommand::CancelFunding { request_id };
    }
    let verdicts = [
        FundingVerdict::Approve,
        FundingVerdict::Approve,
        FundingVerdict::Complete,
        FundingVerdict::Complete,
        FundingVerdict::Reject,
    ];
    AccountCommand::DecideFunding {
        request_id,
        verdict: dice.pick(&verdicts),
        reason: None,
        reference: None,
        by: "simulation".to_owned(),
    }
}

fn new(dice: &mut Dice, currency: Currency) -> AccountCommand {
    let request_id = FundingId(dice.id());
    let amount = match dice.below(16) {
        0 => Decimal::ZERO,
        1 => Decimal::new(1, 5),
        2 => Decimal::from(900_000_000_000_000_000_i64),
        _ => Decimal::from(dice.between(1, 900)),
    };
    let currency = if dice.once_in(16) {
        Currency::parse("CHF").unwrap()
    } else {
        currency
    };
    if dice.happens(40) {
        return AccountCommand::RequestDeposit {
            request_id,
            amount,
            currency,
            method: "card".to_owned(),
        };
    }
    AccountCommand::RequestWithdrawal {
        request_id,
        amount,
        currency,
        destination: "bank".to_owned(),
    }
}
