//! Tier, flags, limits, the CRM's name and notes, in the words of those who set them.

use rust_decimal::Decimal;

use super::{
    Client, ClientCommand, ClientEvent, ClientRejection, Flags, FlagsChange, LimitsChange,
    Registration, Standing,
};
use crate::{
    Timestamp,
    account::{Change, Controls, Limits},
    rules::TradingState,
};

type Command = ClientCommand;

fn at() -> Timestamp {
    "2026-07-14T12:00:00Z".parse().unwrap()
}

fn by() -> String {
    "crm:ines".to_owned()
}

/// A registered client about whom the CRM decides.
struct Ada(Client);

impl Ada {
    fn new() -> Self {
        let mut ada = Self(Client::default());
        let registered = ada.asks(Command::Register(Registration {
            email: "ada@example.com".to_owned(),
            first_name: "Ada".to_owned(),
            last_name: "Lovelace".to_owned(),
            phone: None,
            country: None,
        }));
        assert_eq!(registered.map(|events| events.len()), Ok(1));
        ada
    }

    fn asks(&mut self, command: Command) -> Result<Vec<ClientEvent>, ClientRejection> {
        let events = self.0.decide(&command, at())?;
        events.iter().for_each(|event| self.0.evolve(event));
        Ok(events)
    }

    fn names(&mut self, command: Command) -> Vec<&'static str> {
        let events = self.asks(command).unwrap();
        events.iter().map(ClientEvent::event_type).collect()
    }

    fn refused_field(&mut self, command: Command) -> Option<&'static str> {
        match self.asks(command) {
            Err(ClientRejection::InvalidField { field, .. }) => Some(field),
            Ok(_) | Err(_) => None,
        }
    }
}

fn tier(to: &str) -> Command {
    let to = to.to_owned();
    Command::ChangeTier { to, by: by() }
}

fn limits(change: LimitsChange) -> Command {
    Command::ChangeLimits {
        flags: FlagsChange::default(),
        limits: Box::new(change),
        by: by(),
    }
}

fn link(external_id: &str) -> Command {
    Command::LinkExternalId {
        external_id: external_id.to_owned(),
        by: by(),
    }
}

fn note(comment: &str) -> Command {
    Command::AddNote {
        comment: comment.to_owned(),
        by: by(),
    }
}

#[test]
fn a_tier_is_a_slug_and_says_what_it_was() {
    let mut ada = Ada::new();
    assert_eq!(ada.0.standing.tier, "standard");
    assert_eq!(
        ada.asks(tier("gold")),
        Ok(vec![ClientEvent::TierChanged {
            from: "standard".to_owned(),
            to: "gold".to_owned(),
            by: by(),
            at: at(),
        }])
    );
    assert_eq!(ada.asks(tier("gold")), Ok(Vec::new()), "it is so already");
    assert!(ada.asks(tier(&"a".repeat(32))).is_ok());
    for odd in ["", "Gold", "gold tier", "über", "a.b", &"a".repeat(33)] {
        assert_eq!(ada.refused_field(tier(odd)), Some("tier"), "{odd}");
    }
}

#[test]
fn trading_is_disabled_once_and_enabled_once() {
    let mut ada = Ada::new();
    let disable = |reason: Option<&str>| Command::DisableTrading {
        reason: reason.map(str::to_owned),
        by: by(),
    };
    assert!(ada.names(Command::EnableTrading { by: by() }).is_empty());
    assert_eq!(ada.names(disable(Some("fraud?"))), ["TradingDisabled"]);
    assert!(ada.0.standing.trading_disabled);
    assert!(ada.names(disable(None)).is_empty());
    assert_eq!(
        ada.names(Command::EnableTrading { by: by() }),
        ["TradingEnabled"]
    );
    assert!(!ada.0.standing.trading_disabled);
    assert_eq!(ada.refused_field(disable(Some(""))), Some("reason"));
}

#[test]
fn what_is_left_out_of_flags_and_limits_stays() {
    let mut ada = Ada::new();
    let first = Command::ChangeLimits {
        flags: FlagsChange {
            close_only: Some(true),
            ..FlagsChange::default()
        },
        limits: Box::new(LimitsChange {
            max_leverage: Change::Set(50),
            daily_loss: Change::Set(Decimal::from(500)),
            ..LimitsChange::default()
        }),
        by: by(),
    };
    assert_eq!(ada.names(first.clone()), ["LimitsChanged"]);
    assert!(ada.names(first).is_empty(), "it is so already");
    let second = limits(LimitsChange {
        max_leverage: Change::Remove,
        ..LimitsChange::default()
    });
    assert_eq!(
        ada.asks(second),
        Ok(vec![ClientEvent::LimitsChanged {
            flags: Flags {
                close_only: true,
                ..Flags::default()
            },
            limits: Box::new(Limits {
                daily_loss: Some(Decimal::from(500)),
                ..Limits::default()
            }),
            by: by(),
            at: at(),
        }]),
        "the whole of it stands in the event"
    );
}

