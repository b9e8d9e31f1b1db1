//! One operator's command, executed and answered. The answer is rendered before the commit and
//! stands in the book beside the facts.

use daybook_domain::{
    AccountCommand, AccountId, ClientId, DealId, EndpointCommand, EndpointId, StaffId, Symbol,
    account::Decision, instrument::InstrumentChange,
};
use daybook_store::{IdempotencyRow, NewKey, OperatorRequest};

use super::{
    ClientOperation, OperatorCommand, OperatorOutcome, clients,
    staff::{self, StaffOrder},
};
use crate::{
    endpoints::EndpointRequest,
    engine::Engine,
    error::EngineError,
    request::{
        Answer, Correction, CorrectionRequest, IdempotencyRequest, Origin, Outcome, Render,
        StaffRequest,
    },
    shard::stored_answer,
    shared::json,
};

/// The key under which the answer to a request is kept.
pub(super) fn key_of(request: &OperatorRequest) -> IdempotencyRequest {
    IdempotencyRequest {
        scope: "operator request".to_owned(),
        key: request.id.to_string(),
        // The identifier stands for one command alone.
        request_hash: [0; 32],
    }
}

/// What the engine is asked for.
enum Asked {
    Terms(Symbol, Box<InstrumentChange>, Option<String>),
    Correction(CorrectionRequest),
    Account(AccountId, AccountCommand),
    Staff(StaffId, StaffOrder),
    Client(ClientId, ClientOperation),
    Endpoint(EndpointId, EndpointCommand, Option<String>),
}

/// Executes a request; the outcome is JSON text.
///
/// # Errors
/// [`EngineError`] when it was not executed.
pub(super) async fn execute(
    engine: &Engine,
    request: &OperatorRequest,
) -> Result<String, EngineError> {
    let command: OperatorCommand = match serde_json::from_str(&request.command) {
        Ok(command) => command,
        Err(error) => return Ok(super::failed(&format!("not a command: {error}"))),
    };
    let reply = match asked(request, command) {
        Asked::Terms(symbol, change, reason) => {
            let row = row_of(request, &["InstrumentTermsChanged"]);
            let told = engine
                .change_terms(symbol, *change, reason, origin(request), Some(row))
                .await;
            return match told {
                // It was executed before, by a node that could not say so.
                Err(EngineError::IdempotencyKeyReused) => {
                    let told = stored_answer(engine.store(), &key_of(request)).await?;
                    Ok(with_position(told.body, told.position))
                }
                told => answer_of_change(told),
            };
        }
        Asked::Staff(staff_id, order) => {
            return staff::execute(engine, request, staff_id, order).await;
        }
        Asked::Endpoint(endpoint, command, key) => {
            return on_endpoint(engine, request, endpoint, command, key).await;
        }
        Asked::Correction(correction) => engine.correct(correction).await?,
        Asked::Account(account_id, command) => {
            let request = StaffRequest {
                account_id,
                command,
                origin: origin(request),
                idempotency: Some(key_of(request)),
                render: render(),
            };
            engine.execute_for_staff(request).await?
        }
        Asked::Client(client_id, operation) => {
            return clients::execute(engine, request, client_id, operation).await;
        }
    };
    Ok(with_position(reply.body, reply.position))
}

#[expect(
    clippy::too_many_lines,
    reason = "a table: one arm for each command and nothing besides"
)]
fn asked(request: &OperatorRequest, command: OperatorCommand) -> Asked {
    let by = request.actor.clone();
    match command {
        OperatorCommand::SetInstrument {
            symbol,
            change,
            reason,
        } => Asked::Terms(symbol, change, reason),
        OperatorCommand::Endpoint {
            endpoint,
            command,
            key,
        } => Asked::Endpoint(endpoint, command, key),
        OperatorCommand::BustDeal {
            account_id,
            deal_id,
            reason,
        } => correction(request, (account_id, deal_id), Correction::Bust, reason),
        OperatorCommand::RepriceDeal {
            account_id,
            deal_id,
            price,
            reason,
        } => {
            let repriced = Correction::Reprice(price);
            correction(request, (account_id, deal_id), repriced, reason)
        }
        OperatorCommand::SetControls {
            account_id,
            controls,
            reason,
        } => Asked::Account(
            account_id,
            AccountCommand::SetControls {
                controls,
                reason,
                by,
            },
        ),
        OperatorCommand::ChangeLeverage {
            account_id,
            leverage,
        } => Asked::Account(account_id, AccountCommand::ChangeLeverage { leverage, by }),
        OperatorCommand::AdjustFunds {
            account_id,
            bucket,
            amount,
            notes,
        } => Asked::Account(
            account_id,
            AccountCommand::AdjustFunds {
                bucket,
                amount,
                notes,
                by,
            },
        ),
        OperatorCommand::DecideFunding {
            account_id,
            request_id,
            verdict,
            reason,
            reference,
        } => Asked::Account(
            account_id,
            AccountCommand::DecideFunding {
                request_id,
                verdict,
                reason,
                reference,
                by,
            },
        ),
        OperatorCommand::CreateStaff {
            staff_id,
            role,
            secrets,
        } => Asked::Staff(staff_id, StaffOrder::Create(role, secrets)),
        OperatorCommand::ResetStaff { staff_id, secrets } => {
            Asked::Staff(staff_id, StaffOrder::Reset(secrets))
        }
        OperatorCommand::ChangeStaff { staff_id, change } => {
            Asked::Staff(staff_id, StaffOrder::Change(change))
        }
        OperatorCommand::Client {
            client_id,
            operation,
        } => Asked::Client(client_id, operation),
    }
}

