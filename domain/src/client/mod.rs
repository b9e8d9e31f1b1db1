//! One person: registration for now; verification, KYC and the rest come with identity.
//!
//! Personal fields are plain here and ciphertext wherever they rest: `ClientEvent::personal_fields`
//! names them for the store.

mod cqrs;
mod field;
#[cfg(test)]
mod spec;

pub use cqrs::ClientServices;
pub use field::normalised_email;
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
        match (&self.profile, command) {
            (None, ClientCommand::Register(asked)) => register(asked, at),
            (Some(known), ClientCommand::Register(asked)) if *known == asked.normalised() => {
                Ok(Vec::new())
            }
            (Some(_), ClientCommand::Register(_)) => Err(ClientRejection::AlreadyRegistered),
            (
                None,
                ClientCommand::ChangeDefaultAccount { .. } | ClientCommand::UpdateProfile { .. },
            ) => Err(ClientRejection::NotRegistered),
            (Some(_), ClientCommand::ChangeDefaultAccount { account_id }) => {
                let changes = self.default_account != Some(*account_id);
                let changed = changes.then_some(ClientEvent::DefaultAccountChanged {
                    account_id: *account_id,
                    at,
                });
                Ok(changed.into_iter().collect())
            }
            (
                Some(known),
                ClientCommand::UpdateProfile {
                    first_name,
                    last_name,
                    phone,
                    country,
                },
            ) => {
                let or = |new: &Option<String>, old: &String| new.as_ref().unwrap_or(old).clone();
                let asked = Registration {
                    email: known.email.clone(),
                    first_name: or(first_name, &known.first_name),
                    last_name: or(last_name, &known.last_name),
                    phone: phone.clone().or_else(|| known.phone.clone()),
                    country: country.clone().or_else(|| known.country.clone()),
                };
                update(known, &asked, at)
            }
        }
    }

    /// Applies one fact. A stored event that cannot follow this state is corruption: it panics.
    ///
    /// # Panics
    /// When the event contradicts the state.
    pub fn evolve(&mut self, event: &ClientEvent) {
        let known = self.profile.is_some();
        match event {
            ClientEvent::ClientRegistered {
                email,
                first_name,
                last_name,
                phone,
                country,
                at,
            } => {
                assert!(!known, "corrupt stream: a client registered twice");
                self.registered_at = Some(*at);
                self.profile = Some(Registration {
                    email: email.clone(),
                    first_name: first_name.clone(),
                    last_name: last_name.clone(),
                    phone: phone.clone(),
                    country: country.clone(),
                });
            }
            ClientEvent::DefaultAccountChanged { account_id, .. } => {
                assert!(known, "corrupt stream: a client that is not registered");
                self.default_account = Some(*account_id);
            }
            ClientEvent::ProfileUpdated {
                first_name,
                last_name,
                phone,
                country,
                ..
            } => {
                let profile = self.profile.as_mut();
                let profile = profile.expect("corrupt stream: a client that is not registered");
                profile.first_name.clone_from(first_name);
                profile.last_name.clone_from(last_name);
                profile.phone.clone_from(phone);
                profile.country.clone_from(country);
            }
        }
    }
}

fn register(asked: &Registration, at: Timestamp) -> Result<Vec<ClientEvent>, ClientRejection> {
    let asked = asked.normalised();
    field::check(&asked)?;
    Ok(vec![ClientEvent::ClientRegistered {
        email: asked.email,
        first_name: asked.first_name,
        last_name: asked.last_name,
        phone: asked.phone,
        country: asked.country,
        at,
    }])
}

fn update(
    known: &Registration,
    asked: &Registration,
    at: Timestamp,
) -> Result<Vec<ClientEvent>, ClientRejection> {
    let asked = asked.normalised();
    if *known == asked {
        return Ok(Vec::new());
    }
    field::check(&asked)?;
    Ok(vec![ClientEvent::ProfileUpdated {
        first_name: asked.first_name,
        last_name: asked.last_name,
        phone: asked.phone,
        country: asked.country,
        at,
    }])
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

    /// When it was decided.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::ClientRegistered { at, .. }
            | Self::DefaultAccountChanged { at, .. }
            | Self::ProfileUpdated { at, .. } => *at,
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
