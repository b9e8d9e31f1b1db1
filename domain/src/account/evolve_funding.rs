//! The fold of deposits and withdrawals. What they move and hold has been applied already.

use super::{
    Account, AccountEvent, FundingRequest, FundingStatus, FundingVerdict, event::FundingStep,
};
use crate::FundingId;

impl Account {
    /// Applies a step of a request.
    pub(super) fn step_funding(&mut self, event: &AccountEvent) {
        let step = event.funding();
        let (request_id, step) = step.expect("invariant: only called with a step of a request");
        match step {
            FundingStep::Requested {
                kind,
                amount,
                channel,
                ..
            } => {
                let is_new = self.funding_request(request_id).is_none();
                assert!(is_new, "corrupt stream: {request_id} requested twice");
                self.funding.push(FundingRequest {
                    request_id,
                    kind,
                    amount,
                    channel: channel.into(),
                    status: FundingStatus::Requested,
                });
            }
            FundingStep::Decided(verdict, _) => self.decide_funding(request_id, verdict),
            FundingStep::Cancelled(_) => self.end_funding(request_id),
        }
        if let FundingStep::Decided(FundingVerdict::Complete, _) = step
            && let Some(funds) = event.funds()
        {
            self.count_flow(funds);
        }
    }

    fn decide_funding(&mut self, request_id: FundingId, verdict: FundingVerdict) {
        let mut open = self.funding.iter_mut();
        let request = open.find(|request| request.request_id == request_id);
        let request =
            request.unwrap_or_else(|| panic!("corrupt stream: request {request_id} is not open"));
        let status = request.status.after(verdict);
        match status {
            Some(FundingStatus::Approved) => request.status = FundingStatus::Approved,
            Some(FundingStatus::Completed | FundingStatus::Rejected) => {
                self.end_funding(request_id);
            }
            Some(FundingStatus::Requested | FundingStatus::Cancelled) | None => {
                panic!(
                    "corrupt stream: {request_id} was {:?}, {verdict:?}",
                    request.status
                )
            }
        }
    }

    fn end_funding(&mut self, request_id: FundingId) {
        let is_open = self.funding_request(request_id).is_some();
        assert!(is_open, "corrupt stream: request {request_id} is not open");
        self.funding
            .retain(|request| request.request_id != request_id);
        if self.funding.is_empty() {
            // A quiet account keeps no room for what it had.
            self.funding = Vec::new();
        }
    }
}
