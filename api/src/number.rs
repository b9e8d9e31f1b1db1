//! Decimals on the wire: strings or JSON numbers in, strings out, never through a float.

use std::fmt;

use daybook_domain::{Currency, Decimal, Instrument, account::Change};
use rust_decimal::RoundingStrategy;
use serde::{Deserialize, Deserializer, de};
use serde_json::value::RawValue;

const DIGITS_MAX: usize = 28;

/// Why a text is no number of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NumberError {
    #[error("must be a decimal number such as \"1.25\", without exponent")]
    Malformed,
    #[error("must have at most 28 digits")]
    TooManyDigits,
    #[error("must be greater than zero")]
    NotPositive,
}

/// A decimal greater than zero: a price or a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Positive(pub(crate) Decimal);

/// A signed decimal: an amount that comes or goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Signed(pub(crate) Decimal);

/// Reads plain decimal notation: an optional sign, digits, optionally a point and more digits.
pub(crate) fn parse(text: &str) -> Result<Decimal, NumberError> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let digits_only = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits_only(whole) || !digits_only(fraction) {
        return Err(NumberError::Malformed);
    }
    let written = unsigned
        .split_once('.')
        .map_or(0, |(_, fraction)| fraction.len());
    if whole.trim_start_matches('0').len() + written > DIGITS_MAX {
        return Err(NumberError::TooManyDigits);
    }
    Decimal::from_str_exact(text).map_err(|_| NumberError::TooManyDigits)
}

/// Reads a price or volume.
pub(crate) fn parse_positive(text: &str) -> Result<Positive, NumberError> {
    let value = parse(text)?;
    if value <= Decimal::ZERO {
        return Err(NumberError::NotPositive);
    }
    Ok(Positive(value))
}

impl<'de> Deserialize<'de> for Positive {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = raw_text(deserializer)?;
        parse_positive(&text).map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Signed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = raw_text(deserializer)?;
        parse(&text).map(Self).map_err(de::Error::custom)
    }
}

/// The text of a string or a number: a JSON number is read as it was written.
fn raw_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    let text = raw.get();
    if text.starts_with('"') {
        serde_json::from_str(text).map_err(de::Error::custom)
    } else {
        Ok(text.to_owned())
    }
}

/// A field of a PATCH: left out, a value, or `null` to remove.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Patch<T> {
    /// Left out.
    #[default]
    Keep,
    /// A value.
    Set(T),
    /// `null`.
    Remove,
}

impl<T> Patch<T> {
    pub(crate) fn into_change<U>(self, convert: impl FnOnce(T) -> U) -> Change<U> {
        match self {
            Self::Keep => Change::Keep,
            Self::Set(value) => Change::Set(convert(value)),
            Self::Remove => Change::Remove,
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<T>::deserialize(deserializer)?.map_or(Self::Remove, Self::Set))
    }
}

/// Money, with exactly the currency's decimals.
pub(crate) fn money(amount: Decimal, currency: Currency) -> String {
    currency.round(amount).to_string()
}

/// A price with at least the instrument's digits: never rounded, in case terms have changed since.
pub(crate) fn price(value: Decimal, instrument: Option<&Instrument>) -> String {
    at_least(value, instrument.map_or(0, |terms| terms.digits))
}

/// A volume with the decimals of the instrument's step.
pub(crate) fn volume(value: Decimal, instrument: Option<&Instrument>) -> String {
    at_least(
        value,
        instrument.map_or(0, |terms| terms.volume_step.normalize().scale()),
    )
}

/// A ratio in percent or the like, with two decimals.
pub(crate) fn two_decimals(value: Decimal) -> String {
    let rounded = value.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
    at_least(rounded, 2)
}

/// As it is.
pub(crate) fn plain(value: Decimal) -> String {
    value.normalize().to_string()
}

fn at_least(value: Decimal, digits: u32) -> String {
    let mut value = value.normalize();
    if value.scale() < digits {
        value.rescale(digits);
    }
    value.to_string()
}

impl fmt::Display for Positive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        volume: Positive,
        #[serde(default)]
        stop_loss: Patch<Positive>,
    }

    fn read(text: &str) -> Result<Body, String> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        serde_path_to_error::deserialize(&mut deserializer).map_err(|error| error.to_string())
    }

    #[test]
    fn strings_and_numbers_are_read_digit_for_digit() {
        for text in [
            r#"{"volume":"0.1234567890123456789"}"#,
            r#"{"volume":0.1234567890123456789}"#,
        ] {
            assert_eq!(
                read(text).unwrap().volume.to_string(),
                "0.1234567890123456789"
            );
        }
    }

    #[test]
    fn twenty_eight_digits_pass_and_twenty_nine_do_not() {
        let long = "0.".to_owned() + &"1".repeat(28);
        assert!(parse(&long).is_ok());
        assert_eq!(parse(&(long + "1")), Err(NumberError::TooManyDigits));
        assert!(parse(&"9".repeat(28)).is_ok());
        assert_eq!(parse(&"9".repeat(29)), Err(NumberError::TooManyDigits));
        assert_eq!(parse(&"9".repeat(10_000)), Err(NumberError::TooManyDigits));
        assert!(parse("000000000000000000000000000000000001.5").is_ok());
    }

    #[test]
    fn what_is_no_plain_decimal_is_refused() {
        for text in [
            "", "-", ".5", "5.", "1e3", "1E-3", "+1", " 1", "1,5", "0x10", "NaN", "--1", "١",
        ] {
            assert_eq!(parse(text), Err(NumberError::Malformed), "{text}");
        }
        assert!(
            read(r#"{"volume":1e2}"#)
                .unwrap_err()
                .starts_with("volume: must be a decimal")
        );
        for text in [
            r#"{"volume":true}"#,
            r#"{"volume":null}"#,
            r#"{"volume":[1]}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn zero_and_less_are_refused() {
        for text in ["0", "-0", "0.000", "-1", "-0.01"] {
            assert_eq!(
                parse_positive(text),
                Err(NumberError::NotPositive),
                "{text}"
            );
        }
    }

    #[test]
    fn null_removes_and_absence_keeps() {
        let keep = read(r#"{"volume":"1"}"#).unwrap();
        assert_eq!(keep.stop_loss, Patch::Keep);
        let remove = read(r#"{"volume":"1","stop_loss":null}"#).unwrap();
        assert_eq!(remove.stop_loss, Patch::Remove);
        let set = read(r#"{"volume":"1","stop_loss":"1.5"}"#).unwrap();
        assert!(matches!(set.stop_loss, Patch::Set(_)));
    }

    #[test]
    fn amounts_are_written_with_the_decimals_of_their_unit() {
        let decimal = |text: &str| parse(text).unwrap();
        assert_eq!(money(decimal("10000"), Currency::USD), "10000.00");
        assert_eq!(money(decimal("-0.004"), Currency::USD), "0.00");
        assert_eq!(money(decimal("1234.5"), Currency::JPY), "1235");
        assert_eq!(at_least(decimal("1.0800"), 5), "1.08000");
        assert_eq!(at_least(decimal("1.123456"), 5), "1.123456");
        assert_eq!(two_decimals(decimal("919.8765")), "919.88");
    }
}
