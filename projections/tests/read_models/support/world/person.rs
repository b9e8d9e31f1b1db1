//! What clients do besides trading, and what is decided about them.

use daybook_domain::{
    Client, ClientCommand, ClientEvent, ClientId, Decimal, DocumentId, GrantId, SessionId,
    account::Change,
    client::{
        DocumentFormat, DocumentKind, Factor, FlagsChange, Grant, KycDocument, KycStatus,
        LimitsChange, Pass, Registration, RevokeReason, SignInFailure,
    },
};
use daybook_store::NewEvent;
use serde_json::Value;

use super::{Append, World, append, new_event};

impl World {
    /// Registers a client; names and address are as good as sealed.
    pub(super) fn sign_up(&mut self, client_id: ClientId) -> Append {
        let person = Registration {
            email: format!("email-{client_id}@example.test"),
            first_name: "First".into(),
            last_name: "Last".into(),
            phone: self.dice.one_in(2).then(|| "+49 89 1".into()),
            country: None,
        };
        self.clients.push(client_id);
        self.people.insert(client_id, Client::default());
        let events = self.ask(client_id, &ClientCommand::Register(person));
        append("client", client_id.to_string(), events)
    }

    /// Something that a client, or somebody about a client, decides; none where a rule refuses.
    pub(super) fn touch_client(&mut self) -> Vec<Append> {
        let there = self.people.iter().filter(|(_, client)| !client.erased);
        let there: Vec<ClientId> = there.map(|(id, _)| *id).collect();
        if there.is_empty() {
            return Vec::new();
        }
        let client_id = self.dice.pick(&there);
        let command = if self.dice.one_in(40) {
            let (reason, by) = ("asked to".into(), "staff".into());
            ClientCommand::Erase { reason, by }
        } else {
            self.personal_wish(client_id)
        };
        let events = self.ask(client_id, &command);
        if events.is_empty() {
            return Vec::new();
        }
        vec![append("client", client_id.to_string(), events)]
    }

    fn personal_wish(&mut self, client_id: ClientId) -> ClientCommand {
        let by = || "staff".to_owned();
        match self.dice.below(23) {
            0 => ClientCommand::RepeatRegistration,
            1 if self.dice.one_in(4) => ClientCommand::VerifyEmail,
            1 | 2 => ClientCommand::RequestVerification,
            3 => ClientCommand::UpdateProfile {
                first_name: Some(format!("First {}", self.dice.below(1_000))),
                last_name: None,
                phone: None,
                country: Some("DE".into()),
            },
            4 => ClientCommand::RequestPasswordReset,
            5 => ClientCommand::ResetPassword { number: 1 },
            6 => ClientCommand::FailSignIn {
                reason: SignInFailure::Password,
            },
            7 => ClientCommand::EnableTwoFactor {
                step: self.now.timestamp() / 30,
                recovery_codes: 3,
            },
            8 => ClientCommand::DisableTwoFactor {
                factor: self.factor(),
            },
            9 | 10 => self.document(),
            11 => ClientCommand::ChangeKycStatus {
                to: self.dice.pick(&[
                    KycStatus::Pending,
                    KycStatus::Approved,
                    KycStatus::Rejected,
                    KycStatus::Expired,
                ]),
                notes: self.dice.one_in(2).then(|| "read this".into()),
                by: by(),
            },
            12 if self.people[&client_id].suspended => ClientCommand::Reinstate { by: by() },
            12 => ClientCommand::Suspend {
                reason: "doubt".into(),
                by: by(),
            },
            13 => self.default_account(client_id),
            14 => self.grant(),
            15 => self.visit(),
            16..=18 => self.rule(client_id),
            _signs_in => self.sign_in(),
        }
    }

    fn grant(&mut self) -> ClientCommand {
        ClientCommand::GrantImpersonation {
            grant_id: GrantId(self.id()),
            grant: Grant {
                admin_id: "ines".into(),
                reason: "asked to".into(),
                expires_at: self.now + chrono::Duration::seconds(120),
                used: false,
            },
            by: "crm:ines".into(),
        }
    }

