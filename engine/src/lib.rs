//! The live runtime: accounts as single-writer state in shards, the trigger book, recovery and
//! snapshots, and scenarios on a virtual clock.
//!
//! A shard decides on the state in its memory, evolves it at once, and hands the events to the
//! store's committer; the answer goes out when they are in the book. Nothing here knows where
//! quotes come from, and nothing here writes SQL.

mod client_change;
pub mod clock;
mod config;
mod deals;
pub mod desk;
mod endpoints;
mod engine;
mod erasure;
mod error;
mod instruments;
mod load;
mod operator;
mod people;
mod person;
mod recovery;
mod request;
mod saver;
pub mod scenario;
mod shard;
mod shared;
mod staff;
mod story;
mod streams;
mod sweeper;
pub mod trigger_book;
#[cfg(test)]
mod trigger_book_tests;

pub use config::EngineConfig;
pub use endpoints::{EndpointReply, EndpointRequest};
pub use engine::Engine;
pub use error::EngineError;
pub use instruments::InstrumentChanged;
pub use operator::{
    ClientOperation, Credentials, Newcomer, OperatorCommand, OperatorOutcome, StaffChange,
};
pub use request::{
    Answer, ChangeClientRequest, ClientRequest, Correction, CorrectionRequest, EraseRequest,
    Erased, IdempotencyRequest, NewAccount, OpenAccountRequest, Origin, Outcome, PersonReply,
    PersonRequest, RegisterRequest, Render, RenderClient, Reply, Request, StaffRequest,
};
pub use shared::{STATE_VERSION, stream_named};
pub use staff::{MemberReply, MemberRequest, staff_member};
pub use story::{Step, Story, Until};
