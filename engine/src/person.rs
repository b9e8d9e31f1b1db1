//! People as the engine works on them: what it asks of an aggregate that is one person.

use std::{fmt::Display, hash::Hash};

use daybook_domain::{
    Client, ClientCommand, ClientEvent, ClientId, ClientRejection, SessionId, Staff, StaffCommand,
    StaffEvent, StaffId, StaffRejection, Timestamp,
};
use daybook_store::SessionChange;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    error::EngineError,
    shared::{CLIENT, STAFF},
};

/// An aggregate that is one person.
pub(crate) trait Person: Clone + Default + Send + Sync + 'static {
    type Id: Copy + Eq + Hash + Display + Send + Sync;
    type Command;
    type Event: Serialize + DeserializeOwned;
    type Rejection;

    /// As it stands in stream names.
    const TYPE: &'static str;

    fn decide(
        &self,
        command: &Self::Command,
        at: Timestamp,
    ) -> Result<Vec<Self::Event>, Self::Rejection>;
    fn evolve(&mut self, event: &Self::Event);
    /// Whose data are gone is not remembered: the next look finds the key destroyed.
    fn is_erased(&self) -> bool;

    fn name(command: &Self::Command) -> &'static str;
    fn event_type(event: &Self::Event) -> &'static str;
    fn personal_fields(event: &Self::Event) -> &'static [&'static str];
    /// The session that an event says has begun.
    fn begun(event: &Self::Event) -> Option<SessionId>;
    /// The sessions that an event ends.
    fn ended(id: Self::Id, event: &Self::Event) -> Option<SessionChange>;
    fn refused(rejection: Self::Rejection) -> EngineError;
}

impl Person for Client {
    type Id = ClientId;
    type Command = ClientCommand;
    type Event = ClientEvent;
    type Rejection = ClientRejection;

    const TYPE: &'static str = CLIENT;

    fn decide(
        &self,
        command: &ClientCommand,
        at: Timestamp,
    ) -> Result<Vec<ClientEvent>, ClientRejection> {
        Self::decide(self, command, at)
    }

    fn evolve(&mut self, event: &ClientEvent) {
        Self::evolve(self, event);
    }

    fn is_erased(&self) -> bool {
        self.erased
    }

    fn name(command: &ClientCommand) -> &'static str {
        command.name()
    }

    fn event_type(event: &ClientEvent) -> &'static str {
        event.event_type()
    }

    fn personal_fields(event: &ClientEvent) -> &'static [&'static str] {
        event.personal_fields()
    }

    fn begun(event: &ClientEvent) -> Option<SessionId> {
        if let ClientEvent::SignedIn { session_id, .. }
        | ClientEvent::ImpersonationConsumed { session_id, .. } = event
        {
            Some(*session_id)
        } else {
            None
        }
    }

    fn ended(id: ClientId, event: &ClientEvent) -> Option<SessionChange> {
        if let ClientEvent::SessionsRevoked {
            session_id, kept, ..
        } = event
        {
            Some(SessionChange::Revoke {
                subject: id.0,
                session_id: session_id.map(|id| id.0),
                kept: kept.map(|id| id.0),
            })
        } else {
            None
        }
    }

    fn refused(rejection: ClientRejection) -> EngineError {
        EngineError::ClientRefused(rejection)
    }
}

impl Person for Staff {
    type Id = StaffId;
    type Command = StaffCommand;
    type Event = StaffEvent;
    type Rejection = StaffRejection;

    const TYPE: &'static str = STAFF;

    fn decide(
        &self,
        command: &StaffCommand,
        at: Timestamp,
    ) -> Result<Vec<StaffEvent>, StaffRejection> {
        Self::decide(self, command, at)
    }

    fn evolve(&mut self, event: &StaffEvent) {
        Self::evolve(self, event);
    }

    fn is_erased(&self) -> bool {
        false
    }

    fn name(command: &StaffCommand) -> &'static str {
        command.name()
    }

    fn event_type(event: &StaffEvent) -> &'static str {
        event.event_type()
    }

    fn personal_fields(event: &StaffEvent) -> &'static [&'static str] {
        event.personal_fields()
    }

    fn begun(event: &StaffEvent) -> Option<SessionId> {
        if let StaffEvent::StaffSignedIn { session_id, .. } = event {
            Some(*session_id)
        } else {
            None
        }
    }

    fn ended(id: StaffId, event: &StaffEvent) -> Option<SessionChange> {
        if let StaffEvent::StaffSessionsRevoked {
            session_id, kept, ..
        } = event
        {
            Some(SessionChange::Revoke {
                subject: id.0,
                session_id: session_id.map(|id| id.0),
                kept: kept.map(|id| id.0),
            })
        } else {
            None
        }
    }

    fn refused(rejection: StaffRejection) -> EngineError {
        EngineError::StaffRefused(rejection)
    }
}
