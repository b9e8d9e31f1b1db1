//! Deposits and withdrawals. How money comes and where it goes stays the ciphertext of the book.

use daybook_domain::{
    Decimal, FundingId,
    account::{
        FundingKind, FundingRequest, FundingVerdict,
        event::{FundingDecision, FundingStep},
    },
};

use super::{Message, account::Scene};
use crate::{
    crm::{
        kind::Kind,
        number,
        payload::{DepositData, FundingData, WithdrawalData},
    },
    slug,
};

/// What is told of a step of a request, which is as it was `before`.
pub(super) fn tell(
    scene: &Scene<'_>,
    (request_id, step): (FundingId, FundingStep<'_>),
    before: Option<&FundingRequest>,
) -> Message {
    match step {
        FundingStep::Requested {
            kind,
            amount,
            channel,
            ..
        } => match kind {
            FundingKind::Deposit => {
                deposit(scene, Kind::DepositRequested, request_id, amount, channel)
            }
            FundingKind::Withdrawal => {
                let kind = Kind::WithdrawalRequested;
                withdrawal(scene, kind, request_id, amount, channel)
            }
        },
        FundingStep::Decided(verdict, decision) => decided(scene, known(before), verdict, decision),
        FundingStep::Cancelled(reason) => standing(
            scene,
            known(before),
            "cancelled",
            Some(slug::of(&reason)),
            None,
        ),
    }
}

fn known(before: Option<&FundingRequest>) -> &FundingRequest {
    before.expect("invariant: evolve has found the request that goes on")
}

fn decided(
    scene: &Scene<'_>,
    request: &FundingRequest,
    verdict: FundingVerdict,
    decision: &FundingDecision,
) -> Message {
    let (id, amount, channel) = (request.request_id, request.amount, &*request.channel);
    let status = match (verdict, request.kind) {
        (FundingVerdict::Complete, FundingKind::Deposit) => {
            return deposit(scene, Kind::DepositCompleted, id, amount, channel);
        }
        (FundingVerdict::Complete, FundingKind::Withdrawal) => {
            return withdrawal(scene, Kind::WithdrawalCompleted, id, amount, channel);
        }
        (FundingVerdict::Approve, _) => "approved",
        (FundingVerdict::Reject, _) => "rejected",
    };
    let (reason, reference) = (decision.reason.clone(), decision.reference.clone());
    standing(scene, request, status, reason, reference)
}

fn standing(
    scene: &Scene<'_>,
    request: &FundingRequest,
    status: &str,
    reason: Option<String>,
    reference: Option<String>,
) -> Message {
    let owner = scene.owner();
    let data = FundingData {
        client_id: owner.client_id.to_owned(),
        account_id: owner.account_id.to_owned(),
        request_id: request.request_id.to_string(),
        status: status.to_owned(),
        reason,
        reference,
    };
    let kind = match request.kind {
        FundingKind::Deposit => Kind::DepositUpdated,
        FundingKind::Withdrawal => Kind::WithdrawalUpdated,
    };
    Message::new(kind, &data)
}

fn deposit(
    scene: &Scene<'_>,
    kind: Kind,
    request_id: FundingId,
    amount: Decimal,
    method: &str,
) -> Message {
    let owner = scene.owner();
    let data = DepositData {
        client_id: owner.client_id.to_owned(),
        account_id: owner.account_id.to_owned(),
        request_id: request_id.to_string(),
        amount: number::money(amount, owner.currency),
        currency: owner.currency.to_string(),
        method: Some(method.to_owned()),
    };
    Message::new(kind, &data)
}

fn withdrawal(
    scene: &Scene<'_>,
    kind: Kind,
    request_id: FundingId,
    amount: Decimal,
    destination: &str,
) -> Message {
    let owner = scene.owner();
    let data = WithdrawalData {
        client_id: owner.client_id.to_owned(),
        account_id: owner.account_id.to_owned(),
        request_id: request_id.to_string(),
        amount: number::money(amount, owner.currency),
        currency: owner.currency.to_string(),
        destination: Some(destination.to_owned()),
    };
    Message::new(kind, &data)
}
