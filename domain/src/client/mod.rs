//! One person: registration for now; verification, KYC and the rest come with identity.
//!
//! Personal fields are plain here and ciphertext wherever they rest: `ClientEvent::personal_fields`
//! names them for the store.

use serde::{Deserialize, Serialize};

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

/// A fact in a client's stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientEvent {
    /// The person signed up. All of `Registration` is personal.
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
}

/// A request to a client's stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientCommand {
    /// Sign up.
    Register(Registration),
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
}

/// Why a client's stream refuses.
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
}

/// A client's state: a fold of its events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// None until registered.
    pub profile: Option<Registration>,
    /// When.
    pub registered_at: Option<Timestamp>,
    /// Chosen default account.
    pub default_account: Option<AccountId>,
}

impl Client {
    /// Decides a command. Pure.
    ///
    /// # Errors
    /// [`ClientRejection`] names the broken rule.
    pub fn decide(
        &self,
        command: &ClientCommand,
        at: Timestamp,
    ) -> Result<Vec<ClientEvent>, ClientRejection> {
        let _ = (command, at);
        todo!("domain")
    }

    /// Applies one fact.
    pub fn evolve(&mut self, event: &ClientEvent) {
        let _ = event;
        todo!("domain")
    }
}

impl ClientEvent {
    /// Stable name.
    #[must_use]
    pub const fn event_type(&self) -> &'static str {
        match self {
            Self::ClientRegistered { .. } => "ClientRegistered",
            Self::DefaultAccountChanged { .. } => "DefaultAccountChanged",
            Self::ProfileUpdated { .. } => "ProfileUpdated",
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
            Self::DefaultAccountChanged { .. } => &[],
        }
    }
}
