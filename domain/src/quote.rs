//! A two-sided price and the sides of a trade.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::{Symbol, Timestamp};

/// The side of an order or a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Buys trade on ask; a long position is valued on bid.
    Buy,
    /// Sells trade on bid; a short position is valued on ask.
    Sell,
}

impl Side {
    /// The side that closes a position of this one.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }

    /// `buy` or `sell`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Buy => "buy",
            Self::Sell => "sell",
        }
    }
}

/// Where a quote came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuoteSource {
    /// The Twelve Data WebSocket or REST API.
    TwelveData,
    /// An exchange's public book ticker.
    BookTicker,
    /// The built-in simulator: generated or replayed prices.
    Simulator,
    /// Ticks of a scenario file.
    Recorded,
}

/// The newest two-sided price of one instrument, as it passed the feed filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    /// The instrument.
    pub symbol: Symbol,
    /// What a seller gets, in quote currency per unit.
    pub bid: Decimal,
    /// What a buyer pays; never below the bid.
    pub ask: Decimal,
    /// The provider's time, from which staleness is counted.
    pub at: Timestamp,
    /// Where it came from.
    pub source: QuoteSource,
}

impl Quote {
    /// The price at which an order of `side` trades: ask for buys, bid for sells.
    #[must_use]
    pub const fn price(&self, side: Side) -> Decimal {
        match side {
            Side::Buy => self.ask,
            Side::Sell => self.bid,
        }
    }

    /// The price at which a position of `side` is valued and closed.
    #[must_use]
    pub const fn closing_price(&self, side: Side) -> Decimal {
        self.price(side.opposite())
    }
}
