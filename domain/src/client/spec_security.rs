//! What guards a client's account, in the words of those who use it.

use super::{
    Client, ClientCommand, ClientEvent, ClientRejection, DocumentFormat, DocumentKind, Factor,
    KycDocument, KycStatus, Registration, RevokeReason, SignInFailure,
};
use crate::{DocumentId, SessionId, Timestamp};

type Command = ClientCommand;
type Refused = ClientRejection;

fn at(minute: i64) -> Timestamp {
    let start: Timestamp = "2026-07-14T12:00:00Z".parse().unwrap();
    start + chrono::Duration::minutes(minute)
}

/// A registered client to whom things happen.
struct Ada(Client);

impl Ada {
    fn new() -> Self {
        let mut ada = Self(Client::default());
        ada.does(Command::Register(Registration {
            email: "ada@example.com".to_owned(),
            first_name: "Ada".to_owned(),
            last_name: "Lovelace".to_owned(),
            phone: None,
            country: None,
        }));
        ada
    }

    fn asks(&mut self, command: Command, minute: i64) -> Result<Vec<&'static str>, Refused> {
        let events = self.0.decide(&command, at(minute))?;
        let mut types = Vec::new();
        for event in events {
            self.0.evolve(&event);
            types.push(event.event_type());
        }
        Ok(types)
    }

    fn does(&mut self, command: Command) -> Vec<&'static str> {
        self.asks(command, 0).unwrap()
    }

    fn signs_in(&mut self, factor: Factor, device: &str) -> Result<Vec<&'static str>, Refused> {
        let command = Command::SignIn {
            session_id: SessionId::default(),
            factor,
            device: device.to_owned(),
            network: "home".to_owned(),
        };
        self.asks(command, 0)
    }

    fn with_second_factor() -> Self {
        let mut ada = Self::new();
        ada.does(Command::EnableTwoFactor {
            step: 100,
            recovery_codes: 10,
        });
        ada
    }

    fn submits(&mut self) -> Result<Vec<&'static str>, Refused> {
        let document = KycDocument {
            document_id: DocumentId::default(),
            kind: DocumentKind::Passport,
            format: DocumentFormat::Pdf,
            size: 1,
            sha256: String::new(),
        };
        let name = "passport.pdf".to_owned();
        self.asks(Command::SubmitDocument { document, name }, 0)
    }

    fn kyc(&mut self, to: KycStatus) -> Result<Vec<&'static str>, Refused> {
        let by = "crm".to_owned();
        let notes = None;
        self.asks(Command::ChangeKycStatus { to, notes, by }, 0)
    }
}

const fn totp(step: i64) -> Factor {
    Factor::Totp { step }
}

const fn recovery(index: u8) -> Factor {
    Factor::RecoveryCode { index }
}

#[test]
fn an_address_is_verified_once() {
    let mut ada = Ada::new();
    assert_eq!(
        ada.does(Command::RequestVerification),
        ["VerificationRequested"]
    );
    assert_eq!(ada.does(Command::VerifyEmail), ["EmailVerified"]);
    assert!(ada.0.email_verified);
    assert!(ada.does(Command::VerifyEmail).is_empty());
    assert!(ada.does(Command::RequestVerification).is_empty());
}

#[test]
fn nobodys_mailbox_is_flooded() {
    for command in [
        Command::RequestVerification,
        Command::RequestPasswordReset,
        Command::RepeatRegistration,
    ] {
        let mut ada = Ada::new();
        for _ in 0..5 {
            assert_eq!(ada.does(command.clone()).len(), 1, "{command:?}");
        }
        assert!(ada.does(command.clone()).is_empty(), "{command:?}");
        assert_eq!(
            ada.asks(command.clone(), 60).unwrap().len(),
            1,
            "{command:?}"
        );
    }
}

#[test]
fn a_reset_link_works_once_and_only_the_newest() {
    let mut ada = Ada::new();
    ada.does(Command::RequestPasswordReset);
    ada.does(Command::RequestPasswordReset);
    let older = ada.asks(Command::ResetPassword { number: 1 }, 0);
    assert_eq!(older, Err(Refused::ResetLinkSpent));
    let events = ada.does(Command::ResetPassword { number: 2 });
    assert_eq!(events, ["PasswordChanged", "SessionsRevoked"]);
    let again = ada.asks(Command::ResetPassword { number: 2 }, 0);
    assert_eq!(again, Err(Refused::ResetLinkSpent));
}

