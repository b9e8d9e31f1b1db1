//! `GET /user/export`: everything that is held about a client, as one JSON document.
//! **Permission:** the client, for what is their own.
//!
//! Personal fields are opened; what guards the account (hashes, second factors, refresh tokens) is
//! no part of it.

mod events;

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderValue, header},
    response::Response,
};
use chrono::Utc;
use daybook_domain::ClientId;
use daybook_mail::HeldMail;
use daybook_projections::names;
use daybook_store::{Metadata, SessionRow, StreamId, SubjectKey};
use serde::Serialize;
use tokio::sync::Semaphore;
use utoipa::ToSchema;

use self::events::EventBody;
use super::{
    kyc::{self, KycBody, kyc_body},
    trading::account::{AccountBody, see, valued},
    user::{MeBody, me_body},
};
use crate::{
    app::{App, Shared},
    extract::{Fresh, SignedIn, json},
    problem::{Answered, Code, Problem, ProblemBody},
    text,
};

/// Each reads whole streams.
const AT_ONCE: usize = 4;

static EXPORTS: Semaphore = Semaphore::const_new(AT_ONCE);

/// Everything that is held about a client. A section that is added stands before `events`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExportBody {
    #[schema(example = "2026-01-31T09:30:00.000Z")]
    exported_at: String,
    /// The profile.
    client: MeBody,
    #[schema(example = "2026-01-31T09:30:00.000Z")]
    registered_at: String,
    /// May not sign in.
    suspended: bool,
    kyc: KycBody,
    /// Who is signed in where, newest first.
    sessions: Vec<SessionItem>,
    /// Accounts with their figures now, oldest first.
    accounts: Vec<AccountBody>,
    /// Mails that were to be sent, oldest first.
    mails: Vec<MailItem>,
}

/// As it is described: the events are written one by one.
#[derive(Serialize, ToSchema)]
#[schema(as = Export)]
pub(crate) struct ExportDocument {
    #[serde(flatten)]
    sections: ExportBody,
    /// Every event of the client's stream, then of each account's, in order.
    events: Vec<EventBody>,
}

/// A session that has not ended.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionItem {
    session_id: String,
    #[schema(example = "203.0.113.7")]
    address: Option<String>,
    user_agent: Option<String>,
    created_at: String,
    last_seen_at: String,
    /// Somebody of the broker's, in the client's place.
    impersonated_by: Option<String>,
}

/// A mail to the client.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MailItem {
    mail_id: String,
    /// Which kind of mail.
    #[schema(example = "verify_email")]
    template: String,
    #[schema(example = "Confirm your e-mail address")]
    subject: Option<&'static str>,
    /// `due`, `sent`, `given_up` or `skipped`.
    #[schema(example = "sent")]
    state: &'static str,
    created_at: String,
    /// When it was sent, given up or skipped.
    ended_at: Option<String>,
    attempts: i32,
    /// Why it failed or was not sent.
    reason: Option<String>,
    /// What stood in it, where it is kept. Tokens of links are left out.
    text: Option<String>,
}

/// Everything that is held about the client, to be saved.
#[utoipa::path(get, path = "/user/export", operation_id = "exportMe", tag = "me", security(("bearer" = [])),
    responses(
        (status = 200, description = "One JSON document, written while it is read", body = ExportDocument),
        (status = 401, description = "`unauthenticated`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "`rate_limited`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`overloaded`, `read_model_behind`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn export(
    State(app): State<Shared>,
    client: SignedIn,
    fresh: Fresh,
) -> Answered<Response> {
    let turn = EXPORTS.try_acquire();
    let turn = turn.map_err(|_full| Problem::new(Code::Overloaded))?;
    let models = [names::CLIENTS, names::ACCOUNTS, names::POSITIONS];
    fresh.wait(&models).await?;
    let client_id = client.client_id();
    let key = app.handles.store.keys().get(client_id.0).await?;
    let sections = sections(&app, client_id, &key).await?;
    let mut streams = vec![StreamId::new("client", client_id)];
    let accounts = app.handles.reads.accounts_of(client_id).await?;
    let of_accounts = accounts.iter().map(|row| row.account_id);
    streams.extend(of_accounts.map(|id| StreamId::new("account", id)));

    let pieces = events::written(app.handles.store.clone(), key, streams, opening(&sections));
    // The turn lasts until the last piece is written, or nobody reads on.
    let body = Body::from_stream(events::holding(turn, pieces));
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, kind);
    let name = format!("daybook-export-{}.json", Utc::now().format("%Y-%m-%d"));
    headers.insert(header::CONTENT_DISPOSITION, kyc::attachment(&name));
    Ok(response)
}

/// The sections, and the beginning of the list that follows them.
fn opening(sections: &ExportBody) -> Bytes {
    let mut text = json(sections);
    let end = text.pop();
    debug_assert_eq!(end, Some('}'), "Invariant: sections are an object");
    text.push_str(",\"events\":[");
    text.into()
}

async fn sections(app: &Shared, client_id: ClientId, key: &SubjectKey) -> Answered<ExportBody> {
    let reads = &app.handles.reads;
    let row = reads.client(client_id).await?;
    let row = row.ok_or_else(|| Problem::new(Code::NotFound))?;
    let market = app.market();
    let rules = &app.handles.config.rules;
    let mut accounts = Vec::new();
    for account in reads.accounts_of(client_id).await? {
        accounts.push(valued(&see(app, account.account_id).await?, &market, rules));
    }
    Ok(ExportBody {
        exported_at: text::time(Utc::now()),
        client: me_body(app, client_id).await?,
        registered_at: text::time(row.registered_at),
        suspended: row.suspended,
        kyc: kyc_body(app, client_id, key).await?,
        sessions: sessions(app, client_id, key).await?,
        accounts,
        mails: mails(app, client_id).await?,
    })
}

async fn mails(app: &App, client_id: ClientId) -> Answered<Vec<MailItem>> {
    let item = |mail: HeldMail| MailItem {
        mail_id: mail.id.to_string(),
        template: mail.template,
        subject: mail.subject,
        state: mail.state.as_str(),
        created_at: text::time(mail.created_at),
        ended_at: mail.ended_at.map(text::time),
        attempts: mail.attempts,
        reason: mail.reason,
        text: mail.text,
    };
    Ok(app
        .mails
        .of(client_id)
        .await?
        .into_iter()
        .map(item)
        .collect())
}

async fn sessions(app: &App, client_id: ClientId, key: &SubjectKey) -> Answered<Vec<SessionItem>> {
    let rows = app.handles.store.sessions_of(client_id.0, Utc::now());
    let item = |row: SessionRow| SessionItem {
        session_id: row.session_id.to_string(),
        address: key.open(Metadata::IP, &row.address).ok(),
        user_agent: row
            .user_agent
            .and_then(|sealed| key.open(Metadata::USER_AGENT, &sealed).ok()),
        created_at: text::time(row.created_at),
        last_seen_at: text::time(row.last_seen_at),
        impersonated_by: row.impersonated_by,
    };
    Ok(rows.await?.into_iter().map(item).collect())
}
