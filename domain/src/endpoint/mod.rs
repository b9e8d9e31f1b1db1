//! Where webhooks go: the address, names, filter and secret of one receiver, whether it is served,
//! and what operators did to its deliveries.
//!
//! Secrets are sealed before they get here: a command, an event and this state hold ciphertext, and
//! two sealed texts are never equal, even of one secret.

mod event;
mod id;
#[cfg(test)]
mod spec;

pub use event::EndpointEvent;
pub use id::{EndpointId, EndpointIdError};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Timestamp;

/// Who disables an endpoint that answered 410.
pub const RECEIVER: &str = "system:webhooks";

/// Under which names events are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vocabulary {
    /// Every event, under the site's names.
    #[default]
    Site,
    /// Only what has a name in the CRM's vocabulary, under that name.
    Crm,
    /// Both, where the names differ.
    Both,
}

/// What becomes of a delivery that an operator takes out of its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetAside {
    /// It waits to be sent again by hand or by a replay.
    Parked,
    /// It is done with; a replay passes over it.
    Skipped,
}

/// Address, names and filter of an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Where to; none: deliveries wait.
    pub url: Option<String>,
    /// Under which names.
    pub vocabulary: Vocabulary,
    /// Names of the webhooks that are sent, sorted; empty: all.
    pub events: Vec<String>,
    /// Signs deliveries, sealed; none: the one of the environment does.
    pub secret: Option<String>,
    /// Signs too during a rotation, sealed.
    pub previous_secret: Option<String>,
}

/// A request to an endpoint's stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndpointCommand {
    /// Make one.
    Create(Settings),
    /// Say what the environment says: makes the endpoint, or changes it.
    Declare {
        /// Where to.
        url: Option<String>,
        /// Under which names.
        vocabulary: Vocabulary,
    },
    /// Change settings; what is left out stays.
    Change {
        /// Where to.
        url: Option<String>,
        /// Under which names.
        vocabulary: Option<Vocabulary>,
        /// Names of the webhooks that are sent; empty: all.
        events: Option<Vec<String>>,
        /// A new secret, sealed; the one before goes on signing.
        secret: Option<String>,
        /// The one before signs no longer.
        forget_previous: bool,
    },
    /// Send nothing.
    Disable {
        /// Why.
        reason: String,
    },
    /// Send again.
    Enable,
    /// Send one delivery once more.
    Resend {
        /// Which.
        delivery_id: Uuid,
    },
    /// Take one delivery out of its queue.
    SetAside {
        /// Which.
        delivery_id: Uuid,
        /// What becomes of it.
        manner: SetAside,
        /// Why.
        reason: String,
    },
    /// Send everything from a position on once more.
    Replay {
        /// The first position.
        from_position: i64,
    },
}

/// Why an endpoint's stream refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointRejection {
    /// There is one of this name.
    #[error("the endpoint exists already")]
    AlreadyExists,
    /// There is none of this name.
    #[error("there is no such endpoint")]
    NotFound,
    /// The environment says so, and would say so again.
    #[error("{0} of this endpoint is set in the environment")]
    SetByEnvironment(&'static str),
    /// A value cannot be.
    #[error("{field}: {message}")]
    InvalidField {
        /// Which.
        field: &'static str,
        /// Why.
        message: String,
    },
}

impl EndpointRejection {
    /// Stable slug.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AlreadyExists => "conflict",
            Self::NotFound => "not_found",
            Self::SetByEnvironment(_) => "set_by_environment",
            Self::InvalidField { .. } => "invalid_value",
        }
    }
}

/// An endpoint's state: a fold of its events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// None until made.
    pub settings: Option<Settings>,
    /// Whether the environment declares it.
    pub declared: bool,
    /// Why nothing is sent, and who said so.
    pub disabled: Option<(String, String)>,
}

type Decided = Result<Vec<EndpointEvent>, EndpointRejection>;

impl Endpoint {
    /// Decides a command. Pure.
    ///
    /// # Errors
    /// [`EndpointRejection`] names the broken rule.
    pub fn decide(&self, command: &EndpointCommand, by: &str, at: Timestamp) -> Decided {
        let by = by.to_owned();
        match (&self.settings, command) {
            (None, EndpointCommand::Create(asked)) => create(asked.clone(), false, by, at),
            (None, EndpointCommand::Declare { url, vocabulary }) => {
                let asked = Settings {
                    url: url.clone(),
                    vocabulary: *vocabulary,
                    ..Settings::default()
                };
                create(asked, true, by, at)
            }
            (
                None,
                EndpointCommand::Change { .. }
                | EndpointCommand::Disable { .. }
                | EndpointCommand::Enable
                | EndpointCommand::Resend { .. }
                | EndpointCommand::SetAside { .. }
                | EndpointCommand::Replay { .. },
            ) => Err(EndpointRejection::NotFound),
            (Some(known), _) => self.decide_known(known, command, by, at),
        }
    }

