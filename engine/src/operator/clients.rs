//! What operators decide about clients. What is refused, or was so already, leaves nothing behind
//! and may be asked again; what is done is kept with its answer.

use daybook_domain::{ClientCommand, ClientEvent, ClientId};
use daybook_store::{IdempotencyRow, OperatorRequest};

use super::{ClientOperation, OperatorOutcome, execute};
use crate::{
    engine::Engine,
    error::EngineError,
    request::{EraseRequest, Erased, PersonRequest},
    shared::json,
    streams::AnswerRow,
};

/// Executes an operation; the outcome is JSON text.
///
/// # Errors
/// [`EngineError`] when it was not executed.
pub(super) async fn execute(
    engine: &Engine,
    request: &OperatorRequest,
    client_id: ClientId,
    operation: ClientOperation,
) -> Result<String, EngineError> {
    let kept = answer_to(request, client_id);
    let by = request.actor.clone();
    let done = match operation {
        ClientOperation::Erase {
            reason,
            accounts,
            as_of,
        } => {
            let erase = EraseRequest {
                client_id,
                reason,
                accounts,
                as_of,
                origin: execute::origin(request),
            };
            engine.erase_answered(erase, Some(kept)).await
        }
        ClientOperation::ChangeKyc { status, notes } => {
            let key = engine.store().keys().get(client_id.0).await?;
            let notes = notes.map(|sealed| key.open("notes", &sealed)).transpose()?;
            let to = status;
            let command = ClientCommand::ChangeKycStatus { to, notes, by };
            change(engine, request, client_id, command, kept).await
        }
        ClientOperation::Suspend { reason } => {
            let command = ClientCommand::Suspend { reason, by };
            change(engine, request, client_id, command, kept).await
        }
        ClientOperation::Reinstate => {
            let command = ClientCommand::Reinstate { by };
            change(engine, request, client_id, command, kept).await
        }
    };
    let outcome = match done {
        Ok(done) => OperatorOutcome::Done {
            position: done.position,
            events: done.events.into_iter().map(str::to_owned).collect(),
        },
        Err(EngineError::ClientRefused(rejection)) => OperatorOutcome::Refused {
            code: rejection.code().to_owned(),
            detail: rejection.to_string(),
        },
        Err(error @ EngineError::NotSettled { .. }) => OperatorOutcome::Refused {
            code: "client_not_settled".to_owned(),
            detail: error.to_string(),
        },
        Err(error) => return Err(error),
    };
    Ok(json(&outcome))
}

async fn change(
    engine: &Engine,
    request: &OperatorRequest,
    client_id: ClientId,
    command: ClientCommand,
    kept: AnswerRow,
) -> Result<Erased, EngineError> {
    let key = engine.store().keys().get(client_id.0).await?;
    let people = engine.people();
    let _turn = people.turn_of(client_id).await;
    let asked = PersonRequest {
        client_id,
        command,
        key,
        origin: execute::origin(request),
        secrets: Vec::new(),
        session: None,
    };
    let reply = people.change_in_turn(asked, Some(kept)).await?;
    Ok(Erased {
        events: reply.events.iter().map(ClientEvent::event_type).collect(),
        position: reply.position,
    })
}

/// The row under which it is found again.
fn answer_to(request: &OperatorRequest, client_id: ClientId) -> AnswerRow {
    let key = execute::key_of(request);
    Box::new(move |names| IdempotencyRow {
        scope: key.scope,
        key: key.key,
        aggregate_id: client_id.to_string(),
        request_hash: key.request_hash,
        status: 200,
        body: json(&OperatorOutcome::Done {
            position: 0,
            events: names.iter().map(|name| (*name).to_owned()).collect(),
        }),
        position: 0,
    })
}