    /// By one of few tokens: some come a second time.
    fn visit(&mut self) -> ClientCommand {
        let pass = Pass::Crm {
            hash: format!("token {}", self.dice.below(3)),
            admin_id: "jane".into(),
            reason: "crm".into(),
            issued_at: self.now,
            expires_at: self.now + chrono::Duration::seconds(60),
        };
        let session_id = SessionId(self.id());
        ClientCommand::Impersonate { session_id, pass }
    }

    /// What the CRM decides about a client.
    fn rule(&mut self, client_id: ClientId) -> ClientCommand {
        let by = || "crm:ines".to_owned();
        match self.dice.below(6) {
            0 => ClientCommand::ChangeTier {
                to: format!("tier-{}", self.dice.below(3)),
                by: by(),
            },
            1 => ClientCommand::DisableTrading {
                reason: self.dice.one_in(2).then(|| "doubt".into()),
                by: by(),
            },
            2 => ClientCommand::EnableTrading { by: by() },
            3 => ClientCommand::ChangeLimits {
                flags: FlagsChange {
                    swap_free: Some(self.dice.one_in(2)),
                    ..FlagsChange::default()
                },
                limits: Box::new(LimitsChange {
                    max_leverage: Change::Set(30),
                    daily_loss: Change::Set(Decimal::from(1 + self.dice.below(100))),
                    ..LimitsChange::default()
                }),
                by: by(),
            },
            4 => ClientCommand::LinkExternalId {
                external_id: format!("C-{client_id}"),
                by: by(),
            },
            _note => ClientCommand::AddNote {
                comment: "called".into(),
                by: by(),
            },
        }
    }

    fn factor(&mut self) -> Factor {
        let step = self.now.timestamp() / 30;
        self.dice
            .pick(&[Factor::Totp { step }, Factor::RecoveryCode { index: 0 }])
    }

    fn sign_in(&mut self) -> ClientCommand {
        if self.dice.one_in(4) {
            return ClientCommand::RevokeSessions {
                session_id: None,
                kept: None,
                reason: RevokeReason::SignedOut,
                by: "client".into(),
            };
        }
        ClientCommand::SignIn {
            session_id: SessionId(self.id()),
            factor: self.factor(),
            device: format!("device {}", self.dice.below(3)),
            network: "home".into(),
        }
    }

    fn document(&mut self) -> ClientCommand {
        let document = KycDocument {
            document_id: DocumentId(self.id()),
            kind: self
                .dice
                .pick(&[DocumentKind::Passport, DocumentKind::ProofOfAddress]),
            format: self.dice.pick(&[DocumentFormat::Pdf, DocumentFormat::Png]),
            size: self.dice.below(1_000).unsigned_abs(),
            sha256: "00".repeat(32),
        };
        let name = "passport.pdf".into();
        ClientCommand::SubmitDocument { document, name }
    }

    fn default_account(&mut self, client_id: ClientId) -> ClientCommand {
        let own = self
            .traders
            .iter()
            .filter(|trader| trader.client_id == client_id);
        let own: Vec<_> = own.map(|trader| trader.account_id).collect();
        ClientCommand::ChangeDefaultAccount {
            account_id: self.dice.pick(&own),
        }
    }

    fn ask(&mut self, client_id: ClientId, command: &ClientCommand) -> Vec<NewEvent> {
        let client = self.people.get_mut(&client_id).unwrap();
        // What a rule refuses does not happen.
        let events = client.decide(command, self.now).unwrap_or_default();
        for event in &events {
            client.evolve(event);
            self.personal.insert(event.event_type());
        }
        events.iter().map(sealed).collect()
    }
}

/// An event as it rests, with ciphertext that anybody could read.
fn sealed(event: &ClientEvent) -> NewEvent {
    let mut payload = serde_json::to_value(event).unwrap();
    for field in event.personal_fields() {
        let value = &mut payload[event.event_type()][field];
        if let Value::String(text) = value {
            *text = format!("enc:v1:{text}");
        }
    }
    new_event(event.event_type(), payload.to_string())
}
