//! The CRM's service API over HTTP: to an address that may be reached, with answers read within
//! bounds.

use chrono::Utc;
use daybook_domain::client::KycStatus;
use daybook_projections::crm::{Guard, retry_after};
use reqwest::{Client, RequestBuilder, Response, Url, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use uuid::Uuid;

use crate::verdict::Failure;

/// Read of an answer; what is longer is no answer.
const ANSWER_MAX: usize = 64 * 1024;

/// What the CRM knows of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// Its name for them.
    pub(crate) external_id: String,
    /// Where the checks stand, where it says so in a word that we know.
    pub(crate) kyc: Option<KycStatus>,
}

/// The API.
pub(crate) struct Service {
    client: Client,
    guard: Guard,
    base: Url,
    token: SecretString,
}

impl Service {
    /// # Errors
    /// When the base is no address.
    pub(crate) fn try_new(
        base: &str,
        token: SecretString,
        allow_private: bool,
    ) -> Result<Self, &'static str> {
        let base = Url::parse(base).map_err(|_| "no address")?;
        if base.cannot_be_a_base() {
            return Err("no address that has paths");
        }
        let guard = Guard { allow_private };
        Ok(Self {
            client: guard.client(),
            guard,
            base,
            token,
        })
    }

    /// `GET /api/service/clients/{email}`.
    pub(crate) async fn look_up(&self, email: &str) -> Result<Known, Failure> {
        let url = self.url(email, None);
        let request = self.client.get(url.clone());
        let text = self.answer(&url, request).await?;
        known(&text, email).ok_or_else(|| Failure::failed("an answer that nobody can read"))
    }

    /// `PATCH /api/service/clients/{email}/kyc`.
    pub(crate) async fn tell_kyc(
        &self,
        email: &str,
        key: Uuid,
        body: &Value,
    ) -> Result<(), Failure> {
        let url = self.url(email, Some("kyc"));
        let request = self.client.patch(url.clone());
        self.answer(&url, said(request, key, body)).await.map(drop)
    }

    /// `POST /api/service/clients/{email}/notes`.
    pub(crate) async fn tell_note(
        &self,
        email: &str,
        key: Uuid,
        body: &Value,
    ) -> Result<(), Failure> {
        let url = self.url(email, Some("notes"));
        let request = self.client.post(url.clone());
        self.answer(&url, said(request, key, body)).await.map(drop)
    }

    fn url(&self, email: &str, what: Option<&str>) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty();
            path.extend(["api", "service", "clients", email]);
            path.extend(what);
        }
        url
    }

    async fn answer(&self, url: &Url, request: RequestBuilder) -> Result<String, Failure> {
        if let Err(refused) = self.guard.check(url) {
            return Err(Failure::failed(refused.to_string()));
        }
        let request = request.bearer_auth(self.token.expose_secret());
        let request = request.header(header::ACCEPT, "application/json");
        let response = request.send().await;
        let response = response.map_err(|error| Failure::failed(cause(error)))?;
        let status = response.status().as_u16();
        match status {
            200..=299 => read(response).await,
            401 | 403 => Err(Failure::Shut(status)),
            404 => Err(Failure::Unknown),
            408 | 425 | 429 | 0..=399 | 500.. => {
                let asked = response.headers().get(header::RETRY_AFTER);
                let asked = asked.and_then(|value| value.to_str().ok());
                Err(Failure::Failed {
                    why: format!("the CRM answers {status}"),
                    retry_after: asked.and_then(|text| retry_after(text, Utc::now())),
                })
            }
            400..=499 => Err(Failure::Refused(status)),
        }
    }
}

/// The key makes a repetition harmless, where the CRM looks at it.
fn said(request: RequestBuilder, key: Uuid, body: &Value) -> RequestBuilder {
    request
        .header("idempotency-key", key.to_string())
        .header(header::CONTENT_TYPE, "application/json")
        .body(body.to_string())
}

async fn read(mut response: Response) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if bytes.len() + chunk.len() <= ANSWER_MAX => bytes.extend(chunk),
            Ok(Some(_)) => return Err(Failure::failed("an answer without end")),
            Ok(None) => break,
            Err(error) => return Err(Failure::failed(cause(error))),
        }
    }
    String::from_utf8(bytes).map_err(|_| Failure::failed("an answer that is no text"))
}

/// What a client's record says; none: it is none, or another client's.
fn known(text: &str, email: &str) -> Option<Known> {
    let record: Value = serde_json::from_str(text).ok()?;
    let whose = record.get("email").and_then(Value::as_str);
    if whose.is_some_and(|whose| !whose.trim().eq_ignore_ascii_case(email)) {
        return None;
    }
    let named = record.get("externalId").filter(|value| !value.is_null());
    let external_id = match named.or_else(|| record.get("id"))? {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) if number.is_u64() => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            return None;
        }
    };
    let status = record.get("kycStatus").and_then(Value::as_str);
    (!external_id.is_empty()).then(|| Known {
        external_id,
        kyc: status.and_then(status_named),
    })
}

fn status_named(text: &str) -> Option<KycStatus> {
    let all = [
        KycStatus::None,
        KycStatus::Pending,
        KycStatus::Approved,
        KycStatus::Rejected,
        KycStatus::Expired,
    ];
    let text = text.trim();
    all.into_iter()
        .find(|status| status.as_str().eq_ignore_ascii_case(text))
}

/// An error with its causes, without the address, which names the client.
fn cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: &str = "ada@example.test";

    fn of(text: &str) -> Option<(String, Option<KycStatus>)> {
        known(text, ADA).map(|known| (known.external_id, known.kyc))
    }

    #[test]
    fn a_record_is_read_as_crms_write_it() {
        let named = |text: &str, kyc| Some((text.to_owned(), kyc));
        let full = r#"{"externalId":"A-1","id":7,"email":"Ada@Example.test",
            "kycStatus":"APPROVED","more":[]}"#;
        assert_eq!(of(full), named("A-1", Some(KycStatus::Approved)));
        assert_eq!(of(r#"{"id":4711}"#), named("4711", None));
        assert_eq!(of(r#"{"externalId":null,"id":"x"}"#), named("x", None));
        let odd = r#"{"id":"x","kycStatus":"in review"}"#;
        assert_eq!(of(odd), named("x", None));
    }

    #[test]
    fn what_is_no_record_of_this_client_is_not_believed() {
        for text in [
            "",
            "null",
            "[]",
            "{}",
            "<html>",
            r#"{"id":""}"#,
            r#"{"id":null}"#,
            r#"{"id":1.5}"#,
            r#"{"id":-1}"#,
            r#"{"id":{}}"#,
            r#"{"id":"x","email":"eve@example.test"}"#,
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn an_address_is_one_part_of_a_path() {
        let url = |base: &str, email: &str| {
            let service = Service::try_new(base, "token".to_owned().into(), false).unwrap();
            service.url(email, Some("kyc")).to_string()
        };
        let plain = "https://crm.example/api/service/clients/ada@example.test/kyc";
        assert_eq!(url("https://crm.example", ADA), plain);
        assert_eq!(url("https://crm.example/", ADA), plain);
        assert_eq!(
            url("https://crm.example/x", "a/../b?c#d%@e.test"),
            "https://crm.example/x/api/service/clients/a%2F..%2Fb%3Fc%23d%25@e.test/kyc"
        );
        assert!(Service::try_new("mailto:x", "token".to_owned().into(), false).is_err());
    }
}
