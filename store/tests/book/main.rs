//! The book on a real Postgres: what it promises, and what it does when Postgres, the network or
//! another node misbehave.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod appending;
mod candles;
mod erasing;
mod guarding;
mod interop;
mod leading;
mod operating;
mod outages;
mod perimeter;
mod reading;
mod refusing;
mod sealing;
mod support;
