//! Everything that can happen to a client, told once.

use daybook_domain::{
    AccountId, Client, ClientCommand, ClientEvent, DocumentId, GrantId, SessionId, Timestamp,
    account::Change,
    client::{
        DocumentFormat, DocumentKind, Factor, FlagsChange, Grant, KycDocument, KycStatus,
        LimitsChange, Pass, Registration, RevokeReason, SignInFailure,
    },
};
use uuid::Uuid;

/// Types of event that the story has.
pub const EVENTS: usize = 28;

pub const fn meaning(event: &ClientEvent) -> &'static str {
    match event {
        ClientEvent::ClientRegistered { .. } => "The person signed up.",
        ClientEvent::RegistrationRepeated { .. } => {
            "Somebody tried to sign up with this client's address; the owner is told by mail."
        }
        ClientEvent::VerificationRequested { .. } => {
            "One more mail to verify the address was asked for."
        }
        ClientEvent::EmailVerified { .. } => "The address is the person's own.",
        ClientEvent::DefaultAccountChanged { .. } => {
            "The account used where a request names none was chosen."
        }
        ClientEvent::ProfileUpdated { .. } => {
            "Names, phone or country changed; these are the values from now on."
        }
        ClientEvent::PasswordResetRequested { .. } => {
            "A link to choose a new password was asked for; only the newest is good."
        }
        ClientEvent::PasswordChanged { .. } => {
            "There is another password; the secret itself is no event."
        }
        ClientEvent::SignedIn { .. } => "A session began.",
        ClientEvent::UnusualSignIn { .. } => {
            "A session began on a device or in a network not seen before; the owner is told."
        }
        ClientEvent::SignInFailed { .. } => "A sign-in was refused.",
        ClientEvent::SessionsRevoked { .. } => "One session, or all of them, ended.",
        ClientEvent::TwoFactorEnabled { .. } => "A second factor is asked for from now on.",
        ClientEvent::TwoFactorDisabled { .. } => "No second factor is asked for any more.",
        ClientEvent::KycSubmitted { .. } => "A document was handed in.",
        ClientEvent::KycStatusChanged { .. } => {
            "The state of the checks that the law asks for changed."
        }
        ClientEvent::ImpersonationGranted { .. } => {
            "Somebody of the broker's may come in the client's place, once."
        }
        ClientEvent::ImpersonationConsumed { .. } => {
            "They came: a session in the client's place began."
        }
        ClientEvent::ImpersonationRefused { .. } => {
            "A genuine token did not let in: an alert, if it did so before."
        }
        ClientEvent::ClientSuspended { .. } => "The client may not sign in.",
        ClientEvent::ClientReinstated { .. } => "The client may sign in again.",
        ClientEvent::TierChanged { .. } => "The client is in another tier.",
        ClientEvent::TradingDisabled { .. } => {
            "The client may take no new risk, on any account; each account says so too."
        }
        ClientEvent::TradingEnabled { .. } => "The client may take risk again.",
        ClientEvent::LimitsChanged { .. } => {
            "Flags or limits of all the client's accounts changed; these are the values from now on."
        }
        ClientEvent::ExternalIdLinked { .. } => "The CRM knows the person by this name.",
        ClientEvent::NoteAdded { .. } => "Something was written down about the person.",
        ClientEvent::ClientErased { .. } => {
            "The person's data are unreadable from now on: their key is destroyed after this."
        }
    }
}

/// The story's events, in order.
pub fn told(id: fn(u128) -> Uuid, at: Timestamp) -> Vec<ClientEvent> {
    let mut client = Client::default();
    let mut told = Vec::new();
    for command in commands(id, at) {
        for event in client.decide(&command, at).unwrap() {
            client.evolve(&event);
            told.push(event);
        }
    }
    told
}

fn commands(id: fn(u128) -> Uuid, at: Timestamp) -> Vec<ClientCommand> {
    let mut commands = profile(id);
    commands.extend(security(SessionId(id(2)), SessionId(id(3))));
    commands.extend(impersonation(id, at));
    commands.extend(compliance(id));
    commands.extend(standing());
    commands.push(ClientCommand::Erase {
        reason: "asked to".to_owned(),
        by: "crm:ines".to_owned(),
    });
    commands
}

