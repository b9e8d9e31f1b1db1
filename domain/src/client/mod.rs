//! One person: registration, verification of the address, sign-ins and what guards them, documents
//! and the checks they are for, suspension, erasure.
//!
//! Personal fields are plain here and ciphertext wherever they rest: `ClientEvent::personal_fields`
//! names them for the store.

mod command;
mod cqrs;
mod decide;
mod event;
mod evolve;
mod field;
pub mod impersonation;
mod kyc;
mod rejection;
mod security;
#[cfg(test)]
mod spec;
#[cfg(test)]
mod spec_impersonation;
#[cfg(test)]
mod spec_security;
#[cfg(test)]
mod spec_standing;
mod standing;

pub use command::ClientCommand;
pub use cqrs::ClientServices;
pub use event::ClientEvent;
pub use field::normalised_email;
pub(crate) use field::{Invalid, check_email, check_text};
pub use impersonation::{Grant, ImpersonationRefusal, Impersonations, Pass, SsoToken};
pub use kyc::{DocumentFormat, DocumentKind, Kyc, KycDocument, KycStatus};
pub use rejection::ClientRejection;
pub(crate) use security::FactorRefusal;
pub use security::{Factor, RevokeReason, Security, SignInFailure, TwoFactor};
use serde::{Deserialize, Serialize};
pub use standing::{Flags, FlagsChange, LimitsChange, Standing, TIER_DEFAULT};

use crate::{AccountId, Timestamp};

/// What is known of a person at registration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// Normalised address (trimmed, lower case).
    pub email: String,
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// Phone, as given.
    pub phone: Option<String>,
    /// ISO 3166-1 alpha-2.
    pub country: Option<String>,
}

/// A client's state: a fold of its events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// None until registered.
    pub profile: Option<Registration>,
    /// When.
    pub registered_at: Option<Timestamp>,
    /// Whether the address is known to be theirs.
    pub email_verified: bool,
    /// Chosen default account.
    pub default_account: Option<AccountId>,
    /// What guards the account.
    pub security: Security,
    /// The checks that the law asks for.
    pub kyc: Kyc,
    /// Who may come in their place, or did so lately.
    #[serde(default)]
    pub impersonations: Impersonations,
    /// Tier, flags and limits, and the CRM's name for the person.
    #[serde(default)]
    pub standing: Standing,
    /// May not sign in.
    pub suspended: bool,
    /// The person's data are gone.
    pub erased: bool,
}
