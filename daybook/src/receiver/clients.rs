//! Whom the CRM knows, in memory: what stands in its service API about them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Everybody, by address.
#[derive(Default)]
pub(super) struct Clients {
    known: BTreeMap<String, Known>,
}

/// One person.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Known {
    email: String,
    #[serde(default)]
    external_id: String,
    #[serde(default)]
    first_name: String,
    #[serde(default)]
    last_name: String,
    #[serde(default = "nothing_yet")]
    kyc_status: String,
    #[serde(default)]
    kyc_notes: Option<String>,
    #[serde(default)]
    accounts: Vec<Value>,
    /// What was done about them, oldest first.
    #[serde(skip)]
    activity: Vec<Activity>,
}

/// One thing that was done.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Activity {
    at: DateTime<Utc>,
    /// `kyc` or `note`.
    kind: &'static str,
    /// `Idempotency-Key`.
    #[serde(skip)]
    key: Option<String>,
    what: Value,
}

/// A change of the checks that the law asks for. What else a site says is not looked at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KycChange {
    kyc_status: String,
    #[serde(default)]
    notes: Option<String>,
}

/// A note.
#[derive(Deserialize)]
struct Note {
    comment: String,
}

fn nothing_yet() -> String {
    "none".to_owned()
}

fn name_of(email: &str) -> String {
    email.trim().to_lowercase()
}

fn unreadable(error: &serde_json::Error) -> (u16, Value) {
    (400, json!({ "error": error.to_string() }))
}

fn unknown() -> (u16, Value) {
    (404, json!({ "error": "no such client" }))
}

impl Clients {
    /// Everybody.
    pub(super) fn all(&self) -> Vec<Value> {
        self.known.values().map(|known| json!(known)).collect()
    }

    /// Takes somebody in, or replaces what was known of them.
    pub(super) fn put(&mut self, body: &str) -> (u16, Value) {
        let mut client: Known = match serde_json::from_str(body) {
            Ok(client) => client,
            Err(error) => return unreadable(&error),
        };
        let name = name_of(&client.email);
        if client.external_id.is_empty() {
            client.external_id = format!("crm-{}", self.known.len() + 1);
        }
        if let Some(before) = self.known.remove(&name) {
            client.activity = before.activity;
        }
        let answer = json!(client);
        self.known.insert(name, client);
        (200, answer)
    }

    pub(super) fn client(&self, email: &str) -> (u16, Value) {
        let known = self.known.get(&name_of(email));
        known.map_or_else(unknown, |known| (200, json!(known)))
    }

    pub(super) fn accounts(&self, email: &str) -> (u16, Value) {
        let known = self.known.get(&name_of(email));
        known.map_or_else(unknown, |known| (200, json!({ "items": known.accounts })))
    }

    pub(super) fn activity(&self, email: &str) -> (u16, Value) {
        let known = self.known.get(&name_of(email));
        known.map_or_else(unknown, |known| (200, json!({ "items": known.activity })))
    }

    /// The same key a second time changes nothing.
    pub(super) fn change_kyc(
        &mut self,
        email: &str,
        key: Option<&String>,
        body: &str,
    ) -> (u16, Value) {
        let change: KycChange = match serde_json::from_str(body) {
            Ok(change) => change,
            Err(error) => return unreadable(&error),
        };
        let Some(known) = self.known.get_mut(&name_of(email)) else {
            return unknown();
        };
        if !known.had(key) {
            known.kyc_status = change.kyc_status;
            known.kyc_notes = change.notes;
            known.note("kyc", key, body);
        }
        (200, json!(known))
    }

    /// The same key a second time adds nothing.
    pub(super) fn add_note(
        &mut self,
        email: &str,
        key: Option<&String>,
        body: &str,
    ) -> (u16, Value) {
        let note: Note = match serde_json::from_str(body) {
            Ok(note) => note,
            Err(error) => return unreadable(&error),
        };
        let Some(known) = self.known.get_mut(&name_of(email)) else {
            return unknown();
        };
        if !known.had(key) {
            known.note("note", key, body);
        }
        (201, json!({ "comment": note.comment }))
    }
}

impl Known {
    fn had(&self, key: Option<&String>) -> bool {
        let same = |one: &Activity| one.key.as_ref() == key;
        key.is_some() && self.activity.iter().any(same)
    }

    fn note(&mut self, kind: &'static str, key: Option<&String>, body: &str) {
        self.activity.push(Activity {
            at: Utc::now(),
            kind,
            key: key.cloned(),
            what: serde_json::from_str(body).unwrap_or_default(),
        });
    }
}
