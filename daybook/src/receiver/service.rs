//! The CRM's own service API, which the site is a client of.

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde_json::{Value, json};

use super::{REMEMBERED_MAX, Shared, http::Request};

const PREFIX: &str = "/api/service/";

/// One request as it came in.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Call {
    at: DateTime<Utc>,
    method: String,
    path: String,
    /// What was answered; null: nothing.
    answered: Option<u16>,
    body: Value,
}

/// Whether a request is one to this API.
pub(super) fn is_meant(request: &Request) -> bool {
    request.path.starts_with(PREFIX)
}

impl Shared {
    /// The answer, where nothing fails.
    pub(super) fn serve(&self, request: &Request) -> (u16, Value) {
        if !may(request, self.agreed.api_token.as_ref()) {
            return (401, json!({ "error": "the token is not known here" }));
        }
        let path = request.path.split('?').next().unwrap_or_default();
        let parts: Vec<&str> = path.trim_start_matches(PREFIX).split('/').collect();
        let email = parts.get(1).and_then(|part| decoded(part));
        let Some(email) = email else {
            return (404, json!({ "error": "there is no such route" }));
        };
        let key = request.headers.get("idempotency-key");
        let clients = &mut self.memory().clients;
        match (request.method.as_str(), parts[0], &parts[2..]) {
            ("GET", "clients", []) => clients.client(&email),
            ("GET", "clients", ["activity"]) => clients.activity(&email),
            ("GET", "accounts", []) => clients.accounts(&email),
            ("PATCH", "clients", ["kyc"]) => clients.change_kyc(&email, key, &request.body),
            ("POST", "clients", ["notes"]) => clients.add_note(&email, key, &request.body),
            _ => (404, json!({ "error": "there is no such route" })),
        }
    }

    /// Remembers a request, for `/control/calls`.
    pub(super) fn note_call(&self, request: &Request, answered: Option<u16>) {
        let mut memory = self.memory();
        if memory.calls.len() >= REMEMBERED_MAX {
            memory.calls.pop_front();
        }
        memory.calls.push_back(Call {
            at: Utc::now(),
            method: request.method.clone(),
            path: request.path.clone(),
            answered,
            body: serde_json::from_str(&request.body).unwrap_or_default(),
        });
    }
}

fn may(request: &Request, token: Option<&SecretString>) -> bool {
    let Some(token) = token else {
        return true;
    };
    let given = request.headers.get("authorization");
    given.is_some_and(|given| *given == format!("Bearer {}", token.expose_secret()))
}

/// A part of a path as it was meant; none: it is no text.
fn decoded(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        bytes.push(u8::from_str_radix(after.get(..2)?, 16).ok()?);
        rest = &after[2..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes)
        .ok()
        .filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn parts_of_paths_are_decoded() {
        let of = |text| decoded(text);
        assert_eq!(
            of("ada%2Bone%40example.test").as_deref(),
            Some("ada+one@example.test")
        );
        assert_eq!(of("ada@example.test").as_deref(), Some("ada@example.test"));
        assert_eq!(of("%C3%A4@example.test").as_deref(), Some("ä@example.test"));
        for broken in ["", "a%", "a%4", "a%zz", "%ff", "%ä"] {
            assert_eq!(of(broken), None, "{broken}");
        }
    }
}
