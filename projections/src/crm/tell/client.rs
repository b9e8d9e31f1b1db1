//! Events of clients. Personal fields stay the ciphertext they are in the book.

use daybook_domain::{ClientEvent, ClientId};
use serde::{Deserialize, Serialize};

use super::Message;
use crate::crm::{
    kind::Kind,
    payload::{self, ProfileChangedData, UserCreatedData},
};

/// What of a client the next event is compared with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClientState {
    /// None until registered.
    pub(crate) profile: Option<SealedProfile>,
}

/// A profile as the book has it: sealed, by the names of payloads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SealedProfile {
    first_name: String,
    last_name: String,
    phone: Option<String>,
    country: Option<String>,
}

impl ClientState {
    /// Applies an event and says what is told of it.
    pub(crate) fn tell(&mut self, id: ClientId, event: &ClientEvent) -> Vec<Message> {
        match event {
            ClientEvent::ClientRegistered {
                email,
                first_name,
                last_name,
                phone,
                country,
                at: _,
            } => {
                let data = UserCreatedData {
                    client_id: id.to_string(),
                    email: Some(email.clone()),
                    first_name: Some(first_name.clone()),
                    last_name: Some(last_name.clone()),
                    phone: phone.clone(),
                };
                self.profile = Some(SealedProfile {
                    first_name: first_name.clone(),
                    last_name: last_name.clone(),
                    phone: phone.clone(),
                    country: country.clone(),
                });
                vec![Message::new(Kind::UserCreated, &data)]
            }
            ClientEvent::ProfileUpdated {
                first_name,
                last_name,
                phone,
                country,
                at: _,
            } => self.profile_updated(
                id,
                SealedProfile {
                    first_name: first_name.clone(),
                    last_name: last_name.clone(),
                    phone: phone.clone(),
                    country: country.clone(),
                },
            ),
            // Which account a request means that names none is no business of a receiver's.
            ClientEvent::DefaultAccountChanged { .. } => Vec::new(),
        }
    }

    /// Two sealed texts never equal one another: what changed is found when both are opened.
    fn profile_updated(&mut self, id: ClientId, profile: SealedProfile) -> Vec<Message> {
        let data = ProfileChangedData {
            client_id: id.to_string(),
            changed: Vec::new(),
            first_name: Some(profile.first_name.clone()),
            last_name: Some(profile.last_name.clone()),
            phone: profile.phone.clone(),
            country: profile.country.clone(),
        };
        let before = self.profile.replace(profile);
        let message = Message {
            before: before.as_ref().map(payload::text),
            ..Message::new(Kind::UserUpdated, &data)
        };
        vec![message]
    }
}