#[test]
fn limits_that_make_no_sense_are_refused_by_name() {
    let mut ada = Ada::new();
    let none = LimitsChange::default();
    for (change, field) in [
        (
            LimitsChange {
                max_leverage: Change::Set(0),
                ..none
            },
            "limits.maxLeverage",
        ),
        (
            LimitsChange {
                max_leverage: Change::Set(501),
                ..none
            },
            "limits.maxLeverage",
        ),
        (
            LimitsChange {
                max_volume: Change::Set(Decimal::ZERO),
                ..none
            },
            "limits.maxVolume",
        ),
        (
            LimitsChange {
                max_notional: Change::Set(Decimal::NEGATIVE_ONE),
                ..none
            },
            "limits.maxNotional",
        ),
        (
            LimitsChange {
                daily_loss: Change::Set(Decimal::ZERO),
                ..none
            },
            "limits.dailyLoss",
        ),
    ] {
        assert_eq!(ada.refused_field(limits(change)), Some(field));
    }
    assert_eq!(ada.0.standing, Standing::default());
}

#[test]
fn the_crm_has_one_name_for_a_person() {
    let mut ada = Ada::new();
    assert_eq!(ada.names(link("C-1")), ["ExternalIdLinked"]);
    assert!(ada.names(link("C-1")).is_empty());
    assert_eq!(ada.asks(link("C-2")), Err(ClientRejection::LinkedOtherwise));
    assert_eq!(ada.0.standing.external_id.as_deref(), Some("C-1"));
    let mut grace = Ada::new();
    for odd in ["", " ", "a\nb", &"x".repeat(129)] {
        assert_eq!(grace.refused_field(link(odd)), Some("externalId"), "{odd}");
    }
}

#[test]
fn a_note_has_lines_and_no_other_control_characters() {
    let mut ada = Ada::new();
    let before = ada.0.clone();
    assert_eq!(ada.names(note("Called.\nWants gold.")), ["NoteAdded"]);
    assert_eq!(ada.names(note("Called.\nWants gold.")), ["NoteAdded"]);
    assert_eq!(ada.0, before, "nothing is decided by notes");
    for odd in ["", " \n", "a\u{0}b", &"x".repeat(4_001)] {
        assert_eq!(ada.refused_field(note(odd)), Some("comment"));
    }
}

#[test]
fn accounts_take_over_what_changed_and_keep_what_is_theirs() {
    let before = Standing {
        limits: Limits {
            max_positions: Some(5),
            ..Limits::default()
        },
        ..Standing::default()
    };
    let after = Standing {
        trading_disabled: true,
        flags: Flags {
            swap_free: true,
            ..Flags::default()
        },
        limits: Limits {
            max_leverage: Some(30),
            ..Limits::default()
        },
        ..Standing::default()
    };
    let own = Controls {
        state: TradingState::Reducing,
        close_only: true,
        group: Some("vip".into()),
        limits: Limits {
            max_positions: Some(5),
            max_notional: Some(Decimal::from(1_000_000)),
            ..Limits::default()
        },
        ..Controls::NONE
    };
    let expected = Controls {
        trading_disabled: true,
        swap_free: true,
        limits: Limits {
            max_leverage: Some(30),
            max_positions: None,
            max_notional: Some(Decimal::from(1_000_000)),
            ..Limits::default()
        },
        ..own.clone()
    };
    assert_eq!(after.carried_over(&before, &own), expected);
    assert_eq!(after.carried_over(&after, &own), own);
    assert!(!after.allows_the_same(&before));
    let renamed = Standing {
        tier: "gold".to_owned(),
        external_id: Some("C-1".to_owned()),
        ..before.clone()
    };
    assert!(renamed.allows_the_same(&before));
}

#[test]
fn whoever_was_invited_has_shown_the_address_with_the_first_password() {
    let mut ada = Ada::new();
    assert_eq!(ada.names(Command::Invite), ["PasswordResetRequested"]);
    assert!(ada.0.security.invited && ada.0.security.reset_open);
    assert_eq!(
        ada.names(Command::RequestPasswordReset),
        ["PasswordResetRequested"],
        "the invitation may have got lost"
    );
    let choose = |number| Command::ResetPassword { number };
    assert_eq!(ada.asks(choose(1)), Err(ClientRejection::ResetLinkSpent));
    assert_eq!(
        ada.names(choose(2)),
        ["PasswordChanged", "SessionsRevoked", "EmailVerified"]
    );
    assert!(ada.0.email_verified && !ada.0.security.invited);
}
