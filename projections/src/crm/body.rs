//! The body of a delivery, from its outbox row: the same bytes on each try, resend and replay.
//!
//! Personal fields rest as the book's ciphertext and are opened here, with the client's key; once
//! that key is destroyed they are null. No number has a fraction and no key looks like a number, so
//! that the text equals `JSON.stringify(JSON.parse(text))`.

use std::fmt;

use daybook_domain::Timestamp;
use daybook_store::{StoreError, SubjectKey, seal};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::{RawValue, to_raw_value};
use uuid::Uuid;

use super::number;

/// Fields of `data` that are personal, with the names under which the book seals them.
const PERSONAL: &[(&str, &str)] = &[
    ("email", "email"),
    ("firstName", "first_name"),
    ("lastName", "last_name"),
    ("phone", "phone"),
    ("country", "country"),
    ("method", "method"),
    ("destination", "destination"),
    ("externalId", "external_id"),
];

/// One row of the outbox: what is to be sent, personal fields sealed.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct OutboxRow {
    pub(crate) id: Uuid,
    pub(crate) endpoint: String,
    pub(crate) number: i64,
    pub(crate) client_id: Uuid,
    pub(crate) client_number: i64,
    pub(crate) position: i64,
    pub(crate) event: String,
    pub(crate) at: Timestamp,
    pub(crate) data: String,
    pub(crate) before: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    id: Uuid,
    event: &'a str,
    data: Object,
    timestamp: String,
    position: i64,
    number: i64,
    client_number: i64,
}

/// The body's text. Without a key the client was erased.
///
/// # Errors
/// [`StoreError`] when a field does not open under the key, or the row is not ours.
pub(crate) fn render(row: &OutboxRow, key: Option<&SubjectKey>) -> Result<String, StoreError> {
    let mut data: Object = parse(row, &row.data)?;
    data.open(row, key)?;
    if let Some(before) = &row.before {
        let mut before: Object = parse(row, before)?;
        before.open(row, key)?;
        data.tell_changes(&before);
    }
    let body = Body {
        id: row.id,
        event: &row.event,
        data,
        timestamp: number::time(row.at),
        position: row.position,
        number: row.number,
        client_number: row.client_number,
    };
    Ok(serde_json::to_string(&body).expect("invariant: a body is plain text and numbers"))
}

fn parse(row: &OutboxRow, text: &str) -> Result<Object, StoreError> {
    serde_json::from_str(text).map_err(|error| corrupt(row, &error))
}

fn corrupt(row: &OutboxRow, error: &serde_json::Error) -> StoreError {
    StoreError::Corrupt {
        place: format!("outbox {}", row.id),
        detail: error.to_string(),
    }
}

/// An object with its fields in order; values keep their very text.
struct Object(Vec<(String, Box<RawValue>)>);

impl Object {
    fn open(&mut self, row: &OutboxRow, key: Option<&SubjectKey>) -> Result<(), StoreError> {
        for (field, value) in &mut self.0 {
            let personal = PERSONAL.iter().find(|(name, _)| name == field);
            let Some((_, sealed_as)) = personal.filter(|_| is_sealed(value)) else {
                continue;
            };
            let opened = match key {
                None => None,
                Some(key) => {
                    let sealed: String =
                        serde_json::from_str(value.get()).map_err(|error| corrupt(row, &error))?;
                    Some(key.open(sealed_as, &sealed)?)
                }
            };
            *value = to_raw_value(&opened).map_err(|error| corrupt(row, &error))?;
        }
        Ok(())
    }

    /// Fills `changed` in: the names of what is another text than before, all once it is erased.
    fn tell_changes(&mut self, before: &Self) {
        let differs = |(field, was): &&(String, Box<RawValue>)| {
            let now = self.0.iter().find(|(name, _)| name == field);
            let erased = was.get() == "null" && now.is_some_and(|(_, now)| now.get() == "null");
            erased && is_name(field) || now.is_some_and(|(_, now)| now.get() != was.get())
        };
        let changed: Vec<&str> = before
            .0
            .iter()
            .filter(differs)
            .map(|(field, _)| field.as_str())
            .collect();
        let changed = to_raw_value(&changed).expect("invariant: names are text");
        if let Some((_, value)) = self.0.iter_mut().find(|(name, _)| name == "changed") {
            *value = changed;
        }
    }
}

/// A name is never null but for erasure.
fn is_name(field: &str) -> bool {
    matches!(field, "firstName" | "lastName")
}

fn is_sealed(value: &RawValue) -> bool {
    let text = value.get().strip_prefix('"');
    text.is_some_and(|text| text.starts_with(seal::PREFIX))
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut fields = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    fields.push(entry);
                }
                Ok(Object(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(field, value)| (field, value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(data: &str, before: Option<&str>) -> OutboxRow {
        OutboxRow {
            id: Uuid::from_u128(7),
            endpoint: "crm".to_owned(),
            number: 3,
            client_id: Uuid::from_u128(9),
            client_number: 2,
            position: 42,
            event: "user.updated".to_owned(),
            at: Timestamp::from_timestamp_millis(1_767_787_200_123).unwrap(),
            data: data.to_owned(),
            before: before.map(str::to_owned),
        }
    }

    #[test]
    fn order_and_text_of_the_fields_are_kept() {
        let body = render(
            &row(r#"{"z":"1.50","a":[1,{"k":null}],"m":"ü\n"}"#, None),
            None,
        );
        assert_eq!(
            body.unwrap(),
            r#"{"id":"00000000-0000-0000-0000-000000000007","event":"user.updated","data":{"z":"1.50","a":[1,{"k":null}],"m":"ü\n"},"timestamp":"2026-01-07T12:00:00.123Z","position":42,"number":3,"clientNumber":2}"#
        );
    }

    #[test]
    fn erased_fields_are_null_and_a_clients_own_text_stays_what_it_is() {
        let data = r#"{"email":"enc:v1:AAAA","clientOrderId":"enc:v1:mine","phone":null}"#;
        let body = render(&row(data, None), None).unwrap();
        assert!(
            body.contains(r#""data":{"email":null,"clientOrderId":"enc:v1:mine","phone":null}"#),
            "{body}"
        );
    }

    #[test]
    fn what_changed_is_told_by_comparing_what_was_opened() {
        let before = r#"{"firstName":"Ada","lastName":"Byron","phone":null,"country":"GB"}"#;
        let data =
            r#"{"changed":[],"firstName":"Ada","lastName":"King","phone":"1","country":"GB"}"#;
        let body = render(&row(data, Some(before)), None).unwrap();
        assert!(body.contains(r#""changed":["lastName","phone"]"#), "{body}");
    }

    #[test]
    fn what_does_not_open_is_not_sent() {
        // Sealed text of nobody: it opens under no key there is.
        let broken = row("{", None);
        assert!(render(&broken, None).is_err());
    }
}
