//! The provider's REST API: histories for the candles, prices for the time a WebSocket is down.
//!
//! The key travels in a header, so that no address that is logged ever carries it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use chrono::{NaiveDate, NaiveDateTime};
use daybook_domain::{Decimal, Timestamp};
use reqwest::{Client, RequestBuilder, Response, Url, header, redirect::Policy};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    Candle, Interval, RelayError,
    credits::Credits,
    wire::{ErrorBody, decimal_text},
};

/// An answer that takes longer is of no use to a chart or a price.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A client of the provider's REST API. Its clones share one budget of credits, as everything
/// that uses one key does.
#[derive(Clone)]
pub struct RestClient {
    plain: PlainRest,
    key: SecretString,
    credits: Arc<Credits>,
}

/// A client of a JSON API that asks for no key.
#[derive(Clone)]
pub(crate) struct PlainRest {
    http: Client,
    base: String,
}

/// A price that was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PolledPrice {
    pub provider_symbol: String,
    pub price: Decimal,
    /// The provider's time of it, in UNIX seconds.
    pub timestamp: i64,
}

#[derive(Deserialize)]
struct TimeSeries {
    #[serde(default)]
    values: Vec<Bar>,
}

#[derive(Deserialize)]
struct Bar {
    datetime: String,
    open: String,
    high: String,
    low: String,
    close: String,
    volume: Option<String>,
}

/// Only what is used. A symbol of a batch that failed has none of these.
#[derive(Deserialize)]
struct QuoteBody {
    close: Option<String>,
    last_quote_at: Option<i64>,
    timestamp: Option<i64>,
}

impl RestClient {
    /// A client of the API at `base`. Opens no connection yet.
    #[must_use]
    pub fn new(base: &str, key: SecretString) -> Self {
        Self {
            plain: PlainRest::new(base),
            key,
            credits: Arc::default(),
        }
    }

    /// The same with a budget of its own, below the provider's.
    #[must_use]
    pub fn with_credits_per_minute(self, per_minute: Option<u32>) -> Self {
        Self {
            credits: Arc::new(Credits::new(per_minute)),
            ..self
        }
    }

    pub(crate) const fn key(&self) -> &SecretString {
        &self.key
    }

    pub(crate) fn credits(&self) -> &Credits {
        &self.credits
    }

    /// Candles ending before `before`, or the newest; oldest first, at most `limit` of them.
    pub(crate) async fn time_series(
        &self,
        provider_symbol: &str,
        interval: Interval,
        limit: usize,
        before: Option<Timestamp>,
    ) -> Result<Vec<Candle>, RelayError> {
        let outputsize = limit.to_string();
        let mut query = vec![
            ("symbol", provider_symbol),
            ("interval", interval.provider_name()),
            ("outputsize", &outputsize),
            ("timezone", "UTC"),
            ("order", "asc"),
        ];
        // The provider's end is inclusive, and its candles start at full minutes.
        let second = chrono::TimeDelta::seconds(1);
        let last = before.and_then(|before| before.checked_sub_signed(second));
        let end_date = last.map(|last| last.format("%Y-%m-%d %H:%M:%S").to_string());
        if let Some(end_date) = &end_date {
            query.push(("end_date", end_date));
        }
        let series: TimeSeries = self.get("time_series", &query, 1).await?;
        let candles: Option<Vec<_>> = series.values.iter().map(Bar::candle).collect();
        let mut candles = candles
            .ok_or_else(|| RelayError::Malformed("a candle with a bad time or price".into()))?;
        // Not every deployment honours `order`.
        candles.sort_unstable_by_key(|candle| candle.time);
        Ok(candles)
    }

