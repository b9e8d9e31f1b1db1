//! What can go wrong between the provider and the hub. Never carries the API key.

use std::{net::SocketAddr, path::PathBuf};

use daybook_domain::Symbol;

/// Market data could not be had, or the simulator could not be started.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The provider refuses our key.
    #[error("the provider refuses the API key (code {code}): {message}")]
    KeyRefused {
        /// The provider's code: 401 or 403.
        code: u16,
        /// The provider's words.
        message: String,
    },
    /// The provider's credits are used up.
    #[error("the provider's credits are used up: {message}")]
    RateLimited {
        /// The provider's words.
        message: String,
    },
    /// The provider answered with another error of its own.
    #[error("the provider refused the request (code {code}): {message}")]
    Refused {
        /// The provider's code.
        code: u16,
        /// The provider's words.
        message: String,
    },
    /// The provider cannot be reached, or did not answer in time.
    #[error("the provider cannot be reached: {0}")]
    Unreachable(String),
    /// The provider answered something that is not its protocol.
    #[error("the provider's answer cannot be read: {0}")]
    Malformed(String),
    /// There are no candles to give, old ones included.
    #[error("there are no candles: {0}")]
    NoCandles(String),
    /// No such instrument is configured.
    #[error("{0} is not an instrument of this feed")]
    UnknownSymbol(Symbol),
    /// The simulator's port cannot be had.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// A recorded file cannot be opened or read.
    #[error("cannot read {}", path.display())]
    TicksFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A recorded file has a line that is not a tick.
    #[error("{}:{line}: {problem}", path.display())]
    TicksLine {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// A replay needs a speed above zero.
    #[error("the replay speed must be above zero, not {0}")]
    Speed(rust_decimal::Decimal),
}
