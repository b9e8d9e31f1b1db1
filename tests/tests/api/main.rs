//! The HTTP and WebSocket contract, one file per resource, against the running program.

mod auth;
mod bad_input;
mod closing;
mod conventions;
mod erasure;
mod export;
mod history;
mod idempotency;
mod kyc;
mod market;
mod me;
mod netting;
mod operators;
mod orders;
mod pagination;
mod pending;
mod positions;
mod preview;
mod private_channel;
mod reads;
mod refusals;
mod risk;
mod shapes;
mod sockets;
mod stream;
mod trailing;
