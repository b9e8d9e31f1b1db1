//! Events of clients. Personal fields stay the ciphertext they are in the book.

use daybook_domain::{
    ClientEvent, ClientId,
    account::Limits,
    client::{Flags, KycStatus},
};
use serde::{Deserialize, Serialize};

use super::Message;
use crate::crm::{
    kind::Kind,
    payload::{
        self, ClientLimitsData, EmailVerifiedData, ExternalIdData, KycData, ProfileChangedData,
        StandingData, TierData, TradingData, UserCreatedData,
    },
};

/// What of a client the next event is compared with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClientState {
    /// None until registered.
    pub(crate) profile: Option<SealedProfile>,
    #[serde(default)]
    standing: Standing,
    #[serde(default)]
    kyc: KycStatus,
    #[serde(default)]
    flags: Flags,
    #[serde(default)]
    limits: Limits,
}

/// What of a client is on or off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Standing {
    suspended: bool,
    two_factor: bool,
    erased: bool,
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
    #[expect(
        clippy::too_many_lines,
        reason = "a table: one arm for each event and nothing besides"
    )]
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
                let profile = SealedProfile {
                    first_name: first_name.clone(),
                    last_name: last_name.clone(),
                    phone: phone.clone(),
                    country: country.clone(),
                };
                vec![self.registered(id, email, profile)]
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
            ClientEvent::EmailVerified { email, .. } => {
                let (client_id, email) = (id.to_string(), Some(email.clone()));
                let data = EmailVerifiedData { client_id, email };
                vec![Message::new(Kind::EmailVerified, &data)]
            }
            ClientEvent::KycSubmitted { document, .. } => {
                let document_id = Some(document.document_id.to_string());
                vec![self.kyc(id, self.kyc, document_id)]
            }
            ClientEvent::KycStatusChanged { to, .. } => {
                let told = self.kyc(id, *to, None);
                self.kyc = *to;
                vec![told]
            }
            ClientEvent::TwoFactorEnabled { .. } => {
                self.stands(id, None, |now| now.two_factor = true)
            }
            ClientEvent::TwoFactorDisabled { .. } => {
                self.stands(id, None, |now| now.two_factor = false)
            }
            ClientEvent::ClientSuspended { reason, .. } => {
                self.stands(id, Some(reason), |now| now.suspended = true)
            }
            ClientEvent::ClientReinstated { .. } => {
                self.stands(id, None, |now| now.suspended = false)
            }
            ClientEvent::ClientErased { reason, .. } => {
                self.stands(id, Some(reason), |now| now.erased = true)
            }
            ClientEvent::TierChanged { to, .. } => {
                vec![Message::new(Kind::UserUpdated, &TierData::of(id, to))]
            }
            ClientEvent::TradingDisabled { reason, .. } => {
                let data = TradingData::of(id, true, reason.clone());
                vec![Message::new(Kind::UserUpdated, &data)]
            }
            ClientEvent::TradingEnabled { .. } => {
                let data = TradingData::of(id, false, None);
                vec![Message::new(Kind::UserUpdated, &data)]
            }
            ClientEvent::LimitsChanged { flags, limits, .. } => {
                let before = (self.flags, self.limits);
                (self.flags, self.limits) = (*flags, **limits);
                let data = ClientLimitsData::of(id, before, (self.flags, self.limits));
                vec![Message::new(Kind::UserUpdated, &data)]
            }
            ClientEvent::ExternalIdLinked { external_id, .. } => {
                let data = ExternalIdData::of(id, external_id);
                vec![Message::new(Kind::UserUpdated, &data)]
            }
            // Which account a request means that names none, how somebody signs in or comes in the
            // client's place, and what was written down about them, are no business of a
            // receiver's.
            ClientEvent::DefaultAccountChanged { .. }
            | ClientEvent::RegistrationRepeated { .. }
            | ClientEvent::VerificationRequested { .. }
            | ClientEvent::PasswordResetRequested { .. }
            | ClientEvent::PasswordChanged { .. }
            | ClientEvent::SignedIn { .. }
            | ClientEvent::UnusualSignIn { .. }
            | ClientEvent::SignInFailed { .. }
            | ClientEvent::ImpersonationGranted { .. }
            | ClientEvent::ImpersonationConsumed { .. }
            | ClientEvent::ImpersonationRefused { .. }
            | ClientEvent::SessionsRevoked { .. }
            | ClientEvent::NoteAdded { .. } => Vec::new(),
        }
    }

    fn registered(&mut self, id: ClientId, email: &str, profile: SealedProfile) -> Message {
        let data = UserCreatedData {
            client_id: id.to_string(),
            email: Some(email.to_owned()),
            first_name: Some(profile.first_name.clone()),
            last_name: Some(profile.last_name.clone()),
            phone: profile.phone.clone(),
        };
        self.profile = Some(profile);
        Message::new(Kind::UserCreated, &data)
    }

    fn kyc(&self, id: ClientId, to: KycStatus, document_id: Option<String>) -> Message {
        let data = KycData {
            client_id: id.to_string(),
            from: self.kyc.as_str().to_owned(),
            to: to.as_str().to_owned(),
            kyc_status: to.as_str().to_owned(),
            document_id,
        };
        Message::new(Kind::KycStatusChanged, &data)
    }

    fn stands(
        &mut self,
        id: ClientId,
        reason: Option<&String>,
        change: impl FnOnce(&mut Standing),
    ) -> Vec<Message> {
        let mut now = self.standing;
        change(&mut now);
        let before = std::mem::replace(&mut self.standing, now);
        let fields = [
            ("suspended", before.suspended != now.suspended),
            ("twoFactorEnabled", before.two_factor != now.two_factor),
            ("erased", before.erased != now.erased),
        ];
        let changed = fields.iter().filter(|(_, differs)| *differs);
        let data = StandingData {
            client_id: id.to_string(),
            changed: changed.map(|(name, _)| (*name).to_owned()).collect(),
            suspended: now.suspended,
            two_factor_enabled: now.two_factor,
            erased: now.erased,
            reason: reason.cloned(),
        };
        vec![Message::new(Kind::UserUpdated, &data)]
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
