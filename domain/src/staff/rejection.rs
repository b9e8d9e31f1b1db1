//! Why the stream of a member of staff refuses.

use crate::client::{FactorRefusal, Invalid};

/// The broken rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StaffRejection {
    /// There already.
    #[error("member of staff exists already")]
    AlreadyCreated,
    /// Not there.
    #[error("no such member of staff")]
    NotCreated,
    /// A field is empty or too long.
    #[error("{field}: {message}")]
    InvalidField {
        /// Which.
        field: &'static str,
        /// Why.
        message: String,
    },
    /// May not sign in.
    #[error("member of staff is disabled")]
    Disabled,
    /// No code was shown.
    #[error("a code of the authenticator is asked for")]
    CodeRequired,
    /// The code, or one of a later time, was accepted before.
    #[error("code was used before")]
    CodeUsed,
}

impl StaffRejection {
    /// Stable slug, as answers have it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AlreadyCreated => "conflict",
            Self::NotCreated => "not_found",
            Self::InvalidField { .. } => "invalid_value",
            Self::Disabled => "staff_disabled",
            Self::CodeRequired => "totp_required",
            Self::CodeUsed => "invalid_code",
        }
    }
}

impl From<Invalid> for StaffRejection {
    fn from(Invalid { field, message }: Invalid) -> Self {
        Self::InvalidField { field, message }
    }
}

impl From<FactorRefusal> for StaffRejection {
    fn from(refusal: FactorRefusal) -> Self {
        match refusal {
            FactorRefusal::Missing => Self::CodeRequired,
            FactorRefusal::Used => Self::CodeUsed,
        }
    }
}
