//! How facts change what is known of a member of staff.

use super::{Looked, Looks, Member, Staff, StaffEvent};
use crate::client::TwoFactor;

/// Before any: the first code of an authenticator is of a later step.
const NO_STEP: i64 = 0;

impl Staff {
    /// Applies one fact. A stored event that cannot follow this state is corruption: it panics.
    ///
    /// # Panics
    /// When the event contradicts the state.
    pub fn evolve(&mut self, event: &StaffEvent) {
        match (&mut self.member, event) {
            (
                None,
                StaffEvent::StaffCreated {
                    email, role, at, ..
                },
            ) => {
                self.member = Some(Member {
                    email: email.clone(),
                    role: *role,
                    disabled: false,
                    two_factor: TwoFactor::new(NO_STEP, 0),
                    created_at: *at,
                    looks: Looks::default(),
                });
            }
            (Some(_), StaffEvent::StaffCreated { .. }) => {
                panic!("corrupt stream: a member of staff created twice")
            }
            (None, _) => panic!("corrupt stream: a member of staff that was not created"),
            (Some(member), event) => member.evolve(event),
        }
    }
}

impl Member {
    fn evolve(&mut self, event: &StaffEvent) {
        match event {
            StaffEvent::StaffSignedIn { factor, .. } => self.two_factor.spend(*factor),
            StaffEvent::StaffAuthenticatorChanged { .. } => {
                self.two_factor = TwoFactor::new(NO_STEP, 0);
            }
            StaffEvent::StaffRoleChanged { to, .. } => self.role = *to,
            StaffEvent::StaffDisabled { .. } => self.disabled = true,
            StaffEvent::StaffEnabled { .. } => self.disabled = false,
            StaffEvent::StaffLooked {
                what,
                stream,
                client_id,
                at,
            } => {
                let look = Looked {
                    what: *what,
                    stream: stream.clone(),
                    client_id: *client_id,
                };
                self.looks.note(look, *at);
            }
            StaffEvent::StaffCreated { .. }
            | StaffEvent::StaffSignInFailed { .. }
            | StaffEvent::StaffSessionsRevoked { .. }
            | StaffEvent::StaffPasswordChanged { .. } => {}
        }
    }
}
