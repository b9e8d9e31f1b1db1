//! Operators' commands: from the queue in the store, one by one, through the engine.

mod command;

pub use command::{OperatorCommand, OperatorOutcome};
