//! Who comes in a client's place, in the words of those who do.

use super::{
    Client, ClientCommand, ClientEvent, ClientRejection, Grant, ImpersonationRefusal, Pass,
    Registration, SsoToken,
};
use crate::{GrantId, SessionId, Timestamp};

type Refusal = ImpersonationRefusal;

fn at(second: i64) -> Timestamp {
    let start: Timestamp = "2026-07-14T12:00:00Z".parse().unwrap();
    start + chrono::Duration::seconds(second)
}

fn grant_id(number: u128) -> GrantId {
    GrantId(uuid::Uuid::from_u128(number))
}

fn grant() -> Grant {
    Grant {
        admin_id: "ines".to_owned(),
        reason: "cannot find the statement".to_owned(),
        expires_at: at(120),
        used: false,
    }
}

/// A registered client to whom somebody comes.
struct Ada(Client);

impl Ada {
    fn new() -> Self {
        let mut ada = Self(Client::default());
        let register = ClientCommand::Register(Registration {
            email: "ada@example.com".to_owned(),
            first_name: "Ada".to_owned(),
            last_name: "Lovelace".to_owned(),
            phone: None,
            country: None,
        });
        ada.asks(&register, 0).unwrap();
        ada
    }

    fn with_grant(number: u128) -> Self {
        let mut ada = Self::new();
        let events = ada.grants(number, grant()).unwrap();
        assert_eq!(events.len(), 1);
        ada
    }

    fn asks(
        &mut self,
        command: &ClientCommand,
        second: i64,
    ) -> Result<Vec<ClientEvent>, ClientRejection> {
        let events = self.0.decide(command, at(second))?;
        events.iter().for_each(|event| self.0.evolve(event));
        Ok(events)
    }

    fn grants(&mut self, number: u128, grant: Grant) -> Result<Vec<ClientEvent>, ClientRejection> {
        let command = ClientCommand::GrantImpersonation {
            grant_id: grant_id(number),
            grant,
            by: "crm:ines".to_owned(),
        };
        self.asks(&command, 0)
    }

    fn suspends(&mut self) {
        let suspend = ClientCommand::Suspend {
            reason: "doubt".to_owned(),
            by: "cli".to_owned(),
        };
        self.asks(&suspend, 0).unwrap();
    }

    /// What was decided: who comes, or why they do not; nothing where it is not even noted.
    fn comes(&mut self, pass: &Pass, second: i64) -> Option<Result<String, Refusal>> {
        let command = ClientCommand::Impersonate {
            session_id: SessionId::default(),
            pass: pass.clone(),
        };
        let mut events = self.asks(&command, second).unwrap();
        assert!(events.len() <= 1, "{events:?}");
        let event = events.pop()?;
        if let ClientEvent::ImpersonationConsumed { admin_id, .. } = event {
            return Some(Ok(admin_id));
        }
        if let ClientEvent::ImpersonationRefused { refusal, .. } = event {
            return Some(Err(refusal));
        }
        panic!("{event:?}");
    }

    fn comes_by_grant(&mut self, number: u128, second: i64) -> Option<Result<String, Refusal>> {
        let grant_id = grant_id(number);
        self.comes(&Pass::Grant { grant_id }, second)
    }
}

fn crm(hash: &str, issued: i64, expires: i64) -> Pass {
    Pass::Crm {
        hash: hash.to_owned(),
        admin_id: "jane".to_owned(),
        reason: "crm".to_owned(),
        issued_at: at(issued),
        expires_at: at(expires),
    }
}

#[test]
fn a_grant_lets_in_once_and_a_second_use_is_an_alert() {
    let mut ada = Ada::with_grant(1);
    assert_eq!(ada.comes_by_grant(1, 119), Some(Ok("ines".to_owned())));
    assert_eq!(ada.comes_by_grant(1, 119), Some(Err(Refusal::Used)));
    assert_eq!(ada.comes_by_grant(1, 3_600), Some(Err(Refusal::Used)));
}

#[test]
fn what_was_granted_stands_in_the_event_of_its_use() {
    let mut ada = Ada::with_grant(1);
    let session_id = SessionId(uuid::Uuid::from_u128(9));
    let command = ClientCommand::Impersonate {
        session_id,
        pass: Pass::Grant {
            grant_id: grant_id(1),
        },
    };
    let expected = ClientEvent::ImpersonationConsumed {
        session_id,
        token: SsoToken::Grant {
            grant_id: grant_id(1),
        },
        admin_id: "ines".to_owned(),
        reason: "cannot find the statement".to_owned(),
        good_until: at(120),
        at: at(5),
    };
    assert_eq!(ada.asks(&command, 5), Ok(vec![expected]));
}

#[test]
fn a_grant_ends_with_its_time_and_none_is_made_up() {
    let mut ada = Ada::with_grant(1);
    assert_eq!(ada.comes_by_grant(1, 120), Some(Err(Refusal::Expired)));
    assert_eq!(ada.comes_by_grant(2, 1), Some(Err(Refusal::Expired)));
    assert_eq!(ada.comes_by_grant(1, 1), Some(Ok("ines".to_owned())));
}

