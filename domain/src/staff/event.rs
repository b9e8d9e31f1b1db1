//! Facts about a member of staff. Names are stable: they are stored.

use serde::{Deserialize, Serialize};

use super::{Look, StaffRole};
use crate::{
    ClientId, SessionId, Timestamp,
    client::{Factor, RevokeReason, SignInFailure},
};

/// A fact in the stream of a member of staff.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StaffEvent {
    /// Somebody belongs to staff from now on, with a password and an authenticator.
    StaffCreated {
        /// Address: personal.
        email: String,
        /// What they may do.
        role: StaffRole,
        /// Who decided.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// A session began.
    StaffSignedIn {
        /// The session.
        session_id: SessionId,
        /// The code that was shown.
        factor: Factor,
        /// When.
        at: Timestamp,
    },
    /// A sign-in was refused.
    StaffSignInFailed {
        /// Why.
        reason: SignInFailure,
        /// When.
        at: Timestamp,
    },
    /// One session, or all of them, ended.
    StaffSessionsRevoked {
        /// Which; none: all.
        session_id: Option<SessionId>,
        /// The one that stays, where all others end.
        kept: Option<SessionId>,
        /// Why.
        reason: RevokeReason,
        /// Who did it.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// There is another password; the secret itself is no event.
    StaffPasswordChanged {
        /// Who did it.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// There is another authenticator; codes of the former are worth nothing.
    StaffAuthenticatorChanged {
        /// Who did it.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// They may do more or less from now on.
    StaffRoleChanged {
        /// Before.
        from: StaffRole,
        /// From now on.
        to: StaffRole,
        /// Who decided.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// They may not sign in.
    StaffDisabled {
        /// Why.
        reason: String,
        /// Who decided.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// They may sign in again.
    StaffEnabled {
        /// Who decided.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// They looked at something; the same within a quarter of an hour is told once.
    StaffLooked {
        /// At what kind of thing.
        what: Look,
        /// The stream, where it is about one.
        stream: Option<String>,
        /// The client whom it concerns, where it does one.
        client_id: Option<ClientId>,
        /// When.
        at: Timestamp,
    },
}

impl StaffEvent {
    /// Stable name.
    #[must_use]
    pub const fn event_type(&self) -> &'static str {
        match self {
            Self::StaffCreated { .. } => "StaffCreated",
            Self::StaffSignedIn { .. } => "StaffSignedIn",
            Self::StaffSignInFailed { .. } => "StaffSignInFailed",
            Self::StaffSessionsRevoked { .. } => "StaffSessionsRevoked",
            Self::StaffPasswordChanged { .. } => "StaffPasswordChanged",
            Self::StaffAuthenticatorChanged { .. } => "StaffAuthenticatorChanged",
            Self::StaffRoleChanged { .. } => "StaffRoleChanged",
            Self::StaffDisabled { .. } => "StaffDisabled",
            Self::StaffEnabled { .. } => "StaffEnabled",
            Self::StaffLooked { .. } => "StaffLooked",
        }
    }

    /// Top-level fields of the payload that are personal data.
    #[must_use]
    pub const fn personal_fields(&self) -> &'static [&'static str] {
        match self {
            Self::StaffCreated { .. } => &["email"],
            Self::StaffSignedIn { .. }
            | Self::StaffSignInFailed { .. }
            | Self::StaffSessionsRevoked { .. }
            | Self::StaffPasswordChanged { .. }
            | Self::StaffAuthenticatorChanged { .. }
            | Self::StaffRoleChanged { .. }
            | Self::StaffDisabled { .. }
            | Self::StaffEnabled { .. }
            | Self::StaffLooked { .. } => &[],
        }
    }
}
