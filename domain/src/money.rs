//! Currencies, amounts and the one rounding rule: half away from zero, to the minor unit.

use std::{borrow::Cow, fmt, str::FromStr};

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

const CAPACITY: usize = 7;

/// A currency's code: ISO 4217 for money, the ticker for crypto (`BTC`, `USDT`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency {
    bytes: [u8; CAPACITY],
    length: u8,
}

/// The text is not a currency's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a currency code has 2 to 7 characters of A-Z and 0-9")]
pub struct CurrencyError;

impl Currency {
    /// United States dollar, through which crosses are converted.
    pub const USD: Self = Self {
        bytes: *b"USD\0\0\0\0",
        length: 3,
    };
    /// Euro.
    pub const EUR: Self = Self {
        bytes: *b"EUR\0\0\0\0",
        length: 3,
    };
    /// Japanese yen, which has no minor unit.
    pub const JPY: Self = Self {
        bytes: *b"JPY\0\0\0\0",
        length: 3,
    };

    /// Reads a code in upper case.
    ///
    /// # Errors
    /// [`CurrencyError`] when the text is no code.
    pub fn parse(text: &str) -> Result<Self, CurrencyError> {
        let allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        if !(2..=CAPACITY).contains(&text.len()) || !text.bytes().all(allowed) {
            return Err(CurrencyError);
        }
        let mut bytes = [0; CAPACITY];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        let length = u8::try_from(text.len()).map_err(|_| CurrencyError)?;
        Ok(Self { bytes, length })
    }

    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let text = std::str::from_utf8(&self.bytes[..usize::from(self.length)]);
        text.expect("invariant: a currency code is made of ASCII characters")
    }

    /// Decimals of the minor unit (ISO 4217; crypto as exchanges show it).
    #[must_use]
    pub fn minor_digits(&self) -> u32 {
        // Bytes rather than text: every amount that is rounded asks this.
        match &self.bytes {
            b"JPY\0\0\0\0" | b"KRW\0\0\0\0" | b"VND\0\0\0\0" | b"CLP\0\0\0\0" | b"ISK\0\0\0\0" => 0,
            b"BHD\0\0\0\0" | b"IQD\0\0\0\0" | b"JOD\0\0\0\0" | b"KWD\0\0\0\0" | b"OMR\0\0\0\0"
            | b"TND\0\0\0\0" => 3,
            b"BTC\0\0\0\0" | b"ETH\0\0\0\0" | b"SOL\0\0\0\0" | b"XRP\0\0\0\0" => 8,
            _ => 2,
        }
    }

    /// Rounds an amount to the minor unit, half away from zero, with exactly that many decimals.
    #[must_use]
    pub fn round(&self, amount: Decimal) -> Decimal {
        let digits = self.minor_digits();
        let mut rounded =
            amount.round_dp_with_strategy(digits, RoundingStrategy::MidpointAwayFromZero);
        rounded.rescale(digits);
        if rounded.is_zero() {
            rounded.set_sign_positive(true);
        }
        rounded
    }
}

impl Default for Currency {
    fn default() -> Self {
        Self::USD
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Currency {
    type Err = CurrencyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(D::Error::custom)
    }
}

/// An amount in a currency, rounded to its minor unit where money changes hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// Signed amount.
    pub amount: Decimal,
    /// Its currency.
    pub currency: Currency,
}

/// Two amounts could not be combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The currencies differ.
    #[error("{0} and {1} are different currencies")]
    CurrencyMismatch(Currency, Currency),
    /// The sum has more than 28 digits.
    #[error("amount overflows 28 digits")]
    Overflow,
}

impl Money {
    /// Rounds `amount` to the currency's minor unit.
    #[must_use]
    pub fn rounded(amount: Decimal, currency: Currency) -> Self {
        Self {
            amount: currency.round(amount),
            currency,
        }
    }

    /// Nothing, in `currency`.
    #[must_use]
    pub fn zero(currency: Currency) -> Self {
        Self::rounded(Decimal::ZERO, currency)
    }

    /// Adds two amounts of one currency.
    ///
    /// # Errors
    /// [`MoneyError`] when the currencies differ or the sum overflows.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::CurrencyMismatch(self.currency, other.currency));
        }
        let amount = self
            .amount
            .checked_add(other.amount)
            .ok_or(MoneyError::Overflow)?;
        Ok(Self { amount, ..self })
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount, self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dec(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn amounts_are_rounded_half_away_from_zero_to_the_minor_unit() {
        let rounded = |currency: Currency, amount: &str| currency.round(dec(amount)).to_string();
        assert_eq!(rounded(Currency::USD, "1.005"), "1.01");
        assert_eq!(rounded(Currency::USD, "-1.005"), "-1.01");
        assert_eq!(rounded(Currency::USD, "1.00499999"), "1.00");
        assert_eq!(
            rounded(Currency::USD, "-0.004"),
            "0.00",
            "never a negative zero"
        );
        assert_eq!(rounded(Currency::USD, "5"), "5.00");
        assert_eq!(rounded(Currency::JPY, "2.5"), "3");
        let digits = |code: &str| Currency::parse(code).unwrap().minor_digits();
        assert_eq!(["JPY", "KWD", "BTC", "EUR"].map(digits), [0, 3, 8, 2]);
    }

    #[test]
    fn amounts_of_different_currencies_are_never_added() {
        let dollars = Money::rounded(dec("1"), Currency::USD);
        let euros = Money::rounded(dec("1"), Currency::EUR);
        let mismatch = MoneyError::CurrencyMismatch(Currency::USD, Currency::EUR);
        assert_eq!(dollars.checked_add(euros), Err(mismatch));
        assert_eq!(
            dollars.checked_add(dollars),
            Ok(Money::rounded(dec("2"), Currency::USD))
        );
        let most = Money {
            amount: Decimal::MAX,
            currency: Currency::USD,
        };
        assert_eq!(most.checked_add(most), Err(MoneyError::Overflow));
    }

    #[test]
    fn a_currency_reads_as_it_is_written() {
        for code in ["USD", "BRENT", "US500", "DE40"] {
            let currency = Currency::parse(code).unwrap();
            let json = serde_json::to_string(&currency).unwrap();
            assert_eq!(serde_json::from_str::<Currency>(&json).unwrap(), currency);
            assert_eq!(currency.to_string(), code);
        }
        for wrong in ["", "U", "usd", "TOOLONGX", "U D"] {
            assert_eq!(Currency::parse(wrong), Err(CurrencyError), "{wrong:?}");
        }
    }
}
