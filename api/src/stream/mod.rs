//! Sockets: public quotes (WebSocket and server-sent events), and the client's private channel.
//!
//! No socket has a queue that can grow: quotes are conflated, and whoever cannot keep up with events
//! is disconnected and catches up by position.

mod entrance;
mod gate;
mod handshake;
pub(crate) mod live;
mod notification;
pub(crate) mod private;
mod protocol;
mod pushes;
pub(crate) mod quotes;
mod shard;
mod socket;
pub(crate) mod sockets;
