//! The engine on a real Postgres.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed, and panicking is how it says so"
)]

mod client_change;
mod erasing;
mod failures;
mod histories;
mod idempotency;
mod ownership;
mod people;
mod recovery;
mod risk;
mod staff;
mod support;
