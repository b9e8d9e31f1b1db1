//! Endpoints as the outbox folds them, and what operators said about deliveries.

use daybook_domain::endpoint::{EndpointEvent, SetAside, Settings, Vocabulary};
use sqlx::{FromRow, Row, postgres::PgRow};
use uuid::Uuid;

use crate::{crm::kind::Kind, slug};

/// An endpoint as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EndpointRow {
    pub(crate) endpoint: String,
    pub(crate) settings: Settings,
    pub(crate) declared: bool,
    /// Why nothing is sent, and who said so.
    pub(crate) disabled: Option<(String, String)>,
    pub(crate) created_position: i64,
    /// Of its last change.
    pub(crate) position: i64,
    /// Last number given.
    pub(crate) number: i64,
}

/// What is done to deliveries at a position of the book.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub(crate) struct Control {
    pub(crate) position: i64,
    pub(crate) endpoint: String,
    /// `resend`, `parked`, `skipped` or `replay`.
    pub(crate) what: String,
    pub(crate) delivery_id: Option<Uuid>,
    pub(crate) from_position: Option<i64>,
}

impl EndpointRow {
    /// The endpoint that an event makes; none of every other event.
    pub(crate) fn made(name: &str, event: &EndpointEvent, position: i64) -> Option<Self> {
        let EndpointEvent::EndpointCreated { declared, .. } = event else {
            return None;
        };
        Some(Self {
            endpoint: name.to_owned(),
            settings: event.settings()?,
            declared: *declared,
            disabled: None,
            created_position: position,
            position,
            number: 0,
        })
    }

    /// Applies an event after the first.
    pub(crate) fn take(&mut self, event: &EndpointEvent, position: i64) {
        if let Some(settings) = event.settings() {
            self.settings = settings;
        }
        match event {
            EndpointEvent::EndpointDisabled { reason, by, .. } => {
                self.disabled = Some((reason.clone(), by.clone()));
            }
            EndpointEvent::EndpointEnabled { .. } => self.disabled = None,
            EndpointEvent::EndpointCreated { .. }
            | EndpointEvent::EndpointChanged { .. }
            | EndpointEvent::DeliveryResent { .. }
            | EndpointEvent::DeliverySetAside { .. }
            | EndpointEvent::DeliveriesReplayed { .. } => {}
        }
        self.position = position;
    }

    /// Names under which it is told of a kind.
    pub(crate) fn names(&self, kind: Kind) -> Vec<&'static str> {
        let mut names = kind.names(self.settings.vocabulary);
        let wanted = &self.settings.events;
        names.retain(|name| wanted.is_empty() || wanted.iter().any(|one| one == name));
        names
    }
}

impl Control {
    /// What an event does to deliveries; none of every other event.
    pub(crate) fn of(endpoint: &str, position: i64, event: &EndpointEvent) -> Option<Self> {
        let control = |what: &str, delivery_id, from_position| {
            Some(Self {
                position,
                endpoint: endpoint.to_owned(),
                what: what.to_owned(),
                delivery_id,
                from_position,
            })
        };
        match event {
            EndpointEvent::DeliveryResent { delivery_id, .. } => {
                control("resend", Some(*delivery_id), None)
            }
            EndpointEvent::DeliverySetAside {
                delivery_id,
                manner,
                ..
            } => {
                let what = match manner {
                    SetAside::Parked => "parked",
                    SetAside::Skipped => "skipped",
                };
                control(what, Some(*delivery_id), None)
            }
            EndpointEvent::DeliveriesReplayed { from_position, .. } => {
                control("replay", None, Some(*from_position))
            }
            EndpointEvent::EndpointCreated { .. }
            | EndpointEvent::EndpointChanged { .. }
            | EndpointEvent::EndpointDisabled { .. }
            | EndpointEvent::EndpointEnabled { .. } => None,
        }
    }
}

impl FromRow<'_, PgRow> for EndpointRow {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let vocabulary: Vocabulary = slug::parse(row.try_get("vocabulary")?)?;
        let reason: Option<String> = row.try_get("disabled_reason")?;
        let by: Option<String> = row.try_get("disabled_by")?;
        Ok(Self {
            endpoint: row.try_get("endpoint")?,
            settings: Settings {
                url: row.try_get("url")?,
                vocabulary,
                events: row.try_get("events")?,
                secret: row.try_get("secret")?,
                previous_secret: row.try_get("previous_secret")?,
            },
            declared: row.try_get("declared")?,
            disabled: reason.zip(by),
            created_position: row.try_get("created_position")?,
            position: row.try_get("position")?,
            number: row.try_get("number")?,
        })
    }
}
