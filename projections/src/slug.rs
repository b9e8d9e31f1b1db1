//! The domain's plain enums as text columns, by the names they are serialised under.

use serde::{
    Serialize,
    de::{DeserializeOwned, IntoDeserializer, value::StrDeserializer},
};

type SlugError = serde::de::value::Error;

/// The stored name of a variant without fields.
pub(crate) fn of<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        other => panic!("invariant: a variant without fields is serialised as text, not {other:?}"),
    }
}

/// The variant of a stored name.
pub(crate) fn parse<T: DeserializeOwned>(name: &str) -> Result<T, sqlx::Error> {
    let text: StrDeserializer<'_, SlugError> = name.into_deserializer();
    T::deserialize(text).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

#[cfg(test)]
mod tests {
    use daybook_domain::{account::OrderType, quote::Side};

    use super::{of, parse};

    #[test]
    fn a_variant_reads_back_what_it_was_stored_as() {
        assert_eq!(of(&OrderType::StopLimit), "stop_limit");
        assert_eq!(
            parse::<OrderType>("stop_limit").unwrap(),
            OrderType::StopLimit
        );
        assert_eq!(parse::<Side>(&of(&Side::Sell)).unwrap(), Side::Sell);
    }

    #[test]
    fn an_unknown_name_is_refused() {
        assert!(parse::<Side>("sideways").is_err());
    }
}
