//! Read models on a real Postgres: that they equal the book, whatever is killed, rebuilt or swapped
//! beside them, and that what does not equal it is found.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics is a test that fails"
)]

mod following;
mod law;
mod reading;
mod rebuilding;
mod stopping;
mod support;
mod verifying;
