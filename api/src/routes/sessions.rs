//! Where the client is signed in. **Permission:** the client.

use axum::{Json, extract::State, http::StatusCode};
use chrono::Utc;
use daybook_domain::{SessionId, client::RevokeReason};
use daybook_store::{Metadata, SessionRow, SubjectKey};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::Shared,
    auth::{act::Act, routes::login::end_session},
    extract::{Info, PathId, SignedIn},
    problem::{Answered, Code, Problem, ProblemBody},
    text::time,
};

/// One session.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionItem {
    #[schema(value_type = Uuid)]
    session_id: SessionId,
    /// Browser and system, or the program as it names itself.
    #[schema(example = "Firefox on Linux")]
    device: String,
    #[schema(example = "203.0.113.7")]
    address: String,
    #[schema(example = "2026-07-14T12:00:00.000Z")]
    created_at: String,
    /// To about a minute.
    #[schema(example = "2026-07-14T12:10:00.000Z")]
    last_seen_at: String,
    /// The one that asks.
    current: bool,
    /// Somebody of the broker's, who acts in the client's place.
    #[serde(skip_serializing_if = "Option::is_none")]
    impersonated_by: Option<String>,
}

/// The client's sessions, the newest first.
#[utoipa::path(get, path = "/user/sessions", operation_id = "listSessions", tag = "me", security(("bearer" = [])),
    responses(
        (status = 200, description = "Sessions that have not ended", body = [SessionItem]),
        (status = 401, description = "`unauthenticated`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn list(
    State(app): State<Shared>,
    SignedIn(identity): SignedIn,
) -> Answered<Json<Vec<SessionItem>>> {
    let store = &app.handles.store;
    let key = store.keys().get(identity.client_id.0).await?;
    let rows = store.sessions_of(identity.client_id.0, Utc::now()).await?;
    let items = rows
        .into_iter()
        .map(|row| item(&key, row, identity.session_id));
    Ok(Json(items.collect::<Answered<_>>()?))
}

fn item(key: &SubjectKey, row: SessionRow, current: SessionId) -> Answered<SessionItem> {
    let session_id = SessionId(row.session_id);
    let current = session_id == current;
    let user_agent = row.user_agent.as_deref();
    let user_agent = user_agent
        .map(|sealed| key.open(Metadata::USER_AGENT, sealed))
        .transpose()?;
    Ok(SessionItem {
        session_id,
        device: device(user_agent.as_deref().unwrap_or_default()),
        address: key.open(Metadata::IP, &row.address)?,
        created_at: time(row.created_at),
        last_seen_at: time(if current {
            Utc::now()
        } else {
            row.last_seen_at
        }),
        current,
        impersonated_by: row.impersonated_by,
    })
}

/// What people call a program: browsers name one another in their own names, the order tells.
pub(crate) fn device(user_agent: &str) -> String {
    const BROWSERS: [(&str, &str); 6] = [
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("CriOS/", "Chrome"),
        ("Safari/", "Safari"),
    ];
    const SYSTEMS: [(&str, &str); 6] = [
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ];
    let named = |names: &[(&str, &'static str)]| {
        let mut names = names.iter();
        let found = names.find(|(mark, _)| user_agent.contains(mark));
        found.map(|(_, name)| *name)
    };
    match (named(&BROWSERS), named(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(one), None) => one.to_owned(),
        (None, _) if user_agent.is_empty() => "unknown".to_owned(),
        (None, _) => user_agent.chars().take(64).collect(),
    }
}

/// Ends a session: its tokens and sockets are refused within a second. Somebody of the broker's, in
/// the client's place, ends their own alone.
#[utoipa::path(delete, path = "/user/sessions/{id}", operation_id = "endSession", tag = "me",
    params(("id" = Uuid, Path, description = "Of the session")), security(("bearer" = [])),
    responses(
        (status = 204, description = "Ended"),
        (status = 401, description = "`unauthenticated`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`impersonation_restricted`: of another session than their own", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such session, or somebody else's", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable`, `overloaded` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn end(
    State(app): State<Shared>,
    client: SignedIn,
    Info(info): Info,
    PathId(id): PathId<SessionId>,
) -> Answered<StatusCode> {
    let client_id = client.client_id();
    if client.0.impersonated_by.is_some() && client.0.session_id != id {
        return Err(Problem::new(Code::ImpersonationRestricted));
    }
    let own = app.handles.store.sessions_of(client_id.0, Utc::now());
    if !own.await?.iter().any(|row| row.session_id == id.0) {
        return Err(Problem::new(Code::NotFound));
    }
    let act = Act::of(&app, &info, client_id).await?;
    end_session(&act, id, RevokeReason::Revoked).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::device;

    #[test]
    fn browsers_are_called_what_people_call_them() {
        let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
             Chrome/126.0.0.0 Safari/537.36";
        assert_eq!(device(chrome), "Chrome on Linux");
        let safari = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 \
             (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1";
        assert_eq!(device(safari), "Safari on iPhone");
        assert_eq!(device("curl/8.8.0"), "curl/8.8.0");
        assert_eq!(device(""), "unknown");
    }
}
