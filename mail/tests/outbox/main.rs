//! The outbox against a real Postgres and a real mail server.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod deriving;
mod sending;
mod sink;
mod world;
