//! What a client's stream accepts.

use super::{
    Client, ClientCommand, ClientEvent, ClientRejection, Factor, KycDocument, KycStatus,
    Registration, RevokeReason, SignInFailure, field, kyc::DOCUMENTS_MAX, security::Familiar,
    standing::add_note,
};
use crate::{AccountId, SessionId, Timestamp};

type Decided = Result<Vec<ClientEvent>, ClientRejection>;

/// Longest reason or note, in characters.
const TEXT_MAX: usize = 500;
const FILE_NAME_MAX: usize = 200;

impl Client {
    /// Decides a command. Pure. An empty list means that it is so already.
    ///
    /// # Errors
    /// [`ClientRejection`] names the broken rule.
    pub fn decide(&self, command: &ClientCommand, at: Timestamp) -> Decided {
        if self.erased {
            return Err(ClientRejection::Erased);
        }
        match (&self.profile, command) {
            (None, ClientCommand::Register(asked)) => register(asked, at),
            (Some(known), ClientCommand::Register(asked)) if *known == asked.normalised() => {
                Ok(Vec::new())
            }
            (Some(_), ClientCommand::Register(_)) => Err(ClientRejection::AlreadyRegistered),
            (None, _) => Err(ClientRejection::NotRegistered),
            (Some(known), command) => self.decide_known(known, command, at),
        }
    }

    fn decide_known(
        &self,
        known: &Registration,
        command: &ClientCommand,
        at: Timestamp,
    ) -> Decided {
        use ClientCommand as Command;
        match command {
            Command::Register(_) => Err(ClientRejection::AlreadyRegistered),
            Command::RepeatRegistration => {
                let told = self.security.repeats_told.may(at);
                Ok(one(told.then_some(ClientEvent::RegistrationRepeated { at })))
            }
            Command::RequestVerification => Ok(self.request_verification(at)),
            Command::VerifyEmail => Ok(self.verify_email(known, at)),
            Command::ChangeDefaultAccount { account_id } => {
                Ok(self.choose_account(*account_id, at))
            }
            Command::UpdateProfile {
                first_name,
                last_name,
                phone,
                country,
            } => update(known, (first_name, last_name), (phone, country), at),
            Command::RequestPasswordReset => Ok(self.request_reset(at)),
            Command::Invite => Ok(vec![self.reset_requested(true, at)]),
            Command::ResetPassword { number } => self.reset_password(known, *number, at),
            Command::ChangePassword { kept } => Ok(change_password(*kept, at)),
            Command::SignIn {
                session_id,
                factor,
                device,
                network,
            } => self.sign_in(*session_id, *factor, device, network, at),
            Command::FailSignIn { reason } => Ok(vec![sign_in_failed(*reason, at)]),
            Command::RevokeSessions {
                session_id,
                kept,
                reason,
                by,
            } => Ok(vec![ClientEvent::SessionsRevoked {
                session_id: *session_id,
                kept: *kept,
                reason: *reason,
                by: by.clone(),
                at,
            }]),
            Command::EnableTwoFactor {
                step,
                recovery_codes,
            } => self.enable_two_factor(*step, *recovery_codes, at),
            Command::DisableTwoFactor { factor } => self.disable_two_factor(*factor, at),
            Command::SubmitDocument { document, name } => self.submit(document, name, at),
            Command::ChangeKycStatus { to, notes, by } => {
                self.change_kyc(*to, notes.as_deref(), by, at)
            }
            Command::GrantImpersonation { .. } | Command::Impersonate { .. } => {
                self.decide_impersonation(command, at)
            }
            Command::Suspend { reason, by } => self.suspend(reason, by, at),
            Command::Reinstate { by } => {
                let reinstated = ClientEvent::ClientReinstated { by: by.clone(), at };
                Ok(one(self.suspended.then_some(reinstated)))
            }
            Command::ChangeTier { to, by } => self.standing.change_tier(to, by, at),
            Command::DisableTrading { reason, by } => {
                self.standing.disable(reason.as_deref(), by, at)
            }
            Command::EnableTrading { by } => Ok(self.standing.enable(by, at)),
            Command::ChangeLimits { flags, limits, by } => {
                self.standing.change_limits(*flags, **limits, by, at)
            }
            Command::LinkExternalId { external_id, by } => self.standing.link(external_id, by, at),
            Command::AddNote { comment, by } => add_note(comment, by, at),
            Command::Erase { reason, by } => erase(reason, by, at),
        }
    }

