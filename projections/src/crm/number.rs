//! Decimals and times as payloads write them: text, so that nothing passes through a float.

use std::collections::HashMap;

use chrono::SecondsFormat;
use daybook_domain::{Currency, Decimal, Symbol, Timestamp};
use rust_decimal::RoundingStrategy;

/// Decimals of an instrument, as its terms have them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Digits {
    /// Of a price.
    pub(crate) price: u32,
    /// Of a volume.
    pub(crate) volume: u32,
}

/// Decimals by instrument; none known: as the number is.
pub(crate) type Instruments = HashMap<Symbol, Digits>;

/// Money, with exactly the currency's decimals.
pub(crate) fn money(amount: Decimal, currency: Currency) -> String {
    currency.round(amount).to_string()
}

/// With at least these decimals; never rounded.
pub(crate) fn at_least(value: Decimal, digits: u32) -> String {
    let mut value = value.normalize();
    if value.scale() < digits {
        value.rescale(digits);
    }
    value.to_string()
}

/// Percent, with two decimals.
pub(crate) fn percent(value: Decimal) -> String {
    at_least(
        value.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero),
        2,
    )
}

/// RFC 3339, UTC, milliseconds.
pub(crate) fn time(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_decimals_of_their_kind() {
        let number = |text: &str| text.parse::<Decimal>().unwrap();
        assert_eq!(money(number("1.005"), Currency::USD), "1.01");
        assert_eq!(money(number("7"), Currency::JPY), "7");
        assert_eq!(at_least(number("1.1"), 5), "1.10000");
        assert_eq!(at_least(number("1.1234567"), 5), "1.1234567");
        assert_eq!(percent(number("99.995")), "100.00");
        let at = Timestamp::from_timestamp_micros(1_767_787_200_123_456).unwrap();
        assert_eq!(time(at), "2026-01-07T12:00:00.123Z");
    }
}
