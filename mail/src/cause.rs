//! Which events cause which mails. To add one: a template, and its event here.

use daybook_domain::{ClientEvent, ClientId, client::KycStatus};
use daybook_store::{Recorded, StoreError};

use crate::template::Template;

pub(crate) const CLIENT: &str = "client";

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
    /// Nothing of this client's mails stays.
    Forget(ClientId),
}

/// What follows from an event as it stands in the book.
pub(crate) fn effect_of(recorded: &Recorded) -> Result<Effect, StoreError> {
    if &*recorded.aggregate_type != CLIENT {
        return Ok(Effect::Nothing);
    }
    let client_id = recorded.aggregate_id.parse();
    let client_id: ClientId = client_id.map_err(|error| StoreError::Corrupt {
        place: format!("position {}", recorded.position),
        detail: format!("aggregate id: {error}"),
    })?;
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