#[test]
fn a_password_that_changed_meanwhile_ends_the_link() {
    let mut ada = Ada::new();
    ada.does(Command::RequestPasswordReset);
    ada.does(Command::ChangePassword {
        kept: SessionId::default(),
    });
    let late = ada.asks(Command::ResetPassword { number: 1 }, 0);
    assert_eq!(late, Err(Refused::ResetLinkSpent));
    let guessed = ada.asks(Command::ResetPassword { number: 2 }, 0);
    assert_eq!(guessed, Err(Refused::ResetLinkSpent));
}

#[test]
fn changing_the_password_ends_all_sessions_but_the_one_that_asks() {
    let ada = Ada::new();
    let kept = SessionId("01997d0a-5a3e-7d31-9a53-0a4f2f1c7a00".parse().unwrap());
    let events = ada.0.decide(&Command::ChangePassword { kept }, at(0));
    let Ok(
        [
            _,
            ClientEvent::SessionsRevoked {
                kept: stays,
                reason,
                ..
            },
        ],
    ) = events.as_deref()
    else {
        panic!("{events:?}");
    };
    assert_eq!(
        (*stays, *reason),
        (Some(kept), RevokeReason::PasswordChanged)
    );
}

#[test]
fn with_a_second_factor_the_password_alone_opens_nothing() {
    let mut ada = Ada::with_second_factor();
    assert_eq!(
        ada.signs_in(Factor::None, "d"),
        Err(Refused::TwoFactorRequired)
    );
    assert_eq!(ada.signs_in(totp(101), "d"), Ok(vec!["SignedIn"]));
}

#[test]
fn a_code_works_once_and_none_older_than_it() {
    let mut ada = Ada::with_second_factor();
    assert_eq!(ada.signs_in(totp(100), "d"), Err(Refused::CodeUsed));
    ada.signs_in(totp(102), "d").unwrap();
    for step in [100, 101, 102] {
        assert_eq!(
            ada.signs_in(totp(step), "d"),
            Err(Refused::CodeUsed),
            "{step}"
        );
    }
    ada.signs_in(totp(103), "d").unwrap();
}

#[test]
fn a_recovery_code_works_once() {
    let mut ada = Ada::with_second_factor();
    ada.signs_in(recovery(3), "d").unwrap();
    assert_eq!(ada.signs_in(recovery(3), "d"), Err(Refused::CodeUsed));
    assert_eq!(ada.signs_in(recovery(10), "d"), Err(Refused::CodeUsed));
    ada.signs_in(recovery(9), "d").unwrap();
    let disable = Command::DisableTwoFactor {
        factor: recovery(3),
    };
    assert_eq!(ada.asks(disable, 0), Err(Refused::CodeUsed));
}

#[test]
fn a_second_factor_goes_on_and_off_once() {
    let mut ada = Ada::with_second_factor();
    let again = Command::EnableTwoFactor {
        step: 200,
        recovery_codes: 10,
    };
    assert_eq!(ada.asks(again, 0), Err(Refused::TwoFactorOn));
    let off = Command::DisableTwoFactor { factor: totp(101) };
    assert_eq!(ada.does(off.clone()), ["TwoFactorDisabled"]);
    assert_eq!(ada.asks(off, 0), Err(Refused::TwoFactorOff));
    assert_eq!(ada.signs_in(Factor::None, "d"), Ok(vec!["SignedIn"]));
}

#[test]
fn a_device_that_is_new_is_noticed_but_the_first_is_not() {
    let mut ada = Ada::new();
    assert_eq!(ada.signs_in(Factor::None, "phone"), Ok(vec!["SignedIn"]));
    assert_eq!(ada.signs_in(Factor::None, "phone"), Ok(vec!["SignedIn"]));
    let unusual = vec!["SignedIn", "UnusualSignIn"];
    assert_eq!(ada.signs_in(Factor::None, "laptop"), Ok(unusual));
    assert_eq!(ada.signs_in(Factor::None, "laptop"), Ok(vec!["SignedIn"]));
    assert_eq!(ada.signs_in(Factor::None, "phone"), Ok(vec!["SignedIn"]));
}

