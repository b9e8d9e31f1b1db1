//! Why a client's stream refuses.

use super::{field::Invalid, security::FactorRefusal};

/// The broken rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientRejection {
    /// Registered already.
    #[error("client is already registered")]
    AlreadyRegistered,
    /// Not registered.
    #[error("client is not registered")]
    NotRegistered,
    /// A field is empty or too long.
    #[error("{field}: {message}")]
    InvalidField {
        /// Which.
        field: &'static str,
        /// Why.
        message: String,
    },
    /// The person's data were erased.
    #[error("client was erased")]
    Erased,
    /// May not sign in.
    #[error("client is suspended")]
    Suspended,
    /// The link was used, or a newer one was asked for.
    #[error("reset link is not the newest unused one")]
    ResetLinkSpent,
    /// The code, or one of a later time, was accepted before.
    #[error("code was used before")]
    CodeUsed,
    /// A second factor is asked for and none was shown.
    #[error("a second factor is asked for")]
    TwoFactorRequired,
    /// On already.
    #[error("second factor is on already")]
    TwoFactorOn,
    /// Not on.
    #[error("second factor is not on")]
    TwoFactorOff,
    /// As many documents as one may hand in.
    #[error("no more than {max} documents may be handed in")]
    TooManyDocuments {
        /// The limit.
        max: usize,
    },
    /// The CRM knows the person by another name already.
    #[error("client is linked to another external id")]
    LinkedOtherwise,
    /// That status cannot follow the one there is.
    #[error("kyc status cannot become that")]
    KycStep,
}

impl From<Invalid> for ClientRejection {
    fn from(Invalid { field, message }: Invalid) -> Self {
        Self::InvalidField { field, message }
    }
}

impl From<FactorRefusal> for ClientRejection {
    fn from(refusal: FactorRefusal) -> Self {
        match refusal {
            FactorRefusal::Missing => Self::TwoFactorRequired,
            FactorRefusal::Used => Self::CodeUsed,
        }
    }
}

impl ClientRejection {
    /// Stable slug.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AlreadyRegistered | Self::KycStep | Self::LinkedOtherwise => "conflict",
            Self::NotRegistered | Self::Erased => "not_found",
            Self::InvalidField { .. } => "invalid_value",
            Self::Suspended => "client_suspended",
            Self::ResetLinkSpent => "invalid_token",
            Self::CodeUsed => "invalid_code",
            Self::TwoFactorRequired => "totp_required",
            Self::TwoFactorOn => "two_factor_on",
            Self::TwoFactorOff => "two_factor_off",
            Self::TooManyDocuments { .. } => "too_many_documents",
        }
    }
}
