//! Staff as a `cqrs_es::Aggregate`, so that any `cqrs-es` store can load it.

use cqrs_es::{Aggregate, DomainEvent, event_sink::EventSink};

use super::{Staff, StaffCommand, StaffEvent, StaffRejection};
use crate::{Timestamp, account::EVENT_VERSION};

/// What a decision needs from outside.
#[derive(Clone, Copy, Debug)]
pub struct StaffServices {
    /// Now.
    pub at: Timestamp,
}

impl DomainEvent for StaffEvent {
    fn event_type(&self) -> String {
        Self::event_type(self).to_owned()
    }

    fn event_version(&self) -> String {
        EVENT_VERSION.to_owned()
    }
}

impl Aggregate for Staff {
    const TYPE: &'static str = "staff";

    type Command = StaffCommand;
    type Error = StaffRejection;
    type Event = StaffEvent;
    type Services = StaffServices;

    async fn handle(
        &mut self,
        command: Self::Command,
        services: &Self::Services,
        sink: &EventSink<Self>,
    ) -> Result<(), Self::Error> {
        for event in self.decide(&command, services.at)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: Self::Event) {
        self.evolve(&event);
    }
}
