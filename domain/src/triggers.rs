//! Which levels of the raw quote to watch for an order or a position.
//!
//! A trigger only nominates: the decision looks at the quote again. Mark-ups are taken into account
//! here, so that whoever indexes triggers needs no rule of its own: what `Trigger::touched_by`
//! says is exactly what the decision finds.

use rust_decimal::Decimal;

use crate::{
    Instrument, Quote,
    account::{Order, OrderType, Position},
    price,
    quote::Side,
};

/// The half of a quote that a trigger looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QuoteSide {
    /// What a seller gets.
    Bid,
    /// What a buyer pays.
    Ask,
}

impl QuoteSide {
    /// This half of a quote.
    #[must_use]
    pub const fn of(self, quote: &Quote) -> Decimal {
        match self {
            Self::Bid => quote.bid,
            Self::Ask => quote.ask,
        }
    }
}

/// From which direction the price has to come. Touching triggers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// The price falls to the level or below it.
    AtOrBelow,
    /// The price rises to the level or above it.
    AtOrAbove,
}

/// One level to watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// Which half of the quote.
    pub side_of_quote: QuoteSide,
    /// From where.
    pub direction: Direction,
    /// The raw price that triggers.
    pub level: Decimal,
}

/// The levels of a position's protection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProtectionTriggers {
    /// A stop on the closing side.
    pub stop_loss: Option<Trigger>,
    /// A limit on the closing side.
    pub take_profit: Option<Trigger>,
    /// Where a stop loss that trails moves next: the market has gained a step on it.
    pub trailing: Option<Trigger>,
}

impl Trigger {
    /// Whether the quote is at the level or beyond it.
    #[must_use]
    pub fn touched_by(&self, quote: &Quote) -> bool {
        let price = self.side_of_quote.of(quote);
        match self.direction {
            Direction::AtOrBelow => price <= self.level,
            Direction::AtOrAbove => price >= self.level,
        }
    }

    /// A deal of `side` that waits for a price at `level` or better.
    #[must_use]
    pub fn limit(side: Side, level: Decimal, instrument: &Instrument) -> Self {
        let direction = match side {
            Side::Buy => Direction::AtOrBelow,
            Side::Sell => Direction::AtOrAbove,
        };
        Self::new(side, direction, level, instrument)
    }

    /// A deal of `side` that waits for a price at `level` or worse.
    #[must_use]
    pub fn stop(side: Side, level: Decimal, instrument: &Instrument) -> Self {
        let direction = match side {
            Side::Buy => Direction::AtOrAbove,
            Side::Sell => Direction::AtOrBelow,
        };
        Self::new(side, direction, level, instrument)
    }

    fn new(side: Side, direction: Direction, level: Decimal, instrument: &Instrument) -> Self {
        let markup = price::markup(instrument, side);
        // The house deals at raw ± mark-up; the book of triggers holds raw prices.
        let (side_of_quote, level) = match side {
            Side::Buy => (QuoteSide::Ask, level.saturating_sub(markup)),
            Side::Sell => (QuoteSide::Bid, level.saturating_add(markup)),
        };
        Self {
            side_of_quote,
            direction,
            level,
        }
    }
}

/// The level that a working order waits for; none for a market order, which never waits.
#[must_use]
pub fn order_trigger(order: &Order, instrument: &Instrument) -> Option<Trigger> {
    let ticket = &order.ticket;
    let as_limit = || {
        let limit = ticket.limit_price?;
        Some(Trigger::limit(ticket.side, limit, instrument))
    };
    let as_stop = || {
        let stop = ticket.stop_price?;
        Some(Trigger::stop(ticket.side, stop, instrument))
    };
    match ticket.order_type {
        OrderType::Market => None,
        OrderType::Limit => as_limit(),
        OrderType::Stop => as_stop(),
        OrderType::StopLimit if order.triggered => as_limit(),
        OrderType::StopLimit => as_stop(),
    }
}

/// The levels at which a position closes itself.
#[must_use]
pub fn protection_triggers(position: &Position, instrument: &Instrument) -> ProtectionTriggers {
    let closing = position.side.opposite();
    ProtectionTriggers {
        stop_loss: position
            .stop_loss
            .map(|level| Trigger::stop(closing, level, instrument)),
        take_profit: position
            .take_profit
            .map(|level| Trigger::limit(closing, level, instrument)),
        trailing: trailing_level(position, instrument)
            .map(|level| Trigger::limit(closing, level, instrument)),
    }
}

/// The closing price at which a stop loss moves next: `stop_loss + distance + step` (long),
/// `stop_loss − distance − step` (short). None where nothing trails, or no price lies there.
fn trailing_level(position: &Position, instrument: &Instrument) -> Option<Decimal> {
    let (stop_loss, distance) = position.stop_loss.zip(position.trailing_distance)?;
    let ahead = distance.checked_add(instrument.trailing_step().max(instrument.point()))?;
    let level = match position.side {
        Side::Buy => stop_loss.checked_add(ahead)?,
        Side::Sell => stop_loss.checked_sub(ahead)?,
    };
    (level > Decimal::ZERO).then_some(level)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::{Symbol, Timestamp, instrument, quote::QuoteSource};

    fn eurusd(markup_points: i64) -> Arc<Instrument> {
        let mut terms = instrument::seed().into_iter().next().unwrap();
        assert_eq!(terms.symbol, Symbol::parse("EURUSD").unwrap());
        terms.spread_markup = Decimal::from(markup_points);
        Arc::new(terms)
    }

    proptest! {
        #[test]
        fn a_trigger_says_exactly_what_the_decision_finds(
            bid in 99_990_i64..100_010,
            spread in 0_i64..12,
            level in 99_990_i64..100_022,
            markup_points in 0_i64..7,
            buys: bool,
        ) {
            let terms = eurusd(markup_points);
            let side = if buys { Side::Buy } else { Side::Sell };
            let quote = Quote {
                symbol: terms.symbol,
                bid: Decimal::new(bid, 5),
                ask: Decimal::new(bid + spread, 5),
                at: Timestamp::UNIX_EPOCH,
                source: QuoteSource::Recorded,
            };
            let level = Decimal::new(level, 5);
            let limit = Trigger::limit(side, level, &terms);
            let stop = Trigger::stop(side, level, &terms);
            prop_assert_eq!(
                limit.touched_by(&quote),
                price::within_limit(&quote, &terms, side, level)
            );
            prop_assert_eq!(
                stop.touched_by(&quote),
                price::reaches_stop(&quote, &terms, side, level)
            );
            prop_assert!(limit.touched_by(&quote) || stop.touched_by(&quote));
        }
    }

    #[test]
    fn the_two_parts_of_a_mark_up_add_up_to_the_whole() {
        for points in 0..10 {
            let terms = eurusd(points);
            let parts = price::markup(&terms, Side::Buy) + price::markup(&terms, Side::Sell);
            assert_eq!(parts, Decimal::new(points, 5));
        }
    }
}
