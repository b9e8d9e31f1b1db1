//! The name of an instrument, held inline so that it can be copied and hashed without allocation.

use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

const CAPACITY: usize = 15;

/// An instrument's name as we write it, for example `EURUSD`: 1 to 15 upper-case ASCII letters,
/// digits, `.` or `_`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol {
    bytes: [u8; CAPACITY],
    length: u8,
}

/// The text is not an instrument's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a symbol has 1 to 15 characters of A-Z, 0-9, '.' and '_'")]
pub struct SymbolError;

impl Symbol {
    /// Reads a name. Nothing is converted: lower case is refused.
    ///
    /// # Errors
    /// [`SymbolError`] for an empty or long text, or a character outside the alphabet.
    pub fn parse(text: &str) -> Result<Self, SymbolError> {
        let allowed = |byte: u8| {
            byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_')
        };
        if text.is_empty() || text.len() > CAPACITY || !text.bytes().all(allowed) {
            return Err(SymbolError);
        }
        let mut bytes = [0; CAPACITY];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        let length = u8::try_from(text.len()).map_err(|_| SymbolError)?;
        Ok(Self { bytes, length })
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let text = std::str::from_utf8(&self.bytes[..usize::from(self.length)]);
        text.expect("invariant: a symbol is made of ASCII characters")
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Symbol {
    type Err = SymbolError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl Serialize for Symbol {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Symbol {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_reads_as_it_is_written() {
        for text in ["EURUSD", "A", "EUR.INDEX_1", "ABCDEFGHIJKLMNO"] {
            let symbol = Symbol::parse(text).unwrap();
            let json = serde_json::to_string(&symbol).unwrap();
            assert_eq!(json, format!("{text:?}"));
            assert_eq!(serde_json::from_str::<Symbol>(&json).unwrap(), symbol);
        }
        for wrong in ["", "eurusd", "EUR/USD", "ABCDEFGHIJKLMNOP", "ÄÖ"] {
            assert_eq!(Symbol::parse(wrong), Err(SymbolError), "{wrong:?}");
        }
    }
}
