//! Webhooks: what a receiver is told of the book, and getting it there.
//!
//! The outbox is a read model like any other: what is to be sent follows from the book alone, its
//! numbers have no gaps, and it can be built again at any time. What was sent stands in tables of
//! its own (`public.webhook_*`), keyed by the delivery's identifier, which a rebuild does not touch.

mod body;
mod circuit;
mod deliveries;
mod dispatcher;
mod guard;
mod kind;
mod number;
pub(crate) mod outbox;
mod payload;
mod retry;
mod signature;
mod tell;

pub use deliveries::{
    AttemptRow, Deliveries, Delivery, DeliveryFilter, DeliveryStatus, EndpointStatus, Event,
};
pub use dispatcher::{DisableEndpoint, Dispatcher, DispatcherConfig};
pub use guard::{Guard, NotPublic};
pub use kind::event_names;
pub use retry::retry_after;
pub use signature::{Signer, VerifyError, verify};
