//! Requests to one person's stream. What only the outside can know (identifiers, the time step of a
//! code that was right, hashes of device and network) comes with them.

use serde::{Deserialize, Serialize};

use super::{
    Factor, FlagsChange, Grant, KycDocument, KycStatus, LimitsChange, Pass, Registration,
    RevokeReason, SignInFailure,
};
use crate::{AccountId, GrantId, SessionId};

/// A request to a client's stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientCommand {
    /// Sign up.
    Register(Registration),
    /// Somebody signs up with an address that is taken.
    RepeatRegistration,
    /// Ask for one more mail to verify the address.
    RequestVerification,
    /// The link in that mail was opened.
    VerifyEmail,
    /// Choose the default account.
    ChangeDefaultAccount {
        /// Account.
        account_id: AccountId,
    },
    /// Change the profile; a field left out stays.
    UpdateProfile {
        /// Given name.
        first_name: Option<String>,
        /// Family name.
        last_name: Option<String>,
        /// Phone.
        phone: Option<String>,
        /// Country.
        country: Option<String>,
    },
    /// Ask for a link to choose a new password.
    RequestPasswordReset,
    /// Ask for a link to choose a first password: somebody else signed the person up.
    Invite,
    /// Choose one through that link.
    ResetPassword {
        /// Which request the link belongs to.
        number: u32,
    },
    /// Choose another password with the former one; all other sessions end.
    ChangePassword {
        /// The session that asks.
        kept: SessionId,
    },
    /// Begin a session; the password was right.
    SignIn {
        /// The session.
        session_id: SessionId,
        /// What was shown beside the password.
        factor: Factor,
        /// Keyed hash of what tells devices apart.
        device: String,
        /// Keyed hash of the network.
        network: String,
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
        /// The one that stays.
        kept: Option<SessionId>,
        /// Why.
        reason: RevokeReason,
        /// Who.
        by: String,
    },
    /// Ask for a second factor from now on.
    EnableTwoFactor {
        /// Time step of the code that was right.
        step: i64,
        /// How many recovery codes were made.
        recovery_codes: u8,
    },
    /// Ask for none any more; the password was right.
    DisableTwoFactor {
        /// What was shown beside it.
        factor: Factor,
    },
    /// Hand in a document.
    SubmitDocument {
        /// What it is.
        document: KycDocument,
        /// Name of its file.
        name: String,
    },
    /// Decide on the checks.
    ChangeKycStatus {
        /// From now on.
        to: KycStatus,
        /// For the client.
        notes: Option<String>,
        /// Who decides.
        by: String,
    },
    /// Let somebody of the broker's come in the client's place, once.
    GrantImpersonation {
        /// Names the permission.
        grant_id: GrantId,
        /// Who, why, until when; not used yet.
        grant: Grant,
        /// Who permits it.
        by: String,
    },
    /// Come in the client's place.
    Impersonate {
        /// The session that begins.
        session_id: SessionId,
        /// What is shown.
        pass: Pass,
    },
    /// Keep the client from signing in.
    Suspend {
        /// Why.
        reason: String,
        /// Who decides.
        by: String,
    },
    /// Let the client sign in again.
    Reinstate {
        /// Who decides.
        by: String,
    },
    /// Put the client into another tier.
    ChangeTier {
        /// From now on.
        to: String,
        /// Who decides.
        by: String,
    },
    /// Keep the client from taking new risk.
    DisableTrading {
        /// Why, where somebody says.
        reason: Option<String>,
        /// Who decides.
        by: String,
    },
    /// Let the client take risk again.
    EnableTrading {
        /// Who decides.
        by: String,
    },
    /// Change flags and limits; what is left out stays.
    ChangeLimits {
        /// Flags.
        flags: FlagsChange,
        /// Limits.
        limits: Box<LimitsChange>,
        /// Who decides.
        by: String,
    },
    /// Say under what name the CRM knows the person.
    LinkExternalId {
        /// That name.
        external_id: String,
        /// Who says so.
        by: String,
    },
    /// Write something down about the person.
    AddNote {
        /// What.
        comment: String,
        /// Who.
        by: String,
    },
    /// Make the person's data unreadable.
    Erase {
        /// Why.
        reason: String,
        /// Who decides.
        by: String,
    },
}

impl ClientCommand {
    /// Its name, as metadata keeps it: what it carries is personal.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Register(_) => "Register",
            Self::RepeatRegistration => "RepeatRegistration",
            Self::RequestVerification => "RequestVerification",
            Self::VerifyEmail => "VerifyEmail",
            Self::ChangeDefaultAccount { .. } => "ChangeDefaultAccount",
            Self::UpdateProfile { .. } => "UpdateProfile",
            Self::RequestPasswordReset => "RequestPasswordReset",
            Self::Invite => "Invite",
            Self::ResetPassword { .. } => "ResetPassword",
            Self::ChangePassword { .. } => "ChangePassword",
            Self::SignIn { .. } => "SignIn",
            Self::FailSignIn { .. } => "FailSignIn",
            Self::RevokeSessions { .. } => "RevokeSessions",
            Self::EnableTwoFactor { .. } => "EnableTwoFactor",
            Self::DisableTwoFactor { .. } => "DisableTwoFactor",
            Self::SubmitDocument { .. } => "SubmitDocument",
            Self::ChangeKycStatus { .. } => "ChangeKycStatus",
            Self::GrantImpersonation { .. } => "GrantImpersonation",
            Self::Impersonate { .. } => "Impersonate",
            Self::Suspend { .. } => "Suspend",
            Self::Reinstate { .. } => "Reinstate",
            Self::ChangeTier { .. } => "ChangeTier",
            Self::DisableTrading { .. } => "DisableTrading",
            Self::EnableTrading { .. } => "EnableTrading",
            Self::ChangeLimits { .. } => "ChangeLimits",
            Self::LinkExternalId { .. } => "LinkExternalId",
            Self::AddNote { .. } => "AddNote",
            Self::Erase { .. } => "Erase",
        }
    }
}