    /// The newest price of each symbol; those that the provider does not have are left out.
    pub(crate) async fn prices(&self, symbols: &[&str]) -> Result<Vec<PolledPrice>, RelayError> {
        let joined = symbols.join(",");
        let query = [("symbol", joined.as_str())];
        let bodies: HashMap<String, QuoteBody> = if let [symbol] = symbols {
            let body: QuoteBody = self.get("quote", &query, 1).await?;
            HashMap::from([((*symbol).to_owned(), body)])
        } else {
            self.get("quote", &query, symbols.len()).await?
        };
        let price = |(provider_symbol, body): (String, QuoteBody)| {
            Some(PolledPrice {
                provider_symbol,
                price: decimal_text(&body.close?)?,
                timestamp: body.last_quote_at.or(body.timestamp)?,
            })
        };
        Ok(bodies.into_iter().filter_map(price).collect())
    }

    async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
        credits: usize,
    ) -> Result<T, RelayError> {
        self.credits.spend(credits)?;
        let authorization = format!("apikey {}", self.key.expose_secret());
        let request = self.plain.request(path, query)?;
        let sent = request.header(header::AUTHORIZATION, authorization).send();
        let response = sent.await.map_err(unreachable)?;
        self.credits.heard(response.headers());
        let read = read(response).await;
        if let Err(RelayError::RateLimited { .. }) = &read {
            self.credits.exhausted();
        }
        read
    }
}

impl PlainRest {
    /// A client of the API at `base`. Opens no connection yet.
    pub(crate) fn new(base: &str) -> Self {
        // One provider for the whole process; whoever comes first installs it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = Client::builder()
            .timeout(TIMEOUT)
            .user_agent("daybook")
            // Whoever is pointed to instead is not the provider, and is told no key.
            .redirect(Policy::none());
        let builder = if is_loopback(base) {
            builder.no_proxy() // A proxy's loopback is not ours.
        } else {
            builder
        };
        let http = builder.build();
        Self {
            http: http.expect("invariant: an HTTP client with a TLS provider can be built"),
            base: base.trim_end_matches('/').to_owned(),
        }
    }

    /// What the API says at `path`.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, RelayError> {
        let response = self.request(path, query)?.send().await;
        read(response.map_err(unreachable)?).await
    }

    fn request(&self, path: &str, query: &[(&str, &str)]) -> Result<RequestBuilder, RelayError> {
        let address = format!("{}/{path}", self.base);
        let url = Url::parse_with_params(&address, query)
            .map_err(|error| RelayError::Unreachable(format!("{}: {error}", self.base)))?;
        Ok(self.http.get(url))
    }
}

async fn read<T: DeserializeOwned>(response: Response) -> Result<T, RelayError> {
    let status = response.status();
    let body = response.bytes().await.map_err(unreachable)?;
    // Errors come with HTTP 200 as well, so the body is asked first.
    if let Some(error) = refusal(status.as_u16(), &body) {
        return Err(error);
    }
    if !status.is_success() {
        return Err(RelayError::Unreachable(format!("HTTP {status}")));
    }
    serde_json::from_slice(&body).map_err(|error| RelayError::Malformed(error.to_string()))
}

impl Bar {
    fn candle(&self) -> Option<Candle> {
        let time = NaiveDateTime::parse_from_str(&self.datetime, "%Y-%m-%d %H:%M:%S").ok();
        let day = || NaiveDate::parse_from_str(&self.datetime, "%Y-%m-%d").ok();
        let time = time.or_else(|| day().and_then(|day| day.and_hms_opt(0, 0, 0)))?;
        let volume = self.volume.as_deref().and_then(decimal_text);
        Some(Candle {
            time: time.and_utc(),
            open: decimal_text(&self.open)?,
            high: decimal_text(&self.high)?,
            low: decimal_text(&self.low)?,
            close: decimal_text(&self.close)?,
            volume: volume.unwrap_or_default(),
        })
    }
}