fn correction(
    request: &OperatorRequest,
    (account_id, deal_id): (AccountId, DealId),
    correction: Correction,
    reason: String,
) -> Asked {
    Asked::Correction(CorrectionRequest {
        account_id,
        deal_id,
        correction,
        reason,
        origin: origin(request),
        idempotency: Some(key_of(request)),
        render: render(),
    })
}

pub(super) fn origin(request: &OperatorRequest) -> Origin {
    Origin {
        actor: request.actor.clone(),
        on_behalf_of: None,
        reason: "operator".to_owned(),
        correlation_id: request.id.to_string(),
        ip: None,
        user_agent: None,
    }
}

/// Refusals of every kind are kept: nobody asks again under the same key.
fn render() -> Render {
    Box::new(|outcome: &Outcome<'_>| Answer {
        status: 200,
        body: json(&outcome_of(outcome.decision)),
        keep: true,
    })
}

fn outcome_of(decision: &Decision) -> OperatorOutcome {
    match &decision.refusal {
        Some(refusal) => OperatorOutcome::Refused {
            code: refusal.code().to_owned(),
            detail: refusal.to_string(),
        },
        None => {
            let events = decision.events.iter();
            OperatorOutcome::Done {
                position: 0,
                events: events.map(|event| event.event_type().to_owned()).collect(),
            }
        }
    }
}

/// An outcome as it is stored does not know its position yet.
pub(super) fn with_position(body: String, at: i64) -> String {
    match serde_json::from_str(&body) {
        Ok(OperatorOutcome::Done { events, .. }) => json(&OperatorOutcome::Done {
            position: at,
            events,
        }),
        Ok(
            OperatorOutcome::Refused { .. }
            | OperatorOutcome::Failed { .. }
            | OperatorOutcome::Withdrawn,
        )
        | Err(_) => body,
    }
}

/// A command to an endpoint of webhooks.
async fn on_endpoint(
    engine: &Engine,
    request: &OperatorRequest,
    endpoint: EndpointId,
    command: EndpointCommand,
    key: Option<String>,
) -> Result<String, EngineError> {
    let key = match key.map(hex::decode).transpose() {
        Ok(wrapped) => wrapped.map(|wrapped| NewKey {
            subject: endpoint.subject(),
            wrapped,
        }),
        Err(error) => return Ok(super::failed(&format!("not a key: {error}"))),
    };
    let asked = EndpointRequest {
        endpoint,
        command,
        key,
        origin: origin(request),
    };
    let kept = request.clone();
    let answer = Box::new(move |events: &[&'static str]| row_of(&kept, events));
    match engine.endpoints().execute(asked, Some(answer)).await {
        Ok(reply) => {
            let events = reply.events.iter().map(|name| (*name).to_owned()).collect();
            let position = reply.position;
            Ok(json(&OperatorOutcome::Done { position, events }))
        }
        Err(EngineError::IdempotencyKeyReused) => {
            let told = stored_answer(engine.store(), &key_of(request)).await?;
            Ok(with_position(told.body, told.position))
        }
        Err(EngineError::EndpointRefused(refusal)) => Ok(json(&OperatorOutcome::Refused {
            code: refusal.code().to_owned(),
            detail: refusal.to_string(),
        })),
        Err(error) => Err(error),
    }
}

/// The row under which what these events did is found again.
pub(super) fn row_of(request: &OperatorRequest, events: &[&'static str]) -> IdempotencyRow {
    let key = key_of(request);
    IdempotencyRow {
        scope: key.scope,
        key: key.key,
        aggregate_id: "operator".to_owned(),
        request_hash: key.request_hash,
        status: 200,
        body: json(&OperatorOutcome::Done {
            position: 0,
            events: events.iter().map(|name| (*name).to_owned()).collect(),
        }),
        position: 0,
    }
}

fn answer_of_change(
    told: Result<crate::InstrumentChanged, EngineError>,
) -> Result<String, EngineError> {
    match told {
        Ok(told) => {
            let is_new = !told.changed.is_empty();
            let event = is_new.then(|| "InstrumentTermsChanged".to_owned());
            Ok(json(&OperatorOutcome::Done {
                position: told.position,
                events: event.into_iter().collect(),
            }))
        }
        Err(EngineError::InstrumentRefused(refusal)) => Ok(json(&OperatorOutcome::Refused {
            code: refusal.code().to_owned(),
            detail: refusal.to_string(),
        })),
        Err(error) => Err(error),
    }
}
