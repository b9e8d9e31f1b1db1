//! Commands: the caller's idempotency key, the engine's answer.

use std::{
    fmt::Display,
    sync::{Arc, OnceLock},
};

use axum::{
    body::Body,
    extract::{FromRequestParts, MatchedPath},
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    response::Response,
};
use daybook_domain::{AccountCommand, ClientId};
use daybook_engine::{Answer, IdempotencyRequest, Outcome, Reply, Request};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{
    app::{AccountRef, App, Shared},
    extract::{Info, SignedIn},
    layers::without_version,
    problem::{Answered, Code, Problem},
    request::RequestInfo,
};

const KEY_MAX: usize = 255;

/// A signed-in client's request to change something.
pub(crate) struct Command {
    pub(crate) client_id: ClientId,
    pub(crate) info: Arc<RequestInfo>,
    keyed: Keyed,
}

/// What an answer is kept under, but for the caller.
pub(super) struct Keyed {
    key: Option<String>,
    /// Method and route template, the same under both prefixes.
    route: String,
    /// Path and query as asked, without the version's prefix.
    target: String,
}

impl FromRequestParts<Shared> for Command {
    type Rejection = Problem;

    /// A standby takes no commands, whatever they are.
    async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Result<Self, Problem> {
        let client_id = SignedIn::from_request_parts(parts, state)
            .await?
            .client_id();
        state.engine()?;
        let Info(info) = Info::from_request_parts(parts, state).await?;
        Ok(Self {
            client_id,
            info,
            keyed: Keyed::of(parts)?,
        })
    }
}

impl Keyed {
    pub(super) fn of(parts: &Parts) -> Answered<Self> {
        let template = parts
            .extensions
            .get::<MatchedPath>()
            .map(MatchedPath::as_str);
        let target = parts
            .uri
            .path_and_query()
            .map_or("/", |target| target.as_str());
        Ok(Self {
            key: idempotency_key(parts)?,
            route: route(&parts.method, template.unwrap_or(parts.uri.path())),
            target: without_version(target).to_owned(),
        })
    }

    /// The key of an answer to `caller`. `part` tells apart several commands of one request.
    pub(super) fn idempotency(
        &self,
        caller: &dyn Display,
        part: &str,
        body: &[u8],
    ) -> Option<IdempotencyRequest> {
        let key = self.key.clone()?;
        let hash = Sha256::new()
            .chain_update(self.target.as_bytes())
            .chain_update(b"\0")
            .chain_update(body)
            .finalize();
        Some(IdempotencyRequest {
            scope: format!("{caller} {}{part}", self.route),
            key,
            request_hash: hash.into(),
        })
    }
}

fn route(method: &Method, template: &str) -> String {
    format!("{method} {}", without_version(template))
}

fn idempotency_key(parts: &Parts) -> Answered<Option<String>> {
    let Some(value) = parts.headers.get("idempotency-key") else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    if visible && (1..=KEY_MAX).contains(&text.len()) {
        Ok(Some(text.to_owned()))
    } else {
        Err(Problem::new(Code::InvalidIdempotencyKey))
    }
}

impl Command {
    /// Whether somebody of the broker's acts in the client's place.
    pub(crate) fn is_impersonated(&self) -> bool {
        self.info.impersonator(self.client_id).is_some()
    }

    /// Whether the caller gave an idempotency key.
    pub(crate) const fn has_key(&self) -> bool {
        self.keyed.key.is_some()
    }

    /// The key of the answer. `part` tells apart several commands of one request.
    pub(crate) fn idempotency(&self, part: &str, body: &[u8]) -> Option<IdempotencyRequest> {
        self.keyed.idempotency(&self.client_id, part, body)
    }

    /// Hands a command to the account and waits for its answer. A refusal becomes its problem;
    /// `accepted` renders everything else.
    pub(crate) async fn execute(
        &self,
        app: &App,
        account: &AccountRef,
        command: AccountCommand,
        reason: &str,
        body: &[u8],
        accepted: impl Fn(&Outcome<'_>) -> Answer + Send + 'static,
    ) -> Answered<Executed> {
        let engine = app.engine()?;
        let patience = Arc::new(OnceLock::new());
        let (request_id, told) = (Arc::clone(&self.info.id), Arc::clone(&patience));
        let render = move |outcome: &Outcome<'_>| match &outcome.decision.refusal {
            None => accepted(outcome),
            Some(rejection) => {
                let problem = Problem::from(rejection);
                if let Some(seconds) = problem.retry_after_s() {
                    let _told_before = told.set(seconds);
                }
                refusal(&problem, &request_id)
            }
        };
        let request = Request {
            client_id: self.client_id,
            account_id: account.account_id,
            command,
            origin: app.origin(self.client_id, &self.info, reason).await?,
            idempotency: self.idempotency("", body),
            render: Box::new(render),
        };
        let reply = engine.execute(request).await?;
        app.acknowledge(self.client_id, reply.position, false);
        let retry_after_s = patience.get().copied();
        Ok(Executed {
            reply,
            retry_after_s,
        })
    }
}