    fn request_verification(&self, at: Timestamp) -> Vec<ClientEvent> {
        let asked = !self.email_verified && self.security.verifications_asked.may(at);
        one(asked.then_some(ClientEvent::VerificationRequested { at }))
    }

    fn choose_account(&self, account_id: AccountId, at: Timestamp) -> Vec<ClientEvent> {
        let changed = ClientEvent::DefaultAccountChanged { account_id, at };
        one((self.default_account != Some(account_id)).then_some(changed))
    }

    fn verify_email(&self, known: &Registration, at: Timestamp) -> Vec<ClientEvent> {
        let email = known.email.clone();
        let verified = ClientEvent::EmailVerified { email, at };
        one((!self.email_verified).then_some(verified))
    }

    fn enable_two_factor(&self, step: i64, recovery_codes: u8, at: Timestamp) -> Decided {
        if self.security.two_factor.is_some() {
            return Err(ClientRejection::TwoFactorOn);
        }
        Ok(vec![ClientEvent::TwoFactorEnabled {
            step,
            recovery_codes,
            at,
        }])
    }

    fn disable_two_factor(&self, factor: Factor, at: Timestamp) -> Decided {
        let on = self.security.two_factor.as_ref();
        on.ok_or(ClientRejection::TwoFactorOff)?.check(factor)?;
        Ok(vec![ClientEvent::TwoFactorDisabled { factor, at }])
    }

    fn request_reset(&self, at: Timestamp) -> Vec<ClientEvent> {
        let may = self.security.resets_asked.may(at);
        one(may.then(|| self.reset_requested(false, at)))
    }

    fn reset_requested(&self, invitation: bool, at: Timestamp) -> ClientEvent {
        ClientEvent::PasswordResetRequested {
            number: self.security.resets + 1,
            invitation,
            at,
        }
    }

    fn reset_password(&self, known: &Registration, number: u32, at: Timestamp) -> Decided {
        if !self.security.reset_open || number != self.security.resets {
            return Err(ClientRejection::ResetLinkSpent);
        }
        let mut events = vec![
            ClientEvent::PasswordChanged { by_reset: true, at },
            sessions_end(None, RevokeReason::PasswordChanged, "client", at),
        ];
        if self.security.invited {
            // The invitation went to the address, and to nowhere else.
            events.extend(self.verify_email(known, at));
        }
        Ok(events)
    }

    fn sign_in(
        &self,
        session_id: SessionId,
        factor: Factor,
        device: &str,
        network: &str,
        at: Timestamp,
    ) -> Decided {
        if self.suspended {
            return Err(ClientRejection::Suspended);
        }
        let factor = match &self.security.two_factor {
            Some(on) => {
                on.check(factor)?;
                factor
            }
            // A code that nobody asked for proves nothing.
            None => Factor::None,
        };
        let mut events = vec![ClientEvent::SignedIn {
            session_id,
            factor,
            device: device.to_owned(),
            network: network.to_owned(),
            at,
        }];
        let is_new = |known: &Familiar, value| !known.is_empty() && !known.knows(value);
        let new_device = is_new(&self.security.devices, device);
        let new_network = is_new(&self.security.networks, network);
        if new_device || new_network {
            events.push(ClientEvent::UnusualSignIn {
                session_id,
                new_device,
                new_network,
                at,
            });
        }
        Ok(events)
    }