/// The provider's error, where the body is one (whatever the HTTP status says).
pub(crate) fn refusal(http_status: u16, body: &[u8]) -> Option<RelayError> {
    let error: ErrorBody = serde_json::from_slice(body).ok()?;
    if error.status != "error" && error.code < 400 {
        return None;
    }
    let code = if error.code == 0 {
        http_status
    } else {
        error.code
    };
    let message = error.message;
    Some(match code {
        401 | 403 => RelayError::KeyRefused { code, message },
        429 => RelayError::RateLimited { message },
        _ => RelayError::Refused { code, message },
    })
}

fn unreachable(error: reqwest::Error) -> RelayError {
    // The address says nothing that the operator does not know, and may say too much.
    let error = error.without_url();
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    RelayError::Unreachable(match cause {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    })
}

fn is_loopback(base: &str) -> bool {
    let url = Url::parse(base).ok();
    let host = url.as_ref().and_then(Url::host_str);
    host.is_some_and(|host| host == "localhost" || host == "[::1]" || host.starts_with("127."))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[test]
    fn an_error_is_an_error_whatever_its_http_status() {
        let body = br#"{"code":429,"message":"out of credits","status":"error"}"#;
        assert!(matches!(
            refusal(200, body),
            Some(RelayError::RateLimited { .. })
        ));
        let body = br#"{"code":401,"message":"no","status":"error"}"#;
        assert!(matches!(
            refusal(200, body),
            Some(RelayError::KeyRefused { code: 401, .. })
        ));
        let body = br#"{"code":404,"message":"no","status":"error"}"#;
        assert!(matches!(
            refusal(404, body),
            Some(RelayError::Refused { code: 404, .. })
        ));
        assert!(refusal(200, br#"{"price":"1.1"}"#).is_none());
        assert!(refusal(502, b"<html>").is_none());
    }

    #[tokio::test]
    async fn wherever_else_an_answer_points_nobody_goes() {
        let elsewhere = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let provider = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (there, here) = (elsewhere.local_addr(), provider.local_addr());
        let answer = format!(
            "HTTP/1.1 302 Found\r\nlocation: http://{}/\r\ncontent-length: 0\r\n\r\n",
            there.unwrap()
        );
        let answering = tokio::spawn(async move {
            let (mut socket, _) = provider.accept().await.unwrap();
            let mut asked = [0; 1024];
            let _ = socket.read(&mut asked).await.unwrap();
            socket.write_all(answer.as_bytes()).await.unwrap();
        });
        let rest = PlainRest::new(&format!("http://{}", here.unwrap()));
        let got = rest.get::<serde_json::Value>("quote", &[]).await;
        assert!(matches!(got, Err(RelayError::Unreachable(_))), "{got:?}");
        answering.await.unwrap();
        let visit = tokio::time::timeout(Duration::from_millis(200), elsewhere.accept());
        assert!(visit.await.is_err(), "somebody went there");
    }

    #[test]
    fn days_and_minutes_are_both_times_of_a_candle() {
        let bar = |datetime: &str| Bar {
            datetime: datetime.into(),
            open: "1.10".into(),
            high: "1.2".into(),
            low: "1".into(),
            close: "1.15".into(),
            volume: None,
        };
        let time = |datetime| {
            bar(datetime)
                .candle()
                .map(|candle| candle.time.to_rfc3339())
        };
        assert_eq!(
            time("2021-09-16").as_deref(),
            Some("2021-09-16T00:00:00+00:00")
        );
        assert_eq!(
            time("2021-09-16 15:59:00").as_deref(),
            Some("2021-09-16T15:59:00+00:00")
        );
        assert_eq!(time("yesterday"), None);
        assert_eq!(bar("2021-09-16").candle().unwrap().open.to_string(), "1.10");
    }

    #[test]
    fn only_loopback_addresses_bypass_a_proxy() {
        assert!(is_loopback("http://127.0.0.1:8080"));
        assert!(is_loopback("http://localhost:8080"));
        assert!(!is_loopback("https://api.twelvedata.com"));
    }
}
