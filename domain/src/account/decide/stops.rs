//! On which side of what price stops and protection may stand.

use rust_decimal::Decimal;

use super::trailing::level_behind;
use crate::{AccountRejection, Instrument, Quote, account::Ticket, price, quote::Side};

type Checked = Result<(), AccountRejection>;

/// Protection is beyond the order's own price; that of a market order, which has none, is beyond
/// the quote it would close at.
pub(super) fn check_protection(
    ticket: &Ticket,
    instrument: &Instrument,
    quote: Option<&Quote>,
) -> Checked {
    let levels = [
        ticket.stop_loss,
        ticket.take_profit,
        ticket.trailing_distance,
    ];
    if levels.iter().all(Option::is_none) {
        return Ok(());
    }
    let closing = || Some(price::dealing(quote?, instrument, ticket.side.opposite()));
    let Some(reference) = ticket.own_price().or_else(closing) else {
        return Err(AccountRejection::NoQuote(instrument.symbol));
    };
    check_stop_loss(ticket.side, ticket.stop_loss, reference)?;
    check_take_profit(ticket.side, ticket.take_profit, reference)?;
    ticket.trailing_distance.map_or(Ok(()), |distance| {
        level_behind(ticket.side, reference, distance, instrument).map(|_| ())
    })
}

/// A stop that the market has reached already would be no stop.
pub(super) fn check_ahead(
    side: Side,
    stop: Decimal,
    instrument: &Instrument,
    quote: &Quote,
) -> Checked {
    if price::reaches_stop(quote, instrument, side, stop) {
        let market = price::dealing(quote, instrument, side);
        return invalid(format!(
            "stopPrice {stop} is already through the market at {market}"
        ));
    }
    Ok(())
}

/// A stop loss of a position of `side` is on its losing side of `reference`.
pub(super) fn check_stop_loss(side: Side, level: Option<Decimal>, reference: Decimal) -> Checked {
    match (side, level) {
        (Side::Buy, Some(level)) if level >= reference => {
            invalid(format!("stopLoss {level} is not below {reference}"))
        }
        (Side::Sell, Some(level)) if level <= reference => {
            invalid(format!("stopLoss {level} is not above {reference}"))
        }
        (Side::Buy | Side::Sell, _) => Ok(()),
    }
}

/// A take profit of a position of `side` is on its winning side of `reference`.
pub(super) fn check_take_profit(side: Side, level: Option<Decimal>, reference: Decimal) -> Checked {
    match (side, level) {
        (Side::Buy, Some(level)) if level <= reference => {
            invalid(format!("takeProfit {level} is not above {reference}"))
        }
        (Side::Sell, Some(level)) if level >= reference => {
            invalid(format!("takeProfit {level} is not below {reference}"))
        }
        (Side::Buy | Side::Sell, _) => Ok(()),
    }
}

fn invalid(message: String) -> Checked {
    Err(AccountRejection::InvalidStops(message))
}
