//! What a feed of quotes has to say of itself. One implementation per provider: its addresses, its
//! words, its numbers. Everything else — connecting, waiting, giving up, polling, packing,
//! filtering — is the same for all and knows no provider.

use std::time::Duration;

use daybook_domain::{Quote, Symbol, Timestamp, quote::QuoteSource};
use futures::future::BoxFuture;
use secrecy::SecretString;
use tokio_tungstenite::tungstenite::Message;

use crate::{FeedStatus, RelayError};

/// What a provider allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at one time; it closes the oldest of more.
    pub connections_max: usize,
    /// Symbols on one of them; none: any number.
    pub symbols_per_connection: Option<usize>,
}

/// A provider of quotes.
pub trait Provider: Send + Sync + 'static {
    /// Its name in the configuration, the logs and the metrics.
    fn name(&self) -> &'static str;

    /// The state of the feed while its sockets deliver: live, or simulated.
    fn delivering(&self) -> FeedStatus;

    /// What it allows.
    fn limits(&self) -> Limits;

    /// Whether it sells an instrument at all.
    fn sells(&self, symbol: Symbol) -> bool;

    /// Where a connection for these symbols is opened. May hold a key, so it is never shown.
    fn address(&self, symbols: &[Symbol]) -> SecretString;

    /// The message that asks for these symbols.
    fn subscribe(&self, symbols: &[Symbol]) -> Message;

    /// The message that asks for these no more.
    fn unsubscribe(&self, symbols: &[Symbol]) -> Message;

    /// The message that keeps a connection alive, and whose answer shows that it is.
    fn heartbeat(&self) -> Message;

    /// What a message says.
    fn read(&self, text: &str, now: Timestamp) -> Heard;

    /// The least time between two polls of so many symbols, for the budget to last.
    fn poll_pace(&self, symbols: usize) -> Duration;

    /// The newest price of each symbol, for the time that sockets are down. Those that the
    /// provider does not have are left out, and it asks for no more than its budget allows.
    fn poll<'a>(&'a self, symbols: &'a [Symbol]) -> BoxFuture<'a, Result<Vec<Quote>, RelayError>>;
}

/// What a provider's message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A new price.
    Quote(Quote),
    /// The subscription stands, all of it.
    Subscribed,
    /// Some of the symbols, or all, will not be had.
    Refused {
        /// Those that are known by name.
        symbols: Vec<Symbol>,
        /// Nothing at all was granted.
        all: bool,
        /// For the operator.
        problem: String,
    },
    /// Nothing that concerns quotes.
    Nothing,
    /// It cannot be used; why, as a word for the metrics.
    Unusable(&'static str),
}

/// The state of a feed whose sockets deliver quotes of this source.
#[must_use]
pub const fn delivering(source: QuoteSource) -> FeedStatus {
    match source {
        QuoteSource::TwelveData | QuoteSource::BookTicker => FeedStatus::Live,
        QuoteSource::Simulator | QuoteSource::Recorded => FeedStatus::Simulated,
    }
}
