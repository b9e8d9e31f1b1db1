//! One HTTP request: signed, to an address that may be reached, with an answer read within bounds.

use std::{error::Error as _, time::Duration};

use chrono::Utc;
use daybook_store::{Keyring, StoreError, SubjectKey};
use reqwest::{Client, Response, StatusCode, header};
use tokio::time::Instant;
use uuid::Uuid;

use super::{desk::Target, lease::Head};
use crate::crm::{guard::Guard, kind::Kind, retry};

/// Read of an answer; what is longer ends the connection.
const ANSWER_READ_MAX: usize = 64 * 1024;
/// Kept of it, in characters.
const ANSWER_KEPT_MAX: usize = 500;

/// Sends deliveries over connections that are kept.
pub(super) struct Courier {
    client: Client,
    guard: Guard,
    keys: Keyring,
}

/// What came of a request.
#[derive(Debug)]
pub(super) struct Answer {
    /// HTTP; none: no answer.
    pub(super) status: Option<u16>,
    pub(super) latency: Duration,
    /// The beginning of the answer, or what went wrong.
    pub(super) text: Option<String>,
    pub(super) retry_after: Option<Duration>,
}

impl Courier {
    pub(super) fn new(keys: Keyring, allow_private: bool) -> Self {
        let guard = Guard { allow_private };
        Self {
            client: guard.client(),
            guard,
            keys,
        }
    }

    /// The client's key; none once it was destroyed.
    pub(super) async fn key(&self, client: Uuid) -> Result<Option<SubjectKey>, StoreError> {
        self.keys.find(client).await
    }

    /// Sends one delivery and waits for the answer.
    pub(super) async fn send(&self, target: &Target, head: &Head, body: String) -> Answer {
        let started = Instant::now();
        if let Err(refused) = self.guard.check(&target.url) {
            return Answer::none(refused.to_string(), started.elapsed());
        }
        let mut request = self.client.post(target.url.clone());
        request = request.header(header::CONTENT_TYPE, "application/json");
        if let Some(kind) = Kind::named(&head.event) {
            request = request.header("x-webhook-version", kind.version());
        }
        let signed = target
            .signer
            .headers(head.id, Utc::now().timestamp(), &body);
        for (name, value) in signed {
            request = request.header(name, value);
        }
        match request.body(body).send().await {
            Ok(response) => answered(response, started).await,
            Err(error) => Answer::none(told(error), started.elapsed()),
        }
    }
}

impl Answer {
    /// There was none.
    pub(super) const fn none(text: String, latency: Duration) -> Self {
        Self {
            status: None,
            latency,
            text: Some(text),
            retry_after: None,
        }
    }
}

async fn answered(mut response: Response, started: Instant) -> Answer {
    let status = response.status();
    let latency = started.elapsed();
    let asked = response.headers().get(header::RETRY_AFTER);
    let asked = asked.and_then(|value| value.to_str().ok());
    let retry_after = asked.and_then(|value| retry::retry_after(value, Utc::now()));
    let mut bytes = Vec::new();
    // The status alone decides; a body that breaks off takes nothing back.
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > ANSWER_READ_MAX {
            break;
        }
    }
    let text = if status.is_redirection() {
        "redirects are not followed".to_owned()
    } else {
        // Neither text nor database takes a NUL.
        let text = String::from_utf8_lossy(&bytes).replace('\0', "");
        text.chars().take(ANSWER_KEPT_MAX).collect()
    };
    Answer {
        status: Some(StatusCode::as_u16(&status)),
        latency,
        text: Some(text),
        retry_after,
    }
}

/// An error with its causes, without the address, which may carry a password.
fn told(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text.chars().take(ANSWER_KEPT_MAX).collect()
}
