//! Facts about endpoints. Names are stable: they are stored.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{SetAside, Settings, Vocabulary};
use crate::Timestamp;

/// A fact in an endpoint's stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndpointEvent {
    /// Events after this one are told there.
    EndpointCreated {
        /// Where to; none: deliveries wait.
        url: Option<String>,
        /// Under which names.
        vocabulary: Vocabulary,
        /// Names of the webhooks that are sent; empty: all.
        events: Vec<String>,
        /// Signs deliveries, sealed; none: the one of the environment does.
        secret: Option<String>,
        /// Whether the environment declares it.
        declared: bool,
        /// Who.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// These are the settings for events after this one.
    EndpointChanged {
        /// Where to; none: deliveries wait.
        url: Option<String>,
        /// Under which names.
        vocabulary: Vocabulary,
        /// Names of the webhooks that are sent; empty: all.
        events: Vec<String>,
        /// Signs deliveries, sealed.
        secret: Option<String>,
        /// Signs too during a rotation, sealed.
        previous_secret: Option<String>,
        /// Who.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// Nothing is sent from now on; what happens waits.
    EndpointDisabled {
        /// Why.
        reason: String,
        /// Who.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// What waits is sent.
    EndpointEnabled {
        /// Who.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// One delivery is sent once more, beside its queue.
    DeliveryResent {
        /// Which.
        delivery_id: Uuid,
        /// Who.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// One delivery was taken out of its queue.
    DeliverySetAside {
        /// Which.
        delivery_id: Uuid,
        /// What becomes of it.
        manner: SetAside,
        /// Why.
        reason: String,
        /// Who.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// Everything from a position of the book on, up to this event, is sent once more.
    DeliveriesReplayed {
        /// The first position.
        from_position: i64,
        /// Who.
        by: String,
        /// When.
        at: Timestamp,
    },
}

impl EndpointEvent {
    /// Stable name.
    #[must_use]
    pub const fn event_type(&self) -> &'static str {
        match self {
            Self::EndpointCreated { .. } => "EndpointCreated",
            Self::EndpointChanged { .. } => "EndpointChanged",
            Self::EndpointDisabled { .. } => "EndpointDisabled",
            Self::EndpointEnabled { .. } => "EndpointEnabled",
            Self::DeliveryResent { .. } => "DeliveryResent",
            Self::DeliverySetAside { .. } => "DeliverySetAside",
            Self::DeliveriesReplayed { .. } => "DeliveriesReplayed",
        }
    }

    /// The settings from this event on; none of events that leave them.
    #[must_use]
    pub fn settings(&self) -> Option<Settings> {
        match self {
            Self::EndpointCreated {
                url,
                vocabulary,
                events,
                secret,
                ..
            } => Some(Settings {
                url: url.clone(),
                vocabulary: *vocabulary,
                events: events.clone(),
                secret: secret.clone(),
                previous_secret: None,
            }),
            Self::EndpointChanged {
                url,
                vocabulary,
                events,
                secret,
                previous_secret,
                ..
            } => Some(Settings {
                url: url.clone(),
                vocabulary: *vocabulary,
                events: events.clone(),
                secret: secret.clone(),
                previous_secret: previous_secret.clone(),
            }),
            Self::EndpointDisabled { .. }
            | Self::EndpointEnabled { .. }
            | Self::DeliveryResent { .. }
            | Self::DeliverySetAside { .. }
            | Self::DeliveriesReplayed { .. } => None,
        }
    }
}
