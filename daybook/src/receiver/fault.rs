//! The ways in which a receiver fails.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::http::Request;

/// How it fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// Not at all.
    #[default]
    None,
    /// The connection ends without an answer.
    Down,
    /// The answer takes its time.
    Slow,
    /// 500.
    Error,
    /// 429 with `Retry-After`.
    RateLimited,
    /// 410.
    Gone,
    /// 302.
    Redirect,
    /// 422: it is refused.
    Refused,
    /// An answer that is no HTTP.
    Garbage,
}

impl Kind {
    pub(super) const ALL: [Self; 9] = [
        Self::None,
        Self::Down,
        Self::Slow,
        Self::Error,
        Self::RateLimited,
        Self::Gone,
        Self::Redirect,
        Self::Refused,
        Self::Garbage,
    ];
}

/// What is switched on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(super) struct Fault {
    /// How it fails.
    fault: Kind,
    /// So many times; null: until something else is said.
    times: Option<u32>,
    /// Only requests whose path or body holds this text.
    matching: Option<String>,
    /// Of `slow`.
    delay_ms: Option<u64>,
    /// Of `rate_limited`.
    retry_after_sec: Option<u64>,
    /// Of `error`: another status than 500.
    status: Option<u16>,
}

/// What is sent back; without a status the text is sent as it is and the connection ends.
pub(super) struct Answer {
    pub(super) status: Option<u16>,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: &'static str,
}

impl Fault {
    /// What becomes of this request.
    pub(super) fn next(&mut self, request: &Request) -> Self {
        let holds = |text: &String| request.body.contains(text) || request.path.contains(text);
        let meant = self.matching.as_ref();
        if meant.is_some_and(|text| !holds(text)) {
            return Self::default();
        }
        match &mut self.times {
            Some(0) => Self::default(),
            Some(times) => {
                *times -= 1;
                self.clone()
            }
            None => self.clone(),
        }
    }

    pub(super) fn delay(&self) -> Option<Duration> {
        let delay_ms = self.delay_ms.unwrap_or(5_000);
        (self.fault == Kind::Slow).then(|| Duration::from_millis(delay_ms))
    }

    /// Whether what is answered is not what was asked for.
    pub(super) const fn fails(&self) -> bool {
        !matches!(self.fault, Kind::None | Kind::Slow)
    }

    pub(super) fn answer(&self) -> Answer {
        let answer = |status| Answer {
            status: Some(status),
            headers: Vec::new(),
            body: "",
        };
        match self.fault {
            Kind::None | Kind::Slow => Answer {
                body: r#"{"ok":true}"#,
                ..answer(200)
            },
            Kind::Down => Answer {
                status: None,
                headers: Vec::new(),
                body: "",
            },
            Kind::Error => answer(self.status.unwrap_or(500)),
            Kind::RateLimited => {
                let seconds = self.retry_after_sec.unwrap_or(10);
                Answer {
                    headers: vec![("retry-after", seconds.to_string())],
                    ..answer(429)
                }
            }
            Kind::Gone => answer(410),
            Kind::Redirect => Answer {
                headers: vec![("location", "/elsewhere".to_owned())],
                ..answer(302)
            },
            Kind::Refused => Answer {
                body: r#"{"error":"refused"}"#,
                ..answer(422)
            },
            Kind::Garbage => Answer {
                status: None,
                headers: Vec::new(),
                body: "\u{1}\u{2}this is no HTTP\r\n\r\n",
            },
        }
    }
}
