//! Requests to the stream of a member of staff.

use serde::{Deserialize, Serialize};

use super::{Looked, StaffRole};
use crate::{
    SessionId,
    client::{Factor, RevokeReason, SignInFailure},
};

/// A request to the stream of a member of staff.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StaffCommand {
    /// Take somebody in. Password and authenticator are made beside it.
    Create {
        /// Address.
        email: String,
        /// What they may do.
        role: StaffRole,
        /// Who decides.
        by: String,
    },
    /// Begin a session; the password was right.
    SignIn {
        /// The session.
        session_id: SessionId,
        /// What was shown beside the password.
        factor: Factor,
    },
    /// Note a refused sign-in.
    FailSignIn {
        /// Why.
        reason: SignInFailure,
    },
    /// End one session, or all.
    RevokeSessions {
        /// Which; none: all.
        session_id: Option<SessionId>,
        /// Why.
        reason: RevokeReason,
        /// Who.
        by: String,
    },
    /// Choose another password with the former one; all other sessions end.
    ChangePassword {
        /// The session that asks.
        kept: SessionId,
    },
    /// Replace password and authenticator; all sessions end.
    Reset {
        /// Who decides.
        by: String,
    },
    /// Let them do more or less; all sessions end.
    ChangeRole {
        /// From now on.
        role: StaffRole,
        /// Who decides.
        by: String,
    },
    /// Keep them from signing in; all sessions end.
    Disable {
        /// Why.
        reason: String,
        /// Who decides.
        by: String,
    },
    /// Let them sign in again.
    Enable {
        /// Who decides.
        by: String,
    },
    /// Note what they look at.
    Look(Looked),
}

impl StaffCommand {
    /// Its name, as metadata keeps it: what it carries may be personal.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Create { .. } => "Create",
            Self::SignIn { .. } => "SignIn",
            Self::FailSignIn { .. } => "FailSignIn",
            Self::RevokeSessions { .. } => "RevokeSessions",
            Self::ChangePassword { .. } => "ChangePassword",
            Self::Reset { .. } => "Reset",
            Self::ChangeRole { .. } => "ChangeRole",
            Self::Disable { .. } => "Disable",
            Self::Enable { .. } => "Enable",
            Self::Look(_) => "Look",
        }
    }
}