    fn submit(&self, document: &KycDocument, name: &str, at: Timestamp) -> Decided {
        if self.suspended {
            return Err(ClientRejection::Suspended);
        }
        if self.kyc.documents.len() >= DOCUMENTS_MAX {
            return Err(ClientRejection::TooManyDocuments { max: DOCUMENTS_MAX });
        }
        field::check_text("file", name, FILE_NAME_MAX)?;
        let mut events = vec![ClientEvent::KycSubmitted {
            document: document.clone(),
            name: name.to_owned(),
            at,
        }];
        let from = self.kyc.status;
        match from {
            KycStatus::None | KycStatus::Rejected | KycStatus::Expired => {
                events.push(ClientEvent::KycStatusChanged {
                    from,
                    to: KycStatus::Pending,
                    notes: None,
                    by: "client".to_owned(),
                    at,
                });
            }
            KycStatus::Pending | KycStatus::Approved => {}
        }
        Ok(events)
    }

    fn change_kyc(&self, to: KycStatus, notes: Option<&str>, by: &str, at: Timestamp) -> Decided {
        let from = self.kyc.status;
        if from == to && self.kyc.notes.as_deref() == notes {
            return Ok(Vec::new());
        }
        if from != to && !from.may_become(to) {
            return Err(ClientRejection::KycStep);
        }
        if let Some(notes) = notes {
            field::check_text("notes", notes, TEXT_MAX)?;
        }
        Ok(vec![ClientEvent::KycStatusChanged {
            from,
            to,
            notes: notes.map(str::to_owned),
            by: by.to_owned(),
            at,
        }])
    }

    fn suspend(&self, reason: &str, by: &str, at: Timestamp) -> Decided {
        if self.suspended {
            return Ok(Vec::new());
        }
        field::check_text("reason", reason, TEXT_MAX)?;
        Ok(vec![
            ClientEvent::ClientSuspended {
                reason: reason.to_owned(),
                by: by.to_owned(),
                at,
            },
            sessions_end(None, RevokeReason::Suspended, by, at),
        ])
    }
}

fn erase(reason: &str, by: &str, at: Timestamp) -> Decided {
    field::check_text("reason", reason, TEXT_MAX)?;
    Ok(vec![
        sessions_end(None, RevokeReason::Erased, by, at),
        ClientEvent::ClientErased {
            reason: reason.to_owned(),
            by: by.to_owned(),
            at,
        },
    ])
}

fn sessions_end(
    kept: Option<SessionId>,
    reason: RevokeReason,
    by: &str,
    at: Timestamp,
) -> ClientEvent {
    ClientEvent::SessionsRevoked {
        session_id: None,
        kept,
        reason,
        by: by.to_owned(),
        at,
    }
}

fn sign_in_failed(reason: SignInFailure, at: Timestamp) -> ClientEvent {
    ClientEvent::SignInFailed { reason, at }
}

fn one(event: Option<ClientEvent>) -> Vec<ClientEvent> {
    event.into_iter().collect()
}

fn register(asked: &Registration, at: Timestamp) -> Decided {
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

fn change_password(kept: SessionId, at: Timestamp) -> Vec<ClientEvent> {
    let changed = ClientEvent::PasswordChanged {
        by_reset: false,
        at,
    };
    let ended = sessions_end(Some(kept), RevokeReason::PasswordChanged, "client", at);
    vec![changed, ended]
}

type Given = Option<String>;

/// A field that was left out stays.
fn update(
    known: &Registration,
    (first_name, last_name): (&Given, &Given),
    (phone, country): (&Given, &Given),
    at: Timestamp,
) -> Decided {
    let or = |new: &Given, old: &String| new.as_ref().unwrap_or(old).clone();
    let asked = Registration {
        email: known.email.clone(),
        first_name: or(first_name, &known.first_name),
        last_name: or(last_name, &known.last_name),
        phone: phone.clone().or_else(|| known.phone.clone()),
        country: country.clone().or_else(|| known.country.clone()),
    };
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
