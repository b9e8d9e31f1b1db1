//! Everything that can happen to an endpoint of webhooks.

use daybook_domain::{
    Endpoint, EndpointCommand, EndpointEvent, Timestamp,
    endpoint::{SetAside, Settings, Vocabulary},
};
use uuid::Uuid;

/// What an event means.
pub fn meaning(event: &EndpointEvent) -> &'static str {
    match event {
        EndpointEvent::EndpointCreated { .. } => "Events after this one are told there.",
        EndpointEvent::EndpointChanged { .. } => {
            "These are the settings for events after this one; `secret` and `previous_secret` are \
             ciphertext."
        }
        EndpointEvent::EndpointDisabled { .. } => {
            "Nothing is sent from now on; what happens waits."
        }
        EndpointEvent::EndpointEnabled { .. } => "What waits is sent.",
        EndpointEvent::DeliveryResent { .. } => "One delivery is sent once more, beside its queue.",
        EndpointEvent::DeliverySetAside { .. } => {
            "One delivery was taken out of its queue: `parked` to be sent later, or `skipped`."
        }
        EndpointEvent::DeliveriesReplayed { .. } => {
            "Everything from a position of the book on, up to this event, is sent once more."
        }
    }
}

/// How many kinds there are.
pub const EVENTS: usize = 7;

/// One endpoint's life.
pub fn told(id: fn(u128) -> Uuid, at: Timestamp) -> Vec<EndpointEvent> {
    let commands = [
        EndpointCommand::Create(Settings {
            url: Some("https://crm.example.com/api/webhooks/site".to_owned()),
            vocabulary: Vocabulary::Site,
            events: vec!["balance.updated".to_owned(), "user.created".to_owned()],
            secret: Some("enc:v1:…".to_owned()),
            previous_secret: None,
        }),
        EndpointCommand::Change {
            url: None,
            vocabulary: None,
            events: None,
            secret: Some("enc:v1:… another".to_owned()),
            forget_previous: false,
        },
        EndpointCommand::Resend { delivery_id: id(1) },
        EndpointCommand::SetAside {
            delivery_id: id(2),
            manner: SetAside::Parked,
            reason: "the CRM knows of it".to_owned(),
        },
        EndpointCommand::Replay { from_position: 42 },
        EndpointCommand::Disable {
            reason: "the receiver answered 410".to_owned(),
        },
        EndpointCommand::Enable,
    ];
    let mut endpoint = Endpoint::default();
    let mut told = Vec::new();
    for command in &commands {
        for event in endpoint.decide(command, "cli", at).unwrap() {
            endpoint.evolve(&event);
            told.push(event);
        }
    }
    told
}
