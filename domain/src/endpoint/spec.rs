//! Endpoints in an operator's words.

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_timestamp(1_767_787_200 + seconds, 0).unwrap()
}

fn url(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn declare(address: &str) -> EndpointCommand {
    EndpointCommand::Declare {
        url: url(address),
        vocabulary: Vocabulary::Crm,
    }
}

fn change(secret: Option<&str>, forget_previous: bool) -> EndpointCommand {
    EndpointCommand::Change {
        url: None,
        vocabulary: None,
        events: None,
        secret: secret.map(str::to_owned),
        forget_previous,
    }
}

fn given(commands: &[(EndpointCommand, &str)]) -> Endpoint {
    let mut endpoint = Endpoint::default();
    for (command, by) in commands {
        for event in endpoint.decide(command, by, at(0)).unwrap() {
            endpoint.evolve(&event);
        }
    }
    endpoint
}

fn created() -> Endpoint {
    let settings = Settings {
        url: url("https://crm.example/hooks"),
        secret: Some("enc:v1:first".to_owned()),
        events: vec!["order.placed".to_owned(), "balance.updated".to_owned()],
        ..Settings::default()
    };
    given(&[(EndpointCommand::Create(settings), "cli")])
}

#[test]
fn the_environment_declares_its_endpoint_once_and_again_when_it_says_something_else() {
    let endpoint = given(&[(declare("https://crm.example/a"), "system")]);
    assert!(endpoint.declared);
    let same = endpoint.decide(&declare("https://crm.example/a"), "system", at(1));
    assert_eq!(same, Ok(Vec::new()));
    let other = endpoint.decide(&declare("https://crm.example/b"), "system", at(1));
    assert_eq!(other.unwrap()[0].event_type(), "EndpointChanged");
}

#[test]
fn another_address_enables_what_the_receiver_has_disabled_and_nothing_else() {
    let gone = EndpointCommand::Disable {
        reason: "410".to_owned(),
    };
    for (by, enabled) in [(RECEIVER, true), ("cli", false)] {
        let endpoint = given(&[
            (declare("https://crm.example/a"), "system"),
            (gone.clone(), by),
            (declare("https://crm.example/b"), "system"),
        ]);
        assert_eq!(endpoint.disabled.is_none(), enabled, "{by}");
    }
}

#[test]
fn what_the_environment_says_is_changed_there() {
    let endpoint = given(&[(declare("https://crm.example/a"), "system")]);
    let refused = endpoint.decide(&change(Some("enc:v1:x"), false), "cli", at(1));
    assert_eq!(
        refused,
        Err(EndpointRejection::SetByEnvironment("the secret"))
    );
    let filter = EndpointCommand::Change {
        url: None,
        vocabulary: None,
        events: Some(vec!["user.created".to_owned()]),
        secret: None,
        forget_previous: false,
    };
    assert_eq!(endpoint.decide(&filter, "cli", at(1)).unwrap().len(), 1);
}

#[test]
fn a_new_secret_leaves_the_one_before_signing_until_it_is_forgotten() {
    let mut endpoint = created();
    for (command, secrets) in [
        (
            change(Some("enc:v1:second"), false),
            (Some("enc:v1:second"), Some("enc:v1:first")),
        ),
        (change(None, true), (Some("enc:v1:second"), None)),
    ] {
        for event in endpoint.decide(&command, "cli", at(1)).unwrap() {
            endpoint.evolve(&event);
        }
        let settings = endpoint.settings.as_ref().unwrap();
        let found = (
            settings.secret.as_deref(),
            settings.previous_secret.as_deref(),
        );
        assert_eq!(found, secrets);
    }
}

#[test]
fn filters_are_kept_sorted_and_nonsense_is_refused() {
    let endpoint = created();
    let events = &endpoint.settings.as_ref().unwrap().events;
    assert_eq!(events, &["balance.updated", "order.placed"]);
    for address in ["", "ftp://x", "https://", "https:///x", "http://a b"] {
        let asked = Settings {
            url: url(address),
            ..Settings::default()
        };
        let refused = Endpoint::default().decide(&EndpointCommand::Create(asked), "cli", at(0));
        assert!(
            matches!(refused, Err(EndpointRejection::InvalidField { .. })),
            "{address}"
        );
    }
    let again = EndpointCommand::Create(Settings::default());
    let again = endpoint.decide(&again, "cli", at(1));
    assert_eq!(again, Err(EndpointRejection::AlreadyExists));
    let nobody = Endpoint::default().decide(&EndpointCommand::Enable, "cli", at(1));
    assert_eq!(nobody, Err(EndpointRejection::NotFound));
    let from = EndpointCommand::Replay { from_position: 0 };
    assert!(endpoint.decide(&from, "cli", at(1)).is_err());
}

#[test]
fn disabling_twice_is_disabling_once() {
    let disable = EndpointCommand::Disable {
        reason: "maintenance".to_owned(),
    };
    let mut endpoint = created();
    for (command, events) in [
        (disable.clone(), 1),
        (disable, 0),
        (EndpointCommand::Enable, 1),
        (EndpointCommand::Enable, 0),
    ] {
        let decided = endpoint.decide(&command, "cli", at(1)).unwrap();
        assert_eq!(decided.len(), events, "{command:?}");
        decided.iter().for_each(|event| endpoint.evolve(event));
    }
}

#[test]
fn names_are_short_words() {
    for name in ["crm", "warehouse-2", "a"] {
        assert_eq!(name.parse::<EndpointId>().unwrap().as_str(), name);
    }
    for name in ["", "CRM", "a b", "ä", &"x".repeat(33)] {
        assert!(name.parse::<EndpointId>().is_err(), "{name}");
    }
    let crm = EndpointId::of_environment();
    assert_ne!(
        crm.subject(),
        "other".parse::<EndpointId>().unwrap().subject()
    );
}