/// What became of a command.
pub(crate) struct Executed {
    pub(crate) reply: Reply,
    /// When a refusal that may pass says to come back.
    retry_after_s: Option<u64>,
}

impl Executed {
    /// The HTTP answer, byte for byte.
    pub(crate) fn answer(self) -> Response {
        let mut response = answer(self.reply);
        if let Some(seconds) = self.retry_after_s {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// A kept answer that holds something.
pub(crate) fn answered(status: u16, body: &impl Serialize) -> Answer {
    Answer {
        status,
        body: json(body),
        keep: true,
    }
}

/// The answer of commands without a result.
pub(crate) fn done(_outcome: &Outcome<'_>) -> Answer {
    Answer {
        status: 204,
        body: String::new(),
        keep: true,
    }
}

/// The JSON text of an answer.
pub(crate) fn json(body: &impl Serialize) -> String {
    serde_json::to_string(body).expect("invariant: answers are plain text and numbers")
}

/// The HTTP answer of a reply, byte for byte.
pub(crate) fn answer(reply: Reply) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let has_body = !reply.body.is_empty();
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if status.is_client_error() || status.is_server_error() {
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
    } else if has_body {
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
    }
    headers.insert("daybook-position", HeaderValue::from(reply.position));
    if reply.replayed {
        headers.insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    response
}

/// The answer to a refused command. Refusals by a rule (422) are kept under the key.
pub(crate) fn refusal(problem: &Problem, request_id: &str) -> Answer {
    Answer {
        status: problem.status(),
        body: problem.body(request_id),
        keep: problem.status() == 422,
    }
}

#[cfg(test)]
mod tests {
    use daybook_domain::ClientId;

    use super::*;
    use crate::auth::token::Identity;

    fn command(key: Option<&str>, target: &str) -> Command {
        let identity = Identity {
            client_id: ClientId::default(),
            session_id: Default::default(),
            expires_at: 0,
            impersonated_by: None,
        };
        let info = RequestInfo {
            id: "r".into(),
            address: [127, 0, 0, 1].into(),
            user_agent: None,
            device: String::new(),
            identity: Ok(identity),
            staff: Err(Problem::new(Code::Unauthenticated)),
        };
        Command {
            client_id: ClientId::default(),
            info: Arc::new(info),
            keyed: Keyed {
                key: key.map(str::to_owned),
                route: route(&Method::POST, "/api/v1/trading/close/{id}"),
                target: target.to_owned(),
            },
        }
    }

    #[test]
    fn a_key_is_bound_to_caller_route_path_and_body() {
        let first = command(Some("k"), "/trading/close/1")
            .idempotency("", b"{}")
            .unwrap();
        assert!(
            first.scope.ends_with(" POST /trading/close/{id}"),
            "{}",
            first.scope
        );
        let other_body = command(Some("k"), "/trading/close/1")
            .idempotency("", b"{ }")
            .unwrap();
        let other_path = command(Some("k"), "/trading/close/2")
            .idempotency("", b"{}")
            .unwrap();
        assert_ne!(first.request_hash, other_body.request_hash);
        assert_ne!(first.request_hash, other_path.request_hash);
        assert_eq!(command(None, "/").idempotency("", b""), None);
    }

    #[test]
    fn a_reply_becomes_the_answer_it_says() {
        let reply = |status, body: &str| Reply {
            status,
            body: body.to_owned(),
            position: 7,
            replayed: status == 422,
        };
        let created = answer(reply(201, "{}"));
        assert_eq!(created.headers()["content-type"], "application/json");
        assert_eq!(created.headers()["daybook-position"], "7");
        let refused = answer(reply(422, "{}"));
        assert_eq!(
            refused.headers()["content-type"],
            "application/problem+json"
        );
        assert_eq!(refused.headers()["idempotency-replayed"], "true");
        let empty = answer(reply(204, ""));
        assert!(!empty.headers().contains_key("content-type"));
    }
}
