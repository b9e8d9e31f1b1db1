//! What of an event is told: the mapping from the book to webhooks, one arm for each event.
//!
//! New events break the build in `account.rs` or `client.rs`, and in the file of their payload; a
//! new name is a line in `kind.rs`.

mod account;
mod client;
mod funding;
mod liquidation;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use account::AccountState;
pub(crate) use client::ClientState;

use super::{kind::Kind, payload};
use serde::Serialize;

/// One thing to tell, under as many names as an endpoint knows it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) kind: Kind,
    /// Tells apart several of one kind that one event makes; part of the identifier.
    pub(crate) part: &'static str,
    /// JSON text; personal fields are the book's ciphertext.
    pub(crate) data: String,
    /// Sealed values before the event, by field, where what changed is to be told.
    pub(crate) before: Option<String>,
}

impl Message {
    pub(crate) fn new(kind: Kind, data: &impl Serialize) -> Self {
        Self {
            kind,
            part: "",
            data: payload::text(data),
            before: None,
        }
    }
}
