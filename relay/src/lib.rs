//! Market data: the upstream feed, the filter every quote passes, the hub that fans quotes out,
//! candles, and a simulator that speaks the provider's own protocol on a local port.
//!
//! Invariants: quotes of one symbol leave in the order in which the provider sent them, none is
//! conflated before the engine has seen it, and there is one upstream subscription per symbol
//! however many clients listen. This crate must never know what an account is.

mod candle;
mod candle_cache;
pub mod catalogue;
mod conflating;
mod credits;
mod error;
mod filter;
mod hub;
mod interest;
mod quote_message;
mod rest;
pub mod simulator;
pub mod staleness;
mod subscription;
mod tap;
#[cfg(test)]
mod testing;
pub mod upstream;
mod wire;

pub use candle::{Candle, Interval, UnknownInterval};
pub use candle_cache::{
    CANDLES_MAX, CandlePage, CandleStore, Candles, CandlesConfig, Clock, Fetched, KeepFailed,
    SeriesKey, Stored,
};
pub use error::RelayError;
pub use filter::{Filter, FilterConfig, Verdict};
pub use hub::{FeedStatus, Hub};
pub use interest::{Interest, Watch, conversion_symbols};
pub use quote_message::QuoteMessage;
pub use rest::RestClient;
pub use simulator::{Simulator, SimulatorConfig};
pub use subscription::HubSubscription;
pub use tap::{Tap, Tapped};
pub use upstream::{BookTicker, Feed, FeedConfig, Provider, TwelveData};
