//! What a client's stream accepts and refuses.

use super::{Client, ClientCommand, ClientEvent, ClientRejection, Registration};
use crate::{AccountId, Timestamp};

fn at() -> Timestamp {
    "2026-07-14T12:00:00Z".parse().unwrap()
}

fn ada() -> Registration {
    Registration {
        email: "ada@example.com".to_owned(),
        first_name: "Ada".to_owned(),
        last_name: "Lovelace".to_owned(),
        phone: Some("+44 20 7946 0000".to_owned()),
        country: Some("GB".to_owned()),
    }
}

fn registered() -> Client {
    let mut client = Client::default();
    for event in client
        .decide(&ClientCommand::Register(ada()), at())
        .unwrap()
    {
        client.evolve(&event);
    }
    client
}

fn refused_field(change: impl FnOnce(&mut Registration)) -> Option<&'static str> {
    let mut person = ada();
    change(&mut person);
    match Client::default().decide(&ClientCommand::Register(person), at()) {
        Err(ClientRejection::InvalidField { field, .. }) => Some(field),
        Ok(_) | Err(_) => None,
    }
}

#[test]
fn a_person_registers_once() {
    let client = registered();
    assert_eq!(client.profile, Some(ada()));
    assert_eq!(client.registered_at, Some(at()));
    assert_eq!(
        client.decide(&ClientCommand::Register(ada()), at()),
        Ok(Vec::new())
    );
    let other = Registration {
        first_name: "Augusta".to_owned(),
        ..ada()
    };
    assert_eq!(
        client.decide(&ClientCommand::Register(other), at()),
        Err(ClientRejection::AlreadyRegistered)
    );
}

#[test]
fn what_is_registered_is_written_one_way() {
    let asked = Registration {
        email: "  Ada@Example.COM ".to_owned(),
        country: Some("gb".to_owned()),
        first_name: " Ada".to_owned(),
        ..ada()
    };
    let mut client = Client::default();
    for event in client
        .decide(&ClientCommand::Register(asked), at())
        .unwrap()
    {
        client.evolve(&event);
    }
    assert_eq!(client.profile, Some(ada()));
}

#[test]
fn an_address_has_one_at_sign_no_spaces_and_at_most_254_characters() {
    let long = format!("{}@example.com", "a".repeat(250));
    let wrong = [
        "",
        "ada",
        "@example.com",
        "ada@",
        "a@b@c",
        "a da@b",
        "ada@.com",
        "a@b..c",
        &long,
    ];
    for email in wrong {
        let field = refused_field(|person| person.email = email.to_owned());
        assert_eq!(field, Some("email"), "{email:?}");
    }
    assert_eq!(
        refused_field(|person| person.email = "a+b@xn--bcher-kva.example".to_owned()),
        None
    );
}

#[test]
fn names_phone_and_country_are_checked() {
    let of = |change: fn(&mut Registration)| refused_field(change);
    assert_eq!(
        of(|person| person.first_name = "  ".to_owned()),
        Some("firstName")
    );
    assert_eq!(
        of(|person| person.first_name = "A\u{7}da".to_owned()),
        Some("firstName")
    );
    assert_eq!(
        of(|person| person.last_name = "x".repeat(101)),
        Some("lastName")
    );
    assert_eq!(
        of(|person| person.phone = Some("call me".to_owned())),
        Some("phone")
    );
    assert_eq!(
        of(|person| person.phone = Some("1".repeat(33))),
        Some("phone")
    );
    assert_eq!(
        of(|person| person.country = Some("GBR".to_owned())),
        Some("country")
    );
    assert_eq!(of(|person| person.country = None), None);
}

#[test]
fn a_profile_changes_field_by_field() {
    let mut client = registered();
    let asked = ClientCommand::UpdateProfile {
        first_name: None,
        last_name: Some("King".to_owned()),
        phone: None,
        country: None,
    };
    let events = client.decide(&asked, at()).unwrap();
    events.iter().for_each(|event| client.evolve(event));
    let expected = Registration {
        last_name: "King".to_owned(),
        ..ada()
    };
    assert_eq!(client.profile, Some(expected));
    assert_eq!(client.decide(&asked, at()), Ok(Vec::new()), "already so");
}

#[test]
fn the_default_account_is_chosen_once() {
    let mut client = registered();
    let account_id = AccountId(uuid::Uuid::from_u128(7));
    let asked = ClientCommand::ChangeDefaultAccount { account_id };
    let events = client.decide(&asked, at()).unwrap();
    assert_eq!(
        events,
        [ClientEvent::DefaultAccountChanged {
            account_id,
            at: at()
        }]
    );
    client.evolve(&events[0]);
    assert_eq!(client.default_account, Some(account_id));
    assert_eq!(client.decide(&asked, at()), Ok(Vec::new()));
}

#[test]
fn nobody_changes_what_was_never_registered() {
    let asked = ClientCommand::ChangeDefaultAccount {
        account_id: AccountId::default(),
    };
    let refused = Client::default().decide(&asked, at());
    assert_eq!(refused, Err(ClientRejection::NotRegistered));
}

#[test]
fn the_personal_fields_are_fields_of_the_payload() {
    let client = registered();
    let update = ClientCommand::UpdateProfile {
        first_name: Some("Augusta".to_owned()),
        last_name: None,
        phone: None,
        country: None,
    };
    let events = [
        Client::default()
            .decide(&ClientCommand::Register(ada()), at())
            .unwrap(),
        client.decide(&update, at()).unwrap(),
    ]
    .concat();
    assert_eq!(events.len(), 2);
    for event in events {
        let json = serde_json::to_value(&event).unwrap();
        let payload = json[event.event_type()].as_object().unwrap();
        let unsealed: Vec<_> = payload
            .keys()
            .filter(|key| !event.personal_fields().contains(&key.as_str()))
            .collect();
        assert_eq!(unsealed, ["at"]);
        assert_eq!(payload.len(), event.personal_fields().len() + 1);
        assert_eq!(serde_json::from_value::<ClientEvent>(json).unwrap(), event);
    }
}
