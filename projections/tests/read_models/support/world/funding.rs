//! Deposits and withdrawals: what clients ask for, and what staff make of it.

use daybook_domain::{
    AccountCommand, Currency, Decimal, FundingId,
    account::{FundingRequest, FundingVerdict},
};

use super::World;

impl World {
    /// In the currency of the live accounts.
    pub(super) fn funding_wish(&mut self) -> AccountCommand {
        let request_id = FundingId(self.id());
        let amount = Decimal::new(self.dice.below(60_000) + 1, 2);
        if self.dice.one_in(2) {
            return AccountCommand::RequestDeposit {
                request_id,
                amount,
                currency: Currency::EUR,
                method: "enc:v1:card".to_owned(),
            };
        }
        AccountCommand::RequestWithdrawal {
            request_id,
            amount,
            currency: Currency::EUR,
            destination: "enc:v1:bank".to_owned(),
        }
    }

    /// About a request that is open, if there is one.
    pub(super) fn funding_step(&mut self, trader: usize) -> Option<AccountCommand> {
        let open = &self.traders[trader].account.funding;
        let ids: Vec<FundingId> = open.iter().map(request_id).collect();
        if ids.is_empty() {
            return None;
        }
        let request_id = self.dice.pick(&ids);
        if self.dice.one_in(4) {
            return Some(AccountCommand::CancelFunding { request_id });
        }
        let verdicts = [
            FundingVerdict::Approve,
            FundingVerdict::Complete,
            FundingVerdict::Complete,
            FundingVerdict::Reject,
        ];
        Some(AccountCommand::DecideFunding {
            request_id,
            verdict: self.dice.pick(&verdicts),
            reason: self.dice.one_in(2).then(|| "checked".to_owned()),
            reference: self.dice.one_in(2).then(|| "TX-1".to_owned()),
            by: "staff".to_owned(),
        })
    }
}

const fn request_id(request: &FundingRequest) -> FundingId {
    request.request_id
}
