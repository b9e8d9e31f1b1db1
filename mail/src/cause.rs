//! Which events cause which mails. To add one: a template, and its event here.

use std::{fmt::Display, str::FromStr};

use daybook_domain::{
    AccountEvent, AccountId, ClientEvent, ClientId,
    account::{
        FundingVerdict,
        event::{FundingCancelReason, FundingStep},
    },
    client::KycStatus,
};
use daybook_store::{Recorded, StoreError};

use crate::template::Template;

pub(crate) const CLIENT: &str = "client";
pub(crate) const ACCOUNT: &str = "account";

/// A mail that an event causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cause {
    pub(crate) template: Template,
    pub(crate) client_id: ClientId,
}

/// What follows from an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Nothing,
    Mail(Cause),
    /// A mail to whoever owns the account.
    ToOwner(Template, AccountId),
    /// Nothing of this client's mails stays.
    Forget(ClientId),
}

/// What follows from an event as it stands in the book.
pub(crate) fn effect_of(recorded: &Recorded) -> Result<Effect, StoreError> {
    match &*recorded.aggregate_type {
        CLIENT => of_person(recorded),
        ACCOUNT => of_account(recorded),
        _other => Ok(Effect::Nothing),
    }
}

fn id_of<T: FromStr<Err: Display>>(recorded: &Recorded) -> Result<T, StoreError> {
    recorded
        .aggregate_id
        .parse()
        .map_err(|error: T::Err| StoreError::Corrupt {
            place: format!("position {}", recorded.position),
            detail: format!("aggregate id: {error}"),
        })
}

/// The rest of what happens on an account is trade, and is not even decoded.
pub(crate) fn is_about_money(recorded: &Recorded) -> bool {
    let name = &*recorded.event_type;
    name.starts_with("Deposit") || name.starts_with("Withdrawal")
}

fn of_account(recorded: &Recorded) -> Result<Effect, StoreError> {
    if !is_about_money(recorded) {
        return Ok(Effect::Nothing);
    }
    let is_deposit = recorded.event_type.starts_with("Deposit");
    let event: AccountEvent = recorded.decode()?;
    let template = event.funding().and_then(|(_, step)| match step {
        FundingStep::Requested { .. } => (!is_deposit).then_some(Template::WithdrawalRequested),
        FundingStep::Decided(verdict, _) => of_verdict(is_deposit, verdict),
        FundingStep::Cancelled(FundingCancelReason::NegativeBalance) => {
            Some(Template::WithdrawalEnded)
        }
        FundingStep::Cancelled(FundingCancelReason::Client) => None,
    });
    Ok(match template {
        Some(template) => Effect::ToOwner(template, id_of(recorded)?),
        None => Effect::Nothing,
    })
}

/// Nothing is said of a deposit that was approved: it is news when the money has come.
const fn of_verdict(is_deposit: bool, verdict: FundingVerdict) -> Option<Template> {
    match (is_deposit, verdict) {
        (true, FundingVerdict::Approve) => None,
        (true, FundingVerdict::Complete) => Some(Template::DepositCompleted),
        (true, FundingVerdict::Reject) => Some(Template::DepositRejected),
        (false, FundingVerdict::Approve) => Some(Template::WithdrawalApproved),
        (false, FundingVerdict::Complete) => Some(Template::WithdrawalCompleted),
        (false, FundingVerdict::Reject) => Some(Template::WithdrawalRejected),
    }
}

fn of_person(recorded: &Recorded) -> Result<Effect, StoreError> {
    let client_id = id_of(recorded)?;
    let event: ClientEvent = recorded.decode()?;
    if matches!(event, ClientEvent::ClientErased { .. }) {
        return Ok(Effect::Forget(client_id));
    }
    Ok(match of_client(&event) {
        Some(template) => Effect::Mail(Cause {
            template,
            client_id,
        }),
        None => Effect::Nothing,
    })
}

const fn of_client(event: &ClientEvent) -> Option<Template> {
    match event {
        ClientEvent::ClientRegistered { .. } | ClientEvent::VerificationRequested { .. } => {
            Some(Template::VerifyEmail)
        }
        ClientEvent::RegistrationRepeated { .. } => Some(Template::AlreadyRegistered),
        ClientEvent::PasswordResetRequested {
            invitation: true, ..
        } => Some(Template::Invitation),
        ClientEvent::PasswordResetRequested {
            invitation: false, ..
        } => Some(Template::ResetPassword),
        ClientEvent::PasswordChanged { .. } => Some(Template::PasswordChanged),
        ClientEvent::UnusualSignIn { .. } => Some(Template::NewSignIn),
        ClientEvent::TwoFactorEnabled { .. } => Some(Template::SecondFactorOn),
        ClientEvent::TwoFactorDisabled { .. } => Some(Template::SecondFactorOff),
        ClientEvent::KycStatusChanged { to, .. } => match to {
            KycStatus::Approved => Some(Template::KycApproved),
            KycStatus::Rejected => Some(Template::KycRejected),
            KycStatus::Expired => Some(Template::KycExpired),
            KycStatus::None | KycStatus::Pending => None,
        },
        ClientEvent::EmailVerified { .. }
        | ClientEvent::DefaultAccountChanged { .. }
        | ClientEvent::ProfileUpdated { .. }
        | ClientEvent::SignedIn { .. }
        | ClientEvent::SignInFailed { .. }
        | ClientEvent::SessionsRevoked { .. }
        | ClientEvent::KycSubmitted { .. }
        | ClientEvent::ImpersonationGranted { .. }
        | ClientEvent::ImpersonationConsumed { .. }
        | ClientEvent::ImpersonationRefused { .. }
        | ClientEvent::ClientSuspended { .. }
        | ClientEvent::ClientReinstated { .. }
        | ClientEvent::TierChanged { .. }
        | ClientEvent::TradingDisabled { .. }
        | ClientEvent::TradingEnabled { .. }
        | ClientEvent::LimitsChanged { .. }
        | ClientEvent::ExternalIdLinked { .. }
        | ClientEvent::NoteAdded { .. }
        | ClientEvent::ClientErased { .. } => None,
    }
}
