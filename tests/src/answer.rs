//! Answers of the server, and what tests want to know of them.

use reqwest::header::HeaderMap;
use rust_decimal::Decimal;
use serde_json::Value;
use uuid::Uuid;

/// An answer, read whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body, byte for byte.
    pub text: String,
}

impl Answer {
    /// The answer itself, if it has this status.
    ///
    /// # Panics
    /// Otherwise, showing the answer.
    #[track_caller]
    #[allow(
        clippy::must_use_candidate,
        reason = "the assertion alone is often what is wanted"
    )]
    pub fn expecting(self, status: u16) -> Self {
        assert_eq!(self.status, status, "unexpected answer: {}", self.text);
        self
    }

    /// Asserts that this is a well-formed problem with this status and code.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Value {
        let problem = self.any_problem(status);
        assert_eq!(problem["code"], code, "unexpected code: {problem}");
        problem
    }

    /// Asserts that this is a well-formed problem with this status, whatever its code.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn any_problem(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "unexpected answer: {}", self.text);
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "not a problem: {}",
            self.text
        );
        let problem = self.json();
        assert_eq!(problem["status"], status, "status in body: {problem}");
        for member in ["type", "title", "detail", "code", "requestId"] {
            let text = problem[member].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{member} is missing: {problem}");
        }
        assert_eq!(
            problem["requestId"].as_str(),
            self.header("x-request-id"),
            "the problem names another request: {problem}"
        );
        problem
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|error| panic!("{error} in {} {:?}", self.status, self.text))
    }

    /// A header's text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// What a browser keeps of the `Set-Cookie` lines.
    #[must_use]
    pub fn cookies(&self) -> Vec<(String, String)> {
        let lines = self.headers.get_all("set-cookie").iter();
        let pairs = lines.filter_map(|line| line.to_str().ok()?.split(';').next());
        pairs
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// `Daybook-Position`.
    ///
    /// # Panics
    /// When it is missing.
    #[must_use]
    #[track_caller]
    pub fn position(&self) -> i64 {
        self.header("daybook-position")
            .and_then(|text| text.parse().ok())
            .unwrap_or_else(|| panic!("no Daybook-Position beside {}", self.text))
    }

    /// The text at a JSON pointer.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    #[track_caller]
    pub fn text_at(&self, pointer: &str) -> String {
        text_at(&self.json(), pointer)
    }

    /// The decimal at a JSON pointer.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    #[track_caller]
    pub fn decimal(&self, pointer: &str) -> Decimal {
        decimal_at(&self.json(), pointer)
    }

    /// The uuid at a JSON pointer.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    #[track_caller]
    pub fn uuid(&self, pointer: &str) -> Uuid {
        match self.text_at(pointer).parse() {
            Ok(id) => id,
            Err(_) => panic!("no uuid at {pointer} in {}", self.text),
        }
    }
}

/// The text at a JSON pointer.
///
/// # Panics
/// When there is none.
#[must_use]
#[track_caller]
pub fn text_at(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer).and_then(Value::as_str) {
        Some(text) => text.to_owned(),
        None => panic!("no text at {pointer} in {value}"),
    }
}

/// The decimal, written as a string, at a JSON pointer.
///
/// # Panics
/// When there is none.
#[must_use]
#[track_caller]
pub fn decimal_at(value: &Value, pointer: &str) -> Decimal {
    match text_at(value, pointer).parse() {
        Ok(decimal) => decimal,
        Err(_) => panic!("no decimal at {pointer} in {value}"),
    }
}