    fn decide_known(
        &self,
        known: &Settings,
        command: &EndpointCommand,
        by: String,
        at: Timestamp,
    ) -> Decided {
        match command {
            EndpointCommand::Create(_) => Err(EndpointRejection::AlreadyExists),
            EndpointCommand::Declare { url, vocabulary } => {
                self.declare(known, url.as_ref(), *vocabulary, by, at)
            }
            EndpointCommand::Change { .. } => self.change(known, command, by, at),
            EndpointCommand::Disable { reason } => {
                let reason = reason.clone();
                let event = EndpointEvent::EndpointDisabled { reason, by, at };
                let is_new = self.disabled.is_none();
                Ok(is_new.then_some(event).into_iter().collect())
            }
            EndpointCommand::Enable => {
                let event = EndpointEvent::EndpointEnabled { by, at };
                let is_new = self.disabled.is_some();
                Ok(is_new.then_some(event).into_iter().collect())
            }
            EndpointCommand::Resend { delivery_id } => {
                let delivery_id = *delivery_id;
                Ok(vec![EndpointEvent::DeliveryResent {
                    delivery_id,
                    by,
                    at,
                }])
            }
            EndpointCommand::SetAside {
                delivery_id,
                manner,
                reason,
            } => Ok(vec![EndpointEvent::DeliverySetAside {
                delivery_id: *delivery_id,
                manner: *manner,
                reason: reason.clone(),
                by,
                at,
            }]),
            EndpointCommand::Replay { from_position } if *from_position < 1 => {
                invalid("fromPosition", "must be a position of the book")
            }
            EndpointCommand::Replay { from_position } => {
                let from_position = *from_position;
                Ok(vec![EndpointEvent::DeliveriesReplayed {
                    from_position,
                    by,
                    at,
                }])
            }
        }
    }

    /// Another address in the environment is a receiver that has not said 410 yet.
    fn declare(
        &self,
        known: &Settings,
        url: Option<&String>,
        vocabulary: Vocabulary,
        by: String,
        at: Timestamp,
    ) -> Decided {
        if !self.declared {
            return Err(EndpointRejection::AlreadyExists);
        }
        let asked = Settings {
            url: url.cloned(),
            vocabulary,
            ..known.clone()
        };
        let by_receiver = |(_, who): &(String, String)| who == RECEIVER;
        let enables = asked.url != known.url && self.disabled.as_ref().is_some_and(by_receiver);
        let mut events = changed(known, asked, by.clone(), at)?;
        if enables {
            events.push(EndpointEvent::EndpointEnabled { by, at });
        }
        Ok(events)
    }

    fn change(
        &self,
        known: &Settings,
        command: &EndpointCommand,
        by: String,
        at: Timestamp,
    ) -> Decided {
        let EndpointCommand::Change {
            url,
            vocabulary,
            events,
            secret,
            forget_previous,
        } = command
        else {
            unreachable!("invariant: only called with the command that it takes apart")
        };
        let given = [
            ("the address", url.is_some()),
            ("the vocabulary", vocabulary.is_some()),
            ("the secret", secret.is_some() || *forget_previous),
        ];
        if let Some((what, _)) = given.iter().find(|(_, given)| self.declared && *given) {
            return Err(EndpointRejection::SetByEnvironment(what));
        }
        let mut asked = known.clone();
        if url.is_some() {
            asked.url.clone_from(url);
        }
        asked.vocabulary = vocabulary.unwrap_or(known.vocabulary);
        if let Some(events) = events {
            asked.events.clone_from(events);
        }
        if *forget_previous {
            asked.previous_secret = None;
        }
        if secret.is_some() {
            asked.previous_secret.clone_from(&known.secret);
            asked.secret.clone_from(secret);
        }
        changed(known, asked, by, at)
    }

    /// Applies one fact. A stored event that cannot follow this state is corruption: it panics.
    ///
    /// # Panics
    /// When the event contradicts the state.
    pub fn evolve(&mut self, event: &EndpointEvent) {
        let created = matches!(event, EndpointEvent::EndpointCreated { .. });
        assert_ne!(
            created,
            self.settings.is_some(),
            "corrupt stream: an endpoint is made once, and first"
        );
        match event {
            EndpointEvent::EndpointCreated { declared, .. } => {
                self.declared = *declared;
                self.settings = event.settings();
            }
            EndpointEvent::EndpointChanged { .. } => self.settings = event.settings(),
            EndpointEvent::EndpointDisabled { reason, by, .. } => {
                self.disabled = Some((reason.clone(), by.clone()));
            }
            EndpointEvent::EndpointEnabled { .. } => self.disabled = None,
            EndpointEvent::DeliveryResent { .. }
            | EndpointEvent::DeliverySetAside { .. }
            | EndpointEvent::DeliveriesReplayed { .. } => {}
        }
    }
}

fn create(asked: Settings, declared: bool, by: String, at: Timestamp) -> Decided {
    let asked = checked(asked)?;
    Ok(vec![EndpointEvent::EndpointCreated {
        url: asked.url,
        vocabulary: asked.vocabulary,
        events: asked.events,
        secret: asked.secret,
        declared,
        by,
        at,
    }])
}

fn changed(known: &Settings, asked: Settings, by: String, at: Timestamp) -> Decided {
    let asked = checked(asked)?;
    if asked == *known {
        return Ok(Vec::new());
    }
    Ok(vec![EndpointEvent::EndpointChanged {
        url: asked.url,
        vocabulary: asked.vocabulary,
        events: asked.events,
        secret: asked.secret,
        previous_secret: asked.previous_secret,
        by,
        at,
    }])
}

fn checked(mut asked: Settings) -> Result<Settings, EndpointRejection> {
    if let Some(url) = &asked.url {
        let rest = url
            .strip_prefix("https://")
            .or_else(|| url.strip_prefix("http://"));
        let sound = rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'));
        if !sound || url.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return invalid("url", "must begin with https:// or http://");
        }
    }
    asked.events.sort();
    asked.events.dedup();
    Ok(asked)
}

fn invalid<T>(field: &'static str, message: &str) -> Result<T, EndpointRejection> {
    let message = message.to_owned();
    Err(EndpointRejection::InvalidField { field, message })
}