#[test]
fn a_device_long_unused_becomes_strange_again() {
    let mut ada = Ada::new();
    for number in 0..21 {
        ada.signs_in(Factor::None, &number.to_string()).unwrap();
    }
    let oldest = ada.signs_in(Factor::None, "0");
    assert_eq!(oldest, Ok(vec!["SignedIn", "UnusualSignIn"]));
}

#[test]
fn whoever_is_suspended_cannot_sign_in() {
    let mut ada = Ada::new();
    let suspend = Command::Suspend {
        reason: "chargeback".to_owned(),
        by: "crm".to_owned(),
    };
    assert_eq!(
        ada.does(suspend.clone()),
        ["ClientSuspended", "SessionsRevoked"]
    );
    assert!(ada.does(suspend).is_empty());
    assert_eq!(ada.signs_in(Factor::None, "d"), Err(Refused::Suspended));
    let failed = Command::FailSignIn {
        reason: SignInFailure::Suspended,
    };
    assert_eq!(ada.does(failed), ["SignInFailed"]);
    let reinstate = Command::Reinstate {
        by: "crm".to_owned(),
    };
    assert_eq!(ada.does(reinstate.clone()), ["ClientReinstated"]);
    assert!(ada.does(reinstate).is_empty());
    assert_eq!(ada.signs_in(Factor::None, "d"), Ok(vec!["SignedIn"]));
}

#[test]
fn a_document_opens_the_checks_once() {
    let mut ada = Ada::new();
    assert_eq!(ada.submits(), Ok(vec!["KycSubmitted", "KycStatusChanged"]));
    assert_eq!(ada.submits(), Ok(vec!["KycSubmitted"]));
    assert_eq!(ada.kyc(KycStatus::Approved), Ok(vec!["KycStatusChanged"]));
    assert_eq!(ada.kyc(KycStatus::Approved), Ok(vec![]));
    assert_eq!(ada.submits(), Ok(vec!["KycSubmitted"]));
    assert_eq!(ada.kyc(KycStatus::None), Err(Refused::KycStep));
    assert_eq!(ada.kyc(KycStatus::Expired), Ok(vec!["KycStatusChanged"]));
    assert_eq!(ada.submits(), Ok(vec!["KycSubmitted", "KycStatusChanged"]));
    assert_eq!(ada.kyc(KycStatus::Expired), Err(Refused::KycStep));
}

#[test]
fn documents_are_limited() {
    let mut ada = Ada::new();
    for _ in 0..20 {
        ada.submits().unwrap();
    }
    assert_eq!(ada.submits(), Err(Refused::TooManyDocuments { max: 20 }));
}

#[test]
fn whoever_is_suspended_hands_nothing_in() {
    let mut ada = Ada::new();
    let by = "staff".to_owned();
    ada.does(Command::Suspend {
        reason: "doubt".to_owned(),
        by: by.clone(),
    });
    assert_eq!(ada.submits(), Err(Refused::Suspended));
    ada.does(Command::Reinstate { by });
    assert_eq!(ada.submits(), Ok(vec!["KycSubmitted", "KycStatusChanged"]));
}

#[test]
fn nothing_follows_an_erasure() {
    let mut ada = Ada::new();
    let erase = Command::Erase {
        reason: "asked to".to_owned(),
        by: "staff".to_owned(),
    };
    assert_eq!(ada.does(erase.clone()), ["SessionsRevoked", "ClientErased"]);
    assert_eq!(ada.asks(erase, 0), Err(Refused::Erased));
    assert_eq!(ada.signs_in(Factor::None, "d"), Err(Refused::Erased));
}

#[test]
fn a_stranger_can_do_nothing_but_register() {
    for command in [Command::VerifyEmail, Command::RequestPasswordReset] {
        let refused = Client::default().decide(&command, at(0));
        assert_eq!(refused, Err(Refused::NotRegistered), "{command:?}");
    }
}
