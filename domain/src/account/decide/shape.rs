//! Whether a request is well-formed, and whether its volume is one that the instrument takes.
//! What is malformed leaves no trace in the book.

use rust_decimal::Decimal;

use crate::{
    AccountRejection, Instrument, Timestamp,
    account::{OrderLevels, OrderType, Ticket, TimeInForce},
    price::PRICE_MAX,
};

/// Longest name of an OCO group, and longest name that a client gives an order.
const NAME_MAX: usize = 64;

type Checked = Result<(), AccountRejection>;

/// Everything about a ticket that no rule and no market has to be asked for.
pub(super) fn check_ticket(ticket: &Ticket, instrument: &Instrument, at: Timestamp) -> Checked {
    check_levels(&ticket.levels(), ticket.order_type, instrument)?;
    check_time(ticket, at)?;
    let distance = ticket.trailing_distance;
    distance.map_or(Ok(()), |distance| {
        check_price("trailingDistance", distance, instrument)
    })?;
    check_name("ocoGroup", ticket.oco_group.as_deref())?;
    check_name("clientOrderId", ticket.client_order_id.as_deref())
}

/// Values and prices: there where the type wants them, and nowhere else.
pub(super) fn check_levels(
    levels: &OrderLevels,
    order_type: OrderType,
    instrument: &Instrument,
) -> Checked {
    positive("volume", levels.volume)?;
    let (limited, stopped) = match order_type {
        OrderType::Market => (false, false),
        OrderType::Limit => (true, false),
        OrderType::Stop => (false, true),
        OrderType::StopLimit => (true, true),
    };
    check_presence("limitPrice", levels.limit_price, limited)?;
    check_presence("stopPrice", levels.stop_price, stopped)?;
    let prices = [
        ("limitPrice", levels.limit_price),
        ("stopPrice", levels.stop_price),
        ("stopLoss", levels.stop_loss),
        ("takeProfit", levels.take_profit),
    ];
    prices
        .into_iter()
        .filter_map(|(name, price)| Some((name, price?)))
        .try_for_each(|(name, price)| check_price(name, price, instrument))
}

/// A price is positive, has the instrument's digits, and stays within reason.
pub(super) fn check_price(name: &str, price: Decimal, instrument: &Instrument) -> Checked {
    positive(name, price)?;
    let digits = instrument.digits;
    if price > PRICE_MAX {
        return invalid(format!("{name} is more than {PRICE_MAX}"));
    }
    if price.normalize().scale() > digits {
        let symbol = instrument.symbol;
        return invalid(format!(
            "{name} {price} has more than the {digits} digits of {symbol}"
        ));
    }
    Ok(())
}

/// A value above zero.
pub(super) fn positive(name: &str, value: Decimal) -> Checked {
    if value <= Decimal::ZERO {
        return invalid(format!("{name} must be more than 0"));
    }
    Ok(())
}

/// An expiry lies ahead.
pub(super) fn check_expiry(expires_at: Timestamp, at: Timestamp) -> Checked {
    if expires_at <= at {
        return invalid("expiresAt has passed".to_owned());
    }
    Ok(())
}

/// Volume within the instrument's range and steps.
pub(super) fn check_volume(volume: Decimal, instrument: &Instrument) -> Checked {
    check_range(volume, instrument.min_volume, instrument.max_volume)?;
    check_step(volume, instrument)
}

/// Volume that is taken off an open one. What is left of a position may always be closed whole.
pub(super) fn check_part(volume: Decimal, open: Decimal, instrument: &Instrument) -> Checked {
    if volume == open {
        return Ok(());
    }
    check_range(volume, instrument.min_volume, open)?;
    check_step(volume, instrument)
}

pub(super) fn check_range(volume: Decimal, min: Decimal, max: Decimal) -> Checked {
    if volume < min || volume > max {
        return Err(AccountRejection::VolumeOutOfRange { volume, min, max });
    }
    Ok(())
}

pub(super) fn check_step(volume: Decimal, instrument: &Instrument) -> Checked {
    let step = instrument.volume_step;
    let rest = volume.checked_rem(step).unwrap_or(Decimal::ZERO);
    if !rest.is_zero() {
        return Err(AccountRejection::VolumeStep { volume, step });
    }
    Ok(())
}

fn check_time(ticket: &Ticket, at: Timestamp) -> Checked {
    let rests = match ticket.order_type {
        OrderType::Market | OrderType::Limit => false,
        OrderType::Stop | OrderType::StopLimit => true,
    };
    match (ticket.time_in_force, ticket.expires_at) {
        (TimeInForce::Ioc | TimeInForce::Fok, _) if rests => {
            invalid("ioc and fok are for market and limit orders".to_owned())
        }
        (TimeInForce::Gtd, None) => invalid("gtd needs expiresAt".to_owned()),
        (TimeInForce::Gtd, Some(expires_at)) => check_expiry(expires_at, at),
        (TimeInForce::Gtc | TimeInForce::Day | TimeInForce::Ioc | TimeInForce::Fok, Some(_)) => {
            invalid("expiresAt is for gtd alone".to_owned())
        }
        (TimeInForce::Gtc | TimeInForce::Day | TimeInForce::Ioc | TimeInForce::Fok, None) => Ok(()),
    }
}

fn check_presence(name: &str, price: Option<Decimal>, wanted: bool) -> Checked {
    match (price, wanted) {
        (Some(_), true) | (None, false) => Ok(()),
        (None, true) => invalid(format!("{name} is missing")),
        (Some(_), false) => invalid(format!("{name} is not for this type of order")),
    }
}

fn check_name(name: &str, value: Option<&str>) -> Checked {
    let fits = value.is_none_or(|text| (1..=NAME_MAX).contains(&text.chars().count()));
    if !fits {
        return invalid(format!("{name} has 1 to {NAME_MAX} characters"));
    }
    Ok(())
}

fn invalid(message: String) -> Checked {
    Err(AccountRejection::InvalidOrder(message))
}