fn profile(id: fn(u128) -> Uuid) -> Vec<ClientCommand> {
    vec![
        ClientCommand::Register(Registration {
            email: "ada@example.com".to_owned(),
            first_name: "Ada".to_owned(),
            last_name: "Lovelace".to_owned(),
            phone: Some("+44 20 7946 0000".to_owned()),
            country: Some("GB".to_owned()),
        }),
        ClientCommand::RepeatRegistration,
        ClientCommand::RequestVerification,
        ClientCommand::VerifyEmail,
        ClientCommand::ChangeDefaultAccount {
            account_id: AccountId(id(1)),
        },
        ClientCommand::UpdateProfile {
            first_name: None,
            last_name: Some("King".to_owned()),
            phone: None,
            country: None,
        },
    ]
}

fn security(first: SessionId, second: SessionId) -> Vec<ClientCommand> {
    let sign_in = |session_id, factor, device: &str| ClientCommand::SignIn {
        session_id,
        factor,
        device: device.to_owned(),
        network: "b0c4…".to_owned(),
    };
    vec![
        ClientCommand::FailSignIn {
            reason: SignInFailure::Password,
        },
        ClientCommand::RequestPasswordReset,
        ClientCommand::ResetPassword { number: 1 },
        sign_in(first, Factor::None, "5f2e…"),
        ClientCommand::EnableTwoFactor {
            step: 59_466_240,
            recovery_codes: 10,
        },
        sign_in(second, Factor::Totp { step: 59_466_250 }, "91aa…"),
        ClientCommand::RevokeSessions {
            session_id: Some(first),
            kept: None,
            reason: RevokeReason::Revoked,
            by: "client".to_owned(),
        },
        ClientCommand::DisableTwoFactor {
            factor: Factor::RecoveryCode { index: 0 },
        },
    ]
}

fn impersonation(id: fn(u128) -> Uuid, at: Timestamp) -> Vec<ClientCommand> {
    let grant_id = GrantId(id(5));
    let comes = |session| ClientCommand::Impersonate {
        session_id: SessionId(id(session)),
        pass: Pass::Grant { grant_id },
    };
    let grant = Grant {
        admin_id: "ines".to_owned(),
        reason: "cannot find the statement".to_owned(),
        expires_at: at + chrono::Duration::seconds(120),
        used: false,
    };
    let by = "crm:ines".to_owned();
    vec![
        ClientCommand::GrantImpersonation {
            grant_id,
            grant,
            by,
        },
        comes(6),
        comes(7),
    ]
}

fn compliance(id: fn(u128) -> Uuid) -> Vec<ClientCommand> {
    let by = || "crm:ines".to_owned();
    vec![
        ClientCommand::SubmitDocument {
            document: KycDocument {
                document_id: DocumentId(id(4)),
                kind: DocumentKind::Passport,
                format: DocumentFormat::Jpeg,
                size: 482_113,
                sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
                    .to_owned(),
            },
            name: "passport.jpg".to_owned(),
        },
        ClientCommand::ChangeKycStatus {
            to: KycStatus::Approved,
            notes: Some("All clear".to_owned()),
            by: by(),
        },
        ClientCommand::Suspend {
            reason: "chargeback".to_owned(),
            by: by(),
        },
        ClientCommand::Reinstate { by: by() },
    ]
}

fn standing() -> Vec<ClientCommand> {
    let by = || "crm:ines".to_owned();
    vec![
        ClientCommand::LinkExternalId {
            external_id: "C-10433".to_owned(),
            by: by(),
        },
        ClientCommand::ChangeTier {
            to: "gold".to_owned(),
            by: by(),
        },
        ClientCommand::ChangeLimits {
            flags: FlagsChange {
                swap_free: Some(true),
                ..FlagsChange::default()
            },
            limits: Box::new(LimitsChange {
                max_leverage: Change::Set(100),
                ..LimitsChange::default()
            }),
            by: by(),
        },
        ClientCommand::DisableTrading {
            reason: Some("under review".to_owned()),
            by: by(),
        },
        ClientCommand::EnableTrading { by: by() },
        ClientCommand::AddNote {
            comment: "Called about a withdrawal".to_owned(),
            by: by(),
        },
    ]
}
