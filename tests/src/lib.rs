//! Support for the black-box tests: starts the real `daybook` program against a real Postgres,
//! feeds it prices over the provider's wire protocol, speaks HTTP and WebSocket to it, kills it,
//! and reads the book behind its back.
//!
//! Nothing here reaches into the program under test; what is asserted is what a user or an
//! auditor could see. Helpers panic with what they saw, because a test can do nothing else.

pub mod answer;
pub mod app;
pub mod audit;
pub mod binary;
pub mod book;
pub mod client;
pub mod crm;
pub mod feed;
pub mod form;
pub mod launch;
pub mod load;
pub mod mailbox;
pub mod officer;
pub mod proxy;
pub mod python;
pub mod receiver;
pub mod simulator;
pub mod socket;
pub mod ticks;
pub mod totp;
pub mod wait;
pub mod world;

pub use answer::Answer;
pub use app::App;
pub use book::Book;
pub use client::{Http, Trader};
pub use crm::SimulatedCrm;
pub use feed::Feed;
pub use form::Form;
pub use launch::Launch;
pub use officer::{Officer, officer};
pub use receiver::{Called, Delivered, Receiver, Reply, Said};
pub use simulator::Simulator;
pub use socket::{EventStream, Socket};
pub use wait::{eventually, within};
pub use world::World;
