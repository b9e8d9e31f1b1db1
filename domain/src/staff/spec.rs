//! What guards those who guard, in the words of those who use it.

use super::{Look, Looked, Staff, StaffCommand, StaffEvent, StaffRejection, StaffRole};
use crate::{
    ClientId, SessionId, Timestamp,
    client::{Factor, RevokeReason, SignInFailure},
};

type Command = StaffCommand;

fn at(minute: i64) -> Timestamp {
    let start: Timestamp = "2026-07-14T12:00:00Z".parse().unwrap();
    start + chrono::Duration::minutes(minute)
}

/// A member of staff to whom things happen.
struct Ines(Staff);

impl Ines {
    fn new() -> Self {
        let mut ines = Self(Staff::default());
        ines.does(create(" Ines@Broker.example "));
        ines
    }

    fn asks(&mut self, command: Command, minute: i64) -> Result<Vec<StaffEvent>, StaffRejection> {
        let events = self.0.decide(&command, at(minute))?;
        for event in &events {
            self.0.evolve(event);
        }
        Ok(events)
    }

    fn does(&mut self, command: Command) -> Vec<&'static str> {
        let events = self.asks(command, 0).unwrap();
        events.iter().map(StaffEvent::event_type).collect()
    }

    fn signs_in(&mut self, factor: Factor) -> Result<Vec<StaffEvent>, StaffRejection> {
        let session_id = SessionId::default();
        self.asks(Command::SignIn { session_id, factor }, 0)
    }

    fn looks(&mut self, what: Look, minute: i64) -> usize {
        let look = Looked {
            what,
            stream: Some("account-1".to_owned()),
            client_id: Some(ClientId::default()),
        };
        self.asks(Command::Look(look), minute).unwrap().len()
    }

    fn role(&self) -> Option<StaffRole> {
        self.0.member.as_ref().map(|member| member.role)
    }
}

fn create(email: &str) -> Command {
    Command::Create {
        email: email.to_owned(),
        role: StaffRole::Compliance,
        by: "cli".to_owned(),
    }
}

fn disable(reason: &str) -> Command {
    Command::Disable {
        reason: reason.to_owned(),
        by: "cli".to_owned(),
    }
}

fn totp(step: i64) -> Factor {
    Factor::Totp { step }
}

#[test]
fn somebody_is_created_once_under_the_one_form_of_their_address() {
    let mut ines = Ines::new();
    let member = ines.0.member.clone().unwrap();
    assert_eq!(member.email, "ines@broker.example");
    assert_eq!(member.role, StaffRole::Compliance);
    let again = ines.asks(create("ines@broker.example"), 1);
    assert_eq!(again, Err(StaffRejection::AlreadyCreated));
    let nobody = Staff::default().decide(&create("no address"), at(0));
    assert!(matches!(
        nobody,
        Err(StaffRejection::InvalidField { field: "email", .. })
    ));
}

#[test]
fn nothing_happens_to_somebody_who_is_not_there() {
    for command in [
        Command::Enable {
            by: "cli".to_owned(),
        },
        Command::FailSignIn {
            reason: SignInFailure::Password,
        },
        disable("left"),
    ] {
        let refused = Staff::default().decide(&command, at(0));
        assert_eq!(refused, Err(StaffRejection::NotCreated));
    }
}

#[test]
fn nobody_signs_in_without_a_code_and_a_code_works_once() {
    let mut ines = Ines::new();
    let refused = |result| -> StaffRejection { Result::unwrap_err(result) };
    assert_eq!(
        refused(ines.signs_in(Factor::None)),
        StaffRejection::CodeRequired
    );
    assert!(ines.signs_in(totp(100)).is_ok());
    assert_eq!(refused(ines.signs_in(totp(100))), StaffRejection::CodeUsed);
    assert_eq!(refused(ines.signs_in(totp(99))), StaffRejection::CodeUsed);
    assert!(ines.signs_in(totp(101)).is_ok());
    let recovery = Factor::RecoveryCode { index: 0 };
    assert_eq!(refused(ines.signs_in(recovery)), StaffRejection::CodeUsed);
}

