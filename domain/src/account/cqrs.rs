//! The account as a `cqrs_es::Aggregate`, so that any `cqrs-es` store can load it.

use std::sync::Arc;

use cqrs_es::{Aggregate, DomainEvent, event_sink::EventSink};

use super::{Account, AccountCommand, AccountEvent, AccountRejection, Context};
use crate::{Market, Rules, Timestamp};

/// Version of every event written today, as in the `event_version` column.
pub const EVENT_VERSION: &str = "1.0";

/// What an account's decision needs from outside.
#[derive(Clone, Debug)]
pub struct AccountServices {
    /// Now.
    pub at: Timestamp,
    /// Instrument terms and newest quotes.
    pub market: Arc<Market>,
    /// House rules.
    pub rules: Arc<Rules>,
}

impl DomainEvent for AccountEvent {
    fn event_type(&self) -> String {
        Self::event_type(self).to_owned()
    }

    fn event_version(&self) -> String {
        EVENT_VERSION.to_owned()
    }
}

impl Aggregate for Account {
    const TYPE: &'static str = "account";

    type Command = AccountCommand;
    type Error = AccountRejection;
    type Event = AccountEvent;
    type Services = AccountServices;

    /// Decides and writes. An order refused by a rule leaves an `OrderRejected`, and `cqrs-es`
    /// drops the events of a command that fails: such a refusal is therefore `Ok`, and told by its
    /// event. Refusals without a trace are errors.
    async fn handle(
        &mut self,
        command: Self::Command,
        services: &Self::Services,
        sink: &EventSink<Self>,
    ) -> Result<(), Self::Error> {
        let decision = self.decide(
            &command,
            &Context {
                at: services.at,
                market: &services.market,
                rules: &services.rules,
            },
        );
        match decision.refusal {
            Some(refusal) if decision.events.is_empty() => return Err(refusal),
            Some(_) | None => {}
        }
        for event in decision.events {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: Self::Event) {
        self.evolve(&event);
    }
}
