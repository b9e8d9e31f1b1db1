//! Which events cause which calls. What the CRM itself has said is not told back to it.

use daybook_domain::{ClientEvent, ClientId};
use daybook_store::{Recorded, StoreError};

pub(crate) const CLIENT: &str = "client";

/// Who is named by what is taken over from the CRM's answers.
pub const ACTOR: &str = "crm:service-api";

/// Actors that speak for the CRM: itself, and its operators.
const CRM: &str = "crm";

/// What is called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Looking the client up: under what name the CRM knows them, and what it has decided.
    Link,
    /// Telling where the checks stand that the law asks for.
    Kyc,
    /// Telling what somebody has written down.
    Note,
}

/// A call that an event causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cause {
    pub(crate) kind: Kind,
    pub(crate) client_id: ClientId,
}

/// What follows from an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Nothing,
    Call(Cause),
    /// No call about this client is left.
    Forget(ClientId),
}

impl Kind {
    /// The name in the table.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Kyc => "kyc",
            Self::Note => "note",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        let all = [Self::Link, Self::Kyc, Self::Note];
        all.into_iter().find(|kind| kind.as_str() == name)
    }
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
        Some(kind) => Effect::Call(Cause { kind, client_id }),
        None => Effect::Nothing,
    })
}

/// Whether the CRM is told of an event, or asked because of it.
pub(crate) fn of_client(event: &ClientEvent) -> Option<Kind> {
    match event {
        ClientEvent::ClientRegistered { .. } => Some(Kind::Link),
        ClientEvent::KycSubmitted { .. } => Some(Kind::Kyc),
        ClientEvent::KycStatusChanged { by, .. } => (!is_crm(by)).then_some(Kind::Kyc),
        ClientEvent::NoteAdded { by, .. } => (!is_crm(by)).then_some(Kind::Note),
        ClientEvent::RegistrationRepeated { .. }
        | ClientEvent::VerificationRequested { .. }
        | ClientEvent::EmailVerified { .. }
        | ClientEvent::DefaultAccountChanged { .. }
        | ClientEvent::ProfileUpdated { .. }
        | ClientEvent::PasswordResetRequested { .. }
        | ClientEvent::PasswordChanged { .. }
        | ClientEvent::ImpersonationGranted { .. }
        | ClientEvent::ImpersonationConsumed { .. }
        | ClientEvent::ImpersonationRefused { .. }
        | ClientEvent::SignedIn { .. }
        | ClientEvent::UnusualSignIn { .. }
        | ClientEvent::SignInFailed { .. }
        | ClientEvent::SessionsRevoked { .. }
        | ClientEvent::TwoFactorEnabled { .. }
        | ClientEvent::TwoFactorDisabled { .. }
        | ClientEvent::ClientSuspended { .. }
        | ClientEvent::ClientReinstated { .. }
        | ClientEvent::TierChanged { .. }
        | ClientEvent::TradingDisabled { .. }
        | ClientEvent::TradingEnabled { .. }
        | ClientEvent::LimitsChanged { .. }
        | ClientEvent::ExternalIdLinked { .. }
        | ClientEvent::ClientErased { .. } => None,
    }
}

/// Whether an event says where the checks stand, whoever decided so.
pub(crate) const fn tells_kyc(event: &ClientEvent) -> bool {
    matches!(
        event,
        ClientEvent::KycSubmitted { .. } | ClientEvent::KycStatusChanged { .. }
    )
}

fn is_crm(actor: &str) -> bool {
    let operator = actor.strip_prefix(CRM);
    operator.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use daybook_domain::client::KycStatus;

    use super::*;

    fn changed(by: &str) -> ClientEvent {
        ClientEvent::KycStatusChanged {
            from: KycStatus::Pending,
            to: KycStatus::Approved,
            notes: None,
            by: by.to_owned(),
            at: DateTime::UNIX_EPOCH,
        }
    }

    fn noted(by: &str) -> ClientEvent {
        ClientEvent::NoteAdded {
            comment: "called back".to_owned(),
            by: by.to_owned(),
            at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn what_the_crm_said_is_not_told_back_to_it() {
        for by in ["crm", "crm:jane", ACTOR] {
            assert_eq!(of_client(&changed(by)), None, "{by}");
            assert_eq!(of_client(&noted(by)), None, "{by}");
        }
        for by in ["client", "cli", "staff:1", "crmx", "system:crm"] {
            assert_eq!(of_client(&changed(by)), Some(Kind::Kyc), "{by}");
            assert_eq!(of_client(&noted(by)), Some(Kind::Note), "{by}");
        }
    }

    #[test]
    fn kinds_are_read_as_they_are_written() {
        for kind in [Kind::Link, Kind::Kyc, Kind::Note] {
            assert_eq!(Kind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(Kind::parse("links"), None);
    }
}
