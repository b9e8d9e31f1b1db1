//! Captchas: whether a person asks, as the provider says of the token that the page sends along.

use std::{net::IpAddr, time::Duration};

use reqwest::{Client, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use crate::{
    config::CaptchaConfig,
    problem::{Answered, Code, Problem},
};

/// Somebody waits for the answer to this and to what follows.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The provider's own are a quarter of it.
const TOKEN_MAX: usize = 8 * 1024;
/// From 0, surely a machine, to 1: what the provider advises to let pass.
const SCORE_MIN: f64 = 0.5;

/// Asks the provider, where one is configured.
pub(crate) struct Captcha {
    provider: Option<Provider>,
}

struct Provider {
    secret: SecretString,
    url: String,
    http: Client,
}

/// What the provider says. Only what is used.
#[derive(Debug, Deserialize)]
struct Verdict {
    success: bool,
    score: Option<f64>,
    #[serde(default, rename = "error-codes")]
    error_codes: Vec<String>,
}

impl Captcha {
    pub(crate) fn new(config: Option<&CaptchaConfig>) -> Self {
        let provider = config.map(|config| Provider {
            secret: config.secret.clone(),
            url: config.url.clone(),
            http: client(&config.url),
        });
        Self { provider }
    }

    /// Passes where no captcha is asked for, or the provider vouches for `token`.
    ///
    /// # Errors
    /// 400 `captcha_failed` without a token or with one that is not good (any more); 503
    /// `captcha_unavailable` when the provider does not say.
    pub(crate) async fn check(&self, token: Option<&str>, address: IpAddr) -> Answered<()> {
        let Some(provider) = &self.provider else {
            return Ok(());
        };
        let token = token.map(str::trim).unwrap_or_default();
        if token.is_empty() || token.len() > TOKEN_MAX {
            return Err(Problem::new(Code::CaptchaFailed));
        }
        let verdict = match provider.ask(token, address).await {
            Ok(verdict) => verdict,
            Err(error) => {
                // An address of the provider holds no secret; the body, which does, is not in it.
                tracing::error!(%error, "the captcha's provider did not answer");
                return Err(Problem::new(Code::CaptchaUnavailable));
            }
        };
        judge(&verdict).map_err(Problem::new)
    }
}

impl Provider {
    async fn ask(&self, token: &str, address: IpAddr) -> Result<Verdict, reqwest::Error> {
        let address = address.to_string();
        let form = [
            ("secret", self.secret.expose_secret()),
            ("response", token),
            ("remoteip", &address),
        ];
        let answer = self.http.post(&self.url).form(&form).send().await?;
        answer.error_for_status()?.json().await
    }
}

fn judge(verdict: &Verdict) -> Result<(), Code> {
    if verdict.success {
        let person = verdict.score.is_none_or(|score| score >= SCORE_MIN);
        return if person {
            Ok(())
        } else {
            Err(Code::CaptchaFailed)
        };
    }
    // Our fault, and nobody could sign in: not the caller's token.
    if verdict
        .error_codes
        .iter()
        .any(|code| code.ends_with("-input-secret"))
    {
        tracing::error!("the captcha's provider does not know RECAPTCHA_SECRET");
        return Err(Code::CaptchaUnavailable);
    }
    Err(Code::CaptchaFailed)
}

fn client(url: &str) -> Client {
    let url = Url::parse(url).ok();
    let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
    let loopback = host == "localhost" || host == "[::1]" || host.starts_with("127.");
    let builder = Client::builder()
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent("daybook");
    let builder = if loopback {
        builder.no_proxy() // A proxy's loopback is not ours.
    } else {
        builder
    };
    let built = builder.build();
    built.expect("invariant: an HTTP client with a TLS provider can be built")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(text: &str) -> Result<(), Code> {
        judge(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn the_provider_vouches_for_people_alone() {
        assert_eq!(verdict(r#"{"success":true,"hostname":"x"}"#), Ok(()));
        assert_eq!(verdict(r#"{"success":true,"score":0.9}"#), Ok(()));
        for text in [
            r#"{"success":true,"score":0.1}"#,
            r#"{"success":false}"#,
            r#"{"success":false,"error-codes":["timeout-or-duplicate"]}"#,
        ] {
            assert_eq!(verdict(text), Err(Code::CaptchaFailed), "{text}");
        }
        let ours = r#"{"success":false,"error-codes":["invalid-input-secret"]}"#;
        assert_eq!(verdict(ours), Err(Code::CaptchaUnavailable));
    }

    #[tokio::test]
    async fn without_a_provider_nobody_is_asked() {
        let address = "203.0.113.1".parse().unwrap();
        assert!(Captcha::new(None).check(None, address).await.is_ok());
    }
}
