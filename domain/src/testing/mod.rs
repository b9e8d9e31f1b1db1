//! Random histories of one account: quotes, the passing of time, and commands that look at what is
//! there. For property tests, here and in other crates.
//!
//! A history is plain data; a [`World`] plays it. Most commands of a history are meant to be
//! accepted: laws that are only tried on refusals prove nothing.

mod asking;
mod history;
mod world;

pub use history::{Ask, History, Opening, Step, histories};
pub use world::{Moment, Tally, World, play};
