//! Facts about one person. Names are stable: they are stored.

use serde::{Deserialize, Serialize};

use super::{
    Factor, Flags, ImpersonationRefusal, KycDocument, KycStatus, RevokeReason, SignInFailure,
    SsoToken,
};
use crate::{AccountId, GrantId, SessionId, Timestamp, account::Limits};

/// A fact in a client's stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientEvent {
    /// The person signed up. All of [`super::Registration`] is personal.
    ClientRegistered {
        /// Address.
        email: String,
        /// Given name.
        first_name: String,
        /// Family name.
        last_name: String,
        /// Phone.
        phone: Option<String>,
        /// Country.
        country: Option<String>,
        /// When.
        at: Timestamp,
    },
    /// Somebody tried to sign up with this client's address: the owner is told by mail.
    RegistrationRepeated {
        /// When.
        at: Timestamp,
    },
    /// One more mail to verify the address was asked for.
    VerificationRequested {
        /// When.
        at: Timestamp,
    },
    /// The address is the person's own.
    EmailVerified {
        /// Which.
        email: String,
        /// When.
        at: Timestamp,
    },
    /// The account used where a request names none.
    DefaultAccountChanged {
        /// The account.
        account_id: AccountId,
        /// When.
        at: Timestamp,
    },
    /// Names, phone or country changed; these are the values from now on.
    ProfileUpdated {
        /// Given name.
        first_name: String,
        /// Family name.
        last_name: String,
        /// Phone.
        phone: Option<String>,
        /// Country.
        country: Option<String>,
        /// When.
        at: Timestamp,
    },
    /// A mail with a link to choose a new password was asked for.
    PasswordResetRequested {
        /// Counts the requests; a link is good for the newest alone.
        number: u32,
        /// It is the first password: somebody else signed the person up.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        invitation: bool,
        /// When.
        at: Timestamp,
    },
    /// There is another password; the secret itself is no event.
    PasswordChanged {
        /// Through a link in a mail, not with the former password.
        by_reset: bool,
        /// When.
        at: Timestamp,
    },
    /// A session began.
    SignedIn {
        /// The session.
        session_id: SessionId,
        /// What was shown beside the password.
        factor: Factor,
        /// Keyed hash of what tells devices apart.
        device: String,
        /// Keyed hash of the network.
        network: String,
        /// When.
        at: Timestamp,
    },
    /// A session began in a place that this client was not seen in before.
    UnusualSignIn {
        /// The session.
        session_id: SessionId,
        /// Not seen on this device before.
        new_device: bool,
        /// Not seen in this network before.
        new_network: bool,
        /// When.
        at: Timestamp,
    },
    /// A sign-in was refused.
    SignInFailed {
        /// Why.
        reason: SignInFailure,
        /// When.
        at: Timestamp,
    },
    /// One session, or all of them, ended.
    SessionsRevoked {
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
    /// A second factor is asked for from now on.
    TwoFactorEnabled {
        /// Time step of the code that proved it: it is used up.
        step: i64,
        /// How many recovery codes there are, numbered from 0.
        recovery_codes: u8,
        /// When.
        at: Timestamp,
    },
    /// None any more.
    TwoFactorDisabled {
        /// What proved that it is the owner who asks.
        factor: Factor,
        /// When.
        at: Timestamp,
    },
    /// A document was handed in.
    KycSubmitted {
        /// The document, without its name.
        document: KycDocument,
        /// Its file's name: personal.
        name: String,
        /// When.
        at: Timestamp,
    },
    /// The state of the checks that the law asks for changed.
    KycStatusChanged {
        /// Before.
        from: KycStatus,
        /// From now on.
        to: KycStatus,
        /// For the client: personal.
        notes: Option<String>,
        /// Who decided.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// Somebody of the broker's may come in the client's place, once.
    ImpersonationGranted {
        /// Names the permission.
        grant_id: GrantId,
        /// Who may come.
        admin_id: String,
        /// Why: personal.
        reason: String,
        /// Who permitted it.
        by: String,
        /// Until then.
        expires_at: Timestamp,
        /// When.
        at: Timestamp,
    },
    /// They came: a session in the client's place began.
    ImpersonationConsumed {
        /// The session.
        session_id: SessionId,
        /// What let them in; it never does again.
        token: SsoToken,
        /// Who came.
        admin_id: String,
        /// Why: personal.
        reason: String,
        /// Until then it would have been good.
        good_until: Timestamp,
        /// When.
        at: Timestamp,
    },
    /// A genuine token did not let in: an alert, if it did so before.
    ImpersonationRefused {
        /// Which.
        token: SsoToken,
        /// Who was to come, where that is known still.
        admin_id: Option<String>,
        /// Why.
        refusal: ImpersonationRefusal,
        /// When.
        at: Timestamp,
    },
    /// The client may not sign in.
    ClientSuspended {
        /// Why.
        reason: String,
        /// Who decided.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// The client may sign in again.
    ClientReinstated {
        /// Who decided.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// The client is in another tier.
    TierChanged {
        /// Before.
        from: String,
        /// From now on.
        to: String,
        /// Who decided.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// The client may take no new risk; it holds for all their accounts.
    TradingDisabled {
        /// Why, where somebody said.
        reason: Option<String>,
        /// Who decided.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// The client may take risk again.
    TradingEnabled {
        /// Who decided.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// Flags or limits changed; these are all of them from now on, and hold for all accounts.
    LimitsChanged {
        /// Flags.
        flags: Flags,
        /// Limits.
        limits: Box<Limits>,
        /// Who decided.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// The CRM knows the person by this name.
    ExternalIdLinked {
        /// That name: personal.
        external_id: String,
        /// Who said so.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// Something was written down about the person.
    NoteAdded {
        /// What: personal.
        comment: String,
        /// Who wrote it.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// The person's data are unreadable from now on: their key is destroyed after this.
    ClientErased {
        /// Why.
        reason: String,
        /// Who decided.
        by: String,
        /// When.
        at: Timestamp,
    },
}

impl ClientEvent {
    /// Stable name.
    #[must_use]
    pub const fn event_type(&self) -> &'static str {
        match self {
            Self::ClientRegistered { .. } => "ClientRegistered",
            Self::RegistrationRepeated { .. } => "RegistrationRepeated",
            Self::VerificationRequested { .. } => "VerificationRequested",
            Self::EmailVerified { .. } => "EmailVerified",
            Self::DefaultAccountChanged { .. } => "DefaultAccountChanged",
            Self::ProfileUpdated { .. } => "ProfileUpdated",
            Self::PasswordResetRequested { .. } => "PasswordResetRequested",
            Self::PasswordChanged { .. } => "PasswordChanged",
            Self::SignedIn { .. } => "SignedIn",
            Self::UnusualSignIn { .. } => "UnusualSignIn",
            Self::SignInFailed { .. } => "SignInFailed",
            Self::SessionsRevoked { .. } => "SessionsRevoked",
            Self::TwoFactorEnabled { .. } => "TwoFactorEnabled",
            Self::TwoFactorDisabled { .. } => "TwoFactorDisabled",
            Self::KycSubmitted { .. } => "KycSubmitted",
            Self::KycStatusChanged { .. } => "KycStatusChanged",
            Self::ImpersonationGranted { .. } => "ImpersonationGranted",
            Self::ImpersonationConsumed { .. } => "ImpersonationConsumed",
            Self::ImpersonationRefused { .. } => "ImpersonationRefused",
            Self::ClientSuspended { .. } => "ClientSuspended",
            Self::ClientReinstated { .. } => "ClientReinstated",
            Self::TierChanged { .. } => "TierChanged",
            Self::TradingDisabled { .. } => "TradingDisabled",
            Self::TradingEnabled { .. } => "TradingEnabled",
            Self::LimitsChanged { .. } => "LimitsChanged",
            Self::ExternalIdLinked { .. } => "ExternalIdLinked",
            Self::NoteAdded { .. } => "NoteAdded",
            Self::ClientErased { .. } => "ClientErased",
        }
    }

    /// When it was decided.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::ClientRegistered { at, .. }
            | Self::RegistrationRepeated { at }
            | Self::VerificationRequested { at }
            | Self::EmailVerified { at, .. }
            | Self::DefaultAccountChanged { at, .. }
            | Self::ProfileUpdated { at, .. }
            | Self::PasswordResetRequested { at, .. }
            | Self::PasswordChanged { at, .. }
            | Self::SignedIn { at, .. }
            | Self::UnusualSignIn { at, .. }
            | Self::SignInFailed { at, .. }
            | Self::SessionsRevoked { at, .. }
            | Self::TwoFactorEnabled { at, .. }
            | Self::TwoFactorDisabled { at, .. }
            | Self::KycSubmitted { at, .. }
            | Self::KycStatusChanged { at, .. }
            | Self::ImpersonationGranted { at, .. }
            | Self::ImpersonationConsumed { at, .. }
            | Self::ImpersonationRefused { at, .. }
            | Self::ClientSuspended { at, .. }
            | Self::ClientReinstated { at, .. }
            | Self::TierChanged { at, .. }
            | Self::TradingDisabled { at, .. }
            | Self::TradingEnabled { at, .. }
            | Self::LimitsChanged { at, .. }
            | Self::ExternalIdLinked { at, .. }
            | Self::NoteAdded { at, .. }
            | Self::ClientErased { at, .. } => *at,
        }
    }

    /// Top-level fields of the payload that are personal data.
    #[must_use]
    pub const fn personal_fields(&self) -> &'static [&'static str] {
        match self {
            Self::ClientRegistered { .. } => {
                &["email", "first_name", "last_name", "phone", "country"]
            }
            Self::ProfileUpdated { .. } => &["first_name", "last_name", "phone", "country"],
            Self::EmailVerified { .. } => &["email"],
            Self::KycSubmitted { .. } => &["name"],
            Self::KycStatusChanged { .. } => &["notes"],
            Self::ImpersonationGranted { .. } | Self::ImpersonationConsumed { .. } => &["reason"],
            Self::ExternalIdLinked { .. } => &["external_id"],
            Self::NoteAdded { .. } => &["comment"],
            Self::RegistrationRepeated { .. }
            | Self::VerificationRequested { .. }
            | Self::DefaultAccountChanged { .. }
            | Self::PasswordResetRequested { .. }
            | Self::PasswordChanged { .. }
            | Self::SignedIn { .. }
            | Self::UnusualSignIn { .. }
            | Self::SignInFailed { .. }
            | Self::SessionsRevoked { .. }
            | Self::TwoFactorEnabled { .. }
            | Self::TwoFactorDisabled { .. }
            | Self::ImpersonationRefused { .. }
            | Self::ClientSuspended { .. }
            | Self::ClientReinstated { .. }
            | Self::TierChanged { .. }
            | Self::TradingDisabled { .. }
            | Self::TradingEnabled { .. }
            | Self::LimitsChanged { .. }
            | Self::ClientErased { .. } => &[],
        }
    }
}
