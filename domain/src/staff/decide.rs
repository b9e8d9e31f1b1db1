//! What the stream of a member of staff accepts.

use super::{Looked, Member, Staff, StaffCommand, StaffEvent, StaffRejection, StaffRole};
use crate::{
    SessionId, Timestamp,
    client::{Factor, RevokeReason, check_email, check_text, normalised_email},
};

type Decided = Result<Vec<StaffEvent>, StaffRejection>;

/// Longest reason, in characters.
const TEXT_MAX: usize = 500;

impl Staff {
    /// Decides a command. Pure. An empty list means that it is so already.
    ///
    /// # Errors
    /// [`StaffRejection`] names the broken rule.
    pub fn decide(&self, command: &StaffCommand, at: Timestamp) -> Decided {
        match (&self.member, command) {
            (None, StaffCommand::Create { email, role, by }) => create(email, *role, by, at),
            (Some(_), StaffCommand::Create { .. }) => Err(StaffRejection::AlreadyCreated),
            (None, _) => Err(StaffRejection::NotCreated),
            (Some(member), command) => member.decide(command, at),
        }
    }
}

impl Member {
    fn decide(&self, command: &StaffCommand, at: Timestamp) -> Decided {
        use StaffCommand as Command;
        match command {
            Command::Create { .. } => Err(StaffRejection::AlreadyCreated),
            Command::SignIn { session_id, factor } => self.sign_in(*session_id, *factor, at),
            Command::FailSignIn { reason } => Ok(vec![StaffEvent::StaffSignInFailed {
                reason: *reason,
                at,
            }]),
            Command::RevokeSessions {
                session_id,
                reason,
                by,
            } => Ok(vec![StaffEvent::StaffSessionsRevoked {
                session_id: *session_id,
                kept: None,
                reason: *reason,
                by: by.clone(),
                at,
            }]),
            Command::ChangePassword { kept } => {
                let by = "staff".to_owned();
                let ended = StaffEvent::StaffSessionsRevoked {
                    session_id: None,
                    kept: Some(*kept),
                    reason: RevokeReason::PasswordChanged,
                    by: by.clone(),
                    at,
                };
                Ok(vec![StaffEvent::StaffPasswordChanged { by, at }, ended])
            }
            Command::Reset { by } => Ok(reset(by, at)),
            Command::ChangeRole { role, by } => Ok(self.change_role(*role, by, at)),
            Command::Disable { reason, by } => self.disable(reason, by, at),
            Command::Enable { by } => {
                let enabled = StaffEvent::StaffEnabled { by: by.clone(), at };
                Ok(self.disabled.then_some(enabled).into_iter().collect())
            }
            Command::Look(look) => self.look(look, at),
        }
    }

    /// The code is asked for whatever the password was: there is no other way in.
    fn sign_in(&self, session_id: SessionId, factor: Factor, at: Timestamp) -> Decided {
        self.two_factor.check(factor)?;
        if self.disabled {
            return Err(StaffRejection::Disabled);
        }
        Ok(vec![StaffEvent::StaffSignedIn {
            session_id,
            factor,
            at,
        }])
    }

    fn change_role(&self, role: StaffRole, by: &str, at: Timestamp) -> Vec<StaffEvent> {
        if role == self.role {
            return Vec::new();
        }
        vec![
            StaffEvent::StaffRoleChanged {
                from: self.role,
                to: role,
                by: by.to_owned(),
                at,
            },
            sessions_end(RevokeReason::RoleChanged, by, at),
        ]
    }

    fn disable(&self, reason: &str, by: &str, at: Timestamp) -> Decided {
        if self.disabled {
            return Ok(Vec::new());
        }
        check_text("reason", reason, TEXT_MAX)?;
        Ok(vec![
            StaffEvent::StaffDisabled {
                reason: reason.to_owned(),
                by: by.to_owned(),
                at,
            },
            sessions_end(RevokeReason::Suspended, by, at),
        ])
    }

    fn look(&self, look: &Looked, at: Timestamp) -> Decided {
        if self.disabled {
            return Err(StaffRejection::Disabled);
        }
        if self.looks.has(look, at) {
            return Ok(Vec::new());
        }
        let Looked {
            what,
            stream,
            client_id,
        } = look.clone();
        Ok(vec![StaffEvent::StaffLooked {
            what,
            stream,
            client_id,
            at,
        }])
    }
}

fn create(email: &str, role: StaffRole, by: &str, at: Timestamp) -> Decided {
    let email = normalised_email(email);
    check_email(&email)?;
    Ok(vec![StaffEvent::StaffCreated {
        email,
        role,
        by: by.to_owned(),
        at,
    }])
}

fn reset(by: &str, at: Timestamp) -> Vec<StaffEvent> {
    let by_whom = || by.to_owned();
    vec![
        StaffEvent::StaffPasswordChanged { by: by_whom(), at },
        StaffEvent::StaffAuthenticatorChanged { by: by_whom(), at },
        sessions_end(RevokeReason::PasswordChanged, by, at),
    ]
}

fn sessions_end(reason: RevokeReason, by: &str, at: Timestamp) -> StaffEvent {
    StaffEvent::StaffSessionsRevoked {
        session_id: None,
        kept: None,
        reason,
        by: by.to_owned(),
        at,
    }
}