#[test]
fn a_grant_of_the_same_name_is_made_once() {
    let mut ada = Ada::with_grant(1);
    ada.comes_by_grant(1, 1);
    assert_eq!(ada.grants(1, grant()), Ok(Vec::new()));
    assert_eq!(ada.comes_by_grant(1, 2), Some(Err(Refusal::Used)));
}

#[test]
fn a_grant_says_who_and_why_in_a_line_each() {
    let refused = |change: fn(&mut Grant)| {
        let mut grant = grant();
        change(&mut grant);
        match Ada::new().grants(1, grant) {
            Err(ClientRejection::InvalidField { field, .. }) => Some(field),
            Ok(_) | Err(_) => None,
        }
    };
    assert_eq!(
        refused(|grant| grant.reason = "  ".to_owned()),
        Some("reason")
    );
    assert_eq!(
        refused(|grant| grant.reason = "a\nb".to_owned()),
        Some("reason")
    );
    assert_eq!(
        refused(|grant| grant.reason = "x".repeat(501)),
        Some("reason")
    );
    assert_eq!(refused(|grant| grant.admin_id.clear()), Some("adminId"));
    let long = |grant: &mut Grant| grant.admin_id = "x".repeat(101);
    assert_eq!(refused(long), Some("adminId"));
}

#[test]
fn nobody_comes_in_the_place_of_somebody_who_may_not_sign_in() {
    let mut ada = Ada::with_grant(1);
    ada.suspends();
    assert_eq!(ada.comes_by_grant(1, 1), Some(Err(Refusal::Suspended)));
    let token = crm("a", 0, 60);
    assert_eq!(ada.comes(&token, 1), Some(Err(Refusal::Suspended)));
    assert_eq!(ada.grants(2, grant()), Err(ClientRejection::Suspended));
    let reinstate = ClientCommand::Reinstate {
        by: "cli".to_owned(),
    };
    ada.asks(&reinstate, 2).unwrap();
    assert_eq!(ada.comes_by_grant(1, 3), Some(Ok("ines".to_owned())));
}

#[test]
fn a_token_of_the_crm_lets_in_once() {
    let mut ada = Ada::new();
    let token = crm("a", 0, 900);
    assert_eq!(ada.comes(&token, 10), Some(Ok("jane".to_owned())));
    assert_eq!(ada.comes(&token, 10), Some(Err(Refusal::Used)));
    assert_eq!(
        ada.comes(&crm("b", 0, 900), 10),
        Some(Ok("jane".to_owned()))
    );
}

#[test]
fn a_token_of_the_crm_lives_for_a_quarter_of_an_hour_at_most() {
    let mut ada = Ada::new();
    for (issued, expires, second, refusal) in [
        (0, 901, 1, Refusal::Lifetime),
        (0, 0, 1, Refusal::Lifetime),
        (60, 0, 1, Refusal::Lifetime),
        (0, 60, 90, Refusal::Expired),
        (100, 160, 69, Refusal::Early),
    ] {
        let token = crm("a", issued, expires);
        assert_eq!(ada.comes(&token, second), Some(Err(refusal)), "{token:?}");
    }
    let leeway = crm("a", 30, 60);
    assert_eq!(ada.comes(&leeway, 0), Some(Ok("jane".to_owned())));
    assert_eq!(ada.comes(&crm("b", 0, 60), 89), Some(Ok("jane".to_owned())));
}

#[test]
fn a_clock_that_is_put_back_makes_no_used_token_good_again() {
    let mut ada = Ada::new();
    let token = crm("a", 0, 60);
    assert!(matches!(ada.comes(&token, 1), Some(Ok(_))));
    assert!(matches!(ada.comes(&crm("b", 600, 660), 600), Some(Ok(_))));
    assert_eq!(ada.comes(&token, 1), Some(Err(Refusal::Used)));
}

#[test]
fn a_flood_of_refusals_is_noted_so_many_times_an_hour() {
    let mut ada = Ada::with_grant(1);
    ada.comes_by_grant(1, 1);
    let noted = (0..100).filter(|_| ada.comes_by_grant(1, 2).is_some());
    assert_eq!(noted.count(), 20);
    assert_eq!(ada.comes_by_grant(1, 3_602), Some(Err(Refusal::Used)));
}

#[test]
fn what_ended_long_ago_is_forgotten() {
    let mut ada = Ada::with_grant(1);
    let day = 24 * 3_600;
    let late = Grant {
        expires_at: at(2 * day),
        ..grant()
    };
    let command = ClientCommand::GrantImpersonation {
        grant_id: grant_id(2),
        grant: late,
        by: "crm".to_owned(),
    };
    ada.asks(&command, day + 121).unwrap();
    assert!(ada.0.impersonations.grant(grant_id(1)).is_none());
    assert!(ada.0.impersonations.grant(grant_id(2)).is_some());
    assert_eq!(
        ada.comes_by_grant(1, day + 122),
        Some(Err(Refusal::Expired))
    );
}

#[test]
fn a_nameless_visitor_is_refused() {
    let mut ada = Ada::new();
    let pass = Pass::Crm {
        hash: "a".to_owned(),
        admin_id: String::new(),
        reason: "crm".to_owned(),
        issued_at: at(0),
        expires_at: at(60),
    };
    let command = ClientCommand::Impersonate {
        session_id: SessionId::default(),
        pass,
    };
    assert!(ada.asks(&command, 1).is_err());
}
