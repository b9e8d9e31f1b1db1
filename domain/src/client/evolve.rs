//! How facts change what is known of a client.

use super::{Client, ClientEvent, Factor, Registration, security::TwoFactor};

const STRANGER: &str = "corrupt stream: a client that is not registered";

impl Client {
    /// Applies one fact. A stored event that cannot follow this state is corruption: it panics.
    ///
    /// # Panics
    /// When the event contradicts the state.
    #[expect(
        clippy::too_many_lines,
        reason = "a table: one arm for each fact and nothing besides"
    )]
    pub fn evolve(&mut self, event: &ClientEvent) {
        self.assert_follows(event);
        match event {
            ClientEvent::ClientRegistered { at, .. } => {
                self.registered_at = Some(*at);
                self.profile = registration(event);
            }
            ClientEvent::RegistrationRepeated { at } => self.security.repeats_told.note(*at),
            ClientEvent::VerificationRequested { at } => {
                self.security.verifications_asked.note(*at);
            }
            ClientEvent::EmailVerified { .. } => self.email_verified = true,
            ClientEvent::DefaultAccountChanged { account_id, .. } => {
                self.default_account = Some(*account_id);
            }
            ClientEvent::ProfileUpdated { .. } => self.rename(event),
            ClientEvent::PasswordResetRequested {
                number,
                invitation,
                at,
            } => {
                self.security.resets = *number;
                self.security.reset_open = true;
                self.security.invited |= invitation;
                self.security.resets_asked.note(*at);
            }
            ClientEvent::PasswordChanged { .. } => {
                self.security.reset_open = false;
                self.security.invited = false;
            }
            ClientEvent::SignedIn {
                factor,
                device,
                network,
                ..
            } => {
                self.spend(*factor);
                self.security.devices.meet(device);
                self.security.networks.meet(network);
            }
            ClientEvent::TwoFactorEnabled {
                step,
                recovery_codes,
                ..
            } => self.security.two_factor = Some(TwoFactor::new(*step, *recovery_codes)),
            ClientEvent::TwoFactorDisabled { .. } => self.security.two_factor = None,
            ClientEvent::KycSubmitted { document, name, at } => {
                let entry = (document.clone(), name.clone(), *at);
                self.kyc.documents.push(entry);
            }
            ClientEvent::KycStatusChanged { to, notes, .. } => {
                self.kyc.status = *to;
                self.kyc.notes.clone_from(notes);
            }
            ClientEvent::ImpersonationGranted { .. }
            | ClientEvent::ImpersonationConsumed { .. }
            | ClientEvent::ImpersonationRefused { .. } => self.impersonations.evolve(event),
            ClientEvent::ClientSuspended { .. } => self.suspended = true,
            ClientEvent::ClientReinstated { .. } => self.suspended = false,
            ClientEvent::ClientErased { .. } => self.erased = true,
            ClientEvent::TierChanged { to, .. } => self.standing.tier.clone_from(to),
            ClientEvent::TradingDisabled { .. } => self.standing.trading_disabled = true,
            ClientEvent::TradingEnabled { .. } => self.standing.trading_disabled = false,
            ClientEvent::LimitsChanged { flags, limits, .. } => {
                (self.standing.flags, self.standing.limits) = (*flags, **limits);
            }
            ClientEvent::ExternalIdLinked { external_id, .. } => {
                self.standing.external_id = Some(external_id.clone());
            }
            ClientEvent::UnusualSignIn { .. }
            | ClientEvent::SignInFailed { .. }
            | ClientEvent::SessionsRevoked { .. }
            | ClientEvent::NoteAdded { .. } => {}
        }
    }

    fn rename(&mut self, event: &ClientEvent) {
        if let ClientEvent::ProfileUpdated {
            first_name,
            last_name,
            phone,
            country,
            ..
        } = event
        {
            let profile = self.profile.as_mut().expect(STRANGER);
            profile.first_name.clone_from(first_name);
            profile.last_name.clone_from(last_name);
            profile.phone.clone_from(phone);
            profile.country.clone_from(country);
        }
    }

    fn assert_follows(&self, event: &ClientEvent) {
        let known = self.profile.is_some();
        let first = matches!(event, ClientEvent::ClientRegistered { .. });
        assert!(
            !(known && first),
            "corrupt stream: a client registered twice"
        );
        assert!(known || first, "{STRANGER}");
    }

    fn spend(&mut self, factor: Factor) {
        if let Some(on) = &mut self.security.two_factor {
            on.spend(factor);
        }
    }
}

/// The person as they signed up.
fn registration(event: &ClientEvent) -> Option<Registration> {
    let ClientEvent::ClientRegistered {
        email,
        first_name,
        last_name,
        phone,
        country,
        ..
    } = event
    else {
        return None;
    };
    Some(Registration {
        email: email.clone(),
        first_name: first_name.clone(),
        last_name: last_name.clone(),
        phone: phone.clone(),
        country: country.clone(),
    })
}