#[test]
fn a_reset_replaces_password_and_authenticator_and_ends_every_session() {
    let mut ines = Ines::new();
    ines.signs_in(totp(100)).unwrap();
    let by = "cli".to_owned();
    let told = ines.does(Command::Reset { by });
    assert_eq!(
        told,
        [
            "StaffPasswordChanged",
            "StaffAuthenticatorChanged",
            "StaffSessionsRevoked"
        ]
    );
    // Codes of the new authenticator are none of the former's.
    assert!(ines.signs_in(totp(100)).is_ok());
}

#[test]
fn whoever_is_disabled_signs_in_no_more_and_looks_at_nothing() {
    let mut ines = Ines::new();
    let told = ines.does(disable("left the company"));
    assert_eq!(told, ["StaffDisabled", "StaffSessionsRevoked"]);
    assert_eq!(ines.does(disable("again")), [""; 0]);
    assert_eq!(
        ines.signs_in(totp(100)).unwrap_err(),
        StaffRejection::Disabled
    );
    let look = Command::Look(Looked {
        what: Look::Audit,
        stream: None,
        client_id: None,
    });
    assert_eq!(ines.asks(look, 1), Err(StaffRejection::Disabled));
    let by = || "cli".to_owned();
    assert_eq!(ines.does(Command::Enable { by: by() }), ["StaffEnabled"]);
    assert_eq!(ines.does(Command::Enable { by: by() }), [""; 0]);
    assert!(ines.signs_in(totp(100)).is_ok());
}

#[test]
fn disabling_has_a_reason() {
    let refused = Ines::new().asks(disable("  "), 0);
    assert!(matches!(
        refused,
        Err(StaffRejection::InvalidField {
            field: "reason",
            ..
        })
    ));
}

#[test]
fn another_role_ends_sessions_and_the_same_role_is_nothing_new() {
    let mut ines = Ines::new();
    let change = |role| Command::ChangeRole {
        role,
        by: "cli".to_owned(),
    };
    assert_eq!(ines.does(change(StaffRole::Compliance)), [""; 0]);
    let events = ines.asks(change(StaffRole::Admin), 0).unwrap();
    assert!(matches!(
        events[1],
        StaffEvent::StaffSessionsRevoked {
            session_id: None,
            reason: RevokeReason::RoleChanged,
            ..
        }
    ));
    assert_eq!(ines.role(), Some(StaffRole::Admin));
}

#[test]
fn another_password_keeps_the_session_that_asks() {
    let mut ines = Ines::new();
    let kept = SessionId(uuid::Uuid::from_u128(7));
    let events = ines.asks(Command::ChangePassword { kept }, 0).unwrap();
    assert!(matches!(
        &events[..],
        [
            StaffEvent::StaffPasswordChanged { .. },
            StaffEvent::StaffSessionsRevoked { session_id: None, kept: Some(stays), .. }
        ] if *stays == kept
    ));
}

#[test]
fn a_look_is_noted_once_within_a_quarter_of_an_hour() {
    let mut ines = Ines::new();
    assert_eq!(ines.looks(Look::Events, 0), 1);
    assert_eq!(ines.looks(Look::Events, 14), 0);
    assert_eq!(ines.looks(Look::Replay, 14), 1, "another kind of look");
    assert_eq!(ines.looks(Look::Events, 15), 1);
    assert_eq!(ines.looks(Look::Events, 16), 0);
}

#[test]
fn what_is_remembered_of_looks_is_bounded() {
    let mut ines = Ines::new();
    for number in 0..1_000_u32 {
        let look = Looked {
            what: Look::Events,
            stream: Some(format!("account-{number}")),
            client_id: None,
        };
        assert_eq!(ines.asks(Command::Look(look), 0).unwrap().len(), 1);
    }
    let member = ines.0.member.unwrap();
    let kept = serde_json::to_value(&member.looks).unwrap();
    assert_eq!(kept.as_array().unwrap().len(), 200);
}

#[test]
fn roles_stand_in_their_order_and_are_read_as_they_are_written() {
    assert!(StaffRole::Support < StaffRole::Compliance);
    assert!(StaffRole::Compliance < StaffRole::Admin);
    for role in StaffRole::ALL {
        assert_eq!(role.as_str().parse(), Ok(role));
        assert_eq!(
            serde_json::to_value(role).unwrap(),
            serde_json::json!(role.as_str())
        );
    }
    assert!("owner".parse::<StaffRole>().is_err());
}
