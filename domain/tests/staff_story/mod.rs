//! Everything that can happen to a member of staff, told once.

use daybook_domain::{
    ClientId, SessionId, Staff, StaffCommand, StaffEvent, StaffRole, Timestamp,
    client::{Factor, RevokeReason, SignInFailure},
    staff::{Look, Looked},
};
use uuid::Uuid;

/// Types of event that the story has.
pub const EVENTS: usize = 10;

pub const fn meaning(event: &StaffEvent) -> &'static str {
    match event {
        StaffEvent::StaffCreated { .. } => {
            "Somebody belongs to staff from now on, with a password and an authenticator."
        }
        StaffEvent::StaffSignedIn { .. } => "A session began.",
        StaffEvent::StaffSignInFailed { .. } => "A sign-in was refused.",
        StaffEvent::StaffSessionsRevoked { .. } => "One session, or all of them, ended.",
        StaffEvent::StaffPasswordChanged { .. } => {
            "There is another password; the secret itself is no event."
        }
        StaffEvent::StaffAuthenticatorChanged { .. } => {
            "There is another authenticator; codes of the former are worth nothing."
        }
        StaffEvent::StaffRoleChanged { .. } => "They may do more or less from now on.",
        StaffEvent::StaffDisabled { .. } => "They may not sign in.",
        StaffEvent::StaffEnabled { .. } => "They may sign in again.",
        StaffEvent::StaffLooked { .. } => {
            "They looked at something; the same within a quarter of an hour is told once."
        }
    }
}

/// The story's events, in order.
pub fn told(id: fn(u128) -> Uuid, at: Timestamp) -> Vec<StaffEvent> {
    let mut staff = Staff::default();
    let mut told = Vec::new();
    for command in commands(id) {
        for event in staff.decide(&command, at).unwrap() {
            staff.evolve(&event);
            told.push(event);
        }
    }
    told
}

fn commands(id: fn(u128) -> Uuid) -> Vec<StaffCommand> {
    let by = || "cli".to_owned();
    vec![
        StaffCommand::Create {
            email: "ines@broker.example".to_owned(),
            role: StaffRole::Support,
            by: by(),
        },
        StaffCommand::FailSignIn {
            reason: SignInFailure::SecondFactor,
        },
        StaffCommand::SignIn {
            session_id: SessionId(id(5)),
            factor: Factor::Totp { step: 59_466_240 },
        },
        StaffCommand::Look(Looked {
            what: Look::Replay,
            stream: Some(format!("account-{}", id(1))),
            client_id: Some(ClientId(id(7))),
        }),
        StaffCommand::RevokeSessions {
            session_id: Some(SessionId(id(5))),
            reason: RevokeReason::SignedOut,
            by: "staff".to_owned(),
        },
        StaffCommand::Reset { by: by() },
        StaffCommand::ChangeRole {
            role: StaffRole::Compliance,
            by: by(),
        },
        StaffCommand::Disable {
            reason: "left the company".to_owned(),
            by: by(),
        },
        StaffCommand::Enable { by: by() },
    ]
}
