//! Money that comes to a live account and leaves it, and requests that lead to nothing.

use daybook_domain::{
    AccountCommand, AccountEvent, ClientId, Currency, Decimal, FundingId,
    account::{AccountKind, FundingVerdict, PositionMode, event::FundingStep},
};

use super::{Desk, id};

/// Of events about requests; [`super::meaning_of_account`] knows which they are.
pub(super) fn meaning(event: &AccountEvent) -> &'static str {
    let (_, step) = event.funding().expect("an event about a request");
    let is_deposit = event.event_type().starts_with("Deposit");
    match step {
        FundingStep::Requested { .. } if is_deposit => "The client asked for money to come in.",
        FundingStep::Requested { .. } => {
            "The client asked for money to go out; it is held from now on."
        }
        FundingStep::Decided(FundingVerdict::Approve, _) if is_deposit => {
            "Staff agreed to a deposit; no money has moved."
        }
        FundingStep::Decided(FundingVerdict::Approve, _) => {
            "Staff agreed to a withdrawal; its money is still held."
        }
        FundingStep::Decided(FundingVerdict::Complete, _) if is_deposit => {
            "The money of a deposit has come."
        }
        FundingStep::Decided(FundingVerdict::Complete, _) => "What was held is paid out.",
        FundingStep::Decided(FundingVerdict::Reject, _) if is_deposit => "Staff refused a deposit.",
        FundingStep::Decided(FundingVerdict::Reject, _) => {
            "Staff refused a withdrawal; nothing of it is held any more."
        }
        FundingStep::Cancelled(_) if is_deposit => "The client took a deposit back.",
        FundingStep::Cancelled(_) => {
            "A withdrawal was taken back by the client, or ended with a balance gone negative \
             (`negative_balance`); nothing of it is held any more."
        }
    }
}

pub(super) fn tell(desk: &mut Desk) {
    desk.ask(AccountCommand::Open {
        client_id: ClientId(id(7)),
        number: 100_002,
        kind: AccountKind::Live,
        mode: PositionMode::Hedging,
        currency: Currency::USD,
        leverage: 100,
    });
    use FundingVerdict::{Approve, Complete, Reject};
    let request = deposit(desk);
    decide(desk, request, Approve, None);
    decide(desk, request, Complete, None);
    let request = deposit(desk);
    decide(desk, request, Reject, Some("the card is somebody else's"));
    let request = deposit(desk);
    desk.ask(AccountCommand::CancelFunding {
        request_id: request,
    });
    let request = withdrawal(desk);
    decide(desk, request, Approve, None);
    decide(desk, request, Complete, None);
    let request = withdrawal(desk);
    decide(desk, request, Reject, Some("no such bank"));
    let request = withdrawal(desk);
    desk.ask(AccountCommand::CancelFunding {
        request_id: request,
    });
}

fn deposit(desk: &mut Desk) -> FundingId {
    let request_id = FundingId(desk.next_id());
    desk.ask(AccountCommand::RequestDeposit {
        request_id,
        amount: Decimal::new(50_000, 2),
        currency: Currency::USD,
        method: "card".to_owned(),
    });
    request_id
}

fn withdrawal(desk: &mut Desk) -> FundingId {
    let request_id = FundingId(desk.next_id());
    desk.ask(AccountCommand::RequestWithdrawal {
        request_id,
        amount: Decimal::new(12_050, 2),
        currency: Currency::USD,
        destination: "DE89 3704 0044 0532 0130 00".to_owned(),
    });
    request_id
}

fn decide(desk: &mut Desk, request_id: FundingId, verdict: FundingVerdict, reason: Option<&str>) {
    desk.ask(AccountCommand::DecideFunding {
        request_id,
        verdict,
        reason: reason.map(str::to_owned),
        reference: Some("TX-4711".to_owned()),
        by: "crm:jane".to_owned(),
    });
}
