//! The HTTP and WebSocket contract, one file per resource, against the running program.

mod auth;
mod bad_input;
mod conventions;
mod history;
mod idempotency;
mod market;
mod me;
mod orders;
mod pagination;
mod pending;
mod positions;
mod private_channel;
mod reads;
mod refusals;
mod shapes;
mod sockets;
mod stream;
