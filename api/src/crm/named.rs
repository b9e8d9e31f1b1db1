//! Which client a request means: by our identifier, the CRM's own, or an address.

use daybook_domain::{ClientCommand, ClientId};
use daybook_engine::{Answer, ChangeClientRequest, EngineError, Reply};
use daybook_projections::names;
use daybook_store::{StoreError, SubjectKey};

use crate::{
    app::App,
    auth::routes::client_of,
    extract::CrmChange,
    problem::{Answered, Code, Problem},
};

/// Under which the CRM's names are unique.
pub(super) const UNIQUE_EXTERNAL_ID: &str = "external_id";

/// A client who is there, and not erased.
pub(super) struct Named {
    pub(super) client_id: ClientId,
    pub(super) key: SubjectKey,
}

/// Whom the CRM knows by this name.
pub(super) async fn by_external_id(app: &App, external_id: &str) -> Answered<Option<ClientId>> {
    // No name holds any, and Postgres takes no text with a zero in it.
    if external_id.chars().any(char::is_control) {
        return Ok(None);
    }
    let store = &app.handles.store;
    let owner = store.unique_owner(UNIQUE_EXTERNAL_ID, external_id).await?;
    Ok(owner.map(ClientId))
}

/// The client that a text names: an identifier, `external:<the CRM's own>` or `email:<address>`.
///
/// # Errors
/// 404 where there is none, or they were erased.
pub(super) async fn named(app: &App, text: &str) -> Answered<Named> {
    let found = if let Some(external_id) = text.strip_prefix("external:") {
        by_external_id(app, external_id).await?
    } else if let Some(email) = text.strip_prefix("email:") {
        client_of(app, email).await?
    } else {
        by_id(app, text).await?
    };
    of(app, found.ok_or_else(absent)?).await
}

/// A client who is known to have registered.
///
/// # Errors
/// 404 where they were erased.
pub(super) async fn of(app: &App, client_id: ClientId) -> Answered<Named> {
    let key = match app.handles.store.keys().get(client_id.0).await {
        Ok(key) => key,
        Err(StoreError::Erased(_)) => return Err(absent()),
        Err(error) => return Err(error.into()),
    };
    Ok(Named { client_id, key })
}

/// Looked up again once the read model has reached what the book held when the request came in.
async fn by_id(app: &App, text: &str) -> Answered<Option<ClientId>> {
    let Ok(client_id) = text.parse::<ClientId>() else {
        return Ok(None);
    };
    let reads = &app.handles.reads;
    let committed = *app.handles.store.committed().borrow();
    if reads.client(client_id).await?.is_some() {
        return Ok(Some(client_id));
    }
    app.wait_for(&[names::CLIENTS], committed).await?;
    let row = reads.client(client_id).await?;
    Ok(row.map(|row| row.client_id))
}

fn absent() -> Problem {
    Problem::new(Code::NotFound)
}

/// Has commands about a client executed, in one append with what follows for their accounts.
pub(super) async fn change(
    app: &App,
    asked: &CrmChange,
    client: Named,
    commands: Vec<ClientCommand>,
    answered: (&str, &[u8], Answer),
) -> Answered<Reply> {
    Ok(try_change(app, asked, client, commands, answered).await??)
}

/// The same; why the engine did not do it is the caller's to tell.
pub(super) async fn try_change(
    app: &App,
    asked: &CrmChange,
    client: Named,
    commands: Vec<ClientCommand>,
    (reason, body, answer): (&str, &[u8], Answer),
) -> Answered<Result<Reply, EngineError>> {
    let client_id = client.client_id;
    let reads = &app.handles.reads;
    // Accounts that were opened after this are looked for in the book.
    let as_of = reads.checkpoint(names::ACCOUNTS).await?;
    let accounts = reads.accounts_of(client_id).await?;
    let request = ChangeClientRequest {
        client_id,
        commands,
        key: client.key,
        accounts: accounts.iter().map(|row| row.account_id).collect(),
        as_of,
        origin: asked.crm.origin(reason),
        idempotency: asked.idempotency(body),
        answer,
    };
    let told = app.engine()?.change_client(request).await;
    if let Ok(reply) = &told {
        app.acknowledge(client_id, reply.position, true);
    }
    Ok(told)
}

/// The answer of what has no result.
pub(super) const fn nothing() -> Answer {
    Answer {
        status: 204,
        body: String::new(),
        keep: true,
    }
}
